/**
 * TRUNCATE [TABLE] map [CONTINUE IDENTITY] [RESTRICT], as PostgreSQL has it for one table. It is read here whole: nothing of it
 * is an expression.
 */
import { syntaxError, unexpected, unsupported } from '../guard/sql-errors.ts';
import type { Cursor } from './cursor.ts';
import { readTarget } from './from.ts';
import type { Truncate } from './syntax.ts';

const ONE_BY_ONE = 'send one statement a map: there are no transactions, each commits by itself';
const SOME = 'TRUNCATE removes every entry: DELETE FROM map WHERE ... removes some';

/** @throws GridError UNSUPPORTED_SQL for what means nothing here; SYNTAX_ERROR */
export function readTruncate(cursor: Cursor): Truncate {
  const { position } = cursor.expectWord('truncate');
  cursor.acceptWord('table');
  const table = readTarget(cursor, true);
  if (table.alias !== undefined) throw syntaxError('TRUNCATE takes no alias', table.alias.position, 'leave it out');
  readRest(cursor);
  return { kind: 'Truncate', table, position };
}

function readRest(cursor: Cursor): void {
  cursor.acceptSign('*');
  if (cursor.isSign(',')) throw unsupported('TRUNCATE of several maps', cursor.position, ONE_BY_ONE);
  if (cursor.isWord('restart')) {
    throw unsupported('RESTART IDENTITY', cursor.position, 'leave it out: there are no sequences');
  }
  if (cursor.acceptWord('continue')) cursor.expectWord('identity');
  if (cursor.isWord('cascade')) {
    throw unsupported('CASCADE', cursor.position, 'leave it out: no map refers to another');
  }
  cursor.acceptWord('restrict');
  if (cursor.token.kind !== 'end') throw unexpected(cursor.token, 'the end of the statement', SOME);
}
