/**
 * How long writes of a partition wait when its primary is gone: a put for each partition that the victim was primary of, sent
 * as the fault begins, through the public client.
 */
import type { Grid } from '@ashlar/client';
import type { PartitionTable } from '@ashlar/core';
import { encodeKey, partitionOf } from '../../../../packages/serialization/src/index.ts';
import type { Outcomes } from '../load/outcomes.ts';
import { pause } from '../load/pace.ts';

const MAP = 'probes';
const TIMEOUT_MS = 30_000;
const AGAIN_MS = 50;

/** Keys of MAP, one in each partition. */
export function probeKeys(partitions: number): readonly string[] {
  const keys = new Array<string>(partitions);
  for (let number = 0, found = 0; found < partitions; number++) {
    const key = `probe${number}`;
    const bytes = encodeKey(key);
    const partition = partitionOf(bytes, 0, bytes.length, 0, partitions);
    if (keys[partition] !== undefined) continue;
    keys[partition] = key;
    found++;
  }
  return keys;
}

/** Partitions whose primary is the member. */
export function partitionsOf(table: PartitionTable, member: string): number[] {
  const index = table.members.findIndex(({ id }) => id === member);
  return table.owners.flatMap(([primary], partition) => (primary === index ? [partition] : []));
}

/**
 * @param beganMs  of the fault
 * @returns milliseconds from there until each put was acknowledged, sent again where it was refused; of one that was not: the time-out
 */
export function outages(grid: Grid, keys: readonly string[], beganMs: number, outcomes: Outcomes): Promise<number>[] {
  const map = grid.map<string, number>(MAP);
  const leftMs = (): number => TIMEOUT_MS - (performance.now() - beganMs);
  return keys.map(async (key, number) => {
    for (let timeoutMs = TIMEOUT_MS; timeoutMs > 0; timeoutMs = leftMs()) {
      const { kind } = await outcomes.mutate('probe', () => map.put(key, number, { timeoutMs }));
      if (kind === 'answered') return performance.now() - beganMs;
      await pause(AGAIN_MS);
    }
    return TIMEOUT_MS;
  });
}
