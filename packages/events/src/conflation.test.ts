import {
  type Epoch,
  EVENT_TYPE,
  type EventType,
  HybridClock,
  type MapId,
  type PartitionId,
  seededRandom,
} from '@ashlar/core';
import { type LogRecordView, MemberStore } from '@ashlar/storage';
import { Conflation, type ConflationBudget } from './conflation.ts';
import { EventColumnsWriter } from './event-columns.ts';
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
  it('K1, K2: is told one change a key, from the state that it knows to the newest, long after the log has moved on', () => {
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
    'K1, K2: keeps a mirror right however it is read, each event continuing the one before (seed %i)',
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

  it.each([4, 5])('K2: resumes by the token of what it was told without a gap (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const { hub, write, open } = bench(4 << 20);
    const subscription = open();
    const [truth, mirror] = [new Map<string, string>(), new Map<string, string>()];
    const token = new Array<number>(PARTITIONS).fill(0);
    const follow = (to: Map<string, string>, told: readonly Told[]): void => {
      for (const { key, value } of told) {
        if (value === undefined) to.delete(key);
        else to.set(key, value);
      }
    };
    for (let round = 0; round < 1000; round++) {
      const key = `k${random.below(8)}${random.below(5)}`;
      if (random.below(4) > 0) {
        write(key, `${round}`);
        truth.set(key, `${round}`);
      } else if (truth.delete(key)) write(key, undefined);
      if (random.below(50) > 0) continue;
      const { told } = pulled(subscription, 1 + random.below(500));
      follow(mirror, told);
      for (const { partition, sequence } of told) token[partition] = sequence;
      const resumed = open({ onSlow: 'lag', after: token });
      const copy = new Map(mirror);
      follow(copy, rest(resumed));
      hub.close(resumed);
      expect(copy).toEqual(truth);
    }
  });

  it('K3: holds a bounded number of bytes, gives them back, and lags beyond them', () => {
    const { hub, write, open } = bench();
    const subscription = open();
    for (let key = 0; key < 40_000; key++) write(`k${key}`, 'x'.repeat(400));
    expect(hub.conflatedBytes).toBeGreaterThan(4 << 20);
    expect(hub.conflatedBytes).toBeLessThan(9 << 20);
    expect(() => rest(subscription)).toThrow(expect.objectContaining({ code: 'SEQUENCE_GONE' }));
    hub.close(subscription);
    expect(hub.conflatedBytes).toBe(0);
  });

  it('K3: holds nothing once it is read', () => {
    const { hub, write, open } = bench();
    const subscription = open();
    for (let round = 0; round < 3000; round++) write(`k${round % 10}`, `${round}`);
    expect(hub.conflatedBytes).toBeGreaterThan(0);
    expect(rest(subscription)).toHaveLength(10);
    expect(hub.conflatedBytes).toBe(0);
  });
});

interface RecordFacts {
  readonly key?: string;
  readonly sequence?: number;
  readonly value?: string | undefined;
  readonly oldValue?: string | undefined;
}

/** A record of a log, as a conflation reads it. */
function recordOf({ key = 'k', sequence = 1, value, oldValue }: RecordFacts): LogRecordView {
  const record = { sequence, version: sequence, bytes: new Uint8Array(0), start: 0, stop: 0 };
  const position = (text = ''): void => {
    record.bytes = Uint8Array.from(Buffer.from(text));
    record.stop = record.bytes.length;
  };
  return Object.assign(record, {
    ...{ hasValue: value !== undefined, hasOldValue: oldValue !== undefined },
    positionKey: () => position(key),
    positionValue: () => position(value),
    positionOldValue: () => position(oldValue),
  }) as unknown as LogRecordView;
}

function budgetOf(bytesMax = 1 << 20): ConflationBudget {
  return { bytes: 0, bytesMax };
}

/** What each type of record does to an entry that is there (`v`) or not. */
const CHANGES: Readonly<Record<EventType, 'comes' | 'changes' | 'goes'>> = {
  ...{ insert: 'comes', update: 'changes', remove: 'goes', expire: 'goes', evict: 'goes', load: 'comes' },
  reload: 'changes',
};

/** The one change that records of these types, one behind the other, are told as; undefined: none. */
function mergedChange(...types: readonly EventType[]): string | undefined {
  const conflation = new Conflation(budgetOf());
  let now = CHANGES[types[0]!] === 'comes' ? undefined : 'v0';
  types.forEach((type, index) => {
    const value = CHANGES[type] === 'goes' ? undefined : `v${index + 1}`;
    conflation.add(EVENT_TYPE[type], 0, recordOf({ sequence: index + 1, value, oldValue: now }));
    now = value;
  });
  const writer = new EventColumnsWriter(2);
  conflation.moveTo(writer, 1 << 20);
  expect([writer.count <= 1, conflation.size]).toEqual([true, 0]);
  if (writer.count === 0) return undefined;
  const { types: told, oldValues, values } = writer.take();
  return `${TYPES[told[0]!]} ${Buffer.from(oldValues).toString()}>${Buffer.from(values).toString()}`;
}

describe('changes of one key that are told as one', () => {
  it.each<[readonly EventType[], string | undefined]>([
    [['insert'], 'insert >v1'],
    [['insert', 'update', 'update'], 'insert >v3'],
    [['update', 'update'], 'update v0>v2'],
    [['update', 'remove'], 'remove v0>'],
    [['update', 'expire'], 'expire v0>'],
    [['reload', 'evict'], 'evict v0>'],
    [['remove', 'insert'], 'update v0>v2'],
    [['expire', 'insert', 'remove'], 'remove v0>'],
    [['insert', 'remove'], undefined],
    [['load', 'evict'], undefined],
    [['insert', 'expire', 'insert'], 'insert >v3'],
    [['load', 'reload'], 'load >v2'],
    [['evict', 'load'], 'reload v0>v2'],
    [['insert', 'reload'], 'load >v2'],
    [['load', 'update'], 'insert >v2'],
  ])('K1: %j are %s', (types, told) => {
    expect(mergedChange(...types)).toBe(told);
  });

  it('K2: come in the order of their newest records, and no older record comes behind', () => {
    const conflation = new Conflation(budgetOf());
    const add = (key: string, sequence: number, partition = 0): void =>
      conflation.add(EVENT_TYPE.update, partition, recordOf({ key, sequence, value: 'v', oldValue: 'o' }));
    for (const [index, key] of ['a', 'b', 'c', 'a', 'b', 'd'].entries()) add(key, index + 1);
    for (const sequence of [4, 3]) expect(() => add('a', sequence)).toThrow('conflation K2');
    expect(() => add('a', 9, 1)).toThrow('conflation K2');
    const writer = new EventColumnsWriter(10);
    conflation.moveTo(writer, 1 << 20);
    const { keys, sequences } = writer.take();
    expect([Buffer.from(keys).toString(), [...sequences]]).toEqual(['cabd', [3, 4, 5, 6]]);
  });
});

describe('what conflations keep', () => {
  it.each([0, 10_000])('K3: is 8 MiB at most, and a change more, also where each old value has %i bytes', (length) => {
    const budget = budgetOf(Number.POSITIVE_INFINITY);
    const conflation = new Conflation(budget);
    const oldValue = 'x'.repeat(length);
    let count = 0;
    while (!conflation.isFull) conflation.add(EVENT_TYPE.remove, 0, recordOf({ key: `${count++}`, oldValue }));
    expect(budget.bytes - (8 << 20)).toBeLessThan(length + 300);
    expect(conflation.size).toBe(count);
    conflation.clear();
    expect([conflation.size, conflation.isFull, budget.bytes]).toEqual([0, false, 0]);
  });

  it('K3: is within one budget for all of them, and comes back to it change by change', () => {
    const budget = budgetOf(5000);
    const [one, other] = [new Conflation(budget), new Conflation(budget)];
    const value = 'x'.repeat(2000);
    one.add(EVENT_TYPE.insert, 0, recordOf({ key: 'a', value }));
    one.add(EVENT_TYPE.insert, 0, recordOf({ key: 'b', value }));
    expect([one.isFull, other.isFull]).toEqual([false, false]);
    other.add(EVENT_TYPE.insert, 0, recordOf({ key: 'c', value }));
    expect([one.isFull, other.isFull]).toEqual([true, true]);
    const held = budget.bytes;
    // A newer value takes the place of the older one.
    other.add(EVENT_TYPE.update, 0, recordOf({ key: 'c', sequence: 2, value, oldValue: value }));
    expect(budget.bytes).toBe(held);
    const writer = new EventColumnsWriter(1);
    one.moveTo(writer, 1 << 20);
    expect([one.size, one.isFull, other.isFull]).toEqual([1, false, false]);
    one.clear();
    other.clear();
    expect(budget.bytes).toBe(0);
  });
});
