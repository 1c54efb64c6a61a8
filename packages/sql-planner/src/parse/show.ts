/**
 * What maps there are and what they hold, in the words of MySQL and DuckDB: SHOW TABLES (or MAPS), DESCRIBE map (or DESC),
 * SHOW COLUMNS FROM map (or FIELDS, IN).
 */
import { unexpected, unsupported } from '../guard/sql-errors.ts';
import type { Cursor } from './cursor.ts';
import { readTarget } from './from.ts';
import type { Describe, ShowMaps } from './syntax.ts';

/** Whether such a statement begins here. */
export function isShow(cursor: Cursor): boolean {
  return cursor.isWord('show') || cursor.isWord('describe') || cursor.isWord('desc');
}

const SETTINGS =
  'SHOW TABLES lists the maps, DESCRIBE map its columns; ashlar config print shows the settings of a member';

/** @throws GridError UNSUPPORTED_SQL for what SHOW shows elsewhere: settings, databases */
export function readShow(cursor: Cursor): ShowMaps | Describe {
  const { position, value, token } = { ...cursor.token, token: cursor.token };
  cursor.advance();
  if (value !== 'show') return readDescribe(cursor, position);
  cursor.acceptWord('full');
  if (cursor.acceptWord('tables') || cursor.acceptWord('maps')) return readListing(cursor, position);
  if (cursor.acceptWord('columns') || cursor.acceptWord('fields')) {
    if (!cursor.acceptWord('in')) cursor.expectWord('from');
    return readDescribe(cursor, position);
  }
  if (cursor.token.kind === 'end') throw unexpected(cursor.token, 'TABLES or COLUMNS FROM map');
  throw unsupported(`SHOW ${cursor.token.text}`, token.position, SETTINGS);
}

function readListing(cursor: Cursor, position: ShowMaps['position']): ShowMaps {
  if (cursor.token.kind !== 'end') {
    const form = `SHOW TABLES ${cursor.token.text}`;
    throw unsupported(form, cursor.position, 'write SHOW TABLES: it lists all maps of the grid, by name');
  }
  return { kind: 'ShowMaps', position };
}

function readDescribe(cursor: Cursor, position: Describe['position']): Describe {
  cursor.acceptWord('table');
  if (cursor.isQuery()) throw unsupported('DESCRIBE of a query', cursor.position, 'EXPLAIN shows its plan');
  return { kind: 'Describe', table: readTarget(cursor, true), position };
}
