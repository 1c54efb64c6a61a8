import { setTimeout as sleep } from 'node:timers/promises';
import { Decimal } from '@ashlar/api';
import { GridError } from '@ashlar/core';
import { decodeKey, decodeValue, encodeKey, encodeValue } from '@ashlar/serialization';
import {
  BatchPacker,
  type ListenerCall,
  type ListenerCallAnswer,
  type ListenerEvent,
  type ListenerOutcome,
  ListenerRunner,
  ProcessorRunner,
  readyProcessor,
} from '../src/index.ts';
import { type Fixture, makeFixture } from './fixture.ts';

let fixture: Fixture;
let runner: ListenerRunner;

beforeAll(async () => {
  fixture = await makeFixture({ file: 'audit.ts', limits: { wallMs: 200 }, threads: [2, 1, 1] });
  runner = new ListenerRunner(fixture.pools, fixture.modules);
});
afterAll(() => fixture.close());

function event(key: string, value: unknown, oldValue?: unknown, token = key): ListenerEvent {
  return {
    type: value === undefined ? 'remove' : oldValue === undefined ? 'insert' : 'update',
    key: encodeKey(key),
    value: value === undefined ? undefined : encodeValue(value),
    oldValue: oldValue === undefined ? undefined : encodeValue(oldValue),
    version: 17,
    token,
  };
}

/** The member's side for the tests: one map of numbers, processors in pools of their own. */
class FakeMember {
  readonly values = new Map<string, Uint8Array>();
  readonly calls: ListenerCall[] = [];
  readonly #processors = new ProcessorRunner(fixture.pools, fixture.modules);
  #queue: Promise<unknown> = Promise.resolve();

  readonly handle = (call: ListenerCall): Promise<ListenerCallAnswer> => {
    this.calls.push(call);
    const answered = this.#queue.then(() => this.#answer(call));
    this.#queue = answered.catch(() => undefined);
    return answered;
  };

  async #answer(call: ListenerCall): Promise<ListenerCallAnswer> {
    const names = call.keys.map((key) => String(decodeKey(key)));
    if (call.operation === 'get') return { results: names.map((name) => this.values.get(name)), errors: [] };
    if (call.module === 'ashlar') return { results: names.map(() => encodeValue(1)), errors: [] };
    const distinct = [...new Set(names)];
    const batch = new BatchPacker().begin(call.module, call.exportName);
    for (const name of distinct) {
      const key = encodeKey(name);
      const entry = batch.addEntry(key, 0, key.length);
      const value = this.values.get(name);
      if (value !== undefined) batch.setValue(entry, value, 0, value.length, Number.NaN);
    }
    for (const [index, name] of names.entries()) {
      const args = call.args[index];
      batch.addCall(distinct.indexOf(name), args, 0, args?.length ?? 0, 0, 0);
    }
    const outcomes = await this.#processors.run(batch, { depth: call.depth });
    for (const [index, name] of distinct.entries()) {
      const { action, bytes, valueStart, valueEnd } = outcomes.entry(index);
      if (action === 'set') this.values.set(name, bytes.slice(valueStart, valueEnd));
    }
    const results = names.map((_, index) => {
      if (outcomes.error(index) !== undefined) return undefined;
      const { bytes, start, end } = outcomes.result(index);
      return end > start ? bytes.slice(start, end) : undefined;
    });
    const errors = names.flatMap((_, index) => {
      const error = outcomes.error(index);
      return error === undefined ? [] : [[index, error] as const];
    });
    return { results, errors };
  }
}

const noCalls = (): Promise<never> => Promise.reject(new GridError('INTERNAL', 'no call was expected'));

function run(exportName: string, groups: readonly (readonly ListenerEvent[])[], callHandler = noCalls as never) {
  return runner.run({ module: 'audit', exportName, map: 'accounts', groups }, { callHandler });
}

function writesOf(outcome: ListenerOutcome | undefined): unknown {
  if (outcome?.kind !== 'writes') return outcome;
  return outcome.writes.map(({ map, key, value, ttlMs }) => [
    map,
    decodeKey(key),
    value === undefined ? undefined : decodeValue(value),
    ttlMs,
  ]);
}

describe('listeners', () => {
  it('turn events into a write-set, each partition for itself', async () => {
    const outcomes = await run('copy', [
      [event('a', { balance: 1 }), event('a', { balance: 2 }, { balance: 1 }, 't2')],
      [event('b', undefined, { balance: 3 })],
    ]);
    const told = { map: 'accounts', version: 17 };
    expect(outcomes.map(writesOf)).toEqual([
      [
        ['audit', 'a', { ...told, type: 'insert', key: 'a', token: 'a', value: { balance: 1 } }, 5000],
        [
          'audit',
          't2',
          { ...told, type: 'update', key: 'a', token: 't2', value: { balance: 2 }, oldValue: { balance: 1 } },
          5000,
        ],
      ],
      [
        ['audit', 'b', { ...told, type: 'remove', key: 'b', token: 'b', oldValue: { balance: 3 } }, 5000],
        ['totals', 'b', undefined, undefined],
      ],
    ]);
  });

  it('call the grid, and what their groups ask in one turn travels together', async () => {
    const member = new FakeMember();
    const groups = [0, 1, 2].map((group) => [1, 2].map((index) => event(`k${group}${index}`, { balance: index })));
    const outcomes = await run('total', groups, member.handle as never);
    expect(
      member.calls.map(({ operation, keys, exportName, depth }) => [operation, keys.length, exportName, depth]),
    ).toEqual([
      ['process', 6, 'add', 1],
      ['get', 6, '', 1],
      ['process', 3, 'increment', 1],
    ]);
    expect(outcomes.map(writesOf)).toEqual(
      [
        [1, 3],
        [4, 6],
        [7, 9],
      ].map((sums) => [
        ['totals', 'seen', 2, undefined],
        ['audit', 'stored', [...sums, 9, null], undefined],
      ]),
    );
  });

  it('that call processors while every worker runs such a listener do not wait for ever', async () => {
    const member = new FakeMember();
    const runs = Array.from({ length: 12 }, (_, index) =>
      run('total', [[event(`k${index}`, { balance: 1 })]], member.handle as never),
    );
    const outcomes = (await Promise.all(runs)).flat();
    expect(outcomes.every(({ kind }) => kind === 'writes')).toBe(true);
    expect(decodeValue(member.values.get('all')!)).toBe(12);
  });

  it('fail alone when the error is their own', async () => {
    const failing = () => Promise.reject(new GridError('OVERLOADED', 'too much'));
    const groups = ['throw', 'fine', 'hidden', 'call', 'nonsense'].map((key) => [event(key, 1)]);
    const outcomes = await run('misbehave', groups, failing as never);
    expect(
      outcomes.map((outcome) => (outcome.kind === 'failed' ? [outcome.error.code, outcome.transient] : outcome.kind)),
    ).toEqual([
      ['USER_CODE_FAILED', false],
      'writes',
      ['UNKNOWN_EXPORT', false],
      ['OVERLOADED', true],
      ['INVALID_VALUE', false],
    ]);
    expect(outcomes[0]).toMatchObject({
      error: { details: { module: 'audit', exportName: 'misbehave', errorMessage: 'no' } },
    });
  });

  it('that loop or stall are killed; together with others they are told as shared', async () => {
    for (const key of ['loop', 'stall']) {
      const alone = await run('misbehave', [[event(key, 1)]]);
      expect(alone[0]).toMatchObject({ kind: 'failed', transient: false, error: { code: 'USER_CODE_TIMEOUT' } });
      const together = await run('misbehave', [[event('fine', 1)], [event(key, 1)]]);
      expect(together.map(({ kind }) => kind)).toEqual(['shared', 'shared']);
    }
  });

  it('may wait for the grid longer than they may run', async () => {
    const slow = async (call: ListenerCall): Promise<ListenerCallAnswer> => {
      await sleep(500);
      return { results: call.keys.map(() => undefined), errors: [] };
    };
    expect((await run('misbehave', [[event('call', 1)]], slow as never))[0]).toEqual({ kind: 'writes', writes: [] });
  });
});

describe('ready-made processors', () => {
  const call = (name: string, value: unknown, args: unknown) => readyProcessor(name)(value, args);

  it('increment numbers, bigints and decimals', () => {
    expect(call('increment', { a: { b: 1 } }, { path: 'a.b', by: 2 })).toEqual({
      action: 'set',
      value: { a: { b: 3 } },
      result: 3,
    });
    expect(call('increment', undefined, { path: 'n', by: 2 })).toEqual({ action: 'set', value: { n: 2 }, result: 2 });
    expect(call('increment', { n: 5n }, { path: 'n', by: 2 })).toMatchObject({ result: 7n });
    expect(() => call('increment', { n: 'x' }, { path: 'n', by: 2 })).toThrow("'n' holds a string");
  });

  it('merge by RFC 7396', () => {
    const value = { title: 'Goodbye!', author: { givenName: 'John', familyName: 'Doe' }, tags: ['a'], content: 'x' };
    const patch = { title: 'Hello!', phone: '1', author: { familyName: null }, tags: ['b'] };
    expect(call('mergePatch', value, { patch })).toMatchObject({
      value: { title: 'Hello!', author: { givenName: 'John' }, tags: ['b'], content: 'x', phone: '1' },
    });
    const polluting = JSON.parse('{"__proto__":{"polluted":true}}') as object;
    const { value: merged } = call('mergePatch', {}, { patch: polluting }) as { value: object };
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
  });

  it('change documents only: no other value becomes one', () => {
    for (const value of ['just text', 42, 7n, true, null, [1, 2], new Date(0), Uint8Array.of(1), Decimal.parse('1')]) {
      const refused = expect.objectContaining({ code: 'TYPE_MISMATCH' });
      expect(() => call('mergePatch', value, { patch: { a: 1 } })).toThrow(refused);
      expect(() => call('increment', value, { path: 'n', by: 1 })).toThrow(refused);
      expect(() => call('append', value, { path: 't', items: [1] })).toThrow(refused);
      const within = call('mergePatch', { a: value }, { patch: { a: { b: 1 } } });
      expect(within).toMatchObject({ value: { a: { b: 1 } } });
    }
    expect(call('increment', { a: null }, { path: 'a.n', by: 1 })).toMatchObject({ value: { a: { n: 1 } } });
  });

  it('append to arrays', () => {
    expect(call('append', { t: [1] }, { path: 't', items: [2, 3] })).toEqual({
      action: 'set',
      value: { t: [1, 2, 3] },
      result: 3,
    });
    expect(call('append', {}, { path: 'a[0].t', items: [1] })).toMatchObject({ value: { a: [{ t: [1] }] }, result: 1 });
    expect(() => call('append', { t: 1 }, { path: 't', items: [] })).toThrow('not an array');
  });

  it('compare and set', () => {
    expect(call('compareAndSet', { a: [1, new Date(5)] }, { expected: { a: [1, new Date(5)] }, value: 2 })).toEqual({
      action: 'set',
      value: 2,
      result: true,
    });
    expect(call('compareAndSet', { a: 1 }, { expected: { a: 2 }, value: 2 })).toEqual({
      action: 'keep',
      result: false,
    });
    expect(call('compareAndSet', undefined, { value: 2 })).toMatchObject({ action: 'set', result: true });
    expect(call('compareAndSet', 1, { expected: 1 })).toEqual({ action: 'remove', result: true });
  });
});
