/**
 * Syntax to bound, typed expressions over one scope. Names become columns, operators get types, forms with another
 * spelling (BETWEEN, CASE x WHEN) become the ones that the kernels know. What has no meaning here is refused by place.
 */
import type { TextPosition } from '@ashlar/core';
import { GridError, unreachable } from '@ashlar/core';
import {
  type ArithmeticOperator,
  castTypes,
  type Expr,
  hasColumns,
  type Literal as LiteralOf,
  type SqlType,
} from '@ashlar/expressions';
import { insteadOfOperator } from '../guard/operators-instead.ts';
import { notYet, syntaxError, unsupported } from '../guard/sql-errors.ts';
import type {
  Between,
  Case,
  Cast,
  Expression,
  InList,
  Is,
  Like,
  LiteralValue,
  Logical,
  Path,
  Unary,
} from '../parse/syntax.ts';
import { bindCall } from './call.ts';
import type { BindContext } from './context.ts';
import { folded } from './fold.ts';
import { adopt, castTo, expectBoolean, literalTypeBeside, unify } from './literals.ts';
import { asBigint, asNumeric, inOneKind, isOfSums, numberKindOf } from './number-kinds.ts';
import { isNumeric, isOpen, mismatch, namedType, operationType } from './types.ts';

export function bindExpression(syntax: Expression, context: BindContext): Expr {
  return folded(bindNode(syntax, context));
}

function bindNode(syntax: Expression, context: BindContext): Expr {
  const { position } = syntax;
  const at = position.offset;
  const bind = (expression: Expression): Expr => bindExpression(expression, context);
  switch (syntax.kind) {
    case 'Literal':
      return bindLiteral(syntax.literal, at);
    case 'Parameter':
      return { kind: 'parameter', index: syntax.index, type: 'any', at };
    case 'Path':
      return bindPath(syntax, context);
    case 'Unary':
      return bindUnary(syntax, context);
    case 'Binary':
      return bindBinary(syntax.operator, bind(syntax.left), bind(syntax.right), position, context);
    case 'And':
    case 'Or':
      return bindLogical(syntax, context);
    case 'Not':
      return { kind: 'not', operand: bindBoolean(syntax.operand, 'the operand of NOT', context), type: 'boolean', at };
    case 'Is':
      return bindIs(syntax, context);
    case 'IsDistinct': {
      const [left, right] = meet(bind(syntax.left), bind(syntax.right), 'IS DISTINCT FROM', position);
      return { kind: 'distinctFrom', negated: syntax.negated, left, right, type: 'boolean', at };
    }
    case 'Like':
      return bindLike(syntax, context);
    case 'InList':
      return bindIn(syntax, context);
    case 'Between':
      return bindBetween(syntax, context);
    case 'Case':
      return bindCase(syntax, context);
    case 'Cast':
      return bindCast(syntax, context);
    case 'Call':
      return bindCall(syntax, context, bindExpression);
    case 'Quantified':
      return bindQuantified(syntax, context);
    case 'InQuery':
    case 'Subquery':
      throw unsupported('a subquery in an expression', position, 'join the maps, or send two statements');
    case 'Access':
      throw unsupported('a part of an expression', position, 'name a path of the document: a.b, a[0]');
    case 'Row':
      throw unsupported('a row value', position, 'compare the parts one by one: a = 1 AND b = 2');
    case 'Array':
      throw unsupported('an array value', position, 'pass it as a parameter, or write IN (a, b, c) to compare');
    case 'Default':
      throw unsupported('DEFAULT', position, 'maps have no default values');
    default:
      return unreachable(syntax);
  }
}

function bindBoolean(syntax: Expression, what: string, context: BindContext): Expr {
  return expectBoolean(bindExpression(syntax, context), what, syntax.position);
}

function bindLogical({ kind, operands, position }: Logical, context: BindContext): Expr {
  const what = `an operand of ${kind.toUpperCase()}`;
  const bound = operands.map((operand) => bindBoolean(operand, what, context));
  return { kind: kind === 'And' ? 'and' : 'or', operands: bound, type: 'boolean', at: position.offset };
}

function bindIs({ test, negated, operand, position }: Is, context: BindContext): Expr {
  const at = position.offset;
  if (test === 'null') {
    return { kind: 'isNull', negated, operand: bindExpression(operand, context), type: 'boolean', at };
  }
  const bound = bindBoolean(operand, `the operand of IS ${test.toUpperCase()}`, context);
  const truth = test === 'unknown' ? null : test === 'true';
  return { kind: 'isTruth', truth, negated, operand: bound, type: 'boolean', at };
}

const INT4_MAX = 2n ** 31n;
const INT8_MAX = 2n ** 63n;

function bindLiteral(literal: LiteralValue, at: number): Expr {
  const make = (value: LiteralOf, type: SqlType): Expr => ({ kind: 'literal', value, type, at });
  switch (literal.type) {
    case 'null':
      return make(null, 'null');
    case 'boolean':
      return make(literal.value, 'boolean');
    case 'string':
      return make(literal.value, 'text');
    case 'decimal':
      return make({ decimal: literal.text }, 'numeric');
    case 'integer':
      if (literal.value >= -INT4_MAX && literal.value < INT4_MAX) return make(Number(literal.value), 'int4');
      if (literal.value >= -INT8_MAX && literal.value < INT8_MAX) return make(literal.value, 'int8');
      return make({ decimal: String(literal.value) }, 'numeric');
    default:
      return unreachable(literal);
  }
}

function bindPath(path: Path, { scope }: BindContext): Expr {
  const [first, ...rest] = path.steps;
  return scope.resolve(first.name, rest, path.position);
}

function bindUnary({ operator, operand, position }: Unary, context: BindContext): Expr {
  const bound = bindExpression(operand, context);
  const takes = isOpen(bound.type) || isNumeric(bound.type) || (bound.type === 'interval' && operator !== '@');
  if (operator !== '-' && operator !== '+')
    throw notYet(`the operator ${operator}`, position, insteadOfOperator(operator, true));
  if (!takes) throw mismatch(`operator ${operator} does not take ${bound.type}`, position);
  if (operator === '+') return bound;
  // A sum of bigints has no bounds, its negative has none either.
  if (isOfSums(bound, context)) return bindArithmetic('*', bound, integer(-1, position.offset), position, context);
  return { kind: 'negate', operand: bound, type: bound.type, at: position.offset };
}

const COMPARISONS = new Set(['=', '<>', '<', '<=', '>', '>=']);
const ARITHMETIC = new Set(['+', '-', '*', '/', '%']);

function bindBinary(operator: string, left: Expr, right: Expr, position: TextPosition, context: BindContext): Expr {
  const at = position.offset;
  if (COMPARISONS.has(operator)) return compare(operator as '=', left, right, position);
  if (ARITHMETIC.has(operator)) return bindArithmetic(operator as ArithmeticOperator, left, right, position, context);
  if (operator === '||') return { kind: 'concat', left, right, type: concatType(left.type, right.type, position), at };
  if (operator !== '^') throw notYet(`the operator ${operator}`, position, insteadOfOperator(operator));
  const args = [adopt(left, 'float8'), adopt(right, 'float8')];
  if (args.some(({ type }) => !isOpen(type) && !isNumeric(type))) {
    throw mismatch(`operator ^ does not take ${left.type} and ${right.type}`, position);
  }
  return { kind: 'call', name: 'power', args, type: 'float8', at };
}

export function bindArithmetic(
  operator: ArithmeticOperator,
  left: Expr,
  right: Expr,
  position: TextPosition,
  context: BindContext,
): Expr {
  const a = operandBeside(left, operator, right.type);
  const b = operandBeside(right, operator, left.type);
  const type = operationType(operator, a.type, b.type, position);
  const plain = { kind: 'arithmetic', operator, left: a, right: b, type, at: position.offset } as const;
  if (isReal(a) && isReal(b)) return { ...call('float4', [plain], plain.at), type };
  return type === 'any' ? readNumbers(plain, position, context) : plain;
}

function operandBeside(expr: Expr, operator: ArithmeticOperator, other: SqlType): Expr {
  // Days are whole numbers, which parameters bring as doubles.
  const isOfDays = other === 'date' && (operator === '+' || operator === '-');
  return isOfDays && expr.kind === 'parameter' ? asBigint(expr) : adopt(expr, literalTypeBeside(operator, other));
}

/** Single precision: what is calculated of two such numbers is one too. */
function isReal(expr: Expr): boolean {
  return expr.kind === 'call' && expr.name === 'float4';
}

/** Arithmetic of undeclared paths, as the kind of numbers that they hold wants it (number-kinds.ts). */
function readNumbers(plain: Extract<Expr, { kind: 'arithmetic' }>, position: TextPosition, context: BindContext): Expr {
  const { operator, left, right } = plain;
  if (operator === '/' || operator === '%') {
    const [a, b] = [asNumeric(left, context, right), asNumeric(right, context, left)];
    // A sum is a numeric now, and a text in quotes beside it another.
    if (a !== left || b !== right) return bindArithmetic(operator, a, b, position, context);
  } else if (isOfSums(left, context) || isOfSums(right, context)) {
    return { ...plain, numbers: 'whole' };
  }
  // Without a path the statement's own values decide: its bigints are PostgreSQL's.
  if (!hasColumns(left) && !hasColumns(right)) return { ...plain, numbers: 'int8' };
  if (operator !== '/' || numberKindOf(plain, context) !== 'int8') return plain;
  return { ...plain, left: asBigint(left), right: asBigint(right), numbers: 'int8' };
}

/** Text with anything is text; bytes join bytes; what documents bring (text, bytes, arrays) is decided row by row. */
function concatType(left: SqlType, right: SqlType, position: TextPosition): SqlType {
  if (left === 'text' || right === 'text') return 'text';
  const isDynamic = (type: SqlType): boolean => isOpen(type) || type === 'json';
  if (isDynamic(left) || isDynamic(right)) return left === 'null' && right === 'null' ? 'text' : 'any';
  if (left === 'bytea' && right === 'bytea') return 'bytea';
  throw mismatch(`operator || does not take ${left} and ${right}`, position, 'cast one side: x::text');
}

function compare(
  operator: '=' | '<>' | '<' | '<=' | '>' | '>=',
  left: Expr,
  right: Expr,
  position: TextPosition,
): Expr {
  const [a, b] = meet(left, right, `operator ${operator}`, position);
  return { kind: 'compare', operator, left: a, right: b, type: 'boolean', at: position.offset };
}

/** Two operands that must be of one kind. */
function meet(left: Expr, right: Expr, what: string, position: TextPosition): readonly [Expr, Expr] {
  const { exprs } = unify([left, right], what, () => position);
  return [exprs[0]!, exprs[1]!];
}

function bindLike(
  { form, negated, operand, pattern, escape: escapeClause, position }: Like,
  context: BindContext,
): Expr {
  if (form === 'similar') throw unsupported('SIMILAR TO', position, 'use LIKE or ILIKE');
  const text = (expression: Expression): Expr => {
    const bound = bindExpression(expression, context);
    if (bound.type === 'text' || isOpen(bound.type)) return bound;
    throw mismatch(`LIKE takes text, not ${bound.type}`, expression.position, 'cast it: x::text');
  };
  const caseInsensitive = form === 'ilike';
  const bound = { operand: text(operand), pattern: text(pattern), escape: escapeOf(escapeClause) };
  return { kind: 'like', negated, caseInsensitive, ...bound, type: 'boolean', at: position.offset };
}

function escapeOf(clause: Expression | undefined): string | undefined {
  if (clause === undefined) return undefined;
  const constant = clause.kind === 'Literal' && clause.literal.type === 'string' ? clause.literal.value : undefined;
  if (constant === undefined)
    throw unsupported('an ESCAPE that is not a constant', clause.position, "write the character: ESCAPE '!'");
  if ([...constant].length > 1) throw syntaxError('ESCAPE takes one character, or none', clause.position);
  return constant;
}

function bindIn({ negated, operand, items, position }: InList, context: BindContext): Expr {
  const bound = [operand, ...items].map((item) => bindExpression(item, context));
  const { exprs } = unify(bound, 'IN', (index) => items[index - 1]?.position ?? position);
  const [left, ...list] = exprs;
  return { kind: 'in', negated, operand: left!, list, type: 'boolean', at: position.offset };
}

/** x BETWEEN a AND b is x >= a AND x <= b; SYMMETRIC tries both orders. */
function bindBetween({ negated, symmetric, operand, low, high, position }: Between, context: BindContext): Expr {
  const [x, a, b] = [operand, low, high].map((expression) => bindExpression(expression, context)) as [Expr, Expr, Expr];
  const at = position.offset;
  const within = (from: Expr, to: Expr): Expr => ({
    kind: 'and',
    operands: [compare('>=', x, from, position), compare('<=', x, to, position)],
    type: 'boolean',
    at,
  });
  const either: Expr = symmetric
    ? { kind: 'or', operands: [within(a, b), within(b, a)], type: 'boolean', at }
    : within(a, b);
  return negated ? { kind: 'not', operand: either, type: 'boolean', at } : either;
}

function bindCase({ operand, branches, otherwise, position }: Case, context: BindContext): Expr {
  const subject = operand === undefined ? undefined : bindExpression(operand, context);
  const bound = branches.map(({ when, result }) => {
    const condition = bindExpression(when, context);
    return {
      when:
        subject === undefined
          ? expectBoolean(condition, 'a condition of CASE', when.position)
          : compare('=', subject, condition, when.position),
      then: bindExpression(result, context),
    };
  });
  const results = bound.map(({ then }) => then);
  if (otherwise !== undefined) results.push(bindExpression(otherwise, context));
  const { exprs, type } = unify(
    inOneKind(results, context),
    'CASE',
    (index) => (branches[index]?.result ?? otherwise!).position,
  );
  return {
    kind: 'case',
    branches: bound.map(({ when }, index) => ({ when, then: exprs[index]! })),
    otherwise: exprs[branches.length],
    type,
    at: position.offset,
  };
}

/** Digits in the p and s of numeric(p, s), as PostgreSQL has it. */
const NUMERIC_DIGITS_MAX = 1000;

function bindCast({ operand, type, position }: Cast, context: BindContext): Expr {
  const target = namedType(type);
  const at = position.offset;
  const cast = castTo(bindExpression(operand, context), target, at);
  checkCast(cast, position);
  // Types that are kept as wider ones, with their own range or precision.
  if (type.name === 'int2' || type.name === 'float4') return { ...call(type.name, [cast], at), type: target };
  if (type.modifiers.length === 0) return cast;
  const [size, scale] = type.modifiers.map(constantOf);
  if (size! < 1) throw mismatch(`${type.name} has a length of at least 1`, type.modifiers[0]!.position);
  if (type.name === 'varchar') {
    const args: readonly Expr[] = [cast, integer(1, at), integer(size!, at)];
    return { kind: 'call', name: 'substring', args, type: 'text', at };
  }
  if (size! > NUMERIC_DIGITS_MAX || Math.abs(scale ?? 0) > NUMERIC_DIGITS_MAX) {
    throw mismatch(`numeric has at most ${NUMERIC_DIGITS_MAX} digits`, type.modifiers[0]!.position);
  }
  const args: readonly Expr[] = [cast, integer(size!, at), integer(scale ?? 0, at)];
  return { kind: 'call', name: 'numeric', args, type: 'numeric', at };
}

function call(name: string, args: readonly Expr[], at: number): Extract<Expr, { kind: 'call' }> {
  return { kind: 'call', name, args, type: 'any', at };
}

function checkCast(cast: Expr, position: TextPosition): void {
  if (cast.kind !== 'cast' || castTypes(cast.operand.type, cast.type) !== undefined) return;
  throw new GridError('INVALID_CAST', `cannot cast ${cast.operand.type} to ${cast.type}`, { position });
}

function constantOf(expression: Expression): number {
  if (expression.kind === 'Literal' && expression.literal.type === 'integer') return Number(expression.literal.value);
  throw unsupported('a length that is not a constant', expression.position, 'write a number: numeric(10, 2)');
}

export function integer(value: number, at: number): Expr {
  return { kind: 'literal', value, type: 'int4', at };
}

/** x = ANY (ARRAY[...]) is IN, x <> ALL (ARRAY[...]) is NOT IN; other forms want arrays as values. */
function bindQuantified(syntax: Extract<Expression, { kind: 'Quantified' }>, context: BindContext): Expr {
  const { operator, quantifier, left, right, position } = syntax;
  const isIn = operator === '=' && quantifier === 'any';
  const isNotIn = operator === '<>' && quantifier === 'all';
  if (right.kind === 'Array' && right.items.length > 0 && (isIn || isNotIn)) {
    return bindIn({ kind: 'InList', negated: isNotIn, operand: left, items: right.items, position }, context);
  }
  const instead = isIn
    ? 'write IN (a, b, c)'
    : isNotIn
      ? 'write NOT IN (a, b, c)'
      : 'compare with each value, joined by AND or OR';
  throw unsupported(`${operator} ${quantifier.toUpperCase()} (...)`, position, instead);
}
