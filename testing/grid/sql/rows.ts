/** The result of a statement as tests compare it. */
import type { Grid } from '@ashlar/client';
import type { TestGrid } from '../support/grid.ts';

/** Rows as arrays, so that columns with one name are all there. */
export async function rowsOf(client: Grid, sql: string, parameters: readonly unknown[] = []): Promise<unknown[][]> {
  const rows: unknown[][] = [];
  for await (const batch of client.sql(sql, parameters).batches()) {
    const columns = batch.columns.map((_, column) => batch.values(column));
    for (let row = 0; row < batch.rowCount; row++) rows.push(columns.map((values) => values[row]));
  }
  return rows;
}

/** The lines of EXPLAIN. */
export async function explained(client: Grid, sql: string, parameters: readonly unknown[] = []): Promise<string[]> {
  return (await rowsOf(client, `EXPLAIN ${sql}`, parameters)).map(([line]) => line as string);
}

/** Resolves when no member holds a snapshot and no query worker has work. */
export async function quiet(grid: TestGrid): Promise<void> {
  for (;;) {
    const left = await Promise.all(grid.members.map(busyness));
    if (left.every((count) => count === 0)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function busyness(member: TestGrid['members'][number]): Promise<number> {
  const counts = await Promise.all([
    member.metric('ashlar_snapshots_open'),
    member.metric('ashlar_pool_busy', { pool: 'query' }),
    member.metric('ashlar_pool_queued', { pool: 'query' }),
  ]);
  return counts.reduce<number>((sum, count) => sum + count!, 0);
}
