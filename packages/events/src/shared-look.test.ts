import {
  type Epoch,
  EVENT_TYPE,
  GridError,
  HybridClock,
  type MapId,
  type PartitionId,
  type Random,
  seededRandom,
} from '@ashlar/core';
import type { Expr } from '@ashlar/expressions';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import { MemberStore } from '@ashlar/storage';
import { EventHub, type LogSource, type Subscription, type SubscriptionOptions } from './index.ts';
import { SharedLook, type SleepingReader } from './shared-look.ts';
import { and, COLUMNS, city, compare, dividedBy, isIn, key, n, number, text } from './testing/conditions.ts';

const PARTITIONS = 3;
const [FIRST, SECOND, THIRD] = [1, 2, 3] as [MapId, MapId, MapId];
const NO_LIMIT = 1 << 20;

/** A store of maps that may come and go, and how often its records were read. */
function bench() {
  const clock = new HybridClock();
  const store = MemberStore.create({
    ...{ maxBytes: 32 << 20, partitionCount: PARTITIONS, maxWorkers: 0, hashSeed: 1, clock },
  });
  for (let partition = 0; partition < PARTITIONS; partition++)
    store.openPartition(partition as PartitionId, 1 as Epoch);
  const read = { records: 0 };
  const logs: LogSource = {
    readLog: (partition, from, recordsMax, visit) =>
      store.readLog(partition as PartitionId, from as never, recordsMax, (record) => {
        read.records += 1;
        return visit(record);
      }),
    committedSequence: (partition) => store.logInfo(partition as PartitionId).committedSequence,
    incarnation: () => 1,
    resolvedVersion: () => clock.now(),
  };
  const hub = new EventHub(logs, { partitionCount: PARTITIONS, subscriptionsMax: 1000 });
  store.addCommitListener((partition) => hub.committed(partition));
  const maps = new Map<string, MapId>();
  const write = (map: MapId, name: string, partition: number, value: unknown): void => {
    const [bytes, batch] = [encodeKey(name), store.begin()];
    if (value === undefined) batch.remove(map, partition as PartitionId, bytes, 0, bytes.length);
    else {
      const document = encodeValue(value);
      const held = batch.value(document, 0, document.length);
      batch.put(map, partition as PartitionId, bytes, 0, bytes.length, held);
    }
    batch.commit();
  };
  const follow = (name: string, id: MapId | undefined): void => {
    const before = maps.get(name);
    if (before !== undefined) store.dropMap(before);
    maps.delete(name);
    if (id !== undefined) {
      maps.set(name, id);
      store.openMap(id, { affinityParts: 0 });
    }
    hub.mapsChanged();
  };
  const open = (options: Partial<SubscriptionOptions>): Subscription => {
    const map = options.map ?? 'm';
    return hub.open({
      ...{ map, mapIdNow: () => maps.get(map), boundTo: undefined, partitions: [0, 1, 2], after: undefined, types: [] },
      ...{ condition: undefined, columns: COLUMNS, parameters: [], onSlow: 'lag', cutLagRecords: 10 },
      ...options,
    });
  };
  return { hub, read, maps, write, follow, open };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Reads as the events service does, and keeps what it is given. */
class Reader {
  readonly subscription: Subscription;
  readonly told: string[] = [];
  wakes = 0;

  constructor(hub: EventHub, subscription: Subscription) {
    this.subscription = subscription;
    void this.#read(hub);
  }

  async #read(hub: EventHub): Promise<void> {
    try {
      for (;;) {
        if (!this.#pull()) await this.subscription.changed();
        this.wakes += 1;
      }
    } catch (error) {
      this.told.push((error as { code: string }).code);
      hub.close(this.subscription);
    }
  }

  #pull(): boolean {
    const { events, more } = this.subscription.pull(NO_LIMIT, NO_LIMIT);
    for (let at = 0; at < (events?.count ?? 0); at++)
      this.told.push(`${events!.types[at]} at ${events!.partitions[at]}:${events!.sequences[at]}`);
    return more;
  }

  /** By partition: what it was told, in its order. */
  get byPartition(): string[][] {
    const isOf = (partition: number) => (told: string) => told.includes(` ${partition}:`);
    const ends = this.told.filter((told) => !told.includes(' at '));
    return [...Array.from({ length: PARTITIONS }, (_, partition) => this.told.filter(isOf(partition))), ends];
  }
}

const CITIES = ['Ulm', 'Aalen', 'Worms'];
const ODD = [undefined, null, 5, true, 10n, { deep: 1 }];

function anyDocument(random: Random): unknown {
  const oddly = <T>(value: T): unknown => (random.below(5) === 0 ? ODD[random.below(ODD.length)] : value);
  return { n: oddly(random.below(4)), city: oddly(CITIES[random.below(CITIES.length)]) };
}

function anyCondition(random: Random): Expr | undefined {
  const aText = (): Expr => text([...CITIES, 'nowhere', '5'][random.below(5)]!);
  const aNumber = (): Expr => number(random.below(6));
  const aKey = (): Expr => text(`k${random.below(12)}`);
  const goesOn = compare(dividedBy(number(2), n), '>', number(0));
  const kinds: readonly (() => Expr | undefined)[] = [
    () => undefined,
    () => compare(key, '=', aKey()),
    () => isIn(key, [aKey(), aKey(), aKey()]),
    () => compare(city, '=', aText()),
    () => compare(n, '=', aNumber()),
    () => isIn(n, [aNumber(), aNumber()]),
    () => compare(n, '>', aNumber()),
    () => and(compare(city, '=', aText()), goesOn),
    () => and(compare(n, '=', aNumber()), compare(city, '=', aText())),
    () => and(goesOn, compare(city, '=', aText())),
    () => and(and(compare(key, '=', aKey()), compare(n, '>', number(0))), goesOn),
  ];
  return kinds[random.below(kinds.length)]!();
}

function anyOptions(random: Random): Partial<SubscriptionOptions> {
  const partitions = [0, 1, 2].filter(() => random.below(4) > 0);
  return {
    map: random.below(3) === 0 ? 'other' : 'm',
    partitions: partitions.length === 0 ? [1] : partitions,
    types: random.below(4) === 0 ? [EVENT_TYPE.remove] : [],
    condition: anyCondition(random),
  };
}

describe('one look for all subscriptions that sleep', () => {
  it.each([1, 2, 3, 4, 5, 6])('tells and counts what each would have found alone (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const { hub, write, follow, open, maps } = bench();
    follow('m', FIRST);
    const pairs: { readonly sleeper: Reader; readonly twin: Reader }[] = [];
    const openPair = (): void => {
      const options = anyOptions(random);
      // The twin never sleeps: it reads every record itself.
      const [sleeper, twin] = [open({ ...options, sleepsThrough: true }), open(options)];
      pairs.push({ sleeper: new Reader(hub, sleeper), twin: new Reader(hub, twin) });
    };
    for (let round = 0; round < 600; round++) {
      if (round < 60 || random.below(10) === 0) openPair();
      if (round === 200) follow('other', SECOND);
      if (round === 400) follow('m', undefined);
      if (round === 410) follow('m', THIRD);
      for (let writes = random.below(4); writes > 0; writes--) {
        const id = maps.get(random.below(4) === 0 ? 'other' : 'm');
        const number = random.below(12);
        const value = random.below(5) === 0 ? undefined : anyDocument(random);
        if (id !== undefined) write(id, `k${number}`, number % PARTITIONS, value);
      }
      if (random.below(3) === 0) await turn();
      const { subscription } = pairs[random.below(pairs.length)]!.sleeper;
      if (random.below(8) === 0) subscription.wake();
    }
    do await turn();
    while (hub.lag().sum > 0);
    await turn();
    for (const { sleeper, twin } of pairs) {
      expect(sleeper.byPartition).toEqual(twin.byPartition);
      expect(sleeper.subscription.filterCounts).toEqual(twin.subscription.filterCounts);
      if (!twin.told.includes('MAP_DROPPED'))
        expect(sleeper.subscription.positions).toEqual(twin.subscription.positions);
    }
    const given = pairs.flatMap(({ twin }) => twin.told);
    expect(new Set(given.filter((told) => !told.includes(' at ')))).toEqual(new Set(['MAP_DROPPED']));
    expect(given.length).toBeGreaterThan(1000);
    const counts = pairs.map(({ twin }) => twin.subscription.filterCounts);
    expect(counts.some(({ oddValues }) => oddValues > 0)).toBe(true);
    expect(counts.some(({ dividedByZero }) => dividedByZero > 0)).toBe(true);
  });

  it('reads each record once, however many sleep, and wakes none that it is not for', async () => {
    const { hub, read, write, follow, open } = bench();
    follow('m', FIRST);
    const conditions = Array.from({ length: 100 }, (_, at) => compare(city, '=', text(`nowhere ${at}`)));
    const readers = conditions.map((condition) => new Reader(hub, open({ condition, sleepsThrough: true })));
    for (let at = 0; at < 50; at++) write(FIRST, `k${at}`, at % PARTITIONS, { city: 'Ulm' });
    while (hub.lag().sum > 0) await turn();
    expect(read.records).toBe(50);
    write(FIRST, 'k', 1, { city: 'nowhere 7' });
    while (readers[7]!.told.length === 0) await turn();
    // Once more by the one that it is for.
    expect([read.records, readers.filter(({ wakes }) => wakes > 0)]).toEqual([52, [readers[7]]]);
  });
});

describe('places of a look', () => {
  /** Two logs that hold nothing that anybody wants, and readers of them. */
  function places() {
    const committed = [0, 0];
    const readFrom: number[] = [];
    const logs: { -readonly [K in keyof LogSource]: LogSource[K] } = {
      readLog: (partition, from) => {
        readFrom.push(from);
        return committed[partition]! + 1;
      },
      committedSequence: (partition) => committed[partition]!,
      incarnation: () => 1,
      resolvedVersion: () => 1,
    };
    const look = new SharedLook<SleepingReader>(logs, 2);
    const reader = (...next: readonly number[]) => {
      const made = {
        ...{
          partitions: [0, 1].slice(0, next.length),
          mapId: 1,
          equality: undefined,
          columns: [],
          next,
          wakes: 0,
          look: () => {},
        },
        nextOf: (partition: number): number => made.next[partition] ?? Number.POSITIVE_INFINITY,
        wake: (): void => {
          made.wakes += 1;
          look.getUp(made);
        },
      };
      return made;
    };
    return { committed, logs, look, reader, readFrom };
  }

  it('L1: are not taken by who has not read what they have passed', () => {
    const { committed, look, reader } = places();
    const [early, late] = [reader(1, 1), reader(1, 1)];
    expect(look.fallAsleep(early)).toBe(true);
    committed[0] = 2;
    look.committed(0);
    look.step();
    expect([look.placeOf(0), look.fallAsleep(late), look.size]).toEqual([3, false, 1]);
    late.next = [3, 1];
    expect([look.fallAsleep(late), look.size]).toEqual([true, 2]);
  });

  it('L4: that cannot be read on wake those alone that read there, and are given up', () => {
    const { committed, logs, look, reader } = places();
    const [both, first] = [reader(1, 1), reader(1)];
    look.fallAsleep(both);
    look.fallAsleep(first);
    logs.readLog = () => {
      throw new GridError('SEQUENCE_GONE', 'the log moved on');
    };
    committed[1] = 1;
    expect(look.committed(1)).toBe(true);
    look.step();
    expect([both.wakes, first.wakes, look.size, look.placeOf(1), look.isBehind]).toEqual([1, 0, 1, 0, false]);
    expect(look.committed(1)).toBe(false);
  });

  it('L5: are forgotten with the last that sleeps: nothing is read again for the next one', () => {
    const { committed, look, reader, readFrom } = places();
    const [early, late] = [reader(1, 1), reader(6, 1)];
    look.fallAsleep(early);
    committed[0] = 1;
    look.committed(0);
    early.wake();
    committed[0] = 5;
    expect([look.committed(0), look.isBehind]).toEqual([false, false]);
    look.fallAsleep(late);
    committed[0] = 6;
    look.committed(0);
    look.step();
    expect([readFrom, look.isBehind]).toEqual([[6], false]);
  });
});
