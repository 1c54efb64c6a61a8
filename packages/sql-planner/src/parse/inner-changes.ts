/** INSERT, UPDATE, DELETE, MERGE and TRUNCATE in brackets, where a query or an expression belongs. */
import { unsupported } from '../guard/sql-errors.ts';
import type { Cursor } from './cursor.ts';

/**
 * @param cursor  at the bracket
 * @throws GridError UNSUPPORTED_SQL where it holds such a statement; a column or a table with such a name is none
 */
export function refuseInnerChange(cursor: Cursor): void {
  const verb = cursor.ahead(1);
  if (verb.kind !== 'word' || !isChange(verb.value, cursor)) return;
  const name = verb.text.toUpperCase();
  throw unsupported(`${name} within another statement`, verb.position, 'send it as a statement of its own');
}

function isChange(verb: string, cursor: Cursor): boolean {
  switch (verb) {
    case 'insert':
    case 'merge':
      return cursor.isWordAhead(2, 'into');
    case 'delete':
      return cursor.isWordAhead(2, 'from');
    case 'update':
      return cursor.isWordAhead(3, 'set');
    case 'truncate':
      return cursor.isWordAhead(2, 'table') || cursor.ahead(3).text === ')';
    default:
      return false;
  }
}
