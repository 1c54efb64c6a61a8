/**
 * The interpreter: an expression as a tree of closures over one row. The twin of the generated kernels, and the path
 * for few rows, single documents, and processes where code generation is disallowed.
 *
 * T1  Three-valued logic; AND, OR, CASE and COALESCE evaluate from the left and no further than they must.
 * T2  Kernels send every row that they cannot do themselves here, errors included; so results agree by construction
 *     wherever a kernel has no opinion of its own.
 */
import { types as nodeTypes } from 'node:util';
import { unreachable } from '@ashlar/core';
import { arithmetic, negate } from './arithmetic.ts';
import { castTypes, castValue, conform, noSuchCast } from './cast.ts';
import { compareLoosely } from './compare.ts';
import { constantValue, isConstant } from './constants.ts';
import type { CompareOperator, Expr } from './expr.ts';
import { failure } from './failure.ts';
import { definitionOf } from './functions/table.ts';
import { type ConstantList, constantList } from './in-list.ts';
import { Interval } from './interval.ts';
import { likeTest } from './like.ts';
import { openArithmetic, sideOf } from './open-arithmetic.ts';
import { formatValue } from './text-form.ts';
import type { SqlType } from './types.ts';
import { type EvalContext, type RowValue, typeName, typeOf } from './values.ts';

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

/** How errors call an expression: a column by its name, else its type. */
function described(expr: Expr, value: RowValue): string {
  const name = typeName(typeOf(value, expr.type));
  return expr.kind === 'column' ? `column ${expr.name} (${name})` : name;
}

/**
 * Compares two values that are not null. A text that was written as a literal or parameter is read as a time or
 * interval where it meets one, as PostgreSQL does with its literals of unknown type.
 */
function compareOf(a: RowValue, left: Expr, b: RowValue, right: Expr, at: number): number {
  const order = compareLoosely(a, b) ?? compareLoosely(readAs(a, left, b), readAs(b, right, a));
  if (order !== undefined) return order;
  const message = `cannot compare ${described(left, a)} with ${described(right, b)}`;
  throw failure('TYPE_MISMATCH', message, at, 'cast one side, as in CAST(x AS text)');
}

/** A constant text as what `other` is, if that is a time or an interval; else the value itself. */
function readAs(value: RowValue, expr: Expr, other: RowValue): RowValue {
  if (typeof value !== 'string' || !isConstant(expr)) return value;
  if (nodeTypes.isDate(other)) return castValue(value, 'timestamptz', expr.at);
  return Interval.is(other) ? castValue(value, 'interval', expr.at) : value;
}

const TESTS: Readonly<Record<CompareOperator, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '<>': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

function compare({ operator, left, right, at }: Of<'compare'>): Evaluator {
  const evaluateLeft = evaluatorOf(left);
  const evaluateRight = evaluatorOf(right);
  const test = TESTS[operator];
  return (row, context) => {
    const a = evaluateLeft(row, context);
    const b = evaluateRight(row, context);
    return a === null || b === null ? null : test(compareOf(a, left, b, right, at));
  };
}

function distinctFrom({ negated, left, right, at }: Of<'distinctFrom'>): Evaluator {
  const evaluateLeft = evaluatorOf(left);
  const evaluateRight = evaluatorOf(right);
  return (row, context) => {
    const a = evaluateLeft(row, context);
    const b = evaluateRight(row, context);
    const isDistinct = a === null || b === null ? a !== b : compareOf(a, left, b, right, at) !== 0;
    return isDistinct !== negated;
  };
}

function arithmeticOf({ operator, left, right, type, numbers, at }: Of<'arithmetic'>): Evaluator {
  const evaluateLeft = evaluatorOf(left);
  const evaluateRight = evaluatorOf(right);
  if (type === 'any') {
    const [leftSide, rightSide] = [sideOf(left), sideOf(right)];
    return (row, context) => {
      const a = evaluateLeft(row, context);
      const b = evaluateRight(row, context);
      return a === null || b === null ? null : openArithmetic(operator, a, leftSide, b, rightSide, numbers, at);
    };
  }
  return (row, context) => {
    const a = evaluateLeft(row, context);
    const b = evaluateRight(row, context);
    return a === null || b === null ? null : arithmetic(operator, a, left.type, b, right.type, at);
  };
}

function negateOf({ operand, at }: Of<'negate'>): Evaluator {
  const evaluate = evaluatorOf(operand);
  return (row, context) => {
    const value = evaluate(row, context);
    return value === null ? null : negate(value, operand.type, at);
  };
}

/** `||`: text with anything, bytes with bytes, arrays with arrays. */
function concat({ left, right, at }: Of<'concat'>): Evaluator {
  const evaluateLeft = evaluatorOf(left);
  const evaluateRight = evaluatorOf(right);
  return (row, context) => {
    const a = evaluateLeft(row, context);
    const b = evaluateRight(row, context);
    if (a === null || b === null) return null;
    if (typeof a === 'string' || typeof b === 'string') return formatValue(a, left.type) + formatValue(b, right.type);
    if (nodeTypes.isUint8Array(a) && nodeTypes.isUint8Array(b)) return Uint8Array.of(...a, ...b);
    if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b];
    throw failure('TYPE_MISMATCH', `no operator ${described(left, a)} || ${described(right, b)}`, at);
  };
}

/**
 * The value of the condition `expr` as it must be: true, false or null.
 *
 * @throws GridError TYPE_MISMATCH
 */
export function conditionOf(value: RowValue, expr: Expr): boolean | null {
  if (value === null || typeof value === 'boolean') return value;
  throw failure('TYPE_MISMATCH', `a condition must be boolean, not ${described(expr, value)}`, expr.at);
}

/** AND (decided by the first false) and OR (by the first true). */
function conjunction({ operands }: Of<'and' | 'or'>, decisive: boolean): Evaluator {
  const evaluateAll = operands.map(evaluatorOf);
  return (row, context) => {
    let result: boolean | null = !decisive;
    for (let index = 0; index < evaluateAll.length; index++) {
      const value = conditionOf(evaluateAll[index]!(row, context), operands[index]!);
      if (value === decisive) return decisive;
      if (value === null) result = null;
    }
    return result;
  };
}

function not({ operand }: Of<'not'>): Evaluator {
  const evaluate = evaluatorOf(operand);
  return (row, context) => {
    const value = conditionOf(evaluate(row, context), operand);
    return value === null ? null : !value;
  };
}

function isNull({ operand, negated }: Of<'isNull'>): Evaluator {
  const evaluate = evaluatorOf(operand);
  return (row, context) => (evaluate(row, context) === null) !== negated;
}

function isTruth({ operand, truth, negated }: Of<'isTruth'>): Evaluator {
  const evaluate = evaluatorOf(operand);
  return (row, context) => (conditionOf(evaluate(row, context), operand) === truth) !== negated;
}

function inList(expr: Of<'in'>): Evaluator {
  return expr.list.every(isConstant) ? inConstants(expr) : inExpressions(expr);
}

/** Values of the operand's own kind are looked up; only if it is not among them, the others are compared with it. */
function inConstants({ operand, list, negated, at }: Of<'in'>): Evaluator {
  const evaluate = evaluatorOf(operand);
  const lists = new WeakMap<EvalContext, ConstantList>();
  return (row, context) => {
    const value = evaluate(row, context);
    if (value === null) return null;
    let constants = lists.get(context);
    if (constants === undefined) lists.set(context, (constants = constantList(list.filter(isConstant), context)));
    if (constants.has(value)) return !negated;
    for (const item of constants.besides(value)) {
      if (compareOf(value, operand, item.value, item.expr, at) === 0) return !negated;
    }
    return constants.hasNull ? null : negated;
  };
}

function inExpressions({ operand, list, negated, at }: Of<'in'>): Evaluator {
  const evaluate = evaluatorOf(operand);
  const evaluateAll = list.map(evaluatorOf);
  return (row, context) => {
    const value = evaluate(row, context);
    if (value === null) return null;
    let result: boolean | null = negated;
    for (let index = 0; index < evaluateAll.length; index++) {
      const item = evaluateAll[index]!(row, context);
      if (item === null) result = null;
      else if (compareOf(value, operand, item, list[index]!, at) === 0) return !negated;
    }
    return result;
  };
}

function like({ operand, pattern, escape: escapeCharacter, caseInsensitive, negated, at }: Of<'like'>): Evaluator {
  const evaluate = evaluatorOf(operand);
  const evaluatePattern = evaluatorOf(pattern);
  const textOf = (value: RowValue, expr: Expr): string => {
    if (typeof value === 'string') return value;
    throw failure('TYPE_MISMATCH', `LIKE needs text, not ${described(expr, value)}`, at);
  };
  return (row, context) => {
    const value = evaluate(row, context);
    const wanted = evaluatePattern(row, context);
    if (value === null || wanted === null) return null;
    const test = likeTest(textOf(wanted, pattern), escapeCharacter, caseInsensitive, at);
    return test(textOf(value, operand)) !== negated;
  };
}

function caseOf({ branches, otherwise, type }: Of<'case'>): Evaluator {
  const conditions = branches.map((branch) => evaluatorOf(branch.when));
  const results = branches.map((branch) => evaluatorOf(branch.then));
  const evaluateOtherwise = otherwise === undefined ? undefined : evaluatorOf(otherwise);
  return (row, context) => {
    for (let index = 0; index < branches.length; index++) {
      const branch = branches[index]!;
      if (conditionOf(conditions[index]!(row, context), branch.when) === true) {
        return conform(results[index]!(row, context), branch.then.type, type);
      }
    }
    return evaluateOtherwise === undefined ? null : conform(evaluateOtherwise(row, context), otherwise!.type, type);
  };
}

function cast({ operand, type, at }: Of<'cast'>): Evaluator {
  if (castTypes(operand.type, type) === undefined) throw noSuchCast(operand.type, type, at);
  const evaluate = evaluatorOf(operand);
  return (row, context) => castValue(evaluate(row, context), type, at, operand.type);
}

function call(expr: Of<'call'>): Evaluator {
  const { name, type, at } = expr;
  const definition = definitionOf(name);
  if (definition === undefined) throw failure('UNKNOWN_FUNCTION', `no function ${name}`, at);
  if (name === 'coalesce') return coalesce(expr);
  const types: readonly SqlType[] = expr.args.map((arg) => arg.type);
  const evaluateAll = expr.args.map(evaluatorOf);
  return (row, context) => {
    const args: RowValue[] = [];
    for (const evaluate of evaluateAll) {
      const value = evaluate(row, context);
      if (value === null && definition.strict) return null;
      args.push(value);
    }
    return definition.evaluate(args, { name, types, type, context, at });
  };
}

function coalesce({ args, type }: Of<'call'>): Evaluator {
  const evaluateAll = args.map(evaluatorOf);
  return (row, context) => {
    for (let index = 0; index < evaluateAll.length; index++) {
      const value = evaluateAll[index]!(row, context);
      if (value !== null) return conform(value, args[index]!.type, type);
    }
    return null;
  };
}
