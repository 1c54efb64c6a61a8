import { MapDroppedError, type MapId, type PartitionId, StaleEpochError, type Version } from '@ashlar/core';
import type { RunOptions, WorkerTask } from '@ashlar/workers';
import {
  type FragmentJob,
  type FragmentRunnerDependencies,
  type FragmentStats,
  runLocalFragment,
} from './fragment-runner.ts';
import { HeldMemory } from './held/held-memory.ts';

const MAP = 5 as MapId;
const FRAGMENT = { kind: 'Scan', map: 'm', mapId: MAP, columns: [], filter: undefined } as unknown;

/** A member of which `rows[partition]` entries live now, and whose snapshot sees versions in `seen`. */
function memberWith(rows: readonly number[], seen: readonly number[], looks: boolean[] = []) {
  const lost = { afterTasks: Number.POSITIVE_INFINITY };
  const scanned: number[] = [];
  const held = new HeldMemory({ bytesMax: 1 << 20, statementBytesMax: 1 << 20, unreadMaxMs: 1000, nowMs: () => 0 });
  const run = (_kind: string, task: { partitions: readonly number[] }, options: RunOptions): WorkerTask<unknown> => {
    scanned.push(...task.partitions);
    options.onMessage?.(Uint8Array.of(1));
    const result = Promise.resolve({
      batches: [Uint8Array.of(2)],
      rowsScanned: 1,
      rowsOut: 1,
      odd: [{ what: 'hold text in n', rows: 2 }],
    });
    return { result, post: () => undefined, kill: () => undefined };
  };
  const lease = { leasedPages: [], columnNumbers: [], settle: () => undefined, giveBack: () => undefined };
  const deps = {
    needMap: () => Promise.reject(new MapDroppedError('m')),
    store: {
      hasMap: () => looks.shift() ?? true,
      hasVersions: (_: MapId, partition: number) => seen.includes(partition),
      entryCount: (_: MapId, partition: number) => rows[partition],
    },
    pool: { stats: () => ({ threads: 2 }), run },
    columns: { warmLease: () => undefined, lease: () => lease },
    held,
    snapshots: {
      touch: () => undefined,
      checkHeld: (_: number, partitions: readonly number[]) => {
        if (scanned.length >= lost.afterTasks) throw new StaleEpochError(partitions[0]!, 1, 2);
      },
    },
  } as unknown as FragmentRunnerDependencies;
  return { deps, scanned, held, lost };
}

function jobOver(partitions: readonly number[]): FragmentJob {
  return {
    fragment: FRAGMENT,
    mapId: MAP,
    partitions: partitions as readonly PartitionId[],
    snapshotId: 1,
    snapshotVersion: 9 as Version,
    parameters: new Uint8Array(0),
    buildTables: [],
    memoryBytes: 1 << 20,
    clockMs: 0,
    strict: false,
    signal: new AbortController().signal,
  } as FragmentJob;
}

describe("a member's part of a query", () => {
  it('scans what the snapshot may see, also in partitions that hold nothing any more', async () => {
    const { deps, scanned, held } = memberWith([3, 0, 0, 1], [0, 1, 3]);
    const stats: FragmentStats = { rowsScanned: 0, rowsOut: 0, tasks: 0, odd: [] };
    const batches: Uint8Array[] = [];
    for await (const batch of runLocalFragment(jobOver([0, 1, 2, 3]), deps, stats)) batches.push(batch);
    expect(scanned.sort()).toEqual([0, 1, 3]);
    expect(batches.length).toBe(stats.tasks * 2);
    expect(held.bytes).toBe(0);
    expect(stats.odd).toEqual([{ what: 'hold text in n', rows: stats.tasks * 2 }]);
  });

  it.each([0, 1, 2])(
    'F3: ends as the look at its snapshot says where a partition was lost after %i tasks, not with what is left',
    async (tasks) => {
      const { deps, held, lost } = memberWith([3, 3], [0, 1]);
      lost.afterTasks = tasks;
      const stats: FragmentStats = { rowsScanned: 0, rowsOut: 0, tasks: 0, odd: [] };
      let scanned = 0;
      const read = async (): Promise<void> => {
        const job = { ...jobOver([0, 1]), onScanned: () => void scanned++ };
        for await (const _batch of runLocalFragment(job, deps, stats));
      };
      await expect(read()).rejects.toMatchObject({ code: 'STALE_EPOCH', retryable: true });
      expect([scanned, held.bytes]).toEqual([0, 0]);
    },
  );

  it.each([
    ['before it began', [false]],
    ['before its tasks were made', [true, false]],
  ])('of a map that was dropped %s ends with MAP_DROPPED, not with nothing', async (_, looks) => {
    const { deps, held } = memberWith([3], [0], looks);
    const stats = { rowsScanned: 0, rowsOut: 0, tasks: 0, odd: [] };
    const read = async (): Promise<void> => {
      for await (const _batch of runLocalFragment(jobOver([0]), deps, stats));
    };
    await expect(read()).rejects.toMatchObject({ code: 'MAP_DROPPED', details: { map: 'm' } });
    expect([stats.tasks, held.bytes]).toEqual([0, 0]);
  });
});
