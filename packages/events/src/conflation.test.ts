import { type Epoch, EVENT_TYPE, HybridClock, type MapId, type PartitionId, seededRandom } from '@ashlar/core';
import { MemberStore } from '@ashlar/storage';
import { EventHub, type LogSource, type Subscription, type SubscriptionOptions } from './index.ts';

const MAP = 1 as MapId;
const PARTITIONS = 2;
const TYPES = Object.keys(EVENT_TYPE);

interface Told {
  readonly type: string;
  readonly key: string;
  readonly oldValue: string | undefined;
  readonly value: string | undefined;
  readonly partition: number;
  readonly sequence: number;
  readonly version: number;
}

/** A store whose logs hold little, with one map. */
function bench(logBytesPerPartition = 64 << 10) {
  const clock = new HybridClock();
  const store = MemberStore.create({
    ...{ maxBytes: 32 << 20, partitionCount: PARTITIONS, maxWorkers: 0, hashSeed: 1, clock, logBytesPerPartition },
  });
  for (let partition = 0; partition < PARTITIONS; partition++)
    store.openPartition(partition as PartitionId, 1 as Epoch);
  store.openMap(MAP, { affinityParts: 0 });
  const logs: LogSource = {
    readLog: (partition, from, recordsMax, visit) =>
      store.readLog(partition as PartitionId, from as never, recordsMax, visit),
    committedSequence: (partition) => store.logInfo(partition as PartitionId).committedSequence,
    incarnation: (partition) => store.logInfo(partition as PartitionId).incarnation,
    resolvedVersion: () => clock.now(),
  };
  const hub = new EventHub(logs, { partitionCount: PARTITIONS, subscriptionsMax: 10 });
  store.addCommitListener((partition) => hub.committed(partition));
  const partitionOf = (key: string): PartitionId => (key.charCodeAt(1) % PARTITIONS) as PartitionId;
  const write = (key: string, value: string | undefined): void => {
    const bytes = Buffer.from(key);
    const batch = store.begin();
    if (value === undefined) batch.remove(MAP, partitionOf(key), bytes, 0, bytes.length);
    else {
      const text = Buffer.from(value);
      batch.put(MAP, partitionOf(key), bytes, 0, bytes.length, batch.value(text, 0, text.length));
    }
    batch.commit();
  };
  const open = (options: Partial<SubscriptionOptions> = {}): Subscription =>
    hub.open({
      ...{ map: 'm', mapIdNow: () => MAP, boundTo: undefined, partitions: [0, 1], after: undefined },
      ...{ types: [], condition: undefined, columns: [], parameters: [], onSlow: 'conflate', cutLagRecords: 10 },
      ...options,
    });
  return { store, hub, write, open };
}

/** One pull. */
function pulled(subscription: Subscription, bytesMax = 1 << 20): { readonly told: Told[]; readonly more: boolean } {
  const { events, more } = subscription.pull(bytesMax, 4096);
  if (events === undefined) return { told: [], more };
  const text = (bytes: Uint8Array, ends: Uint32Array, index: number): string =>
    Buffer.from(bytes.subarray(index === 0 ? 0 : ends[index - 1]!, ends[index])).toString();
  const told = Array.from({ length: events.count }, (_, index) => ({
    type: TYPES[events.types[index]!]!,
    key: text(events.keys, events.keyEnds, index),
    oldValue: text(events.oldValues, events.oldValueEnds, index) || undefined,
    value: text(events.values, events.valueEnds, index) || undefined,
    partition: events.partitions[index]!,
    sequence: events.sequences[index]!,
    version: events.versions[index]!,
  }));
  return { told, more };
}

function rest(subscription: Subscription): Told[] {
  const all: Told[] = [];
  for (;;) {
    const { told, more } = pulled(subscription);
    all.push(...told);
    if (!more) return all;
  }
}

const brief = ({ type, key, oldValue, value }: Told): unknown[] => [type, key, oldValue, value];

describe('a conflating subscription that is not read', () => {
  it('is told one change a key, from the state that it knows to the newest, long after the log has moved on', () => {
    const { store, write, open } = bench();
    write('k0', 'zero');
    write('k2', 'zero');
    write('k4', 'zero');
    const subscription = open();
    const lagging = open({ onSlow: 'lag' });
    write('k2', undefined);
    write('k4', undefined);
    write('k6', 'came');
    for (let round = 0; round < 2000; round++) write('k0', `round ${round}`.padEnd(200));
    write('k2', 'again');
    write('k6', undefined);
    write('k8', 'new');
    expect(store.logInfo(0 as PartitionId).firstSequence).toBeGreaterThan(100);
    expect(() => rest(lagging)).toThrow(expect.objectContaining({ code: 'SEQUENCE_GONE' }));
    expect(rest(subscription).map(brief)).toEqual([
      ['remove', 'k4', 'zero', undefined],
      ['update', 'k0', 'zero', 'round 1999'.padEnd(200)],
      ['update', 'k2', 'zero', 'again'],
      ['insert', 'k8', undefined, 'new'],
    ]);
    write('k8', 'newer');
    expect(rest(subscription).map(brief)).toEqual([['update', 'k8', 'new', 'newer']]);
  });

  it.each([1, 2, 3])(
    'keeps a mirror right however it is read, each event continuing the one before (seed %i)',
    (seed) => {
      const random = seededRandom(seed);
      const { write, open } = bench();
      const subscription = open();
      const [truth, mirror] = [new Map<string, string>(), new Map<string, string>()];
      const last = new Array<number>(PARTITIONS).fill(0);
      const follow = (told: readonly Told[]): void => {
        for (const { key, oldValue, value, partition, sequence, type } of told) {
          expect(oldValue).toBe(mirror.get(key));
          expect(type).toBe(value === undefined ? 'remove' : oldValue === undefined ? 'insert' : 'update');
          expect(sequence).toBeGreaterThan(last[partition]!);
          last[partition] = sequence;
          if (value === undefined) mirror.delete(key);
          else mirror.set(key, value);
        }
      };
      for (let round = 0; round < 20_000; round++) {
        const key = `k${random.below(8)}${random.below(20)}`;
        if (random.below(4) > 0) {
          const value = `${round}`.padEnd(random.below(300));
          write(key, value);
          truth.set(key, value);
        } else if (truth.delete(key)) write(key, undefined);
        if (random.below(500) === 0) follow(pulled(subscription, 1 + random.below(4000)).told);
      }
      follow(rest(subscription));
      expect(mirror).toEqual(truth);
    },
  );

  it('holds a bounded number of bytes, gives them back, and lags beyond them', () => {
    const { hub, write, open } = bench();
    const subscription = open();
    for (let key = 0; key < 40_000; key++) write(`k${key}`, 'x'.repeat(400));
    expect(hub.conflatedBytes).toBeGreaterThan(4 << 20);
    expect(hub.conflatedBytes).toBeLessThan(9 << 20);
    expect(() => rest(subscription)).toThrow(expect.objectContaining({ code: 'SEQUENCE_GONE' }));
    hub.close(subscription);
    expect(hub.conflatedBytes).toBe(0);
  });

  it('holds nothing once it is read', () => {
    const { hub, write, open } = bench();
    const subscription = open();
    for (let round = 0; round < 3000; round++) write(`k${round % 10}`, `${round}`);
    expect(hub.conflatedBytes).toBeGreaterThan(0);
    expect(rest(subscription)).toHaveLength(10);
    expect(hub.conflatedBytes).toBe(0);
  });
});
