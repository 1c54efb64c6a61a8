/** `\d`: the maps of the grid, and the columns of one as a sample of its entries shows them. */
import type { Grid, ResultColumn } from '@ashlar/api';
import { formatBytes, formatCount, formatShare, sqlName, type TableData, toPlain } from '@ashlar/terminal';

const SAMPLE_ROWS = 1000;

/** Descriptions of maps: for people as a table, for programs as objects. */
export interface Description {
  readonly table: TableData;
  readonly objects: readonly object[];
  /** A line below the table. */
  readonly note: string | undefined;
}

export async function describeMaps(grid: Grid, signal: AbortSignal): Promise<Description> {
  const maps = await grid.maps({ signal });
  const rows = maps.map(({ name, entries, bytes }) => [name, formatCount(entries), formatBytes(bytes)]);
  const columns: ResultColumn[] = [
    { name: 'map', type: 'text' },
    { name: 'entries', type: 'numeric' },
    { name: 'memory', type: 'numeric' },
  ];
  const note = rows.length === 0 ? 'no maps yet: the first put creates one' : undefined;
  return { table: { columns, rows }, objects: maps, note };
}

/**
 * Columns with type, share of entries that have one, and an example.
 *
 * @throws GridError UNKNOWN_MAP with the nearest name
 */
export async function describeMap(grid: Grid, map: string, signal: AbortSignal): Promise<Description> {
  const sample = grid.sql(`SELECT __key, * FROM ${sqlName(map)} LIMIT ${SAMPLE_ROWS}`, [], { signal });
  const columns = await sample.columns();
  const values: unknown[][] = columns.map(() => []);
  for await (const batch of sample.batches()) {
    for (const [column, seen] of values.entries()) seen.push(...batch.values(column));
  }
  const rowCount = values[0]?.length ?? 0;
  const objects = columns.map(({ name, type }, column) => {
    const present = values[column]!.filter((value) => value !== null);
    return { column: name, type, present: present.length / rowCount, example: toPlain(present[0]) };
  });
  const rows = objects.map(({ column, type, present, example }) => [column, type, formatShare(present), example]);
  const heads: ResultColumn[] = [
    { name: 'column', type: 'text' },
    { name: 'type', type: 'text' },
    { name: 'present', type: 'numeric' },
    { name: 'example', type: 'text' },
  ];
  const note = `a sample of ${formatCount(rowCount)} entries, which need not be alike; present: the share with a value`;
  return { table: { columns: heads, rows }, objects, note };
}

/** Names of a map's columns, for completion. */
export async function columnsOf(grid: Grid, map: string, signal: AbortSignal): Promise<readonly string[]> {
  const columns = await grid.sql(`SELECT * FROM ${sqlName(map)} LIMIT 0`, [], { signal }).columns();
  return columns.map(({ name }) => name);
}
