/** What bounds a task: cancellation, memory, the size of what it sends. */
import type { PartitionId, Version } from '@ashlar/core';
import type { FragmentNode, MergeNode } from '@ashlar/sql-plan';
import { type FragmentControl, type FragmentTask, runFragment } from './fragment.ts';
import { batchRowCount, isPassThrough, limitOf, runMerge } from './index.ts';
import { tasksFor } from './tasks.ts';
import { MemorySource, type Row } from './testing/memory-source.ts';
import { aggregate, column, gather, groupBy, key, literal, NUM, scan, TEXT, TYPES } from './testing/plans.ts';
import { decodeRows, encodeRows, runQuery } from './testing/run.ts';

const NO_PARAMETERS = new Uint8Array(0);
const ROWS = 20_000;
const rows: readonly Row[] = Array.from({ length: ROWS }, (_, row) =>
  TYPES.map((__, index) => (index === NUM ? row : index === TEXT ? `text ${row}` : null)),
);
const MIB = 1024 * 1024;

function task(fragment: FragmentNode, options: Partial<FragmentTask> = {}): FragmentTask {
  return {
    fragment,
    partitions: [0 as PartitionId],
    snapshotId: 1,
    snapshotVersion: 1 as Version,
    parameters: NO_PARAMETERS,
    buildTables: [],
    memoryBytes: 64 * MIB,
    ...options,
  };
}

const product: FragmentNode = {
  kind: 'HashJoin',
  join: 'inner',
  input: scan(),
  stage: 0,
  buildColumns: [{ name: 'b', type: 'any' }],
  probeKeys: [],
  buildKeys: [],
  residual: undefined,
};

describe('a task that is cancelled', () => {
  const cancelledAfter = (looks: number): FragmentControl => ({ cancelled: () => looks-- <= 0 });

  it('ends at the next chunk, and finishes its source', () => {
    const source = new MemorySource([rows], { chunkRows: 100 });
    const { fragment } = groupBy([column(TEXT)], [aggregate('count')]);
    expect(() => runFragment(task(fragment), source, cancelledAfter(5))).toThrow(
      expect.objectContaining({ code: 'CANCELLED' }),
    );
    expect(source.isFinished).toBe(true);
  });

  it('ends within one chunk that a join makes large', () => {
    const build = encodeRows(
      rows.map((row) => [row[NUM]]),
      ['any'],
    );
    const batches: Uint8Array[] = [];
    const control = { ...cancelledAfter(60), emit: (batch: Uint8Array) => void batches.push(batch) };
    const source = new MemorySource([rows], { chunkRows: 4096 });
    const run = (): unknown =>
      runFragment(task(product, { buildTables: [{ stage: 0, batches: build }] }), source, control);
    expect(run).toThrow(expect.objectContaining({ code: 'CANCELLED' }));
    expect(batches.length).toBeGreaterThan(0);
    expect(batches.length).toBeLessThan(60);
  });

  it('ends while it sorts', () => {
    const merge: MergeNode = { kind: 'Sort', input: gather, keys: [key(column(NUM), true)] };
    const inputs = encodeRows(rows, TYPES);
    const run = (): unknown =>
      runMerge({ merge, inputs, parameters: NO_PARAMETERS, memoryBytes: 64 * MIB }, cancelledAfter(inputs.length + 2));
    expect(run).toThrow(expect.objectContaining({ code: 'CANCELLED' }));
  });
});

describe('a task that needs more memory than it has', () => {
  const exceeded = expect.objectContaining({ code: 'QUERY_MEMORY_EXCEEDED' });

  it.each<[string, MergeNode]>([
    ['a sort', { kind: 'Sort', input: gather, keys: [key(column(NUM))] }],
    ['distinct rows', { kind: 'Distinct', input: gather }],
    ['many groups', groupBy([column(TEXT)], [aggregate('count')]).merge],
  ])('fails with its budget: %s', (name, merge) => {
    const fragment = name === 'many groups' ? groupBy([column(TEXT)], [aggregate('count')]).fragment : scan();
    expect(runQuery({ fragment, merge }, rows)).toHaveLength(ROWS);
    const inputs = runFragment(task(fragment), new MemorySource([rows]), { cancelled: () => false }).batches;
    const run = (): unknown =>
      runMerge({ merge, inputs, parameters: NO_PARAMETERS, memoryBytes: MIB }, { cancelled: () => false });
    expect(run).toThrow(exceeded);
  });

  it('fails with the build side of a join', () => {
    const buildTables = [
      {
        stage: 0,
        batches: encodeRows(
          rows.map((row) => [row[TEXT]]),
          ['any'],
        ),
      },
    ];
    const run = (): unknown =>
      runFragment(task(product, { buildTables, memoryBytes: MIB / 4 }), new MemorySource([[]]), {
        cancelled: () => false,
      });
    expect(run).toThrow(exceeded);
  });

  it('fails with a result that nobody takes, and not when it leaves in pieces', () => {
    const limited = task(scan(), { memoryBytes: MIB / 4 });
    expect(() => runFragment(limited, new MemorySource([rows]), { cancelled: () => false })).toThrow(exceeded);
    let rowCount = 0;
    const emit = (batch: Uint8Array): void => void (rowCount += batchRowCount(batch));
    const result = runFragment(limited, new MemorySource([rows]), { cancelled: () => false, emit });
    expect(rowCount).toBe(ROWS);
    expect(result).toMatchObject({ batches: [], rowsOut: ROWS, rowsScanned: ROWS });
  });

  it('hands groups on early instead, beside the data', () => {
    const { fragment, merge } = groupBy([column(TEXT)], [aggregate('count'), aggregate('sum', column(NUM))]);
    const batches: Uint8Array[] = [];
    runFragment(task(fragment, { memoryBytes: 2 * MIB }), new MemorySource([[...rows, ...rows]]), {
      cancelled: () => false,
      emit: (batch) => void batches.push(batch),
    });
    const result = runMerge(
      { merge, inputs: batches, parameters: NO_PARAMETERS, memoryBytes: 64 * MIB },
      { cancelled: () => false },
    );
    const found = decodeRows(result.batches);
    expect(found).toHaveLength(ROWS);
    for (const [text, count, sum] of found) expect([count, sum]).toEqual([2, Number(String(text).slice(5)) * 2]);
  });
});

describe('what a task sends', () => {
  it('is in pieces of about 256 KiB, also where single rows are large', () => {
    const long = [10, 100_000, 200_000, 200_000, 50, 900_000].map((size) =>
      TYPES.map((_, i) => (i === TEXT ? 'x'.repeat(size) : null)),
    );
    const { batches } = runFragment(task(scan()), new MemorySource([long]), { cancelled: () => false });
    expect(batches.map(batchRowCount)).toEqual([2, 1, 2, 1]);
    expect(decodeRows(batches)).toEqual(long);
  });

  it('gathers the few rows of many chunks', () => {
    const { batches } = runFragment(task(scan()), new MemorySource([rows], { chunkRows: 10 }), {
      cancelled: () => false,
    });
    expect(batches.length).toBeLessThan(12);
    expect(decodeRows(batches)).toEqual(rows);
  });
});

describe('tasksFor', () => {
  const partitions = (...counts: number[]): { partitionId: PartitionId; rows: number }[] =>
    counts.map((count, partitionId) => ({ partitionId: partitionId as PartitionId, rows: count }));

  it('makes one task of few rows', () => {
    expect(tasksFor(partitions(3, 4, 5), 8)).toEqual([[2, 1, 0]]);
    expect(tasksFor([], 8)).toEqual([]);
  });

  it('makes at most a few tasks a thread, of like size, the longest first', () => {
    const many = partitions(...Array.from({ length: 256 }, (_, index) => 10_000 + index * 100));
    const tasks = tasksFor(many, 2);
    expect(tasks).toHaveLength(8);
    expect(tasks.flat().toSorted((a, b) => a - b)).toEqual(many.map(({ partitionId }) => partitionId));
    const sizes = tasks.map((ids) => ids.reduce<number>((sum, id) => sum + many[id]!.rows, 0));
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
    expect(sizes[0]! / sizes.at(-1)!).toBeLessThan(1.05);
  });

  it('leaves no partition out when one is much larger than all others', () => {
    const tasks = tasksFor(partitions(1_000_000, 1, 1, 1), 2);
    expect(tasks[0]).toEqual([0]);
    expect(tasks.flat()).toHaveLength(4);
  });
});

describe('a merge that passes rows through', () => {
  const limit: MergeNode = { kind: 'Limit', input: gather, limit: literal(5, 'int4'), offset: literal(2, 'int4') };

  it('is a Gather with at most a Limit', () => {
    expect(isPassThrough(gather)).toBe(true);
    expect(isPassThrough(limit)).toBe(true);
    expect(isPassThrough({ kind: 'Distinct', input: gather })).toBe(false);
    expect(isPassThrough({ ...limit, input: { kind: 'Distinct', input: gather } })).toBe(false);
  });

  it('says which rows pass', () => {
    expect(limitOf(limit, [])).toEqual({ offset: 2, limit: 5 });
    expect(limitOf(gather, [])).toEqual({ offset: 0, limit: Number.POSITIVE_INFINITY });
    const byParameter = { ...limit, limit: { kind: 'parameter', index: 0, type: 'int8', at: 1 } as const };
    expect(limitOf(byParameter, [7n])).toEqual({ offset: 2, limit: 7 });
  });
});
