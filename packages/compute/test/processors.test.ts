import { type ProcessorOutcomes, ProcessorRunner } from '../src/index.ts';
import { batchOf, type Fixture, makeFixture, newValueOf, resultOf } from './fixture.ts';

let fixture: Fixture;
let runner: ProcessorRunner;

beforeAll(async () => {
  fixture = await makeFixture({ file: 'bank.ts', limits: { wallMs: 200, heapBytes: 64 << 20 } });
  runner = new ProcessorRunner(fixture.pools, fixture.modules);
});
afterAll(() => fixture.close());

const resultsOf = (outcomes: ProcessorOutcomes): unknown[] =>
  Array.from({ length: outcomes.callCount }, (_, call) => resultOf(outcomes, call));
const stateOf = (outcomes: ProcessorOutcomes, entry: number): unknown => {
  const outcome = outcomes.entry(entry);
  const { action, ttlMs } = outcome;
  return { action, ...(action === 'set' && { value: newValueOf(outcome) }), ...(ttlMs !== undefined && { ttlMs }) };
};

describe('entry processors', () => {
  it('read, set and remove entries, each its own', async () => {
    const calls = [
      { entry: 0, args: { amount: 5 } },
      { entry: 1, args: { amount: 7 } },
    ];
    const outcomes = await runner.run(batchOf('deposit', [{ balance: 10, note: 'n' }, undefined], calls));
    expect(resultsOf(outcomes)).toEqual([15, 7]);
    expect(stateOf(outcomes, 0)).toEqual({ action: 'set', value: { balance: 15, note: 'n' } });
    expect(stateOf(outcomes, 1)).toEqual({ action: 'set', value: { balance: 7 } });
    outcomes.release();
    const closed = await runner.run(batchOf('close', [{ balance: 1 }, undefined], [{ entry: 0 }, { entry: 1 }]));
    expect([stateOf(closed, 0), stateOf(closed, 1)]).toEqual([{ action: 'remove' }, { action: 'keep' }]);
    expect(resultsOf(closed)).toEqual([undefined, undefined]);
  });

  it('see key, time and time to live', async () => {
    const batch = batchOf('read', [{ balance: 1 }], [{ entry: 0 }]);
    batch.ttlMs[0] = 5000;
    expect(resultsOf(await runner.run(batch))).toEqual([
      { key: 'k0', exists: true, value: { balance: 1 }, ttlMs: 5000, now: 1_700_000_000_000 },
    ]);
    const touched = await runner.run(batchOf('touch', [{ balance: 1 }], [{ entry: 0, args: { ttlMs: 90 } }]));
    expect(stateOf(touched, 0)).toEqual({ action: 'keep', ttlMs: 90 });
    const refused = await runner.run(batchOf('touch', [{ balance: 1 }], [{ entry: 0, args: { ttlMs: -1 } }]));
    expect(resultsOf(refused)).toEqual(['INVALID_ARGUMENT']);
  });

  it('chain on one entry: each sees the bytes that the one before stored', async () => {
    const calls = [1, 2, 3].map((amount) => ({ entry: 0, args: { amount } }));
    const outcomes = await runner.run(batchOf('deposit', [{ balance: 0 }], calls));
    expect(resultsOf(outcomes)).toEqual([1, 3, 6]);
    expect(stateOf(outcomes, 0)).toEqual({ action: 'set', value: { balance: 6 } });
  });

  it.each(['set', 'remove', 'ttl'] as const)(
    'change nothing after they returned: %s in a getter of the result',
    async (change) => {
      const calls = [false, true].map((own, entry) => ({ entry, args: { change, own } }));
      const outcomes = await runner.run(batchOf('changeLate', [{ balance: 1 }, { balance: 1 }], calls));
      expect(resultsOf(outcomes)).toEqual([{ changed: change }, { changed: change }]);
      expect(stateOf(outcomes, 0)).toEqual({ action: 'keep' });
      expect(stateOf(outcomes, 1)).toEqual({ action: 'set', value: { balance: 2 } });
    },
  );

  it('store nothing by changing the value in place', async () => {
    const outcomes = await runner.run(batchOf('changeInPlace', [{ balance: 1 }], [{ entry: 0 }, { entry: 0 }]));
    expect(resultsOf(outcomes)).toEqual([2, 2]);
    expect(stateOf(outcomes, 0)).toEqual({ action: 'keep' });
  });

  it('have chance that a repetition sees again', async () => {
    const batch = batchOf('dice', [undefined], [{ entry: 0 }, { entry: 0 }]);
    const first = resultsOf(await runner.run(batch));
    expect(resultsOf(await runner.run(batch))).toEqual(first);
    expect(first[0]).not.toEqual(first[1]);
  });

  it('are told of as unknown, each by its reason', async () => {
    const { modules } = fixture;
    const unknownModule = await runner.run({ ...batchOf('deposit', [undefined], [{ entry: 0 }]), module: 'bankk' });
    expect(unknownModule.error(0)).toMatchObject({ code: 'UNKNOWN_MODULE' });
    const unknownExport = await runner.run(batchOf('deposits', [undefined], [{ entry: 0 }]));
    expect(unknownExport.error(0)).toMatchObject({ code: 'UNKNOWN_EXPORT', details: { module: 'bank' } });
    expect(modules.list().map(({ name }) => name)).toEqual(['bank', 'patient']);
  });

  it('nest three deep and no deeper', async () => {
    const batch = batchOf('deposit', [undefined], [{ entry: 0, args: { amount: 1 } }]);
    const depths = await Promise.all([0, 1, 2, 3].map((depth) => runner.run(batch, { depth })));
    expect(depths.map((outcomes) => resultOf(outcomes, 0))).toEqual([1, 1, 1, 'CALL_DEPTH_EXCEEDED']);
  });
});

describe('misbehaving processors', () => {
  const misbehave = (hows: readonly string[], module?: string): Promise<ProcessorOutcomes> =>
    runner.run(
      batchOf(
        'misbehave',
        [{ balance: 0 }],
        hows.map((how) => ({ entry: 0, args: { how } })),
        module,
      ),
    );

  it('that throw change nothing, and the others go on', async () => {
    const outcomes = await misbehave(['ok', 'throw', 'throwNull', 'ok']);
    expect(resultsOf(outcomes)).toEqual([1, 'USER_CODE_FAILED', 'USER_CODE_FAILED', 2]);
    expect(outcomes.error(1)).toMatchObject({
      retryable: false,
      message: 'bank.misbehave threw RangeError: no more',
      details: { module: 'bank', exportName: 'misbehave', errorName: 'RangeError', errorCode: 'E_LIMIT' },
    });
    expect(outcomes.error(2)?.message).toBe('bank.misbehave threw Error: null');
    expect(stateOf(outcomes, 0)).toEqual({ action: 'set', value: { balance: 2 } });
  });

  it('that return promises or what cannot be stored are refused', async () => {
    const outcomes = await misbehave(['promise', 'function', 'storeFunction', 'ok']);
    expect(resultsOf(outcomes)).toEqual(['PROCESSOR_ASYNC', 'INVALID_VALUE', 'INVALID_VALUE', 1]);
  });

  it.each([
    ['loop', 'USER_CODE_TIMEOUT'],
    ['heap', 'USER_CODE_OUT_OF_MEMORY'],
    ['exit', 'USER_CODE_FAILED'],
  ])('that %s are blamed alone: what completed stays, the rest runs again', async (how, code) => {
    const module = how === 'loop' ? 'bank' : 'patient';
    const outcomes = await misbehave(['ok', 'ok', how, 'ok', how, 'ok'], module);
    expect(resultsOf(outcomes)).toEqual([1, 2, code, 3, code, 4]);
    expect(stateOf(outcomes, 0)).toEqual({ action: 'set', value: { balance: 4 } });
    expect(outcomes.error(2)).toMatchObject({ details: { module, exportName: 'misbehave' } });
    outcomes.release();
  });

  it('with large results get a larger frame', async () => {
    const outcomes = await misbehave(['ok', 'large', 'ok', 'large']);
    expect(resultsOf(outcomes).map((result) => (typeof result === 'string' ? result.length : result))).toEqual([
      1,
      3 << 20,
      3,
      3 << 20,
    ]);
    expect(stateOf(outcomes, 0)).toEqual({ action: 'set', value: { balance: 4 } });
  });

  it('end when the caller gives up', async () => {
    const abort = new AbortController();
    const calls = ['ok', 'loop', 'ok'].map((how) => ({ entry: 0, args: { how } }));
    setTimeout(() => abort.abort(), 60);
    const outcomes = await runner.run(batchOf('misbehave', [{ balance: 0 }], calls), { signal: abort.signal });
    expect(resultsOf(outcomes)).toEqual([1, 'CANCELLED', 'CANCELLED']);
  });
});
