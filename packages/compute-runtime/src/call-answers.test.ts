/** What the log tells of calls that are sent again. */
import { READY_MODULE } from '@ashlar/api';
import type { PartitionId } from '@ashlar/core';
import { AnswerWindow } from '@ashlar/partitions';
import { decodeValue, encodeValue } from '@ashlar/serialization';
import { readyResult } from './ready-calls.ts';
import { ComputeBench, SESSION, type TestProcessor } from './testing/compute-bench.ts';

/** Stores, and answers nothing. */
const set: TestProcessor = (_, args) => ({ set: args, result: undefined });
const remove: TestProcessor = (value) => ({ set: undefined, result: value });
const long: TestProcessor = (_, args) => ({ set: 1, result: 'x'.repeat(Number(args)) });

function ready(isPrompt = true) {
  const bench = new ComputeBench({ isPrompt });
  for (const [name, run] of Object.entries({ set, remove, long })) bench.processors.set(name, run);
  const floor = bench.store.resolvedVersion();
  const window = new AnswerWindow(bench.store);
  const records = (): number => bench.store.logInfo(0 as PartitionId).committedSequence;
  const earlier = async (...numbers: number[]) => {
    const found = await window.find(0 as PartitionId, { session: SESSION, numbers, floor });
    return found.map((one) => {
      if (one.kind !== 'applied') return one.kind;
      // An empty result: it was answered without a value.
      return [one.change, one.result?.length ? decodeValue(one.result) : undefined];
    });
  };
  return { bench, earlier, records };
}

describe('a call that is sent again finds in the log', () => {
  it('what it was answered, in the record of the change or beside it', async () => {
    const { bench, earlier, records } = ready();
    bench.submit('a', 'a', 'add', 5, { requestNumber: 1 });
    bench.submit('b', 'b', 'set', 'new', { requestNumber: 2 });
    await bench.settle();
    // Short results cost no record.
    expect(records()).toBe(2);
    bench.submit('c', 'b', 'remove', undefined, { requestNumber: 3 });
    await bench.settle();
    expect(await earlier(1, 2, 3)).toEqual([
      ['put', 5],
      ['put', undefined],
      ['remove', 'new'],
    ]);
    bench.store.checkInvariants();
  });

  it('nothing where it changed nothing: kept, failed, removed what was not there', async () => {
    const { bench, earlier, records } = ready();
    for (const [number, name] of ['look', 'fail', 'remove'].entries())
      bench.submit(name, name, name, undefined, { requestNumber: number + 1 });
    await bench.settle();
    expect(await earlier(1, 2, 3)).toEqual(['notApplied', 'notApplied', 'notApplied']);
    expect(records()).toBe(0);
  });

  it('call-answers N1: that it was applied, also where calls that chained with it did its change over', async () => {
    const { bench, earlier } = ready();
    const names = ['set', 'look', 'add', 'fail', 'add', 'look'];
    const chain = (): TestProcessor => {
      let at = 0;
      return (value, args) => bench.processors.get(names[at++]!)!(value, args);
    };
    bench.processors.set('chain', chain());
    for (const number of names.keys()) bench.submit(`${number}`, 'k', 'chain', 1, { requestNumber: number + 1 });
    await bench.settle();
    expect([bench.tasks, bench.get('k')]).toEqual([1, 3]);
    expect(await earlier(1, 2, 3, 4, 5, 6)).toEqual([
      ['rewritten', undefined],
      'notApplied',
      ['rewritten', 2],
      'notApplied',
      ['put', 3],
      'notApplied',
    ]);
  });

  it('call-answers N1: that it was applied where the chain left the entry as it was', async () => {
    for (const isPrompt of [true, false]) {
      const { bench, earlier } = ready(isPrompt);
      let calls = 0;
      bench.processors.set('chain', (value, args) => (calls++ === 0 ? set(value, args) : remove(value, args)));
      for (const number of [1, 2]) bench.submit(`${number}`, 'k', 'chain', 'v', { requestNumber: number });
      await bench.settle();
      expect(bench.told.length).toBe(isPrompt ? 2 : 0);
      bench.commits.commitAll();
      expect(bench.told).toEqual([
        { name: '1', result: undefined },
        { name: '2', result: 'v' },
      ]);
      expect(await earlier(1, 2)).toEqual([
        ['rewritten', undefined],
        ['rewritten', 'v'],
      ]);
      expect(bench.get('k')).toBeUndefined();
      bench.store.checkInvariants();
    }
  });

  it('the calls of several callers, each under its own number', async () => {
    const { bench, earlier } = ready();
    bench.submit('unnumbered', 'a', 'add');
    bench.submit('numbered', 'b', 'add', 7, { requestNumber: 9 });
    await bench.settle();
    expect(await earlier(9, 1)).toEqual([['put', 7], 'notApplied']);
  });

  it('that the outcome is unknown where the result was too long to keep', async () => {
    const { bench, earlier } = ready();
    bench.submit('long', 'k', 'long', 20_000, { requestNumber: 1 });
    bench.submit('fits', 'j', 'long', 1000, { requestNumber: 2 });
    await bench.settle();
    expect(await earlier(1, 2)).toEqual(['unknown', ['put', 'x'.repeat(1000)]]);
  });

  it('nothing of what is lost with its partition', async () => {
    const { bench, earlier } = ready(false);
    bench.submit('lost', 'k', 'add', 1, { requestNumber: 1 });
    await bench.settle();
    bench.drop(bench.commits.waiting[0]!);
    expect(await earlier(1)).toEqual(['notApplied']);
    bench.store.checkInvariants();
  });
});

describe('a ready-made call that is sent again', () => {
  it.each<[string, unknown, readonly unknown[]]>([
    ['increment', { path: 'n', by: 2 }, [2, 4]],
    ['append', { path: 'list', items: ['x', 'y'] }, [2, 4]],
    ['mergePatch', { patch: { a: 1 } }, [undefined, undefined]],
    ['compareAndSet', { expected: undefined, value: 'new' }, [true]],
  ])('is answered from the old value that its record tells: %s', async (name, args, expected) => {
    const { bench, records } = ready();
    const window = new AnswerWindow(bench.store);
    const floor = bench.store.resolvedVersion();
    const numbers = expected.map((_, index) => index + 1);
    for (const requestNumber of numbers)
      bench.submit(`${requestNumber}`, 'k', name, args, { module: READY_MODULE, requestNumber });
    expect([bench.told.map(({ result }) => result), records()]).toEqual([expected, expected.length]);
    const found = await window.find(0 as PartitionId, { session: SESSION, numbers, floor });
    const bytes = encodeValue(args);
    const again = found.map((one) => {
      if (one.kind !== 'applied') return one.kind;
      const result = readyResult(name, one.oldValue, bytes, 0, bytes.length);
      return result.length === 0 ? undefined : decodeValue(result);
    });
    expect(again).toEqual(expected);
  });
});
