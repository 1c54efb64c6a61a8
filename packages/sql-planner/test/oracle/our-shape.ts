/**
 * Our syntax tree in a form that PostgreSQL's tree can be brought to as well: nested arrays without places, names folded
 * as PostgreSQL folds them. `postgres-shape.ts` is the other half; equal shapes mean equal reading.
 */
import type {
  Alias,
  Expression,
  FromItem,
  Name,
  OnConflict,
  OrderItem,
  Path,
  PathStep,
  Query,
  QueryBody,
  SelectItem,
  Statement,
  Table,
  TypeName,
  Window,
} from '../../src/parse/syntax.ts';

export type Shape = null | boolean | number | string | readonly Shape[];

/** PostgreSQL folds the letters A to Z of unquoted names. */
export const fold = (name: Name): string =>
  name.quoted ? name.text : name.text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

const folded = (names: readonly Name[]): Shape => names.map(fold);

/** An exact number: integers of any size alike, however they were spelled. */
export function numberShape(text: string): Shape {
  return /^-?(\d+|0[xob][0-9a-f]+)$/i.test(text) ? ['integer', integerText(text)] : ['decimal', text];
}

function integerText(text: string): string {
  return text.startsWith('-') ? (-BigInt(text.slice(1))).toString() : BigInt(text).toString();
}

export function statementShape(statement: Statement): Shape {
  switch (statement.kind) {
    case 'Query':
      return queryShape(statement);
    case 'Insert': {
      const { table, columns, source, onConflict, returning } = statement;
      const rows = source === undefined ? null : queryShape(source);
      return ['insert', tableShape(table), columns.map(targetShape), rows, conflictShape(onConflict), items(returning)];
    }
    case 'Update': {
      const { table, assignments, from, where, returning } = statement;
      const set = assignments.map(({ target, value }) => [targetShape(target), expression(value)]);
      return ['update', tableShape(table), set, from.map(fromShape), optional(where), items(returning)];
    }
    case 'Truncate':
      return ['truncate', tableShape(statement.table)];
    case 'Delete':
      return ['delete', tableShape(statement.table), optional(statement.where), items(statement.returning)];
    case 'Explain':
      return ['explain', statement.analyze, statementShape(statement.statement)];
    case 'ShowMaps':
      return ['show maps'];
    case 'Describe':
      return ['describe', tableShape(statement.table)];
  }
}

function conflictShape(conflict: OnConflict | undefined): Shape {
  if (conflict === undefined) return null;
  const set = conflict.update?.assignments.map(({ target, value }) => [targetShape(target), expression(value)]);
  return [folded(conflict.columns), set ?? null, optional(conflict.update?.where)];
}

function targetShape({ steps: [head, ...rest] }: Path): Shape {
  return [fold(head.name), rest.map(step)];
}

function queryShape(query: Query): Shape {
  const common = query.with.map((table) => [
    fold(table.name),
    folded(table.columns),
    table.materialized ?? null,
    queryShape(table.query),
  ]);
  const parts = [query.recursive, common, bodyShape(query.body)] as const;
  const tail = [query.orderBy.map(orderShape), bound(query.limit), bound(query.offset)] as const;
  return flattened(parts, tail);
}

/** PostgreSQL has no node for brackets: what stands behind them is put into the query within. */
function flattened(
  [recursive, common, body]: readonly [boolean, readonly Shape[], Shape],
  tail: readonly [Shape, Shape, Shape],
): Shape {
  if (!Array.isArray(body) || body[0] !== 'query') return ['query', recursive, common, body, ...tail];
  const [, innerRecursive, innerCommon, innerBody, ...innerTail] = body as readonly Shape[];
  const merged = tail.map((part, index) => (isNothing(part) ? (innerTail[index] ?? null) : part));
  const withs = common.length > 0 ? common : (innerCommon as readonly Shape[]);
  return ['query', recursive || innerRecursive === true, withs, innerBody ?? null, ...merged];
}

const isNothing = (part: Shape): boolean => part === null || (Array.isArray(part) && part.length === 0);

function bodyShape(body: QueryBody): Shape {
  switch (body.kind) {
    case 'Query':
      return queryShape(body);
    case 'Values':
      return ['values', body.rows.map((row) => row.map(expression))];
    case 'SetOperation':
      return [body.operator, body.all, operandShape(body.left), operandShape(body.right)];
    case 'Select': {
      const { distinct, distinctOn, from, where, groupBy, having, windows } = body;
      return [
        'select',
        distinct,
        distinctOn.map(expression),
        items(body.items),
        from.map(fromShape),
        optional(where),
        groupBy.map(expression),
        optional(having),
        windows.map(({ name, window }) => [fold(name), windowShape(window)]),
      ];
    }
  }
}

/** An operand of a set operation is a query with nothing around it, unless it has something. */
function operandShape(body: QueryBody): Shape {
  return body.kind === 'Query' ? queryShape(body) : ['query', false, [], bodyShape(body), [], null, null];
}

function items(list: readonly SelectItem[]): Shape {
  return list.map((item) =>
    item.kind === 'Star'
      ? ['star', folded(item.qualifier)]
      : ['column', item.alias === undefined ? null : fold(item.alias), expression(item.expression)],
  );
}

function bound(limit: Expression | undefined): Shape {
  if (limit?.kind === 'Literal' && limit.literal.type === 'null') return null;
  return optional(limit);
}

function tableShape(table: Table): Shape {
  return ['table', folded(table.name), aliasShape(table.alias)];
}

function aliasShape(alias: Alias | undefined): Shape {
  return alias === undefined ? null : [fold(alias.name), folded(alias.columns)];
}

function fromShape(item: FromItem): Shape {
  switch (item.kind) {
    case 'Table':
      return tableShape(item);
    case 'FromQuery':
      return ['subquery', item.lateral, queryShape(item.query), aliasShape(item.alias)];
    case 'FromCall':
      return ['call', expression(item.call), aliasShape(item.alias)];
    case 'Join': {
      const { condition } = item;
      const on = condition.kind === 'on' ? expression(condition.expression) : null;
      const using = condition.kind === 'using' ? folded(condition.columns) : [];
      const join = item.join === 'cross' ? 'inner' : item.join;
      return ['join', join, condition.kind === 'natural', fromShape(item.left), fromShape(item.right), on, using];
    }
  }
}

const optional = (part: Expression | undefined): Shape => (part === undefined ? null : expression(part));

function orderShape({ expression: by, descending, nulls }: OrderItem): Shape {
  return [expression(by), descending, nulls ?? null];
}

function windowShape({ base, partitionBy, orderBy, frame }: Window): Shape {
  const bounds =
    frame === undefined ? null : [frame.mode, boundShape(frame.start), boundShape(frame.end), frame.exclude];
  return [base === undefined ? null : fold(base), partitionBy.map(expression), orderBy.map(orderShape), bounds];
}

function boundShape(frameBound: NonNullable<Window['frame']>['start']): Shape {
  return 'offset' in frameBound ? [frameBound.kind, expression(frameBound.offset)] : [frameBound.kind];
}

export function typeShape(type: TypeName): Shape {
  const schema = folded(type.schema.filter((name) => fold(name) !== 'pg_catalog'));
  const modifiers = type.modifiers.map(expression);
  return ['type', schema, type.name, modifiers, type.intervalFields ?? null, type.arrayDepth];
}

function step(one: PathStep): Shape {
  switch (one.kind) {
    case 'Name':
      return fold(one.name);
    case 'Subscript':
      return ['at', expression(one.index)];
    case 'Slice':
      return ['slice', optional(one.lower), optional(one.upper)];
  }
}

function pathShape({ steps }: Path): Shape {
  const split = steps.findIndex(({ kind }) => kind !== 'Name');
  if (split < 0) return ['path', steps.map(step)];
  return ['access', ['path', steps.slice(0, split).map(step)], steps.slice(split).map(step)];
}

/** PostgreSQL joins nested chains of AND, and of OR, on their left side. */
function logicalShape(kind: 'And' | 'Or', [first, ...rest]: readonly Expression[]): Shape {
  const left = first === undefined ? null : expression(first);
  const tag = kind.toLowerCase();
  const flat = Array.isArray(left) && left[0] === tag ? (left[1] as readonly Shape[]) : [left];
  return [tag, [...flat, ...rest.map(expression)]];
}

function expression(node: Expression): Shape {
  switch (node.kind) {
    case 'Literal':
      return literalShape(node.literal);
    case 'Parameter':
      return ['parameter', node.index + 1];
    case 'Path':
      return pathShape(node);
    case 'Access':
      return ['access', expression(node.operand), node.steps.map(step)];
    case 'Unary':
      return ['operator', node.operator, null, expression(node.operand)];
    case 'Binary':
      return ['operator', node.operator, expression(node.left), expression(node.right)];
    case 'And':
    case 'Or':
      return logicalShape(node.kind, node.operands);
    case 'Not':
      return ['not', expression(node.operand)];
    case 'Is':
      return ['is', node.test, node.negated, expression(node.operand)];
    case 'IsDistinct':
      return ['distinct', node.negated, expression(node.left), expression(node.right)];
    case 'Like':
      return [node.form, node.negated, expression(node.operand), expression(node.pattern), optional(node.escape)];
    case 'InList':
      return ['in', node.negated, expression(node.operand), node.items.map(expression)];
    case 'InQuery': {
      const within = ['quantified', '=', 'any', expression(node.operand), queryShape(node.query)];
      return node.negated ? ['not', within] : within;
    }
    case 'Between': {
      const { negated, symmetric } = node;
      return ['between', negated, symmetric, expression(node.operand), expression(node.low), expression(node.high)];
    }
    default:
      return compoundShape(node);
  }
}

function literalShape(literal: Extract<Expression, { kind: 'Literal' }>['literal']): Shape {
  switch (literal.type) {
    case 'integer':
      return ['integer', literal.value.toString()];
    case 'decimal':
      return numberShape(literal.text);
    case 'null':
      return ['null'];
    default:
      return [literal.type, literal.value];
  }
}

type Compound = Extract<
  Expression,
  { kind: 'Case' | 'Cast' | 'Call' | 'Row' | 'Array' | 'Subquery' | 'Quantified' | 'Default' }
>;

function compoundShape(node: Compound): Shape {
  switch (node.kind) {
    case 'Case': {
      const branches = node.branches.map(({ when, result }) => [expression(when), expression(result)]);
      return ['case', optional(node.operand), branches, optional(node.otherwise)];
    }
    case 'Cast':
      return ['cast', expression(node.operand), typeShape(node.type)];
    case 'Call': {
      const over = node.over === undefined ? null : 'kind' in node.over ? windowShape(node.over) : fold(node.over);
      const args = node.arguments.map(expression);
      const flags = [node.star, node.distinct] as const;
      const name = node.name.map(fold).filter((part) => part !== 'pg_catalog');
      return ['call', name, args, ...flags, node.orderBy.map(orderShape), optional(node.filter), over];
    }
    case 'Row':
      return ['row', node.items.map(expression)];
    case 'Array':
      return ['array', node.items.map(expression)];
    case 'Subquery':
      return ['subquery', node.form, queryShape(node.query)];
    case 'Quantified': {
      const right = node.right.kind === 'Query' ? queryShape(node.right) : expression(node.right);
      return ['quantified', node.operator, node.quantifier, expression(node.left), right];
    }
    case 'Default':
      return ['default'];
  }
}
