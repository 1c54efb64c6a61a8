import type { PartitionId, Version } from '@ashlar/core';
import { runFragment } from './fragment.ts';
import { isShortMerge } from './merge.ts';
import { PartitionClaims } from './partition-claims.ts';
import { taskCountFor } from './tasks.ts';
import { MemorySource, type Row } from './testing/memory-source.ts';
import { aggregate, column, groupBy, NUM, scan, TEXT } from './testing/plans.ts';
import { decodeRows } from './testing/run.ts';

describe('partitions that tasks share', () => {
  const claimAll = (claims: PartitionClaims): number[] => {
    const claimed: number[] = [];
    for (let index = claims.claim(); index >= 0; index = claims.claim()) claimed.push(index);
    return claimed;
  };

  it('C1: are claimed once, by whichever side asks', () => {
    const claims = new PartitionClaims(5);
    const elsewhere = new PartitionClaims(5, claims.shared);
    expect([claims.claim(), elsewhere.claim(), claims.claim()]).toEqual([0, 1, 2]);
    expect(claims.isExhausted).toBe(false);
    expect(claimAll(elsewhere)).toEqual([3, 4]);
    expect([claims.claim(), claims.isExhausted]).toEqual([-1, true]);
  });

  it('are scanned once over all tasks', () => {
    const partitions: Row[][] = Array.from({ length: 7 }, (_, partition) => [[`p${partition}`, partition, null, null]]);
    const claims = new PartitionClaims(partitions.length);
    const task = (): Row[] => {
      const { batches } = runFragment(
        {
          fragment: scan(),
          partitions: partitions.map((_, index) => index as PartitionId),
          claims: claims.shared,
          snapshotId: 1,
          snapshotVersion: 1 as Version,
          parameters: new Uint8Array(0),
          buildTables: [],
          memoryBytes: 2 ** 20,
        },
        new MemorySource(partitions),
        { cancelled: () => false },
      );
      return decodeRows(batches);
    };
    expect([...task(), ...task()].map((row) => row[0]).sort()).toEqual(partitions.map((rows) => rows[0]![0]));
  });

  it('get as many tasks as there are threads and rows for them', () => {
    expect(taskCountFor(1_000_000, 256, 4)).toBe(4);
    expect(taskCountFor(100, 256, 4)).toBe(1);
    expect(taskCountFor(1_000_000, 2, 4)).toBe(2);
    expect(taskCountFor(0, 0, 4)).toBe(0);
  });
});

describe('a merge that any thread may take', () => {
  const { merge } = groupBy([column(TEXT)], [aggregate('count')]);

  it('has few bytes and computes nothing over its rows', () => {
    expect(isShortMerge(merge, 1000)).toBe(true);
    expect(isShortMerge(merge, 1 << 20)).toBe(false);
    const output = [{ name: 'x', type: 'any' as const }];
    expect(isShortMerge({ kind: 'Project', input: merge, exprs: [column(NUM)], columns: output }, 1000)).toBe(true);
    const literal = { kind: 'literal' as const, type: 'int4' as const, value: 1, at: 0 };
    expect(isShortMerge({ kind: 'Project', input: merge, exprs: [literal], columns: output }, 1000)).toBe(false);
  });
});
