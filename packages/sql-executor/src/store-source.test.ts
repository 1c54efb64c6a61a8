/** The storage-backed source against the same rows in memory, while the store is written to and columns come and go. */
import { HybridClock, type MapId, type PartitionId, seededRandom, type Version } from '@ashlar/core';
import { boundsOf, type Expr } from '@ashlar/expressions';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import type { FragmentNode, MergeNode } from '@ashlar/sql-plan';
import { MemberStore, publishColumns, StoreReader } from '@ashlar/storage';
import fc from 'fast-check';
import { type FragmentTask, runFragment, scanOf } from './fragment.ts';
import { runMerge } from './merge.ts';
import { storeSource } from './store-source.ts';
import { MemorySource, type Row } from './testing/memory-source.ts';
import {
  aggregate,
  BIG,
  column,
  compare,
  gather,
  groupBy,
  literal,
  NUM,
  SMALL,
  TEXT,
  TIME,
  tableRows,
} from './testing/plans.ts';
import { decodeRows } from './testing/run.ts';
import { shownRows } from './testing/twin.ts';

const NO_PARAMETERS = new Uint8Array(0);
const MAP = 1 as MapId;
const PARTITIONS = 2;
/** The columns that documents can hold: those without a static type. */
const COLUMNS = 8;
const MEMORY_BYTES = 64 << 20;
const never = { cancelled: () => false };

const doc = (row: Row): Record<string, unknown> =>
  Object.fromEntries(row.slice(0, COLUMNS).map((value, index) => [`c${index}`, value]));

const docScan = (filter?: Expr): FragmentNode => ({
  kind: 'Scan',
  map: 'm',
  mapId: MAP,
  alias: 'm',
  columns: Array.from({ length: COLUMNS }, (_, index) => ({ source: 'path', path: [`c${index}`], type: 'any' })),
  filter,
});

/** A store of one map, with a model of what it holds. */
class Bench {
  readonly store = MemberStore.create({
    maxBytes: 32 << 20,
    partitionCount: PARTITIONS,
    maxWorkers: 2,
    hashSeed: 1,
    clock: new HybridClock(),
  });
  readonly reader = StoreReader.attach(this.store.handle, 0);
  readonly rows = Array.from({ length: PARTITIONS }, () => new Map<number, Row>());
  published = 0;

  constructor() {
    this.store.openMap(MAP, { affinityParts: 0 });
    for (let partition = 0; partition < PARTITIONS; partition++) {
      this.store.openPartition(partition as PartitionId, 1 as never);
    }
  }

  put(entries: readonly (readonly [number, Row])[]): void {
    const batch = this.store.begin();
    for (const [number, row] of entries) {
      const partition = (number % PARTITIONS) as PartitionId;
      const key = encodeKey(number);
      const value = encodeValue(doc(row));
      batch.put(MAP, partition, key, 0, key.length, batch.value(value, 0, value.length));
      this.rows[partition]!.set(number, row);
    }
    batch.commit();
  }

  remove(numbers: readonly number[]): void {
    const batch = this.store.begin();
    for (const number of numbers) {
      const partition = (number % PARTITIONS) as PartitionId;
      const key = encodeKey(number);
      if (this.rows[partition]!.delete(number)) batch.remove(MAP, partition, key, 0, key.length);
    }
    batch.commit();
  }

  model(): Row[][] {
    return this.rows.map((rows) => [...rows.values()]);
  }

  task(fragment: FragmentNode, snapshot: { readonly id: number; readonly version: Version }): FragmentTask {
    const columns = scanOf(fragment).columns;
    const numbers = columns.map((_, index) => this.store.columnNumber(MAP, `c${index}`, true));
    const runs = Array.from({ length: 24 }, (_, index) => this.store.leasePages(index % 2 === 0 ? 1 : 2, MAP));
    return {
      fragment,
      partitions: [0, 1] as PartitionId[],
      snapshotId: snapshot.id,
      snapshotVersion: snapshot.version,
      parameters: NO_PARAMETERS,
      buildTables: [],
      memoryBytes: MEMORY_BYTES,
      columnNumbers: numbers,
      leasedPages: runs.filter((run) => run !== undefined),
    };
  }

  /** The answer from the store; what the task made of its pages is published. */
  query(
    fragment: FragmentNode,
    merge: MergeNode,
    snapshot: { readonly id: number; readonly version: Version },
  ): string[] {
    const task = this.task(fragment, snapshot);
    const result = runFragment(task, storeSource(this.reader, task), never);
    this.published += publishColumns(this.store, { offers: result.columnOffers, unusedPages: result.unusedPages });
    return merged(merge, result.batches);
  }
}

function merged(merge: MergeNode, inputs: readonly Uint8Array[]): string[] {
  const { batches } = runMerge({ merge, inputs, parameters: NO_PARAMETERS, memoryBytes: MEMORY_BYTES }, never);
  return shownRows(decodeRows(batches)).toSorted();
}

function expected(fragment: FragmentNode, merge: MergeNode, rows: readonly (readonly Row[])[]): string[] {
  const task: FragmentTask = {
    fragment,
    partitions: [0, 1] as PartitionId[],
    snapshotId: 1,
    snapshotVersion: 1 as Version,
    parameters: NO_PARAMETERS,
    buildTables: [],
    memoryBytes: MEMORY_BYTES,
  };
  return merged(merge, runFragment(task, new MemorySource(rows), never).batches);
}

const filters: readonly (Expr | undefined)[] = [
  undefined,
  compare('>', column(SMALL), literal(3, 'float8')),
  compare('=', column(TEXT), literal('a', 'text')),
  {
    kind: 'and',
    operands: [
      compare('<', column(NUM), literal(100, 'float8')),
      { kind: 'isNull', negated: true, operand: column(TIME), type: 'boolean', at: -1 },
    ],
    type: 'boolean',
    at: -1,
  },
  compare('<', literal(1e9, 'float8'), column(NUM)),
  compare('=', literal(1, 'float8'), literal(1, 'float8')),
];

const queries: readonly (readonly [FragmentNode, MergeNode])[] = filters.flatMap((filter) => {
  const grouped = groupBy(
    [column(TEXT)],
    [aggregate('count'), aggregate('sum', column(NUM)), aggregate('max', column(SMALL))],
    docScan(filter),
  );
  return [
    [docScan(filter), gather] as const,
    [grouped.fragment, grouped.merge] as const,
    [
      { kind: 'Project', input: docScan(filter), columns: [], exprs: [column(NUM), column(TIME)] } as const,
      gather,
    ] as const,
  ];
});

describe('the bounds of a filter', () => {
  const context = { parameters: [3] };
  const parameter: Expr = { kind: 'parameter', index: 0, type: 'any', at: -1 };
  const missing: Expr = { kind: 'parameter', index: 9, type: 'any', at: -1 };

  it('turns a condition round to its column', () => {
    const bounds = boundsOf(compare('<=', parameter, column(NUM)), context);
    expect(bounds).toEqual([{ column: NUM, bound: { operator: '>=', kind: 'number', value: 3 } }]);
  });

  it('takes each condition of an AND that it can, and none of an OR', () => {
    const operands = [
      compare('=', column(TEXT), literal('a', 'text')),
      compare('<', column(TEXT), literal('a', 'text')),
      compare('=', column(NUM), missing),
      compare('=', column(NUM), column(SMALL)),
      compare('>', column(SMALL), literal(null, 'null')),
    ];
    const found = [{ column: TEXT, bound: { operator: '=', kind: 'text', value: 'a' } }];
    expect(boundsOf({ kind: 'and', operands, type: 'boolean', at: -1 }, context)).toEqual(found);
    expect(boundsOf({ kind: 'or', operands, type: 'boolean', at: -1 }, context)).toEqual([]);
  });
});

describe('rows of a store', () => {
  it('are those of the snapshot, whatever was written since and whichever columns there are', () => {
    fc.assert(
      fc.property(fc.array(tableRows, { minLength: 4, maxLength: 8 }), fc.nat(), (tables, seed) => {
        const random = seededRandom(seed);
        const bench = new Bench();
        const pool = tables.flat();
        if (pool.length === 0) return;
        const someRow = (): Row => pool[random.below(pool.length)]!;
        bench.put(Array.from({ length: 700 }, (_, number) => [number, someRow()]));
        const open = (): { id: number; version: Version; model: Row[][] } => ({
          ...bench.store.openSnapshot(),
          model: bench.model(),
        });
        let snapshots = [open()];
        for (let step = 0; step < 6; step++) {
          for (const { id, version, model } of snapshots) {
            const [fragment, merge] = queries[random.below(queries.length)]!;
            expect(bench.query(fragment, merge, { id, version })).toEqual(expected(fragment, merge, model));
          }
          bench.put(Array.from({ length: random.below(60) }, () => [random.below(900), someRow()]));
          bench.remove(Array.from({ length: random.below(20) }, () => random.below(900)));
          bench.store.reclaim(1000);
          if (snapshots.length === 2) bench.store.releaseSnapshot(snapshots.shift()!.id);
          snapshots = [...snapshots, open()];
        }
        for (const { id } of snapshots) bench.store.releaseSnapshot(id);
        bench.store.checkInvariants();
      }),
      { numRuns: 12 },
    );
  });

  it('are read from columns once those are published, and found by every kind of condition', () => {
    const bench = new Bench();
    const rows = Array.from(
      { length: 1000 },
      (_, n): Row => [n, n % 5, `t${n % 3}`, null, null, new Date(n), n < 500, null],
    );
    bench.put(rows.map((row, number) => [number, row]));
    const snapshot = bench.store.openSnapshot();
    const num = column(NUM);
    const count = (filter: Expr): number => bench.query(docScan(filter), gather, snapshot).length;
    for (let run = 0; run < 4; run++) {
      expect(count(compare('>', num, literal(997, 'float8')))).toBe(2);
      expect(count(compare('<', literal(997, 'float8'), num))).toBe(2);
      expect(count(compare('<', num, literal(3, 'float8')))).toBe(3);
      expect(count(compare('>', literal(3, 'float8'), num))).toBe(3);
      expect(count(compare('<=', literal(999, 'float8'), num))).toBe(1);
      expect(count(compare('=', num, literal(7, 'float8')))).toBe(1);
      expect(count(compare('>', num, literal(5000, 'float8')))).toBe(0);
      expect(count(compare('=', column(TEXT), literal('t1', 'text')))).toBe(333);
      expect(count(compare('>', column(TEXT), literal('t', 'text')))).toBe(1000);
      expect(count(compare('=', column(TEXT), literal('u', 'text')))).toBe(0);
      expect(count(compare('<', column(TIME), literal('1970-01-01T00:00:00.005Z', 'timestamptz')))).toBe(5);
      expect(count({ kind: 'isNull', negated: false, operand: num, type: 'boolean', at: -1 })).toBe(0);
      expect(count({ kind: 'isNull', negated: true, operand: column(BIG), type: 'boolean', at: -1 })).toBe(0);
    }
    expect(bench.published).toBeGreaterThan(0);
    const keys = [{ expr: num, descending: true, nullsFirst: true }];
    const top: FragmentNode = { kind: 'TopN', input: docScan(), keys, limit: literal(3, 'int4') };
    expect(bench.query(top, gather, snapshot)).toEqual(shownRows(rows.slice(-3)));
  });

  it('of a snapshot that has expired are not delivered', () => {
    const bench = new Bench();
    bench.put(Array.from({ length: 100 }, (_, number) => [number, [number]]));
    const snapshot = bench.store.openSnapshot();
    bench.store.expireSnapshot(snapshot.id);
    const task = bench.task(docScan(), snapshot);
    const expired = expect.objectContaining({ code: 'SNAPSHOT_EXPIRED' });
    expect(() => runFragment(task, storeSource(bench.reader, task), never)).toThrow(expired);
    const emit = (): void => {
      throw new Error('delivered');
    };
    expect(() => runFragment(task, storeSource(bench.reader, task), { ...never, emit })).toThrow(expired);
  });

  it('of a map or partition that is not here are none', () => {
    const bench = new Bench();
    const snapshot = bench.store.openSnapshot();
    expect(bench.query(docScan(), gather, snapshot)).toEqual([]);
  });
});
