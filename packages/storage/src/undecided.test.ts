import { type PartitionId, seededRandom, type Version } from '@ashlar/core';
import { jest } from '@jest/globals';
import type { WriteBatch } from './batch/write-batch.ts';
import {
  get,
  getAt,
  getNewest,
  makeBench,
  PARTITION,
  put,
  settle,
  stagePut,
  stageRemove,
} from './testing/store-bench.ts';

describe('what is undecided', () => {
  it('is seen by a look at the newest state from its sealing on, with its version and what it hangs on', () => {
    const { store } = makeBench();
    put(store, 'changed', '1');
    put(store, 'removed', '1');
    const batch = store.begin();
    stagePut(batch, 'changed', '2');
    stagePut(batch, 'made', '1');
    stageRemove(batch, 'removed');
    const newest = (key: string) => [getNewest(store, key), store.found.undecided];
    expect(newest('changed')).toEqual(['1', undefined]);
    expect(newest('made')).toEqual([undefined, undefined]);
    const version = batch.seal();
    expect(newest('changed')).toEqual(['2', batch]);
    expect(store.found.version).toBe(version);
    expect(newest('made')).toEqual(['1', batch]);
    expect(newest('removed')).toEqual([undefined, batch]);
    expect([get(store, 'changed'), get(store, 'made'), get(store, 'removed')]).toEqual(['1', undefined, '1']);
    const later = store.begin();
    stagePut(later, 'changed', '3');
    later.seal();
    expect(newest('changed')).toEqual(['3', later]);
    later.abort();
    batch.commit();
    for (const [key, value] of [
      ['changed', '2'],
      ['made', '1'],
      ['removed', undefined],
    ] as const)
      expect(newest(key)).toEqual([value, undefined]);
  });

  it('is told when it is decided, in the partitions that somebody asks for', () => {
    const { store } = makeBench();
    const seal = (partition: number, key: string) => {
      const batch = store.begin();
      stagePut(batch, key, '1', partition);
      batch.seal();
      return batch;
    };
    const [first, second, other] = [seal(0, 'a'), seal(0, 'b'), seal(1, 'c')];
    const told: string[] = [];
    const ask = (name: string, version: Version, partitions?: number[]): void => {
      const isDecided = store.whenDecided(version, partitions as PartitionId[] | undefined, () => told.push(name));
      if (isDecided) told.push(`${name} at once`);
    };
    ask('first', first.version, [0]);
    ask('both', second.version, [0]);
    ask('all', other.version);
    ask('other', second.version, [1]);
    expect(told).toEqual(['other at once']);
    first.commit();
    expect(told).toEqual(['other at once', 'first']);
    other.abort();
    second.abort();
    expect(told).toEqual(['other at once', 'first', 'both', 'all']);
    ask('nothing', other.version);
    expect(told.at(-1)).toBe('nothing at once');
  });

  it('is above the resolved version, and nothing else is', () => {
    const { store, time } = makeBench();
    put(store, 'a', '1');
    const [first, second] = [store.begin(), store.begin()];
    stagePut(first, 'b', '1', 0);
    stagePut(second, 'c', '1', 1);
    expect(store.resolvedVersion()).toBeGreaterThanOrEqual(time.ms * 1000);
    first.seal();
    time.ms += 10;
    second.seal();
    expect(store.resolvedVersion()).toBe(first.version - 1);
    first.commit();
    expect(store.resolvedVersion()).toBe(second.version - 1);
    second.abort();
    expect(store.resolvedVersion()).toBeGreaterThanOrEqual(time.ms * 1000);
  });

  it('holds up no snapshot that is read in other partitions', () => {
    const { store, reader } = makeBench();
    put(store, 'a', '1');
    const stalled = store.begin();
    stagePut(stalled, 'b', '1', 1);
    stalled.seal();
    const pinned = store.pin();
    expect(() => store.openAt(pinned.id, pinned.version)).toThrow('at or below its version');
    store.openAt(pinned.id, pinned.version, [PARTITION]);
    expect(getAt(reader, 'a', pinned.version)).toBe('1');
    stalled.commit();
  });
});

describe('a hot key, written faster than commits come', () => {
  /** What readers of shared lanes do for each slot that they pass. */
  function passed(work: () => void): number {
    const spy = jest.spyOn(Atomics, 'load');
    work();
    const { length } = spy.mock.calls;
    spy.mockRestore();
    return length;
  }

  it('costs a look, and a commit, the same however much is undecided', () => {
    const costs = [10, 1000].map((depth) => {
      const { store } = makeBench();
      const sealed: WriteBatch[] = [];
      const write = (isRemoval: boolean): void => {
        const batch = store.begin({ oncePerKey: true });
        if (isRemoval) stageRemove(batch, 'k');
        else stagePut(batch, 'k', `${sealed.length}`);
        batch.seal();
        sealed.push(batch);
      };
      for (let at = 0; at < depth; at++) write(at % 5 === 4);
      sealed.shift()!.commit();
      let most = 0;
      for (let at = 0; at < 100; at++) {
        const wasReplaced = ![0, 4].includes((at + 1) % 5);
        const look = passed(() => get(store, 'k'));
        const commit = passed(() => {
          sealed.shift()!.commit();
          settle(store);
        });
        // A slot that was removed, and not replaced, is walked to.
        most = Math.max(most, look, wasReplaced ? commit : 0);
        write(at % 5 === 4);
      }
      store.checkInvariants();
      return most;
    });
    expect(costs[1]).toBeLessThan(costs[0]! + 20);
  });

  it.each([1, 2, 3])(
    'agrees with a list of its states, whatever is committed, lost, read or given up (seed %i)',
    (seed) => {
      const random = seededRandom(seed);
      const { store } = makeBench({ patchAtOnceMax: 1 });
      const keys = ['a', 'b'];
      const committed = new Map<string, string | undefined>();
      const undecided: { readonly batch: WriteBatch; readonly writes: Map<string, string | undefined> }[] = [];
      const snapshots: { readonly id: number; readonly seen: Map<string, string | undefined> }[] = [];
      const write = (number: number): void => {
        const writes = new Map<string, string | undefined>();
        const batch = store.begin({ oncePerKey: true });
        for (const key of keys) {
          if (random.below(3) === 0) continue;
          const value = random.below(3) === 0 ? undefined : `${number}`;
          if (value === undefined) stageRemove(batch, key);
          else stagePut(batch, key, value);
          writes.set(key, value);
        }
        batch.seal();
        if (batch.isEmpty) batch.commit();
        else undecided.push({ batch, writes });
      };
      const commit = (): void => {
        const first = undecided.shift();
        first?.batch.commit();
        for (const [key, value] of first?.writes ?? []) committed.set(key, value);
      };
      const steps = [
        ...[write, write, write, commit, commit],
        () => undecided.pop()?.batch.abort(),
        () => store.reclaim(1 + random.below(5)),
        () => {
          if (undecided.length === 0) snapshots.push({ id: store.openSnapshot().id, seen: new Map(committed) });
        },
        () => snapshots.length > 0 && store.releaseSnapshot(snapshots.splice(random.below(snapshots.length), 1)[0]!.id),
      ];
      for (let number = 0; number < 3000; number++) {
        steps[random.below(number % 500 < 300 ? steps.length : 6)]!(number);
        for (const key of keys) {
          expect(get(store, key)).toBe(committed.get(key));
          const newest = undecided.findLast(({ writes }) => writes.has(key));
          expect(getNewest(store, key)).toBe(newest === undefined ? committed.get(key) : newest.writes.get(key));
        }
        if (number % 100 === 0) store.checkInvariants();
      }
    },
  );
});
