/** How a member cuts the partitions of a stage into tasks for its query workers. */
import type { PartitionId } from '@ashlar/core';

/** A task's fixed cost (message, source, result) is worth this many rows. */
const TASK_ROWS_MIN = 65_536;
/** Tasks per thread, so that a thread that ends early takes over from one that does not. */
const TASKS_PER_THREAD = 4;

/** Tasks that share `rows` rows of `partitions` partitions by claiming (PartitionClaims): no more than threads. */
export function taskCountFor(rows: number, partitions: number, threads: number): number {
  return Math.min(Math.max(1, Math.floor(rows / TASK_ROWS_MIN)), Math.max(1, threads), partitions);
}

/**
 * Groups partitions into tasks of about equal rows, at most a few a thread; one task when there are few rows in all.
 * Longer tasks come first, so that the last to be taken are short.
 *
 * @param threads query workers that may take tasks, at least 1
 */
export function tasksFor(
  partitionRows: readonly { readonly partitionId: PartitionId; readonly rows: number }[],
  threads: number,
): PartitionId[][] {
  const total = partitionRows.reduce((sum, { rows }) => sum + rows, 0);
  const wanted = Math.min(
    Math.max(1, Math.floor(total / TASK_ROWS_MIN)),
    Math.max(1, threads) * TASKS_PER_THREAD,
    partitionRows.length,
  );
  if (wanted === 0) return [];
  const tasks = Array.from({ length: wanted }, () => ({ rows: 0, partitions: [] as PartitionId[] }));
  // Largest first into the task with the fewest rows: within 4/3 of the best cut (Graham, 1969).
  for (const { partitionId, rows } of partitionRows.toSorted((a, b) => b.rows - a.rows)) {
    const least = tasks.reduce((best, task) => (task.rows < best.rows ? task : best));
    least.partitions.push(partitionId);
    least.rows += rows;
  }
  return tasks
    .filter(({ partitions }) => partitions.length > 0)
    .sort((a, b) => b.rows - a.rows)
    .map(({ partitions }) => partitions);
}
