/**
 * What a condition begins with, where that is `column = constant` or `column IN (constants)`: to watch a few keys, or what
 * belongs to one customer, is what most subscriptions are for, and such conditions can be found by the value of a record
 * instead of being asked about it.
 *
 * equality E1  A value of the constants' kind that is none of them does not meet the condition, and nothing is counted for it: a
 *              conjunction is decided by its first operand that is false, so that nothing behind it is looked at.
 * equality E2  NULL does not meet the test, but decides it only where it is the whole condition: a conjunction goes on behind it.
 *              Values of other kinds are for the condition to say.
 */
import { type DocumentColumn, type EvalContext, type Expr, interpret, type RowValue } from '@ashlar/expressions';

/** Constants beyond which the condition is asked itself. */
const CONSTANTS_MAX = 256;

type Test = Extract<Expr, { kind: 'compare' | 'in' }>;
type Column = Extract<Expr, { kind: 'column' }>;

export interface Equality {
  readonly column: DocumentColumn;
  /** All of one kind. */
  readonly constants: readonly string[] | readonly number[];
  readonly kind: 'string' | 'number';
  /** Nothing follows behind the test (equality E2). */
  readonly isWhole: boolean;
}

/** Undefined: the condition begins with something else. */
export function equalityOf(
  condition: Expr,
  columns: readonly DocumentColumn[],
  context: EvalContext,
): Equality | undefined {
  const test = firstOperand(condition);
  if (test.kind !== 'compare' && test.kind !== 'in') return undefined;
  const sides = sidesOf(test);
  const column = sides === undefined ? undefined : columns[sides.column.index];
  if (sides === undefined || column === undefined) return undefined;
  try {
    const constants = sides.constants.map((constant) => interpret(constant, noColumn, context));
    const kind = kindOf(constants);
    if (kind === undefined || !isDecidedBy(constants, kind, test, context)) return undefined;
    return { column, constants: constants as string[] | number[], kind, isWhole: test === condition };
  } catch {
    // The condition will meet the same, and say so.
    return undefined;
  }
}

function firstOperand(condition: Expr): Expr {
  let first = condition;
  while (first.kind === 'and' && first.operands[0] !== undefined) first = first.operands[0];
  return first;
}

/** The column and what it is compared with; undefined: it is another test, or not with a few constants alone. */
function sidesOf(test: Test): { readonly column: Column; readonly constants: readonly Expr[] } | undefined {
  const sides = test.kind === 'in' ? inSides(test) : compareSides(test);
  if (sides === undefined) return undefined;
  const { length } = sides.constants;
  return length > 0 && length <= CONSTANTS_MAX && sides.constants.every(isConstant) ? sides : undefined;
}

function inSides({ operand, list, negated }: Extract<Expr, { kind: 'in' }>): ReturnType<typeof sidesOf> {
  return operand.kind === 'column' && !negated ? { column: operand, constants: list } : undefined;
}

function compareSides({ operator, left, right }: Extract<Expr, { kind: 'compare' }>): ReturnType<typeof sidesOf> {
  if (operator !== '=') return undefined;
  if (left.kind === 'column') return { column: left, constants: [right] };
  return right.kind === 'column' ? { column: right, constants: [left] } : undefined;
}

function isConstant({ kind }: Expr): boolean {
  return kind === 'literal' || kind === 'parameter';
}

function kindOf(constants: readonly RowValue[]): 'string' | 'number' | undefined {
  if (constants.every((constant) => typeof constant === 'string')) return 'string';
  return constants.every((constant) => typeof constant === 'number') ? 'number' : undefined;
}

function noColumn(): RowValue {
  return null;
}

/** Whether the test is true for these constants, false for another value of their kind, and neither for NULL (equality E1, E2). */
function isDecidedBy(constants: readonly RowValue[], kind: string, test: Test, context: EvalContext): boolean {
  const other = kind === 'string' ? `${constants.join()}.` : otherNumber(constants);
  return (
    constants.every((constant) => interpret(test, () => constant, context) === true) &&
    interpret(test, () => other, context) === false &&
    interpret(test, noColumn, context) === null
  );
}

function otherNumber(constants: readonly RowValue[]): number {
  let other = 0;
  while (constants.includes(other)) other += 1;
  return other;
}
