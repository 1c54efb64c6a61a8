import type { PartitionId, Version } from '@ashlar/core';
import type { FragmentNode } from '@ashlar/sql-plan';
import { type FragmentRest, type FragmentTask, runFragment } from './fragment.ts';
import { OutputCredit } from './output-credit.ts';
import { PartitionClaims } from './partition-claims.ts';
import { MemorySource, type Row } from './testing/memory-source.ts';
import { aggregate, column, compare, groupBy, literal, NUM, scan, TEXT, TYPES } from './testing/plans.ts';
import { decodeRows, encodeRows } from './testing/run.ts';

const PARTITIONS = 5;
const ROWS = 3000;
const TEXT_BYTES = 200;
const partitions: readonly Row[][] = Array.from({ length: PARTITIONS }, (_, partition) =>
  Array.from({ length: ROWS }, (__, row) =>
    TYPES.map((___, index) =>
      index === NUM ? partition * ROWS + row : index === TEXT ? 'x'.repeat(TEXT_BYTES) : null,
    ),
  ),
);
const numbers = partitions.flatMap((rows) => rows.map((row) => row[NUM]));

/** Runs task after task, each with `window` bytes of room, as a reader would that takes everything in between. */
function runInTurns(
  fragment: FragmentNode,
  window: number,
  options: Partial<FragmentTask> & { readonly useClaims?: boolean } = {},
): { readonly rows: Row[]; readonly turns: number; readonly mostBytes: number } {
  const { useClaims, ...rest } = options;
  const credit = new OutputCredit();
  const claims = useClaims === true ? new PartitionClaims(PARTITIONS) : undefined;
  const all = partitions.map((_, index) => index as PartitionId);
  const rows: Row[] = [];
  let left: FragmentRest | undefined;
  let turns = 0;
  let mostBytes = 0;
  do {
    credit.grant(window - credit.bytesLeft);
    const batches: Uint8Array[] = [];
    const task: FragmentTask = {
      fragment,
      partitions: claims === undefined && left !== undefined ? [] : all,
      snapshotId: 1,
      snapshotVersion: 1 as Version,
      parameters: new Uint8Array(0),
      buildTables: [],
      memoryBytes: 2 ** 26,
      credit: credit.shared,
      claims: claims?.shared,
      rest: left,
      ...rest,
    };
    const control = { cancelled: () => false, emit: (batch: Uint8Array) => void batches.push(batch) };
    left = runFragment(task, new MemorySource(partitions), control).rest;
    rows.push(...decodeRows(batches));
    mostBytes = Math.max(
      mostBytes,
      batches.reduce((sum, batch) => sum + batch.length, 0),
    );
    turns += 1;
  } while (left !== undefined || claims?.isExhausted === false);
  return { rows, turns, mostBytes };
}

describe('a task whose reader has little room', () => {
  const WINDOW = 100_000;
  const SLICE = 256 * 1024;

  it.each([false, true])('O1: ends there, and later ones go on at the very row (claims: %s)', (useClaims) => {
    const { rows, turns, mostBytes } = runInTurns(scan(), WINDOW, { useClaims });
    expect(rows.map((row) => row[NUM])).toEqual(numbers);
    expect(turns).toBeGreaterThan(3);
    expect(mostBytes).toBeLessThan(WINDOW + 2 * SLICE);
  });

  it('counts rows that pass the filter, not those that were looked at', () => {
    const filtered = scan(compare('<', literal(ROWS + 6, 'int4'), column(NUM)));
    const { rows, turns } = runInTurns(filtered, WINDOW);
    expect(rows.map((row) => row[NUM])).toEqual(numbers.slice(ROWS + 7));
    expect(turns).toBeGreaterThan(3);
  });

  it('keeps the room also where every row joins with many: a slice gets down to one row', () => {
    const build = encodeRows(
      Array.from({ length: 500 }, () => ['y'.repeat(TEXT_BYTES)]),
      ['any'],
    );
    const product: FragmentNode = {
      kind: 'HashJoin',
      join: 'inner',
      input: scan(compare('<', column(NUM), literal(100, 'int4'))),
      stage: 0,
      buildColumns: [{ name: 'b', type: 'any' }],
      probeKeys: [],
      buildKeys: [],
      residual: undefined,
    };
    const { rows, mostBytes } = runInTurns(product, WINDOW, { buildTables: [{ stage: 0, batches: build }] });
    expect(rows).toHaveLength(100 * 500);
    // The first slice does not know yet how much a row makes.
    expect(mostBytes).toBeLessThan(64 * 500 * (2 * TEXT_BYTES + 200));
  });

  it('goes on with its LIMIT where it was', () => {
    const limited: FragmentNode = { kind: 'TopN', input: scan(), keys: [], limit: literal(4000, 'int4') };
    const { rows, turns } = runInTurns(limited, WINDOW);
    expect(rows.map((row) => row[NUM])).toEqual(numbers.slice(0, 4000));
    expect(turns).toBeGreaterThan(2);
  });

  it('F4: goes on to its end where it gathers rows', () => {
    const { fragment } = groupBy([column(NUM)], [aggregate('count')]);
    const { rows, turns } = runInTurns(fragment, 1000);
    expect(turns).toBe(1);
    expect(rows).toHaveLength(PARTITIONS * ROWS);
  });
});
