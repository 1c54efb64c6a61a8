import type { Epoch, MapId, PartitionId, Sequence, Version } from '@ashlar/core';
import type { WriteBatch } from './batch/write-batch.ts';
import { type LogConsumer, MemberStore } from './index.ts';
import { bytesOf, get, MAP, makeBench, PARTITION, put, stagePut } from './testing/store-bench.ts';

const KEY = bytesOf('key');
const VALUE = bytesOf('value');
const OTHER = 1 as PartitionId;
const BROKEN = [Number.NaN, -1] as const;
/** [start, end) that do not lie in three bytes. */
const RANGES = [
  [Number.NaN, 3],
  [0, Number.NaN],
  [-1, 2],
  [2, 1],
  [0, 4],
] as const;

const version = (of: number): Version => of as Version;
const sequence = (of: number): Sequence => of as Sequence;

/** A store with one committed entry in PARTITION, and an open batch. */
function openBench() {
  const bench = makeBench();
  put(bench.store, 'key', 'kept');
  return { ...bench, batch: bench.store.begin() };
}

type Edge = readonly [what: string, call: (bench: ReturnType<typeof openBench>) => unknown];

const ranges = (what: string, call: (bench: ReturnType<typeof openBench>, start: number, end: number) => unknown) =>
  RANGES.map(([start, end]): Edge => [`${what} [${start}, ${end})`, (bench) => call(bench, start, end)]);
const numbers = (
  what: string,
  values: readonly number[],
  call: (bench: ReturnType<typeof openBench>, n: number) => unknown,
) => values.map((value): Edge => [`${what} ${value}`, (bench) => call(bench, value)]);

const edges: readonly Edge[] = [
  // Bytes: one read too far is another key, or another value.
  ...ranges('put() with a key of', ({ batch }, start, end) =>
    batch.put(MAP, PARTITION, KEY, start, end, batch.value(VALUE, 0, VALUE.length)),
  ),
  ...ranges('value() of', ({ batch }, start, end) => batch.value(KEY, start, end)),
  ...ranges('remove() with a key of', ({ batch }, start, end) => batch.remove(MAP, PARTITION, KEY, start, end)),
  ...ranges('evict() with a key of', ({ batch }, start, end) => batch.evict(MAP, PARTITION, KEY, start, end)),
  ...ranges('answer() of', ({ batch }, start, end) => batch.answer(MAP, PARTITION, KEY, start, end)),
  ...ranges('find() with a key of', ({ store }, start, end) => store.find(MAP, PARTITION, KEY, start, end)),
  ...ranges('findNewest() with a key of', ({ store }, start, end) => store.findNewest(MAP, PARTITION, KEY, start, end)),
  ...ranges('get() with a key of', ({ reader }, start, end) => reader.get(MAP, PARTITION, KEY, start, end, 1e15)),
  // Moments: nothing is before or after NaN.
  ...numbers('a deadline at', BROKEN, ({ batch }, at) => batch.value(VALUE, 0, 1, at)),
  ...numbers('isUndecidedAt', [...BROKEN, Infinity], ({ store }, at) => store.isUndecidedAt(version(at))),
  ...numbers('whenDecided', [...BROKEN, Infinity], ({ store }, at) =>
    store.whenDecided(version(at), undefined, () => undefined),
  ),
  ...numbers('begin() at epoch', BROKEN, ({ store }, epoch) => store.begin({ epoch: epoch as Epoch })),
  ...numbers('a map with ttlMs', [...BROKEN, Infinity], ({ store }, ttlMs) =>
    store.openMap(9 as MapId, { affinityParts: 0, ttlMs }),
  ),
  ...numbers('a map with maxIdleMs', [...BROKEN, Infinity], ({ store }, maxIdleMs) =>
    store.openMap(9 as MapId, { affinityParts: 0, maxIdleMs }),
  ),
  // Counts and numbers of things.
  ...numbers('openMap()', [...BROKEN, 0, 1.5], ({ store }, id) => store.openMap(id as MapId, { affinityParts: 0 })),
  ...numbers('openPartition()', [...BROKEN, 2, 0.5], ({ store }, id) =>
    store.openPartition(id as PartitionId, 1 as Epoch),
  ),
  ...numbers('openPartition() at epoch', [...BROKEN, 1.5], ({ store }, epoch) =>
    store.openPartition(PARTITION, epoch as Epoch),
  ),
  ...numbers('workerGone()', [...BROKEN, 2, 0.5], ({ store }, worker) => store.workerGone(worker)),
  ...numbers('reclaim()', [...BROKEN, 0], ({ store }, steps) => store.reclaim(steps)),
  ...numbers('sweepExpired()', [...BROKEN, 0], ({ store }, steps) => store.sweepExpired(steps)),
  ...numbers('clear() from slot', [...BROKEN, 0.5], ({ store, batch }, slot) =>
    store.clear(batch, MAP, PARTITION, slot, 10),
  ),
  ...numbers('visitKeys() of slots', [...BROKEN, 0], ({ store }, slots) =>
    store.visitKeys(MAP, PARTITION, 0, slots, () => undefined),
  ),
  ...numbers('leasePages()', [...BROKEN, 0, 1.5], ({ store }, pages) => store.leasePages(pages, 'query')),
  ...numbers('publishColumn()', [...BROKEN, 64], ({ store }, column) =>
    store.publishColumn(MAP, PARTITION, 0, column, 0, 1),
  ),
  ...numbers('readLog() of records', [...BROKEN, 0], ({ store }, records) =>
    store.readLog(PARTITION, sequence(1), records, () => undefined),
  ),
  ...numbers('encodeLog() of records', [...BROKEN, 0, 1e9], ({ store }, records) =>
    store.encodeLog(PARTITION, sequence(1), records, 1),
  ),
  ...numbers('encodeLog() of bytes', [...BROKEN, 0], ({ store }, bytes) =>
    store.encodeLog(PARTITION, sequence(1), 1, bytes),
  ),
  ...numbers('holdLog()', BROKEN, ({ store }, from) => store.holdLog(PARTITION, from)),
  // States and roles.
  ['commitBackup() of a primary', ({ store }) => store.commitBackup(PARTITION, sequence(1))],
  [
    'openPartition() as a backup of a primary',
    ({ store }) => store.openPartition(PARTITION, 1 as Epoch, { role: 'backup' }),
  ],
  ['dropUndecided() where nothing is', ({ store, batch }) => store.dropUndecided(PARTITION, batch)],
  ['patch() of an open batch', ({ batch }) => batch.patch(1)],
  ['returnPages() of none', ({ store }) => store.returnPages(new Int32Array(0))],
];

describe("storage's edges", () => {
  it.each(edges)('refuse %s, and nothing has changed', (_, call) => {
    const bench = openBench();
    const { store, batch } = bench;
    const before = store.logInfo(PARTITION);
    expect(() => call(bench)).toThrow(expect.objectContaining({ name: 'AssertionError' }));
    expect(batch.isEmpty).toBe(true);
    batch.abort();
    expect(store.logInfo(PARTITION)).toEqual(before);
    expect(get(store, 'key')).toBe('kept');
    store.checkInvariants();
  });

  it('refuse a sequence that no record can have as one that is not there', () => {
    const { store } = openBench();
    for (const from of [Number.NaN, -1, 0, 1.5, 99])
      expect(() => store.readLog(PARTITION, sequence(from), 1, () => undefined)).toThrow(
        expect.objectContaining({ code: 'SEQUENCE_GONE' }),
      );
  });

  it('refuse a consumer that has read what is not committed, or goes back', () => {
    const { store, batch } = openBench();
    const consumer: LogConsumer = store.addConsumer(PARTITION, { durable: true, at: sequence(1) });
    stagePut(batch, 'other', 'value');
    batch.seal();
    for (const position of [Number.NaN, 0, 3]) expect(() => consumer.advance(position)).toThrow(/consumer/);
    consumer.advance(2);
    batch.commit();
    consumer.advance(3);
    consumer.close();
  });

  it.each([
    ['no partitions', { partitionCount: 0 }],
    ['half a partition', { partitionCount: 1.5 }],
    ['a worker less than none', { maxWorkers: -1 }],
    ['too many workers', { maxWorkers: 1000 }],
    ['a hash seed of 33 bits', { hashSeed: 2 ** 32 }],
    ['a log without room', { logBytesPerPartition: 0 }],
  ])('refuse a store with %s', (_, options) => {
    const { clock } = makeBench();
    const make = () =>
      MemberStore.create({ maxBytes: 2 ** 22, partitionCount: 2, maxWorkers: 0, hashSeed: 1, clock, ...options });
    expect(make).toThrow(expect.objectContaining({ name: 'AssertionError' }));
  });

  it('refuse an expiry for a batch that is not open any more', () => {
    const { store, batch } = openBench();
    const sealed: WriteBatch = batch;
    sealed.seal();
    expect(() => store.expireBefore(sealed, MAP, OTHER, KEY, 0, 3)).toThrow(/open batch/);
    sealed.abort();
  });
});
