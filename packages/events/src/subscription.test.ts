import {
  type Epoch,
  GridError,
  HybridClock,
  type MapId,
  type PartitionId,
  StaleEpochError,
  seededRandom,
} from '@ashlar/core';
import { type LogRecordView, MemberStore } from '@ashlar/storage';
import { EventHub, type LogSource, type Subscription, type SubscriptionOptions } from './index.ts';

const [FIRST, SECOND] = [1, 2] as [MapId, MapId];
const BYTES = Uint8Array.of(0xa1, 0x61);
const NO_LIMIT = 1 << 20;

/** A store of two partitions whose maps come and go under one name. */
function bench() {
  const clock = new HybridClock();
  const store = MemberStore.create({ maxBytes: 8 << 20, partitionCount: 2, maxWorkers: 0, hashSeed: 1, clock });
  for (const partition of [0, 1]) store.openPartition(partition as PartitionId, 1 as Epoch);
  const logs: { -readonly [K in keyof LogSource]: LogSource[K] } = {
    readLog: (partition, from, recordsMax, visit) =>
      store.readLog(partition as PartitionId, from as never, recordsMax, visit),
    committedSequence: (partition) => store.logInfo(partition as PartitionId).committedSequence,
    incarnation: (partition) => store.logInfo(partition as PartitionId).incarnation,
    resolvedVersion: () => clock.now(),
  };
  const hub = new EventHub(logs, {
    ...{ partitionCount: 2, subscriptionsMax: 10 },
    // Looks take no time, so that none is put off.
    nowMs: () => 0,
    later: (_delayMs, run) => setImmediate(run),
  });
  store.addCommitListener((partition) => hub.committed(partition));
  let now: MapId | undefined;
  const name = (mapId: MapId | undefined): void => {
    if (now !== undefined) store.dropMap(now);
    now = mapId;
    if (now !== undefined) store.openMap(now, { affinityParts: 0 });
    hub.mapsChanged();
  };
  const put = (count: number, partition = 0): void => {
    for (let index = 0; index < count; index++) {
      const batch = store.begin();
      batch.put(now!, partition as PartitionId, BYTES, 0, 1, batch.value(BYTES, 0, 2));
      batch.commit();
    }
  };
  const open = (options: Partial<SubscriptionOptions> = {}): Subscription =>
    hub.open({
      ...{ map: 'm', mapIdNow: () => now, boundTo: undefined, partitions: [0, 1], after: undefined },
      ...{ types: [], condition: undefined, columns: [], parameters: [], onSlow: 'lag', cutLagRecords: 10 },
      ...options,
    });
  return { store, hub, logs, name, put, open };
}

/** Events until nothing more is left, or the code of the error it ends with. */
function rest(subscription: Subscription, recordsMax = NO_LIMIT): (number | string)[] {
  const told: (number | string)[] = [];
  try {
    for (;;) {
      const { events, more } = subscription.pull(NO_LIMIT, recordsMax);
      if (events !== undefined) told.push(events.count);
      if (!more) return told;
    }
  } catch (error) {
    told.push((error as { code: string }).code);
    return told;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Until the hub has looked at what was committed. */
async function looked(): Promise<void> {
  for (let turns = 0; turns < 3; turns++) await turn();
}

describe('a subscription', () => {
  it.each([1, 2])('U1: gives the events of a partition in the order of its log, each once (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const { name, put, open } = bench();
    name(FIRST);
    const subscription = open();
    const [written, told] = [[0, 0], [[], []] as number[][]];
    const pull = (recordsMax: number): boolean => {
      const { events, more } = subscription.pull(1 + random.below(200), recordsMax);
      for (let at = 0; at < (events?.count ?? 0); at++) told[events!.partitions[at]!]!.push(events!.sequences[at]!);
      return more;
    };
    for (let round = 0; round < 300; round++) {
      const [partition, count] = [random.below(2), random.below(4)];
      put(count, partition);
      written[partition]! += count;
      if (random.below(3) === 0) pull(1 + random.below(5));
    }
    while (pull(NO_LIMIT));
    expect(told).toEqual(written.map((count) => Array.from({ length: count }, (_, index) => index + 1)));
    expect(subscription.positions).toEqual(written);
  });

  it('U2: that lags keeps its place while the log holds it, and ends with SEQUENCE_GONE when it does not', () => {
    const { store, name, put, open } = bench();
    name(FIRST);
    const [read, unread] = [open({ partitions: [0] }), open({ partitions: [0] })];
    put(3);
    expect([unread.positions, unread.lagRecords]).toEqual([[0], 3]);
    while (store.logInfo(0 as PartitionId).firstSequence === 1) {
      put(100);
      rest(read);
    }
    expect(rest(unread)).toEqual(['SEQUENCE_GONE']);
    expect(rest(read)).toEqual([]);
  });

  it('U2: that is to be cut reads on up to its limit, and ends with SLOW_CONSUMER beyond', () => {
    const { name, put, open } = bench();
    name(FIRST);
    const subscription = open({ onSlow: 'cut', cutLagRecords: 5 });
    put(4);
    put(1, 1);
    expect(rest(subscription)).toEqual([5]);
    put(3);
    put(3, 1);
    expect(() => subscription.pull(NO_LIMIT, NO_LIMIT)).toThrow(
      expect.objectContaining({ code: 'SLOW_CONSUMER', hint: expect.any(String), details: { lag: 6, limit: 5 } }),
    );
    expect(rest(open({ onSlow: 'lag', after: [4, 1] }))).toEqual([6]);
  });

  it('U3: says what is resolved only when all of it was read, as it was before it was read', () => {
    const { logs, name, put, open } = bench();
    name(FIRST);
    const subscription = open();
    let version = 70;
    logs.resolvedVersion = () => version;
    const { readLog } = logs;
    logs.readLog = (...given) => {
      version++;
      return readLog(...given);
    };
    put(3);
    const resolved = (recordsMax = NO_LIMIT) => subscription.pull(NO_LIMIT, recordsMax).resolved;
    expect(resolved(2)).toBeUndefined();
    expect(resolved()).toBe(71);
    put(1, 1);
    subscription.hold(1);
    expect(resolved()).toBeUndefined();
    subscription.release(1);
    expect(resolved()).toBe(72);
    expect(resolved()).toBe(73);
  });

  it('U4: reads so many records at once at most, wanted or not, and says that there is more', () => {
    const { logs, name, put, open } = bench();
    name(FIRST);
    let read = 0;
    const { readLog } = logs;
    logs.readLog = (partition, from, recordsMax, visit) =>
      readLog(partition, from, recordsMax, (record) => {
        read++;
        return visit(record);
      });
    for (const types of [[], [2]]) {
      const subscription = open({ types });
      put(7);
      put(4, 1);
      const slices: number[] = [];
      for (let isMore = true; isMore; ) {
        read = 0;
        isMore = subscription.pull(NO_LIMIT, 3).more;
        slices.push(read);
      }
      expect(Math.max(...slices)).toBe(3);
      expect(slices.reduce((sum, count) => sum + count)).toBe(11);
    }
  });

  it('U5: passes over a partition on hold, and goes on where it was', () => {
    const { name, put, open } = bench();
    name(FIRST);
    const subscription = open();
    put(2);
    put(2, 1);
    expect(rest(subscription)).toEqual([4]);
    subscription.hold(1);
    put(3);
    put(5, 1);
    expect([subscription.isOnHold(0), subscription.isOnHold(1)]).toEqual([false, true]);
    expect(rest(subscription)).toEqual([3]);
    expect([subscription.positions, subscription.lagRecords]).toEqual([[5, 2], 5]);
    subscription.release(1);
    expect([rest(subscription), subscription.positions]).toEqual([[5], [5, 7]]);
    expect(() => open({ partitions: [1] }).hold(0)).toThrow('subscription U5');
  });

  it('gives at most so many bytes and a record more at once, however far it is behind', () => {
    const { store, name, open } = bench();
    name(FIRST);
    const subscription = open();
    const value = new Uint8Array(10_000);
    for (let n = 0; n < 30; n++) {
      const batch = store.begin();
      batch.put(FIRST, 0 as PartitionId, BYTES, 0, 1, batch.value(value, 0, value.length));
      batch.commit();
    }
    const sizes: number[] = [];
    for (let isMore = true; isMore; ) {
      const { events, more } = subscription.pull(25_000, NO_LIMIT);
      sizes.push(events!.count);
      isMore = more;
    }
    // Each has its old value, too, but for the first.
    expect(sizes).toEqual([2, ...new Array<number>(14).fill(2)]);
  });

  it('U6: gives what is left of a dropped map, then MAP_DROPPED, for ever', () => {
    const { name, put, open } = bench();
    name(FIRST);
    const subscription = open();
    put(3);
    put(2, 1);
    name(SECOND);
    put(7);
    expect(rest(subscription)).toEqual([5, 'MAP_DROPPED']);
    expect(rest(subscription)).toEqual(['MAP_DROPPED']);
  });

  it('U4, U6: gives it in slices as everything else', () => {
    const { name, put, open } = bench();
    name(FIRST);
    const subscription = open();
    put(5);
    name(undefined);
    expect(rest(subscription, 2)).toEqual([2, 2, 1, 'MAP_DROPPED']);
  });

  it('U6: is woken by the drop', async () => {
    const { name, open } = bench();
    name(FIRST);
    const subscription = open();
    expect(rest(subscription)).toEqual([]);
    const woken = subscription.changed();
    name(undefined);
    await woken;
    expect(rest(subscription)).toEqual(['MAP_DROPPED']);
  });

  it('U6: belongs to the first map of its name, also one that is gone before it is read', () => {
    const { name, put, open } = bench();
    const subscription = open();
    expect([rest(subscription), subscription.mapId]).toEqual([[], undefined]);
    name(FIRST);
    put(2);
    name(SECOND);
    put(3);
    expect([rest(subscription), subscription.mapId]).toEqual([[2, 'MAP_DROPPED'], FIRST]);
  });

  it('U6: that is opened for a map that is gone gives what is left of it', () => {
    const { name, put, open } = bench();
    name(FIRST);
    put(4);
    name(SECOND);
    put(1);
    expect(rest(open({ boundTo: FIRST, after: [1, 0] }))).toEqual([3, 'MAP_DROPPED']);
    expect(rest(open({ after: [0, 0] }))).toEqual([1]);
  });

  it('U6: ends with MAP_DROPPED where the log of a dropped map has moved on', () => {
    const { store, name, put, open } = bench();
    name(FIRST);
    const subscription = open();
    put(2, 1);
    while (store.logInfo(0 as PartitionId).firstSequence === 1) put(100);
    name(undefined);
    expect(rest(subscription).at(-1)).toBe('MAP_DROPPED');
  });

  it.each(['lag', 'conflate'] as const)(
    'U7: ends with STALE_EPOCH where a partition was lost, though another log is in its place (%s)',
    (onSlow) => {
      const { store, name, put, open } = bench();
      name(FIRST);
      let isLost = false;
      const checkHeld = (): void => {
        if (isLost) throw new StaleEpochError(0, 1, 3);
      };
      const subscription = open({ checkHeld, onSlow });
      put(3);
      expect(subscription.pull(NO_LIMIT, 2).events?.count).toBe(onSlow === 'lag' ? 2 : 1);
      store.closePartition(0 as PartitionId);
      isLost = true;
      store.openPartition(0 as PartitionId, 3 as Epoch);
      put(9);
      expect(rest(subscription)).toEqual(['STALE_EPOCH']);
      subscription.wake();
      expect(rest(subscription)).toEqual(['STALE_EPOCH']);
      expect(() => open({ checkHeld })).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
    },
  );

  it('U8: reads no log that goes back in version or epoch', () => {
    const { store, logs, name, put, open } = bench();
    name(FIRST);
    const subscription = open({ partitions: [0] });
    put(1);
    expect(rest(subscription)).toEqual([1]);
    const { readLog } = logs;
    const told = { sequence: 2, version: 1, epoch: 1 };
    logs.readLog = (_partition, _from, _max, visit) => {
      visit(told as LogRecordView);
      return 3;
    };
    put(1);
    expect(() => subscription.pull(NO_LIMIT, NO_LIMIT)).toThrow('U8: versions rise');
    Object.assign(told, { version: Number.MAX_SAFE_INTEGER, epoch: 0 });
    expect(() => subscription.pull(NO_LIMIT, NO_LIMIT)).toThrow('U8: epochs rise');
    Object.assign(told, { sequence: 1, epoch: 1 });
    expect(() => subscription.pull(NO_LIMIT, NO_LIMIT)).toThrow('U8: a log is read in its order');
    logs.readLog = (_partition, from) => from - 1;
    expect(() => subscription.pull(NO_LIMIT, NO_LIMIT)).toThrow('U8: a log is read in its order');
    logs.readLog = readLog;
    store.checkInvariants();
  });

  it('U5, U6: waits with its end for partitions on hold', () => {
    const { name, put, open } = bench();
    name(FIRST);
    const subscription = open();
    put(1);
    put(1, 1);
    subscription.hold(1);
    name(undefined);
    expect(rest(subscription)).toEqual([1]);
    subscription.release(1);
    expect(rest(subscription)).toEqual([1, 'MAP_DROPPED']);
  });

  it('U9: looks at the partitions that it was told of, and at no others', () => {
    const { logs, name, put, open } = bench();
    name(FIRST);
    const subscription = open();
    rest(subscription);
    const asked: number[] = [];
    const { committedSequence } = logs;
    logs.committedSequence = (partition) => {
      asked.push(partition);
      return committedSequence(partition);
    };
    put(1, 1);
    expect(rest(subscription)).toEqual([1]);
    expect(rest(subscription)).toEqual([]);
    expect(new Set(asked)).toEqual(new Set([1]));
    expect(subscription.lagRecords).toBe(0);
  });

  it('U9: is told of its own partitions alone', () => {
    const subscription = bench().open({ partitions: [1] });
    expect(() => subscription.committed(0)).toThrow('subscription U9');
    expect(() => subscription.committed(7)).toThrow('subscription U9');
  });

  it('U10: that conflates tells no place beyond what it has given', () => {
    const { name, put, open } = bench();
    name(FIRST);
    const subscription = open({ onSlow: 'conflate' });
    put(2);
    // Nobody waits for it, so it has taken them out of the log.
    expect([subscription.positions, subscription.lagRecords]).toEqual([[0, 0], 1]);
    expect(subscription.takeMoved()).toEqual({ partitions: [], sequences: [] });
    expect(rest(subscription)).toEqual([1]);
    expect(subscription.positions).toEqual([2, 0]);
    expect(subscription.takeMoved()).toEqual({ partitions: [0], sequences: [2] });
    put(3);
    expect([subscription.positions, subscription.hasMoved]).toEqual([[2, 0], true]);
    expect(subscription.takeMoved()).toEqual({ partitions: [], sequences: [] });
    expect(rest(subscription)).toEqual([1]);
    expect(subscription.takeMoved()).toEqual({ partitions: [0], sequences: [5] });
  });

  it('tells where it has moved, each place once', () => {
    const { name, put, open } = bench();
    name(FIRST);
    const subscription = open({ types: [2] });
    expect([subscription.hasMoved, subscription.takeMoved()]).toEqual([false, { partitions: [], sequences: [] }]);
    put(3);
    put(2, 1);
    rest(subscription);
    expect(subscription.takeMoved()).toEqual({ partitions: [0, 1], sequences: [3, 2] });
    put(1, 1);
    rest(subscription);
    expect([subscription.hasMoved, subscription.takeMoved()]).toEqual([true, { partitions: [1], sequences: [3] }]);
  });

  it('reads no more of a log than the bytes that were asked for, and a record', () => {
    const { name, put, open } = bench();
    name(FIRST);
    const subscription = open({ partitions: [0] });
    put(5);
    const counts: (number | undefined)[] = [];
    while (counts.length < 5) counts.push(subscription.pull(1, NO_LIMIT).events?.count);
    expect(counts).toEqual([1, 1, 1, 1, 1]);
  });

  it('gives what it read before an error, then the error', () => {
    const { logs, name, put, open } = bench();
    name(FIRST);
    const subscription = open();
    put(2);
    put(1, 1);
    const { readLog } = logs;
    logs.readLog = (partition, ...others) => {
      if (partition === 1) throw new GridError('SEQUENCE_GONE', 'the log moved on');
      return readLog(partition, ...others);
    };
    expect(rest(subscription)).toEqual([2, 'SEQUENCE_GONE']);
    expect(rest(subscription)).toEqual(['SEQUENCE_GONE']);
    // What is given and what is left are of one subscription: another has nothing of it.
    expect(rest(open({ partitions: [0] }))).toEqual([]);
  });
});

describe('a subscription that sleeps through what it does not want', () => {
  const REMOVE = 2;

  /** A subscription to removals, asleep, and whether it was woken. */
  function asleep() {
    const all = bench();
    all.name(FIRST);
    const subscription = all.open({ types: [REMOVE], sleepsThrough: true });
    rest(subscription);
    const state = { isWoken: false };
    const wait = (): void => {
      state.isWoken = false;
      void subscription.changed().then(() => {
        state.isWoken = true;
      });
    };
    wait();
    const remove = (): void => {
      const batch = all.store.begin();
      batch.remove(FIRST, 0 as PartitionId, BYTES, 0, 1);
      batch.commit();
    };
    return { ...all, subscription, state, wait, remove };
  }

  it('stays asleep, and moves on with what was looked at for all that sleep', async () => {
    const { subscription, state, put } = asleep();
    put(3);
    expect([subscription.positions, subscription.lagRecords, subscription.hasMoved]).toEqual([[0, 0], 3, false]);
    await looked();
    expect([state.isWoken, subscription.positions, subscription.lagRecords]).toEqual([false, [3, 0], 0]);
    expect(subscription.takeMoved()).toEqual({ partitions: [0], sequences: [3] });
    put(2, 1);
    await looked();
    expect([state.isWoken, subscription.hasMoved]).toEqual([false, true]);
    expect(subscription.takeMoved()).toEqual({ partitions: [1], sequences: [2] });
    expect([subscription.hasMoved, rest(subscription)]).toEqual([false, []]);
  });

  it('is woken by what it wants, and given that once', async () => {
    const { subscription, state, wait, put, remove } = asleep();
    put(2);
    remove();
    put(1);
    await looked();
    expect(state.isWoken).toBe(true);
    expect([rest(subscription), rest(subscription)]).toEqual([[1], []]);
    wait();
    put(1);
    await looked();
    // It got something last, so it is woken at once, and in vain.
    expect([state.isWoken, rest(subscription)]).toEqual([true, []]);
    wait();
    put(1);
    await looked();
    expect([state.isWoken, subscription.positions]).toEqual([false, [6, 0]]);
  });

  it('is woken for the rest when records come while it is read', async () => {
    const { subscription, state, wait, put, remove } = asleep();
    remove();
    put(1);
    wait();
    remove();
    await looked();
    expect([state.isWoken, rest(subscription)]).toEqual([true, [1]]);
  });

  it('is asked about each record once, by the look or by itself, wherever it fell asleep', async () => {
    const { open, subscription, state, put, remove } = asleep();
    const late = open({ types: [REMOVE], sleepsThrough: true });
    put(2);
    remove();
    // Beyond what the look for the other has come to.
    expect(rest(late)).toEqual([1]);
    put(1);
    expect(rest(late)).toEqual([]);
    let isWoken = false;
    void late.changed().then(() => {
      isWoken = true;
    });
    await looked();
    expect([state.isWoken, isWoken, rest(subscription), rest(late)]).toEqual([true, false, [1], []]);
  });

  it.each([
    ['its map is dropped', ({ name }: ReturnType<typeof asleep>) => name(undefined), 'MAP_DROPPED'],
    [
      'the log has moved on',
      ({ logs, put }: ReturnType<typeof asleep>) => {
        logs.readLog = () => {
          throw new GridError('SEQUENCE_GONE', 'the log moved on');
        };
        put(1);
      },
      'SEQUENCE_GONE',
    ],
  ])('is woken when %s', async (_, change, code) => {
    const all = asleep();
    change(all);
    await looked();
    expect([all.state.isWoken, rest(all.subscription)]).toEqual([true, [code]]);
  });

  it('passes over a partition that is put on hold while it sleeps', async () => {
    const { subscription, state, put, remove } = asleep();
    subscription.hold(0);
    put(1);
    remove();
    await looked();
    expect([state.isWoken, rest(subscription)]).toEqual([true, []]);
    subscription.release(0);
    expect(rest(subscription)).toEqual([1]);
  });
});
