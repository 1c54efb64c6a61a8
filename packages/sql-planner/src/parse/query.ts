/**
 * Queries: WITH, SELECT, VALUES, TABLE, queries in brackets, and set operations between them.
 *
 *   [WITH ...] operand { UNION | INTERSECT | EXCEPT [ALL] operand } [ORDER BY ...] [LIMIT ...]
 *
 * INTERSECT binds tighter than UNION and EXCEPT, which associate to the left; ORDER BY and LIMIT belong to the whole.
 */
import type { TextPosition } from '@ashlar/core';
import { syntaxError, unexpected, unsupported } from '../guard/sql-errors.ts';
import {
  type Bounds,
  readBounds,
  readDistinct,
  readExpressionField,
  readGroupBy,
  readJoinedTables,
  readOrderItems,
  readSelectItems,
} from './clause-reader.ts';
import { ClauseWriter } from './clause-writer.ts';
import type { Cursor } from './cursor.ts';
import { readSource } from './from.ts';
import type { CommonTable, Expression, OrderItem, Query, QueryBody, Select, SetOperation, Values } from './syntax.ts';

/** ORDER BY, LIMIT and OFFSET as they were read behind an operand: the whole query's, if it is the last. */
interface Tail extends Bounds {
  readonly orderBy: readonly OrderItem[];
  /** Where its first word stands; undefined when there is none. */
  readonly position: TextPosition | undefined;
}

interface Operand {
  readonly body: QueryBody;
  readonly tail: Tail;
}

const NO_TAIL: Tail = { orderBy: [], limit: undefined, offset: undefined, position: undefined };

/** @throws GridError SYNTAX_ERROR or UNSUPPORTED_SQL */
export function readQuery(cursor: Cursor): Query {
  return cursor.nested(() => {
    const { position } = cursor;
    const { recursive, tables } = readWith(cursor);
    const { body, tail } = readUnions(cursor);
    const { orderBy, limit, offset } = tail.position === undefined ? readTail(cursor) : tail;
    return { kind: 'Query', recursive, with: tables, body, orderBy, limit, offset, position };
  });
}

function readWith(cursor: Cursor): { readonly recursive: boolean; readonly tables: readonly CommonTable[] } {
  if (!cursor.acceptWord('with')) return { recursive: false, tables: [] };
  const recursive = cursor.acceptWord('recursive');
  const tables = [readCommonTable(cursor)];
  while (cursor.acceptSign(',')) tables.push(readCommonTable(cursor));
  return { recursive, tables };
}

function readCommonTable(cursor: Cursor): CommonTable {
  const name = cursor.name("a table's name");
  const columns = cursor.isSign('(') ? cursor.nameList("a column's name") : [];
  cursor.expectWord('as');
  const isNot = cursor.acceptWord('not');
  const hinted = isNot ? cursor.expectWord('materialized') !== undefined : cursor.acceptWord('materialized');
  if (!cursor.isQueryGroup()) {
    const inner = cursor.ahead(1);
    if (/^(insert|update|delete|merge|truncate)$/.test(inner.value)) {
      throw unsupported(`${inner.text.toUpperCase()} within WITH`, inner.position, 'send it as a statement of its own');
    }
    throw unexpected(cursor.token, 'a query in brackets');
  }
  cursor.advance();
  const query = readQuery(cursor);
  cursor.expectSign(')');
  if (cursor.isWord('search') || cursor.isWord('cycle')) {
    throw unsupported(
      `${cursor.token.text.toUpperCase()} of a recursive query`,
      cursor.position,
      'there are no recursive queries: follow the keys in the application, or in a job',
    );
  }
  return { name, columns, materialized: hinted ? !isNot : undefined, query, position: name.position };
}

function readUnions(cursor: Cursor): Operand {
  return readSetOperations(cursor, ['union', 'except'], () =>
    readSetOperations(cursor, ['intersect'], () => readOperand(cursor)),
  );
}

function readSetOperations(cursor: Cursor, words: readonly SetOperation['operator'][], read: () => Operand): Operand {
  let left = read();
  for (;;) {
    const { token } = cursor;
    const operator = words.find((word) => cursor.isWord(word));
    if (operator === undefined) return left;
    if (left.tail.position !== undefined) {
      const hint = 'put the query before it into parentheses, or its ORDER BY and LIMIT at the end';
      throw syntaxError(`${token.text.toUpperCase()} follows ORDER BY or LIMIT`, token.position, hint);
    }
    cursor.advance();
    const all = cursor.acceptWord('all');
    if (!all) cursor.acceptWord('distinct');
    const right = read();
    const { position } = token;
    const body: SetOperation = { kind: 'SetOperation', operator, all, left: left.body, right: right.body, position };
    left = { body, tail: right.tail };
  }
}

function readOperand(cursor: Cursor): Operand {
  if (cursor.isWord('select')) return readSelect(cursor);
  if (cursor.isWord('values')) return { body: readValues(cursor), tail: NO_TAIL };
  if (cursor.isWord('table')) return { body: readTable(cursor), tail: NO_TAIL };
  if (!cursor.isSign('(')) throw unexpected(cursor.token, 'SELECT');
  cursor.advance();
  const body = readQuery(cursor);
  cursor.expectSign(')');
  return { body, tail: NO_TAIL };
}

function readSelect(cursor: Cursor): Operand {
  const writer = new ClauseWriter(cursor);
  writer.run();
  const ast = writer.parse();
  ast.takeOneOf('type', ['select']);
  const body: Select = {
    kind: 'Select',
    ...readDistinct(ast),
    items: readSelectItems(ast),
    from: readJoinedTables(ast, writer.joins),
    where: readExpressionField(ast, 'where'),
    groupBy: readGroupBy(ast),
    having: readExpressionField(ast, 'having'),
    windows: writer.windows,
    position: writer.position,
  };
  const tail = { orderBy: readOrderItems(ast), ...readBounds(ast), position: writer.tailPosition };
  ast.close();
  return { body, tail };
}

/** ORDER BY, LIMIT and OFFSET behind anything but a SELECT. */
function readTail(cursor: Cursor): Tail {
  if (!/^(order|limit|offset|fetch|for)$/.test(cursor.token.value)) return NO_TAIL;
  const writer = new ClauseWriter(cursor);
  writer.begin('SELECT 0', 'tail');
  writer.run();
  const ast = writer.parse();
  const tail = { orderBy: readOrderItems(ast), ...readBounds(ast), position: writer.position };
  for (const field of ['type', 'columns', 'distinct']) ast.take(field);
  ast.close();
  return tail;
}

function readValues(cursor: Cursor): Values {
  const { position } = cursor.expectWord('values');
  const rows = [readRow(cursor)];
  while (cursor.acceptSign(',')) rows.push(readRow(cursor));
  return { kind: 'Values', rows, position };
}

function readRow(cursor: Cursor): Expression[] {
  cursor.expectSign('(');
  const values = [readValueOrDefault(cursor)];
  while (cursor.acceptSign(',')) values.push(readValueOrDefault(cursor));
  cursor.expectSign(')');
  return values;
}

/** A value of VALUES or SET, where DEFAULT may stand. */
export function readValueOrDefault(cursor: Cursor): Expression {
  if (!cursor.isWord('default')) return cursor.grammar.expression(cursor);
  return { kind: 'Default', position: cursor.advance().position };
}

/** TABLE t is SELECT * FROM t. */
function readTable(cursor: Cursor): Select {
  const { position } = cursor.expectWord('table');
  const table = readSource(cursor, (inner) => {
    throw unexpected(inner.token, 'a table');
  });
  return {
    kind: 'Select',
    distinct: false,
    distinctOn: [],
    items: [{ kind: 'Star', qualifier: [], position }],
    from: [table],
    where: undefined,
    groupBy: [],
    having: undefined,
    windows: [],
    position,
  };
}
