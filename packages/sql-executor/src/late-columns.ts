/**
 * Which columns of a scan need not be read for every row.
 *
 *   TopN by bare columns <- Project of bare columns ... <- Scan      all columns but the keys: for the rows TopN keeps
 *
 * ORDER BY balance LIMIT 10 then decodes the other columns of a few rows a chunk instead of all.
 */
import type { FragmentNode } from '@ashlar/sql-plan';
import { columnIndexOf } from './rows.ts';

/** late[column] of the fragment's scan; undefined: all columns are read at once. */
export function lateColumnsOf(node: FragmentNode): readonly boolean[] | undefined {
  if (node.kind === 'Scan' || node.kind === 'Rows') return undefined;
  if (node.kind !== 'TopN' || node.keys.length === 0) return lateColumnsOf(node.input);
  const keys = node.keys.map(({ expr }) => columnIndexOf(expr));
  return columnsBelow(node.input, keys) ?? lateColumnsOf(node.input);
}

/** @param needed columns of the node's output that are needed for every row; undefined: computed from several */
function columnsBelow(node: FragmentNode, needed: readonly (number | undefined)[]): readonly boolean[] | undefined {
  if (needed.some((column) => column === undefined)) return undefined;
  if (node.kind === 'Scan') return node.columns.map((_, column) => !needed.includes(column));
  if (node.kind !== 'Project' || node.exprs.some((expr) => columnIndexOf(expr) === undefined)) return undefined;
  return columnsBelow(
    node.input,
    needed.map((column) => columnIndexOf(node.exprs[column!]!)),
  );
}
