import type { CatalogedMap } from '@ashlar/cluster';
import type { ProcessorBatch, ProcessorOutcomes } from '@ashlar/compute';
import { type Epoch, HybridClock, type MapId, type PartitionId, seededRandom } from '@ashlar/core';
import { NO_TRACING } from '@ashlar/observe';
import { EntryLimits, KeyGate, keyLockId, WritePath } from '@ashlar/partitions';
import { encodeKey } from '@ashlar/serialization';
import { MemberStore } from '@ashlar/storage';
import { ProcessorCall, type ProcessorCaller, type ProcessorName } from './processor-call.ts';
import { ProcessorCalls } from './processor-calls.ts';
import { ComputeBench } from './testing/compute-bench.ts';

const MAP: CatalogedMap = { id: 1 as MapId, name: 'm', affinityParts: 0, ttlMs: 0, maxIdleMs: 0 };
const INCREMENT: ProcessorName = { module: 'counters', exportName: 'increment', depth: 0 };
const CALLER: ProcessorCaller = { onResult: () => undefined, onError: () => undefined, onRefused: () => undefined };

/** Calls whose tasks never end; `sent` holds the batches. */
function bench() {
  const clock = new HybridClock();
  const store = MemberStore.create({ maxBytes: 16 << 20, partitionCount: 1, maxWorkers: 0, hashSeed: 1, clock });
  store.openMap(MAP.id, { ttlMs: 0, maxIdleMs: 0 } as never);
  store.openPartition(0 as PartitionId, 1 as Epoch);
  const sent: ProcessorBatch[] = [];
  const calls = new ProcessorCalls({
    writes: new WritePath(store),
    ...{ store, gate: new KeyGate(10), clock, limits: new EntryLimits({ keyBytesMax: 1024, valueBytesMax: 1024 }) },
    ...{ random: seededRandom(1), partitionCount: 1, tasksMax: 1, tracing: NO_TRACING },
    run: (batch) => {
      sent.push(batch);
      const outcomes = { callCount: batch.callCount } as ProcessorOutcomes;
      return { outcomes, finished: new Promise(() => undefined), look: () => 0 };
    },
  });
  return { calls, sent };
}

function callOn(key: Uint8Array, processor = INCREMENT): ProcessorCall {
  return new ProcessorCall(MAP, 0 as PartitionId, key, 0, key.length, processor, CALLER, 0);
}

/** Two keys that share a name at the gate. */
function sharedName(): readonly [Uint8Array, Uint8Array] {
  const known = new Map<number, Uint8Array>();
  for (let number = 0; ; number++) {
    const key = encodeKey(number);
    const name = keyLockId(MAP.id, key, 0, key.length);
    const other = known.get(name);
    if (other !== undefined) return [other, key];
    known.set(name, key);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('calls on one key', () => {
  it('join the one that is still to be sent, in one task and in their order', async () => {
    const { calls, sent } = bench();
    const key = encodeKey('k');
    calls.submit(callOn(key));
    expect(calls.join(callOn(key))).toBe(true);
    expect(calls.join(callOn(key, { ...INCREMENT, exportName: 'other' }))).toBe(false);
    await turn();
    expect(sent.map(({ callCount, entryCount }) => [callCount, entryCount])).toEqual([[2, 1]]);
    expect(calls.join(callOn(key))).toBe(false);
  });

  it('do not join a call on another key that has the same name at the gate', () => {
    const { calls } = bench();
    const [one, other] = sharedName();
    calls.submit(callOn(one));
    expect(calls.join(callOn(other))).toBe(false);
    expect(calls.join(callOn(one))).toBe(true);
  });
});

describe('a partition with calls', () => {
  it('is told to be idle when the last of them lets go, once, unless nobody waits any more', async () => {
    const { calls, sent } = bench();
    const [one, other] = [callOn(encodeKey('one')), callOn(encodeKey('other'))];
    calls.submit(one);
    calls.submit(other);
    await turn();
    expect([sent.length, calls.isBusy(one.partition)]).toEqual([1, true]);
    const told: string[] = [];
    const stop = calls.onIdle(one.partition, () => told.push('first'));
    stop();
    calls.onIdle(one.partition, () => told.push('second'));
    calls.release(one);
    expect(told).toEqual([]);
    calls.release(other);
    expect(told).toEqual(['second']);
    calls.submit(callOn(encodeKey('later')));
    expect(() => calls.onIdle(one.partition, () => undefined)).not.toThrow();
    expect(() => calls.onIdle(one.partition, () => undefined)).toThrow('its one holder');
  });
});

it('processor-calls P6: a partition whose commits are slow holds up no other, and loses no call', async () => {
  const bench = new ComputeBench();
  const count = 600;
  for (let call = 0; call < count; call++) {
    bench.submit(`slow ${call}`, `k${call}`, 'add', 1, { partition: 0 });
    if (call < 100) await bench.settle();
  }
  await bench.settle();
  expect([bench.told.length, bench.tasks]).toEqual([0, 64]);
  bench.submit('fast', 'other', 'add', 1, { partition: 1 });
  await bench.settle();
  bench.commits.commitAll(1);
  expect(bench.told).toEqual([{ name: 'fast', result: 1 }]);
  await bench.until(() => {
    bench.commits.commitAll();
    return bench.told.length === count + 1;
  });
  expect(bench.told.every(({ result }) => result === 1)).toBe(true);
  expect([bench.gate.heldCount, bench.calls.pendingCount]).toEqual([0, 0]);
});

it('processor-calls P6: calls that are put aside end with their partition', async () => {
  const bench = new ComputeBench();
  for (let call = 0; call < 80; call++) {
    bench.submit(`${call}`, `k${call}`, 'add', 1, { partition: 0 });
    await bench.settle();
  }
  bench.store.closePartition(0 as never);
  await bench.until(() => bench.told.length === 80);
  expect(new Set(bench.told.map(({ code }) => code))).toEqual(new Set(['IN_DOUBT', 'STALE_EPOCH']));
  expect([bench.gate.heldCount, bench.calls.pendingCount]).toEqual([0, 0]);
});
