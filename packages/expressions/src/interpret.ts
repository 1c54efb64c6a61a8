/**
 * The interpreter: an expression as a tree of closures over one row. The twin of the generated kernels, and the path
 * for few rows, single documents, and processes where code generation is disallowed.
 *
 * interpret T1  Three-valued logic; AND, OR, CASE and COALESCE evaluate from the left and no further than they must.
 * interpret T2  Kernels send every row that they cannot do themselves here, errors included; so results agree by
 *               construction wherever a kernel has no opinion of its own.
 */
import { types as nodeTypes } from 'node:util';
import { unreachable } from '@ashlar/core';
import { arithmetic, hasOperator, negate } from './arithmetic.ts';
import { castTypes, castValue, conform, mayReadAs, noSuchCast } from './cast.ts';
import { compareLoosely } from './compare.ts';
import { constantValue, isConstant } from './constants.ts';
import type { CompareOperator, Expr } from './expr.ts';
import { failure } from './failure.ts';
import { definitionOf } from './functions/table.ts';
import { type ConstantList, constantList } from './in-list.ts';
import { comparisonOf, described, nullOrError, oddRowsAt, unlike } from './lax.ts';
import { likeTest } from './like.ts';
import type { OddRows } from './odd-rows.ts';
import { openArithmetic, sideOf } from './open-arithmetic.ts';
import { operandReadingOf, readingOf } from './quoted.ts';
import { formatValue } from './text-form.ts';
import { type SqlType, Tag } from './types.ts';
import { readsUndeclared } from './undeclared.ts';
import { type EvalContext, type RowValue, tagOf, typeName, typeOf } from './values.ts';

/** The value of input column `index` in the row at hand; null for NULL and missing. */
export type Row = (index: number) => RowValue;

/** An expression ready to run on rows. */
export type Evaluator = (row: Row, context: EvalContext) => RowValue;

type Of<Kind extends Expr['kind']> = Extract<Expr, { kind: Kind }>;

const evaluators = new WeakMap<Expr, Evaluator>();

/**
 * The value of `expr` for one row.
 *
 * @throws GridError TYPE_MISMATCH, INVALID_CAST, NUMERIC_OVERFLOW, DIVISION_BY_ZERO ... with details.offset
 */
export function interpret(expr: Expr, row: Row, context: EvalContext): RowValue {
  return evaluatorOf(expr)(row, context);
}

/** The closures of an expression; made once for each expression object. */
export function evaluatorOf(expr: Expr): Evaluator {
  const known = evaluators.get(expr);
  if (known !== undefined) return known;
  const made = make(expr);
  evaluators.set(expr, made);
  return made;
}

function make(expr: Expr): Evaluator {
  switch (expr.kind) {
    case 'column':
      return column(expr);
    case 'literal':
    case 'parameter':
      return (_row, context) => constantValue(expr, context);
    case 'compare':
      return compare(expr);
    case 'distinctFrom':
      return distinctFrom(expr);
    case 'arithmetic':
      return arithmeticOf(expr);
    case 'negate':
      return negateOf(expr);
    case 'concat':
      return concat(expr);
    case 'and':
      return conjunction(expr, false);
    case 'or':
      return conjunction(expr, true);
    case 'not':
      return not(expr);
    case 'isNull':
      return isNull(expr);
    case 'isTruth':
      return isTruth(expr);
    case 'in':
      return inList(expr);
    case 'like':
      return like(expr);
    case 'case':
      return caseOf(expr);
    case 'cast':
      return cast(expr);
    case 'call':
      return call(expr);
    default:
      return unreachable(expr);
  }
}

function column({ index, type }: Of<'column'>): Evaluator {
  if (type === 'any' || type === 'json') return (row) => row(index);
  return (row) => conform(row(index), 'any', type);
}

const TESTS: Readonly<Record<CompareOperator, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '<>': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

function compare(expr: Of<'compare'>): Evaluator {
  const evaluateLeft = evaluatorOf(expr.left);
  const evaluateRight = evaluatorOf(expr.right);
  const test = TESTS[expr.operator];
  const orderOf = comparisonOf(expr, expr.left, expr.right);
  return (row, context) => {
    const a = evaluateLeft(row, context);
    const b = evaluateRight(row, context);
    if (a === null || b === null) return null;
    const order = orderOf(a, b, context);
    return order === undefined ? null : test(order);
  };
}

/** Never NULL: values of unlike kinds are distinct where paths are read laxly. */
function distinctFrom(expr: Of<'distinctFrom'>): Evaluator {
  const evaluateLeft = evaluatorOf(expr.left);
  const evaluateRight = evaluatorOf(expr.right);
  const orderOf = comparisonOf(expr, expr.left, expr.right);
  return (row, context) => {
    const a = evaluateLeft(row, context);
    const b = evaluateRight(row, context);
    const isDistinct = a === null || b === null ? a !== b : orderOf(a, b, context) !== 0;
    return isDistinct !== expr.negated;
  };
}

function arithmeticOf(expr: Of<'arithmetic'>): Evaluator {
  const { operator, left, right, type, numbers, at } = expr;
  const [leftSide, rightSide] = [sideOf(left), sideOf(right)];
  const evaluateLeft = evaluatorOf(left);
  const evaluateRight = evaluatorOf(right);
  const operands = [left, right];
  const readLeft = operandReadingOf(left, operator);
  const readRight = operandReadingOf(right, operator);
  const isLax = readsUndeclared(expr);
  return (row, context) => {
    const a = evaluateLeft(row, context);
    const b = evaluateRight(row, context);
    if (a === null || b === null) return null;
    const x = typeof a === 'string' ? readLeft(a, b) : a;
    const y = typeof b === 'string' ? readRight(b, a) : b;
    const oddRows = isLax && (typeof x !== 'number' || typeof y !== 'number') ? context.oddRows : undefined;
    if (oddRows !== undefined && !hasOperator(operator, typeOf(x, left.type), typeOf(y, right.type))) {
      return oddOperand(expr, oddRows, x, y);
    }
    try {
      if (type === 'any') return openArithmetic(operator, x, leftSide, y, rightSide, numbers, at);
      return arithmetic(operator, x, left.type, y, right.type, at);
    } catch (error) {
      return nullOrError(error, expr, operands, [x, y], operator, context);
    }
  };
}

/** Counts which of two values arithmetic does not take: the one of a kind that it never takes, else both together. */
function oddOperand(expr: Of<'arithmetic'>, oddRows: OddRows, a: RowValue, b: RowValue): null {
  const isLeftOdd = !OPERAND_TAGS.has(tagOf(a));
  const isRightOdd = !OPERAND_TAGS.has(tagOf(b));
  const [odd, value] = isLeftOdd ? [expr.left, a] : [expr.right, b];
  if (isLeftOdd !== isRightOdd && readsUndeclared(odd)) oddRows.odd(expr, odd, value);
  else oddRows.unlike(expr, expr.left, a, expr.right, b);
  return null;
}

const OPERAND_TAGS: ReadonlySet<Tag> = new Set<Tag>([Tag.NUMBER, Tag.BIGINT, Tag.DECIMAL, Tag.TIMESTAMP, Tag.INTERVAL]);

function negateOf(expr: Of<'negate'>): Evaluator {
  const { operand, at } = expr;
  const evaluate = evaluatorOf(operand);
  return (row, context) => {
    const value = evaluate(row, context);
    if (value === null) return null;
    const oddRows = OPERAND_TAGS.has(tagOf(value)) ? undefined : oddRowsAt(expr, context);
    if (oddRows !== undefined) {
      oddRows.odd(expr, operand, value);
      return null;
    }
    try {
      return negate(value, operand.type, at);
    } catch (error) {
      return nullOrError(error, expr, [operand], [value], '-', context);
    }
  };
}

/** `||`: text with anything, bytes with bytes, arrays with arrays. */
function concat(expr: Of<'concat'>): Evaluator {
  const { left, right, at } = expr;
  const evaluateLeft = evaluatorOf(left);
  const evaluateRight = evaluatorOf(right);
  return (row, context) => {
    const a = evaluateLeft(row, context);
    const b = evaluateRight(row, context);
    if (a === null || b === null) return null;
    if (typeof a === 'string' || typeof b === 'string') return formatValue(a, left.type) + formatValue(b, right.type);
    if (nodeTypes.isUint8Array(a) && nodeTypes.isUint8Array(b)) return Uint8Array.of(...a, ...b);
    if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b];
    const oddRows = oddRowsAt(expr, context);
    if (oddRows === undefined) {
      throw failure('TYPE_MISMATCH', `no operator ${described(left, a)} || ${described(right, b)}`, at);
    }
    oddRows.unlike(expr, left, a, right, b);
    return null;
  };
}

/**
 * The value of the condition `expr` as it must be: true, false or null.
 *
 * @throws GridError TYPE_MISMATCH
 */
export function conditionOf(value: RowValue, expr: Expr, context: EvalContext): boolean | null {
  if (value === null || typeof value === 'boolean') return value;
  const oddRows = oddRowsAt(expr, context);
  if (oddRows === undefined) {
    throw failure('TYPE_MISMATCH', `a condition must be boolean, not ${described(expr, value)}`, expr.at);
  }
  oddRows.odd(expr, expr, value);
  return null;
}

/** Whether a row meets the condition: it is TRUE, not NULL. */
export function isMet(condition: Expr, row: Row, context: EvalContext): boolean {
  return conditionOf(evaluatorOf(condition)(row, context), condition, context) === true;
}

/** AND (decided by the first false) and OR (by the first true). */
function conjunction({ operands }: Of<'and' | 'or'>, decisive: boolean): Evaluator {
  const evaluateAll = operands.map(evaluatorOf);
  return (row, context) => {
    let result: boolean | null = !decisive;
    for (let index = 0; index < evaluateAll.length; index++) {
      const value = conditionOf(evaluateAll[index]!(row, context), operands[index]!, context);
      if (value === decisive) return decisive;
      if (value === null) result = null;
    }
    return result;
  };
}

function not({ operand }: Of<'not'>): Evaluator {
  const evaluate = evaluatorOf(operand);
  return (row, context) => {
    const value = conditionOf(evaluate(row, context), operand, context);
    return value === null ? null : !value;
  };
}

function isNull({ operand, negated }: Of<'isNull'>): Evaluator {
  const evaluate = evaluatorOf(operand);
  return (row, context) => (evaluate(row, context) === null) !== negated;
}

function isTruth({ operand, truth, negated }: Of<'isTruth'>): Evaluator {
  const evaluate = evaluatorOf(operand);
  return (row, context) => (conditionOf(evaluate(row, context), operand, context) === truth) !== negated;
}

function inList(expr: Of<'in'>): Evaluator {
  return expr.list.every(isConstant) ? inConstants(expr) : inExpressions(expr);
}

/** Values of the operand's own kind are looked up; a constant of a kind that does not compare with it is skipped. */
function inConstants(expr: Of<'in'>): Evaluator {
  const { operand, list, negated, at } = expr;
  const evaluate = evaluatorOf(operand);
  const lists = new WeakMap<EvalContext, ConstantList>();
  return (row, context) => {
    const value = evaluate(row, context);
    if (value === null) return null;
    let constants = lists.get(context);
    if (constants === undefined)
      lists.set(context, (constants = constantList(operand, list.filter(isConstant), context)));
    const { set, others, unlike: skipped } = constants.for(value);
    if (set.has(value)) return !negated;
    if (others.length > 0 && others.some((other) => compareLoosely(value, other) === 0)) return !negated;
    const [first] = skipped;
    if (first !== undefined) {
      const oddRows = oddRowsAt(expr, context);
      if (oddRows === undefined) throw unlike(value, operand, first.value, first.expr, at);
      oddRows.unlike(expr, operand, value, first.expr, first.value);
    }
    return constants.hasNull ? null : negated;
  };
}

function inExpressions(expr: Of<'in'>): Evaluator {
  const { operand, list, negated } = expr;
  const evaluate = evaluatorOf(operand);
  const evaluateAll = list.map(evaluatorOf);
  const ordersOf = list.map((item) => comparisonOf(expr, operand, item));
  return (row, context) => {
    const value = evaluate(row, context);
    if (value === null) return null;
    let result: boolean | null = negated;
    for (let index = 0; index < evaluateAll.length; index++) {
      const item = evaluateAll[index]!(row, context);
      const order = item === null ? undefined : ordersOf[index]!(value, item, context);
      if (order === 0) return !negated;
      // A constant of another kind is skipped; a value of the row has no answer.
      if (order === undefined && (item === null || !isConstant(list[index]!))) result = null;
    }
    return result;
  };
}

function like(expr: Of<'like'>): Evaluator {
  const { operand, pattern, escape: escapeCharacter, caseInsensitive, negated, at } = expr;
  const evaluate = evaluatorOf(operand);
  const evaluatePattern = evaluatorOf(pattern);
  return (row, context) => {
    const value = evaluate(row, context);
    const wanted = evaluatePattern(row, context);
    if (value === null || wanted === null) return null;
    if (typeof wanted !== 'string') return oddText(expr, pattern, wanted, context);
    try {
      const test = likeTest(wanted, escapeCharacter, caseInsensitive, at);
      return typeof value === 'string' ? test(value) !== negated : oddText(expr, operand, value, context);
    } catch (error) {
      return nullOrError(error, expr, [pattern], [wanted], 'LIKE', context);
    }
  };
}

/** @throws GridError TYPE_MISMATCH unless the value is the row's and rows are read laxly */
function oddText(site: Of<'like'>, expr: Expr, value: RowValue, context: EvalContext): null {
  const oddRows = oddRowsAt(expr, context);
  if (oddRows === undefined) {
    throw failure('TYPE_MISMATCH', `LIKE needs text, not ${described(expr, value)}`, site.at);
  }
  oddRows.odd(site, expr, value);
  return null;
}

/** A value as one of type `to`, where branches meet. */
function conformed(site: Expr, expr: Expr, value: RowValue, context: EvalContext): RowValue {
  if (value === null || expr.type === site.type) return value;
  try {
    return conform(value, expr.type, site.type);
  } catch (error) {
    return nullOrError(error, site, [expr], [value], typeName(site.type), context);
  }
}

function caseOf(expr: Of<'case'>): Evaluator {
  const { branches, otherwise } = expr;
  const conditions = branches.map((branch) => evaluatorOf(branch.when));
  const results = branches.map((branch) => evaluatorOf(branch.then));
  const evaluateOtherwise = otherwise === undefined ? undefined : evaluatorOf(otherwise);
  return (row, context) => {
    for (let index = 0; index < branches.length; index++) {
      const branch = branches[index]!;
      if (conditionOf(conditions[index]!(row, context), branch.when, context) === true) {
        return conformed(expr, branch.then, results[index]!(row, context), context);
      }
    }
    if (evaluateOtherwise === undefined) return null;
    return conformed(expr, otherwise!, evaluateOtherwise(row, context), context);
  };
}

function cast(expr: Of<'cast'>): Evaluator {
  const { operand, type, at } = expr;
  if (castTypes(operand.type, type) === undefined) throw noSuchCast(operand.type, type, at);
  const evaluate = evaluatorOf(operand);
  const taken = `a cast to ${typeName(type)}`;
  return (row, context) => {
    const value = evaluate(row, context);
    if (value === null) return null;
    const oddRows = typeof value === 'string' && !mayReadAs(value, type) ? oddRowsAt(expr, context) : undefined;
    if (oddRows !== undefined) {
      oddRows.refused(expr, operand, value, 0, () => `that ${taken} does not take`);
      return null;
    }
    try {
      return castValue(value, type, at, operand.type);
    } catch (error) {
      return nullOrError(error, expr, [operand], [value], taken, context);
    }
  };
}

function call(expr: Of<'call'>): Evaluator {
  const { name, type, at, args: operands } = expr;
  const definition = definitionOf(name);
  if (definition === undefined) throw failure('UNKNOWN_FUNCTION', `no function ${name}`, at);
  if (name === 'coalesce') return coalesce(expr);
  const types: readonly SqlType[] = operands.map((arg) => arg.type);
  const evaluateAll = operands.map(evaluatorOf);
  const read = name === 'nullif' || name === 'greatest' || name === 'least' ? meetingReadingOf(operands) : undefined;
  return (row, context) => {
    const args: RowValue[] = [];
    for (const evaluate of evaluateAll) {
      const value = evaluate(row, context);
      if (value === null && definition.strict) return null;
      args.push(value);
    }
    read?.(args);
    try {
      return definition.evaluate(args, { name, types, type, context, at });
    } catch (error) {
      const result = nullOrError(error, expr, operands, args, name, context);
      // NULLIF(a, b) is a unless they are equal, and what does not compare is not.
      return name === 'nullif' ? args[0]! : result;
    }
  };
}

/** Texts of the statement among arguments of one kind become of the kind of the first that is none. */
function meetingReadingOf(operands: readonly Expr[]): (args: RowValue[]) => void {
  const readings = operands.map((operand) => readingOf(operand));
  return (args) => {
    const other = args.find((value, index) => value !== null && !isConstant(operands[index]!)) ?? null;
    if (other === null) return;
    for (let index = 0; index < args.length; index++) args[index] = readings[index]!(args[index]!, other);
  };
}

function coalesce(expr: Of<'call'>): Evaluator {
  const { args } = expr;
  const evaluateAll = args.map(evaluatorOf);
  return (row, context) => {
    for (let index = 0; index < evaluateAll.length; index++) {
      const value = evaluateAll[index]!(row, context);
      if (value !== null) return conformed(expr, args[index]!, value, context);
    }
    return null;
  };
}
