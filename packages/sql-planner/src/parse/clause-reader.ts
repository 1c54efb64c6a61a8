/** From node-sql-parser's tree back to ours: each placeholder becomes what it stands for. */
import type { TextPosition } from '@ashlar/core';
import { syntaxError, unreadable, unsupported } from '../guard/sql-errors.ts';
import type { AstNode } from './clause-parser.ts';
import { type JoinMark, withAlias } from './from.ts';
import type { Placeholder } from './skeleton.ts';
import type { Alias, Expression, FromItem, JoinCondition, Name, OrderItem, Path, SelectItem } from './syntax.ts';

/** The expression of a node that is a placeholder; undefined when the field is empty. */
export function readExpressionField(ast: AstNode, field: string): Expression | undefined {
  const node = ast.child(field);
  return node === undefined ? undefined : expressionOf(node.numberedPlaceholder(), ast.position);
}

export function expressionOf(placeholder: Placeholder, position: TextPosition): Expression {
  if (placeholder.kind === 'expression') return placeholder.expression;
  const place = placeholder.kind === 'star' ? placeholder.item.position : position;
  throw unsupported('* outside a select list', place, 'name the columns here; count(*) counts rows');
}

function aliasField(ast: AstNode, field: string): Alias | undefined {
  const placeholder = ast.namedPlaceholder(field);
  if (placeholder === undefined) return undefined;
  if (placeholder.kind !== 'alias') throw unreadable('this alias', ast.position);
  return placeholder.alias;
}

/** The columns of SELECT or RETURNING. */
export function readSelectItems(ast: AstNode): SelectItem[] {
  return ast.children('columns').map((column) => {
    column.takeOneOf('type', ['expr', null]);
    const placeholder = column.child('expr')?.numberedPlaceholder();
    if (placeholder === undefined) throw unreadable('this column', ast.position);
    const alias = aliasField(column, 'as')?.name;
    column.close();
    if (placeholder.kind === 'star') {
      if (alias !== undefined) throw syntaxError('* has no alias', alias.position);
      return placeholder.item;
    }
    return {
      kind: 'Column',
      expression: expressionOf(placeholder, ast.position),
      alias,
      position: placeholderPosition(placeholder, ast),
    };
  });
}

function placeholderPosition(placeholder: Placeholder, ast: AstNode): TextPosition {
  return placeholder.kind === 'expression' ? placeholder.position : ast.position;
}

/** DISTINCT and the expressions of DISTINCT ON. */
export function readDistinct(ast: AstNode): { readonly distinct: boolean; readonly distinctOn: readonly Expression[] } {
  const node = ast.child('distinct');
  const type = node?.takeOneOf('type', ['DISTINCT', 'DISTINCT ON', null]) ?? null;
  const distinctOn = (node?.children('columns') ?? []).map((column) => {
    column.takeOneOf('type', ['expr']);
    const expression = readExpressionField(column, 'expr');
    column.close();
    if (expression === undefined) throw unreadable('this DISTINCT ON', ast.position);
    return expression;
  });
  node?.close();
  return { distinct: type !== null, distinctOn };
}

/** GROUP BY. */
export function readGroupBy(ast: AstNode): Expression[] {
  const node = ast.child('groupby');
  if (node === undefined) return [];
  const expressions = node
    .children('columns')
    .map((column) => expressionOf(column.numberedPlaceholder(), ast.position));
  node.close();
  return expressions;
}

/** ORDER BY. */
export function readOrderItems(ast: AstNode): OrderItem[] {
  return ast.children('orderby').map((item) => {
    const placeholder = item.child('expr')?.numberedPlaceholder();
    if (placeholder === undefined) throw unreadable('this ORDER BY', ast.position);
    const descending = item.takeOneOf('type', ['ASC', 'DESC', null]) === 'DESC';
    const nulls = item.takeOneOf('nulls', ['NULLS FIRST', 'NULLS LAST', '', null]);
    item.close();
    return {
      expression: expressionOf(placeholder, ast.position),
      descending,
      nulls: nulls === 'NULLS FIRST' ? 'first' : nulls === 'NULLS LAST' ? 'last' : undefined,
      position: placeholderPosition(placeholder, ast),
    };
  });
}

export interface Bounds {
  readonly limit: Expression | undefined;
  readonly offset: Expression | undefined;
}

/** LIMIT and OFFSET, which the writer has put into this order. */
export function readBounds(ast: AstNode): Bounds {
  const node = ast.child('limit');
  if (node === undefined) return { limit: undefined, offset: undefined };
  const separator = node.takeOneOf('seperator', ['offset', '', null]);
  const [first, second, third] = node
    .children('value')
    .map((value) => expressionOf(value.numberedPlaceholder(), ast.position));
  node.close();
  if (third !== undefined) throw unreadable('this LIMIT', ast.position);
  if (separator !== 'offset') return { limit: first, offset: undefined };
  return second === undefined ? { limit: undefined, offset: first } : { limit: first, offset: second };
}

/**
 * FROM: what commas separate, each a table or a tree of joins.
 *
 * @param joins how each table but the first is joined, in their order
 */
export function readJoinedTables(ast: AstNode, joins: readonly JoinMark[]): FromItem[] {
  const tables = ast.children('from');
  const items: FromItem[] = [];
  tables.forEach((table, index) => {
    const placeholder = table.namedPlaceholder('table');
    if (placeholder?.kind !== 'source') throw unreadable('this table', ast.position);
    const right = withAlias(placeholder.item, aliasField(table, 'as'));
    const mark = index === 0 ? undefined : joins[index - 1];
    const condition = readCondition(table, mark);
    table.close();
    const left = mark === undefined || mark.join === 'comma' ? undefined : items.pop();
    if (left === undefined || mark === undefined || mark.join === 'comma') items.push(right);
    else items.push({ kind: 'Join', join: mark.join, left, right, condition, position: mark.position });
  });
  if (tables.length > 0 && joins.length !== tables.length - 1) throw unreadable('this FROM', ast.position);
  return items;
}

/** The parser's word for each kind of join, as the writer puts it. */
const JOIN_WORDS: Readonly<Record<JoinMark['join'], readonly (string | null)[]>> = {
  comma: [null, 'INNER JOIN'],
  cross: ['INNER JOIN'],
  inner: ['INNER JOIN'],
  left: ['LEFT JOIN'],
  right: ['RIGHT JOIN'],
  full: ['FULL JOIN'],
};

function readCondition(table: AstNode, mark: JoinMark | undefined): JoinCondition {
  table.takeOneOf('join', mark === undefined ? [null] : JOIN_WORDS[mark.join]);
  const expression = readExpressionField(table, 'on');
  const columns = table.children('using').map(usingName);
  if (mark === undefined || mark.join === 'comma' || mark.join === 'cross' || mark.natural) {
    return { kind: mark?.natural === true ? 'natural' : 'none' };
  }
  if (expression !== undefined) return { kind: 'on', expression };
  if (columns.length > 0) return { kind: 'using', columns };
  throw syntaxError('the JOIN has no condition', mark.position, 'add ON or USING, or write CROSS JOIN');
}

function usingName(node: AstNode): Name {
  node.takeOneOf('type', ['default']);
  const alias = aliasField(node, 'value');
  node.close();
  if (alias === undefined) throw unreadable('this USING', node.position);
  return alias.name;
}

/** SET: targets and their values. */
export function readAssignments(
  ast: AstNode,
): { readonly target: Path; readonly value: Expression; readonly position: TextPosition }[] {
  return ast.children('set').map((assignment) => {
    assignment.takeOneOf('type', ['column_ref']);
    const name = assignment.child('column')?.child('expr');
    const placeholder = name?.namedPlaceholder('value');
    name?.takeOneOf('type', ['default']);
    name?.close();
    const value = readExpressionField(assignment, 'value');
    assignment.close();
    if (placeholder?.kind !== 'target' || value === undefined) throw unreadable('this SET', ast.position);
    return { target: placeholder.path, value, position: placeholder.path.position };
  });
}
