/** INSERT, UPDATE and DELETE. */
import { unexpected, unsupported } from '../guard/sql-errors.ts';
import { readAssignments, readExpressionField, readJoinedTables, readSelectItems } from './clause-reader.ts';
import { ClauseWriter } from './clause-writer.ts';
import type { Cursor } from './cursor.ts';
import { readTarget } from './from.ts';
import { readPathSteps } from './operand.ts';
import { readValueOrDefault } from './query.ts';
import type { Delete, Insert, Name, NameStep, OnConflict, Path, Query, SelectItem, Update } from './syntax.ts';

/** INSERT INTO t [(columns)] VALUES ... | query | DEFAULT VALUES [ON CONFLICT ...] [RETURNING ...]. */
export function readInsert(cursor: Cursor): Insert {
  const { position } = cursor.expectWord('insert');
  cursor.expectWord('into');
  const table = readTarget(cursor, true);
  const columns = cursor.isSign('(') && !cursor.isQueryGroup() ? readColumns(cursor) : [];
  if (cursor.isWord('overriding'))
    throw unsupported('OVERRIDING', cursor.position, 'leave it out: no column is generated');
  const source = readInsertSource(cursor, columns.length > 0);
  const onConflict = cursor.isWord('on') ? readOnConflict(cursor) : undefined;
  return { kind: 'Insert', table, columns, source, onConflict, returning: readReturning(cursor), position };
}

function readColumns(cursor: Cursor): Path[] {
  cursor.expectSign('(');
  const columns = [readTargetPath(cursor)];
  while (cursor.acceptSign(',')) columns.push(readTargetPath(cursor));
  cursor.expectSign(')');
  return columns;
}

/** A column, or a path below one: `owner.id`, `tags[1]`. */
function readTargetPath(cursor: Cursor): Path {
  const name = cursor.name("a column's name");
  const head: NameStep = { kind: 'Name', name };
  return { kind: 'Path', steps: [head, ...readPathSteps(cursor)], position: name.position };
}

function readInsertSource(cursor: Cursor, named: boolean): Query | undefined {
  if (!named && cursor.acceptWord('default')) {
    cursor.expectWord('values');
    return undefined;
  }
  if (!cursor.isQuery()) throw unexpected(cursor.token, 'VALUES or a query');
  return cursor.grammar.query(cursor);
}

function readOnConflict(cursor: Cursor): OnConflict {
  const { position } = cursor.expectWord('on');
  cursor.expectWord('conflict');
  if (cursor.isWord('on'))
    throw unsupported('ON CONFLICT ON CONSTRAINT', cursor.position, 'write ON CONFLICT (__key) DO NOTHING');
  const columns: Name[] = cursor.isSign('(') ? cursor.nameList("a column's name") : [];
  if (cursor.isWord('where'))
    throw unsupported('a condition of the conflict', cursor.position, 'write ON CONFLICT (__key) DO NOTHING');
  cursor.expectWord('do');
  if (cursor.acceptWord('nothing')) return { columns, update: undefined, position };
  const { token } = cursor;
  cursor.expectWord('update');
  if (columns.length === 0) throw unexpected(token, 'NOTHING', 'DO UPDATE needs ON CONFLICT (columns)');
  const writer = new ClauseWriter(cursor);
  writer.begin('UPDATE t0', 'set');
  writeAssignments(writer);
  writer.run();
  const ast = writer.parse();
  for (const field of ['type', 'table']) ast.take(field);
  const update = { assignments: readAssignments(ast), where: readExpressionField(ast, 'where') };
  ast.close();
  return { columns, update, position };
}

/** UPDATE t SET path = value, ... [FROM ...] [WHERE ...] [RETURNING ...]. */
export function readUpdate(cursor: Cursor): Update {
  const writer = new ClauseWriter(cursor);
  const { position } = cursor.expectWord('update');
  const { token } = cursor;
  const table = readTarget(cursor, false);
  writer.begin('UPDATE', 'set');
  writer.skeleton.placeholder({ kind: 'source', item: table }, token);
  writeAssignments(writer);
  writer.run();
  const ast = writer.parse();
  ast.takeOneOf('type', ['update']);
  ast.take('table');
  const assignments = readAssignments(ast);
  const from = readJoinedTables(ast, writer.joins);
  const where = readExpressionField(ast, 'where');
  ast.close();
  return { kind: 'Update', table, assignments, from, where, returning: readReturning(cursor), position };
}

/** SET target = value, ...: the writer's next clause. */
function writeAssignments(writer: ClauseWriter): void {
  const { cursor, skeleton } = writer;
  skeleton.words('SET', cursor.expectWord('set'));
  for (;;) {
    const { token } = cursor;
    if (cursor.isSign('('))
      throw unsupported('SET (...) = ...', token.position, 'set each column on its own: SET a = 1, b = 2');
    skeleton.placeholder({ kind: 'target', path: readTargetPath(cursor) }, token);
    skeleton.words('=', cursor.expectSign('='));
    const { position, token: first } = cursor;
    skeleton.placeholder({ kind: 'expression', expression: readValueOrDefault(cursor), position }, first);
    if (!cursor.isSign(',')) return;
    writer.countItem(cursor.token);
    skeleton.words(',', cursor.advance());
  }
}

/** DELETE FROM t [WHERE ...] [RETURNING ...]. */
export function readDelete(cursor: Cursor): Delete {
  const writer = new ClauseWriter(cursor);
  const { position } = cursor.expectWord('delete');
  cursor.expectWord('from');
  const { token } = cursor;
  const table = readTarget(cursor, false);
  if (cursor.isWord('using'))
    throw unsupported(
      'DELETE ... USING',
      cursor.position,
      'SELECT the keys first, then DELETE ... WHERE __key IN (...)',
    );
  writer.begin('DELETE FROM', 'set');
  writer.skeleton.placeholder({ kind: 'source', item: table }, token);
  writer.run();
  const ast = writer.parse();
  ast.takeOneOf('type', ['delete']);
  for (const field of ['table', 'from']) ast.take(field);
  const where = readExpressionField(ast, 'where');
  ast.close();
  return { kind: 'Delete', table, where, returning: readReturning(cursor), position };
}

function readReturning(cursor: Cursor): readonly SelectItem[] {
  if (!cursor.isWord('returning')) return [];
  const writer = new ClauseWriter(cursor);
  cursor.advance();
  writer.begin('SELECT', 'select');
  writer.run();
  const ast = writer.parse();
  const items = readSelectItems(ast);
  for (const field of ['type', 'distinct', 'limit']) ast.take(field);
  ast.close();
  return items;
}
