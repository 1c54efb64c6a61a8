/**
 * What a condition says about single columns, for zone maps: bounds that every row it keeps must meet.
 *
 * bounds B1  Leaving a bound out is always right; a bound is given only if rows that miss it make the condition not TRUE.
 */
import { types } from 'node:util';
import { parseTime } from '../datetime.ts';
import { type AnyNumber, doubleAtLeast, doubleAtMost, isNumber } from '../exact.ts';
import type { CompareOperator, Expr } from '../expr.ts';
import { evaluatorOf } from '../interpret.ts';
import type { EvalContext, RowValue } from '../values.ts';
import { MIRRORED } from './code.ts';
import { programOf } from './program.ts';

/** `column operator value`: times in milliseconds, booleans as 0 or 1. The shape that columns of the store take. */
export type Bound =
  | {
      readonly operator: '=' | '<' | '<=' | '>' | '>=';
      readonly kind: 'number' | 'time' | 'boolean';
      readonly value: number;
    }
  | { readonly operator: '='; readonly kind: 'text'; readonly value: string }
  | { readonly operator: 'isNull' | 'isNotNull' };

export interface ColumnBound {
  /** Index of the input column. */
  readonly column: number;
  readonly bound: Bound;
}

/** The bounds that follow from a condition over columns, for one context. */
export function boundsOf(condition: Expr, context: EvalContext): readonly ColumnBound[] {
  switch (condition.kind) {
    case 'and':
      return condition.operands.flatMap((operand) => boundsOf(operand, context));
    case 'compare':
      return [
        ...compared(condition.left, condition.operator, condition.right, context),
        ...compared(condition.right, MIRRORED[condition.operator], condition.left, context),
      ];
    case 'isNull':
      return condition.operand.kind === 'column'
        ? [{ column: condition.operand.index, bound: { operator: condition.negated ? 'isNotNull' : 'isNull' } }]
        : [];
    case 'column':
      return [{ column: condition.index, bound: { operator: '=', kind: 'boolean', value: 1 } }];
    default:
      return [];
  }
}

function compared(column: Expr, operator: CompareOperator, constant: Expr, context: EvalContext): ColumnBound[] {
  if (column.kind !== 'column' || operator === '<>') return [];
  const { root } = programOf(constant);
  if (!root.isConstant) return [];
  const bound = boundOf(operator, constantOf(constant, context));
  return bound === undefined ? [] : [{ column: column.index, bound }];
}

/** The constant's value; undefined when evaluating it fails: the rows will say so. */
function constantOf(constant: Expr, context: EvalContext): RowValue | undefined {
  try {
    return evaluatorOf(constant)(() => null, context);
  } catch {
    return undefined;
  }
}

/** Doubles are on the same side of the bound as of the exact value; none equals a value that no double has. */
function numberBound(operator: '=' | '<' | '<=' | '>' | '>=', value: AnyNumber): Bound {
  const isFloor = operator === '<=' || operator === '>';
  return { operator, kind: 'number', value: isFloor ? doubleAtMost(value) : doubleAtLeast(value) };
}

function boundOf(operator: '=' | '<' | '<=' | '>' | '>=', value: RowValue | undefined): Bound | undefined {
  if (isNumber(value)) return numberBound(operator, value);
  if (typeof value === 'boolean') return { operator, kind: 'boolean', value: Number(value) };
  if (types.isDate(value)) return { operator, kind: 'time', value: value.getTime() };
  if (typeof value !== 'string') return undefined;
  if (operator === '=') return { operator, kind: 'text', value };
  // a text that meets times is read as one; where it meets texts, the zone map knows that the kinds differ
  const time = parseTime(value);
  return time === undefined ? undefined : { operator, kind: 'time', value: time };
}
