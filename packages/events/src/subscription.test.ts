import { type Epoch, HybridClock, type MapId, type PartitionId, StaleEpochError } from '@ashlar/core';
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
      store.readLog(partition as PartitionId, from as never, recordsMax, (record) => {
        visit(record);
        return true;
      }),
    committedSequence: (partition) => store.logInfo(partition as PartitionId).committedSequence,
    incarnation: (partition) => store.logInfo(partition as PartitionId).incarnation,
    resolvedVersion: () => clock.now(),
  };
  const hub = new EventHub(logs, { partitionCount: 2, subscriptionsMax: 10 });
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

describe('a subscription', () => {
  it('gives what is left of a dropped map, then MAP_DROPPED, for ever', () => {
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

  it('gives it in slices as everything else', () => {
    const { name, put, open } = bench();
    name(FIRST);
    const subscription = open();
    put(5);
    name(undefined);
    expect(rest(subscription, 2)).toEqual([2, 2, 1, 'MAP_DROPPED']);
  });

  it('is woken by the drop', async () => {
    const { name, open } = bench();
    name(FIRST);
    const subscription = open();
    expect(rest(subscription)).toEqual([]);
    const woken = subscription.changed();
    name(undefined);
    await woken;
    expect(rest(subscription)).toEqual(['MAP_DROPPED']);
  });

  it('belongs to the first map of its name, also one that is gone before it is read', () => {
    const { name, put, open } = bench();
    const subscription = open();
    expect([rest(subscription), subscription.mapId]).toEqual([[], undefined]);
    name(FIRST);
    put(2);
    name(SECOND);
    put(3);
    expect([rest(subscription), subscription.mapId]).toEqual([[2, 'MAP_DROPPED'], FIRST]);
  });

  it('that is opened for a map that is gone gives what is left of it', () => {
    const { name, put, open } = bench();
    name(FIRST);
    put(4);
    name(SECOND);
    put(1);
    expect(rest(open({ boundTo: FIRST, after: [1, 0] }))).toEqual([3, 'MAP_DROPPED']);
    expect(rest(open({ after: [0, 0] }))).toEqual([1]);
  });

  it('ends with MAP_DROPPED where the log of a dropped map has moved on', () => {
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
      subscription.notify();
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
    logs.readLog = readLog;
    store.checkInvariants();
  });

  it('waits with its end for partitions on hold', () => {
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
});
