/** The tables of FROM: names, regions, queries, calls, joins in brackets; and the words that join them. */

import type { TextPosition } from '@ashlar/core';
import { unexpected, unsupported } from '../guard/sql-errors.ts';
import { readCall } from './call.ts';
import type { Cursor } from './cursor.ts';
import { refuseInnerChange } from './inner-changes.ts';
import type { Alias, FromItem, Join, Name, Table } from './syntax.ts';

/** How a table is joined to those before it in the same FROM. */
export interface JoinMark {
  readonly join: Join['join'] | 'comma';
  readonly natural: boolean;
  readonly position: TextPosition;
}

/** `[NATURAL] [INNER | CROSS | LEFT | RIGHT | FULL [OUTER]] JOIN`; the present token is one of these words. */
export function readJoinWords(cursor: Cursor): JoinMark {
  const { position } = cursor;
  const natural = cursor.acceptWord('natural');
  const word = cursor.isWord('join') ? 'inner' : cursor.advance().value;
  if (word !== 'inner' && word !== 'cross' && word !== 'left' && word !== 'right' && word !== 'full') {
    throw unexpected(cursor.before, 'JOIN');
  }
  if (word !== 'inner' && word !== 'cross') cursor.acceptWord('outer');
  cursor.expectWord('join');
  if (natural && word === 'cross') throw unexpected(cursor.before, undefined, 'a CROSS JOIN has no condition');
  return { join: word, natural, position };
}

/** @param bracketed reads the tables between brackets that hold no query */
export function readSource(cursor: Cursor, bracketed: (cursor: Cursor) => FromItem): FromItem {
  const { token, position } = cursor;
  if (cursor.isWord('only')) throw unsupported('ONLY', position, 'leave it out: a map has no child tables');
  if (cursor.isWord('rows') && cursor.isWordAhead(1, 'from'))
    throw unsupported('ROWS FROM', position, 'FROM takes the names of maps');
  const lateral = cursor.acceptWord('lateral');
  if (cursor.isSign('(')) {
    if (cursor.isQueryGroup()) return readFromQuery(cursor, lateral, position);
    refuseInnerChange(cursor);
    if (lateral) throw unexpected(cursor.token, 'a query');
    cursor.advance();
    const item = cursor.nested(() => bracketed(cursor));
    cursor.expectSign(')');
    return item;
  }
  if (lateral) throw unsupported('LATERAL', position, 'FROM takes the names of maps: join them by their columns');
  if (token.kind === 'string') throw unexpected(token, 'a table', 'names are quoted with double quotes');
  const name = readTableName(cursor);
  if (!cursor.isSign('(')) return { kind: 'Table', name, alias: undefined, position };
  return { kind: 'FromCall', call: readCall(cursor, name), alias: undefined, position };
}

function readFromQuery(cursor: Cursor, lateral: boolean, position: TextPosition): FromItem {
  cursor.expectSign('(');
  const query = cursor.grammar.query(cursor);
  cursor.expectSign(')');
  return { kind: 'FromQuery', query, lateral, alias: undefined, position };
}

/** `name`, `schema.name`, `/region` as in Geode's OQL. */
function readTableName(cursor: Cursor): Name[] {
  const region = cursor.acceptSign('/');
  const names = [cursor.name('a table')];
  if (region && cursor.isSign('/'))
    throw unsupported('a region within a region', cursor.position, 'maps are not nested: FROM /region');
  while (cursor.acceptSign('.')) names.push(cursor.label("a table's name"));
  return names;
}

/** The map that INSERT, UPDATE or DELETE changes, and its alias. */
export function readTarget(cursor: Cursor, aliasNeedsAs: boolean): Table {
  const { position } = cursor;
  if (cursor.isWord('only')) throw unsupported('ONLY', position, 'leave it out: a map has no child tables');
  const name = readTableName(cursor);
  const table: Table = { kind: 'Table', name, alias: undefined, position };
  if (!cursor.acceptWord('as') && (aliasNeedsAs || !cursor.isName() || cursor.isWord('set'))) return table;
  const alias = cursor.name('an alias');
  return { ...table, alias: { name: alias, columns: [], position: alias.position } };
}

/** The same item with its alias. */
export function withAlias(item: FromItem, alias: Alias | undefined): FromItem {
  if (alias === undefined) return item;
  if (item.kind === 'Join')
    throw unsupported('an alias of a join in parentheses', alias.position, 'give each map an alias of its own');
  return { ...item, alias };
}
