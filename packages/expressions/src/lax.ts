/**
 * Rows whose values have no answer, as the interpreter treats them: strict, an error; lax, NULL and a row counted.
 *
 *   undeclared path within, context counts odd rows -> OddRows, NULL      else -> GridError
 *
 * lax L1  Errors of the statement itself stay errors: of parts without a column, of constants that a function refuses.
 * lax L2  Division by zero of a row's data stays an error too, but where the context says that it drops the row.
 */
import { types as nodeTypes } from 'node:util';
import { GridError } from '@ashlar/core';
import { castValue } from './cast.ts';
import { compareLoosely } from './compare.ts';
import { isConstant } from './constants.ts';
import type { Expr } from './expr.ts';
import { hasColumns } from './expr-parts.ts';
import { failure } from './failure.ts';
import { Interval } from './interval.ts';
import type { OddRows } from './odd-rows.ts';
import { readerBeside, readingOf } from './quoted.ts';
import { readsUndeclared } from './undeclared.ts';
import { type EvalContext, type RowValue, typeName, typeOf } from './values.ts';

/** Where `site` counts rows that it has no answer for; undefined where they are errors. */
export function oddRowsAt(site: Expr, context: EvalContext): OddRows | undefined {
  const { oddRows } = context;
  return oddRows !== undefined && readsUndeclared(site) ? oddRows : undefined;
}

/** How errors call an expression: a column by its name, else its type. */
export function described(expr: Expr, value: RowValue): string {
  const name = typeName(typeOf(value, expr.type));
  return expr.kind === 'column' ? `column ${expr.name} (${name})` : name;
}

/**
 * Negative, 0 or positive; undefined for values that do not compare, where the site counts them as odd.
 *
 * @throws GridError TYPE_MISMATCH, INVALID_CAST where it does not
 */
export type Comparison = (a: RowValue, b: RowValue, context: EvalContext) => number | undefined;

/**
 * How `site` compares two values that are not null. A text that was written as a literal or parameter is read as what
 * it meets, as PostgreSQL does with its literals of unknown type.
 */
export function comparisonOf(site: Expr, left: Expr, right: Expr): Comparison {
  const readLeft = readingOf(left, readerBeside(right));
  const readRight = readingOf(right, readerBeside(left));
  return (a, b, context) => {
    const order = compareLoosely(a, b) ?? compareLoosely(readLeft(a, b), readRight(b, a));
    if (order !== undefined) return order;
    const oddRows = oddRowsAt(site, context);
    if (oddRows === undefined) throw unlike(a, left, b, right, site.at);
    oddRows.unlike(site, left, a, right, b);
    return undefined;
  };
}

/** The error for two values that do not compare. */
export function unlike(a: RowValue, left: Expr, b: RowValue, right: Expr, at: number): GridError {
  checkReadable(a, left, b);
  checkReadable(b, right, a);
  const message = `cannot compare ${described(left, a)} with ${described(right, b)}`;
  return failure('TYPE_MISMATCH', message, at, 'cast one side, as in CAST(x AS text)');
}

/** @throws GridError INVALID_CAST for a text of the statement that meets a time and is none */
function checkReadable(value: RowValue, expr: Expr, other: RowValue): void {
  if (typeof value !== 'string' || !isConstant(expr)) return;
  if (nodeTypes.isDate(other)) castValue(value, 'timestamptz', expr.at);
  if (Interval.is(other)) castValue(value, 'interval', expr.at);
}

/** Codes of errors that a row's values cause, and that are NULL where paths are read laxly. */
const CAUSED_BY_VALUES: ReadonlySet<string> = new Set([
  'TYPE_MISMATCH',
  'INVALID_CAST',
  'INVALID_ARGUMENT',
  'NUMERIC_OVERFLOW',
]);
const REASONS = [...CAUSED_BY_VALUES];

/**
 * What becomes of an error that `site` met with these values of its operands: NULL, or the error thrown again.
 *
 * @param taken  what the site is called where a finding names it: 'sqrt', '+', 'a cast to integer'
 */
export function nullOrError(
  error: unknown,
  site: Expr,
  operands: readonly Expr[],
  values: readonly RowValue[],
  taken: string,
  context: EvalContext,
): null {
  if (!GridError.is(error)) throw error;
  if (error.code === 'DIVISION_BY_ZERO') throw divisionByZeroOf(error, operands.at(-1)!, context);
  const oddRows = oddRowsAt(site, context);
  const { argument } = error.details ?? {};
  const blamed = typeof argument === 'number' ? operands[argument] : undefined;
  const isOfStatement = blamed !== undefined && !readsUndeclared(blamed);
  if (oddRows === undefined || isOfStatement || !CAUSED_BY_VALUES.has(error.code)) throw error;
  const index = blamed === undefined ? operands.findIndex(readsUndeclared) : (argument as number);
  if (index < 0) throw error;
  const [operand, value] = [operands[index]!, values[index]!];
  if (error.code === 'TYPE_MISMATCH') oddRows.odd(site, operand, value);
  else oddRows.refused(site, operand, value, REASONS.indexOf(error.code), () => reasonOf(error.code, taken));
  return null;
}

function reasonOf(code: string, taken: string): string {
  return code === 'NUMERIC_OVERFLOW' ? `that ${taken} takes out of range` : `that ${taken} does not take`;
}

/** Division by a zero of the row's own; for a context in which such a row is dropped. */
export class RowDividesByZero extends Error {}

const DROPPED = new RowDividesByZero('the row divides by zero');

function divisionByZeroOf(error: GridError, divisor: Expr, { dropsDivisionByZero }: EvalContext): Error {
  return dropsDivisionByZero === true && hasColumns(divisor) ? DROPPED : error;
}
