/**
 * Columns against decoding every document: random documents, updates, removes, aborts and batches left half patched;
 * snapshots old and new; regions built, published at once, late, twice or never; readers without pages.
 */
import { isDeepStrictEqual } from 'node:util';
import { type MapId, type PartitionId, seededRandom, type Version } from '@ashlar/core';
import { decodeKey, decodeValue, encodeKey, encodeValue, type Key, Path, ValueTag } from '@ashlar/serialization';
import fc from 'fast-check';
import type { WriteBatch } from '../batch/write-batch.ts';
import { makeBench, settle } from '../testing/store-bench.ts';
import { ColumnReader, type ColumnYield } from './column-reader.ts';
import { publishColumns } from './publish.ts';
import type { ColumnSpec, ColumnVector } from './types.ts';

const MAP = 1 as MapId;
/** 1.50; its class lies in a package above this one. */
const DECIMAL = decodeValue(Uint8Array.of(0xd6, 0x44, 0, 2, 0, 150));
const PARTITIONS = 2;
type Doc = Readonly<Record<string, unknown>>;
type Random = ReturnType<typeof seededRandom>;

const PATHS: readonly (readonly (string | number)[])[] = [
  ['number'],
  ['text'],
  ['unique'],
  ['mixed'],
  ['in', 'big'],
  ['tags', 1],
  ['flag'],
];

function randomDoc(random: Random): Doc {
  const pick = <Value>(...values: readonly Value[]): Value => values[random.below(values.length)]!;
  const mixed = [
    1.5,
    -0,
    Number.NaN,
    'x',
    null,
    true,
    7n,
    2n ** 70n,
    new Date(5),
    DECIMAL,
    { a: 1 },
    [1],
    new Uint8Array([1, 2]),
  ];
  const doc: Record<string, unknown> = {
    number: random.below(1000) / 4,
    text: `brand${random.below(6)}`,
    unique: `text ${random.below(1e6)} äöü`,
    in: { big: BigInt(random.below(1000)) - 500n },
    tags: ['a', `t${random.below(3)}`].slice(0, random.below(3)),
    flag: random.below(2) === 0,
  };
  if (random.below(3) > 0) doc['mixed'] = pick(...mixed);
  if (random.below(40) === 0) doc['number'] = pick<unknown>(null, 'not a number', -0, Infinity);
  if (random.below(30) === 0) delete doc['text'];
  if (random.below(50) === 0) doc['in'] = pick<unknown>({ big: 2n ** 65n }, 5, undefined);
  return doc;
}

function expectedAt(doc: unknown, path: readonly (string | number)[]): unknown {
  let value: unknown = doc;
  for (const segment of path) {
    const isIndex = typeof segment === 'number';
    if (typeof value !== 'object' || value === null || Array.isArray(value) !== isIndex) return undefined;
    value = (value as Record<string | number, unknown>)[segment];
  }
  return value;
}

function tagOf(value: unknown): ValueTag {
  if (value === undefined) return ValueTag.MISSING;
  if (value === null) return ValueTag.NULL;
  if (typeof value === 'boolean') return ValueTag.BOOLEAN;
  if (typeof value === 'number') return ValueTag.NUMBER;
  if (typeof value === 'bigint') return ValueTag.BIGINT;
  if (typeof value === 'string') return ValueTag.TEXT;
  if (value instanceof Date) return ValueTag.TIMESTAMP;
  if ('unscaled' in (value as object)) return ValueTag.DECIMAL;
  return value instanceof Uint8Array ? ValueTag.BYTES : ValueTag.JSON;
}

/** A cell as [tag, value]; times as milliseconds, booleans as 0 or 1. */
function cell(vector: ColumnVector, slot: number): readonly [ValueTag, unknown] {
  const tag = vector.uniform ?? (vector.tags![slot] as ValueTag);
  if (tag <= ValueTag.NULL) return [tag, null];
  if (tag === ValueTag.NUMBER || tag === ValueTag.BOOLEAN || tag === ValueTag.TIMESTAMP)
    return [tag, vector.numbers![slot]];
  if (tag === ValueTag.TEXT && vector.codes !== undefined) return [tag, vector.dictionary![vector.codes[slot]!]];
  return [tag, vector.values![slot]];
}

function expectedCell(value: unknown): readonly [ValueTag, unknown] {
  const tag = tagOf(value);
  if (tag <= ValueTag.NULL) return [tag, null];
  if (tag === ValueTag.BOOLEAN) return [tag, Number(value)];
  return [tag, tag === ValueTag.TIMESTAMP ? (value as Date).getTime() : value];
}

interface Snapshot {
  readonly id: number;
  readonly version: Version;
  readonly rows: readonly Map<string, Doc>[];
}

class Run {
  readonly random: Random;
  readonly bench = makeBench({ maxBytes: 48 * 2 ** 20, partitionCount: PARTITIONS, logBytesPerPartition: 1 << 20 });
  readonly reader: ColumnReader;
  readonly specs: readonly ColumnSpec[];
  readonly keyRange: number;
  rows: Map<string, Doc>[] = Array.from({ length: PARTITIONS }, () => new Map());
  snapshots: Snapshot[] = [];
  late: ColumnYield[] = [];
  published = 0;
  shared = 0;

  constructor(seed: number, keyRange: number) {
    this.random = seededRandom(seed);
    this.keyRange = keyRange;
    this.reader = new ColumnReader(this.bench.reader, this.random.below(2 ** 31), 4);
    const { store } = this.bench;
    const numbers = PATHS.map((path) => store.columnNumber(MAP, Path.parse(path).text, true));
    this.specs = [
      ...PATHS.map(
        (path, index): ColumnSpec => ({
          source: { kind: 'path', path: Path.parse(path) },
          type: 'any',
          columnNumber: numbers[index]!,
        }),
      ),
      { source: { kind: 'path', path: Path.parse(['number']) }, type: 'any', columnNumber: -1 },
      { source: { kind: 'key' }, type: 'any', columnNumber: store.columnNumber(MAP, '__key', true) },
      { source: { kind: 'value' }, type: 'json', columnNumber: -1 },
      { source: { kind: 'version' }, type: 'float8', columnNumber: -1 },
    ];
  }

  keyOf(partition: number, number: number): Key {
    return partition === 0 ? number : `key ${number}`;
  }

  write(count: number, commit: 'now' | 'abort'): void {
    const batch = this.bench.store.begin();
    const after = this.rows.map((rows) => new Map(rows));
    for (let index = 0; index < count; index++) {
      this.stage(batch, after, this.random.below(PARTITIONS), this.random.below(this.keyRange));
    }
    if (commit === 'abort') {
      batch.abort();
      return;
    }
    batch.commit();
    this.rows = after;
  }

  stage(batch: WriteBatch, after: Map<string, Doc>[], partition: number, number: number): void {
    const key = encodeKey(this.keyOf(partition, number));
    const name = Buffer.from(key).toString('hex');
    if (this.random.below(4) === 0) {
      batch.remove(MAP, partition as PartitionId, key, 0, key.length);
      after[partition]!.delete(name);
      return;
    }
    const doc = randomDoc(this.random);
    const value = encodeValue(doc);
    batch.put(MAP, partition as PartitionId, key, 0, key.length, batch.value(value, 0, value.length));
    after[partition]!.set(name, decodeValue(value) as Doc);
  }

  /** So large that its lanes stay pending until reclaim() patches them; each key once. */
  writeLarge(): void {
    const batch = this.bench.store.begin();
    const after = this.rows.map((rows) => new Map(rows));
    for (let number = 0; number < 2100; number++) this.stage(batch, after, 0, number);
    batch.commit();
    this.rows = after;
    for (let reads = 0; reads < 3; reads++) {
      this.openSnapshot();
      this.readSome();
    }
  }

  step(): void {
    const dice = this.random.below(100);
    if (dice < 35) this.write(1 + this.random.below(this.keyRange), 'now');
    else if (dice < 40) this.write(1 + this.random.below(9), 'abort');
    else if (dice < 41) this.writeLarge();
    else if (dice < 52) this.openSnapshot();
    else if (dice < 60) this.closeSnapshot();
    else if (dice < 66) this.bench.store.reclaim(1 + this.random.below(3000));
    else if (dice < 70) this.publishLate();
    else this.readSome();
    if (this.random.below(200) === 0) this.bench.store.dropColumns(MAP);
  }

  openSnapshot(): void {
    if (this.snapshots.length > 4) return;
    const { id, version } = this.bench.store.openSnapshot();
    this.snapshots.push({ id, version, rows: this.rows.map((rows) => new Map(rows)) });
  }

  closeSnapshot(): void {
    if (this.snapshots.length === 0) return;
    const [snapshot] = this.snapshots.splice(this.random.below(this.snapshots.length), 1);
    this.bench.store.releaseSnapshot(snapshot!.id);
  }

  publishLate(): void {
    for (const made of this.late.splice(0)) this.published += publishColumns(this.bench.store, made);
  }

  readSome(): void {
    if (this.snapshots.length === 0) this.openSnapshot();
    const snapshot = this.snapshots[this.random.below(this.snapshots.length)]!;
    const { store } = this.bench;
    const runs = Array.from({ length: this.random.below(2) * this.random.below(12) }, (_, index) =>
      store.leasePages(1 + (index % 3), MAP),
    );
    this.reader.begin({ mapId: MAP, version: snapshot.version, pages: runs.filter((run) => run !== undefined) });
    for (let partition = 0; partition < PARTITIONS; partition++) this.readPartition(snapshot, partition as PartitionId);
    this.bench.reader.leave();
    this.late.push(this.reader.finish());
    if (this.random.below(3) > 0) this.publishLate();
  }

  readPartition({ rows }: Snapshot, partition: PartitionId): void {
    const { reader } = this.bench;
    const seen = new Set<string>();
    reader.enter();
    const chunks = reader.table(MAP, partition)?.chunkCount ?? 0;
    for (let index = 0; index < chunks; index++) {
      reader.enter();
      const chunk = reader.table(MAP, partition)!.chunk(index);
      const count = this.reader.enter(chunk, partition, index);
      const slots = Array.from({ length: count }, (_, at) => this.reader.visible?.[at] ?? at);
      const docs = new Map<number, { name: string; doc: Doc; key: Key }>();
      for (const slot of slots) {
        chunk.positionKey(slot);
        const name = Buffer.from(chunk.bytes.slice(chunk.start, chunk.stop)).toString('hex');
        if (seen.has(name)) throw new Error(`key ${name} is visible twice`);
        seen.add(name);
        docs.set(slot, {
          name,
          doc: rows[partition]!.get(name)!,
          key: decodeKey(chunk.bytes, chunk.start, chunk.stop),
        });
      }
      for (const spec of this.specs) {
        if (this.random.below(3) > 0) this.readColumn(spec, slots, docs, (slot) => chunk.versionOf(slot));
      }
    }
    expect([...seen].sort()).toEqual([...rows[partition]!.keys()].sort());
  }

  readColumn(
    spec: ColumnSpec,
    slots: readonly number[],
    docs: Map<number, { doc: Doc; key: Key }>,
    versionOf: (slot: number) => number,
  ): void {
    const isAll = this.random.below(2) === 0;
    const chosen = isAll ? slots : slots.filter(() => this.random.below(3) === 0);
    const selection = isAll ? this.reader.visible : Uint16Array.from(chosen);
    if (chosen.length === 0) return;
    this.checkZone(spec, slots, docs);
    const vector = this.reader.read(spec, selection, chosen.length);
    if (vector.numbers?.buffer instanceof SharedArrayBuffer) this.shared += 1;
    const { source } = spec;
    for (const slot of chosen) {
      const { doc, key } = docs.get(slot)!;
      const expected =
        source.kind === 'path'
          ? expectedAt(doc, source.path.segments)
          : source.kind === 'key'
            ? key
            : source.kind === 'value'
              ? doc
              : versionOf(slot);
      // a matcher a cell would be most of the test's time
      if (slot < vector.length && isDeepStrictEqual(cell(vector, slot), expectedCell(expected))) continue;
      expect({ slot, cell: cell(vector, slot) }).toEqual({ slot, cell: expectedCell(expected) });
    }
  }

  /** zone Z1: a chunk is skipped only when no visible row meets the bound. */
  checkZone(spec: ColumnSpec, slots: readonly number[], docs: Map<number, { doc: Doc }>): void {
    const { source } = spec;
    if (source.kind !== 'path') return;
    const values = slots.map((slot) => expectedAt(docs.get(slot)!.doc, source.path.segments));
    const limit = this.random.below(1200) / 4 - 20;
    const numbers = values.filter((value) => typeof value === 'number');
    const above = numbers.some((value) => value > limit || Number.isNaN(value));
    if (!this.reader.mayMatch(spec, { operator: '>', kind: 'number', value: limit })) expect(above).toBe(false);
    if (!this.reader.mayMatch(spec, { operator: '<=', kind: 'number', value: limit }))
      expect(numbers.some((value) => value <= limit)).toBe(false);
    if (!this.reader.mayMatch(spec, { operator: '=', kind: 'text', value: 'brand3' }))
      expect(values).not.toContain('brand3');
    if (!this.reader.mayMatch(spec, { operator: 'isNull' }))
      expect(values.some((value) => value === null || value === undefined)).toBe(false);
    if (!this.reader.mayMatch(spec, { operator: 'isNotNull' }))
      expect(values.every((value) => value === null || value === undefined)).toBe(true);
  }

  finish(): void {
    while (this.snapshots.length > 0) this.closeSnapshot();
    this.publishLate();
    this.bench.store.checkInvariants();
    this.bench.store.dropColumns(MAP);
    settle(this.bench.store);
    const stats = this.bench.store.stats();
    expect(stats.maps.find(({ mapId }) => mapId === MAP)?.bytes.columns).toBe(0);
    expect(stats.retiredBytes).toBe(0);
  }
}

describe('columns', () => {
  it('hold what decoding every document gives, at every snapshot', () => {
    let published = 0;
    let shared = 0;
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(8, 60, 400), (seed, keyRange) => {
        const run = new Run(seed, keyRange);
        for (let index = 0; index < 90; index++) run.step();
        run.finish();
        published += run.published;
        shared += run.shared;
      }),
      { numRuns: Number(process.env['ASHLAR_COLUMN_RUNS'] ?? 20) },
    );
    expect(published).toBeGreaterThan(100);
    expect(shared).toBeGreaterThan(100);
  });
});
