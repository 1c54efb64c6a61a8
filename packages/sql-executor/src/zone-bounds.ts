/**
 * What a scan's filter demands of single columns, so that chunks that cannot meet it are skipped.
 *
 * Z1  Every row that passes the filter meets every bound. Conditions that are no bound are left out.
 */
import { type EvalContext, type Expr, interpret, type RowValue } from '@ashlar/expressions';
import type { ColumnBound } from '@ashlar/storage';

export interface ScanBound {
  /** Index among the scan's columns. */
  readonly column: number;
  readonly bound: ColumnBound;
}

type Operator = '=' | '<' | '<=' | '>' | '>=';

/** The operator when its sides are exchanged. */
const FLIPPED: Readonly<Record<Operator, Operator>> = { '=': '=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

export function scanBounds(filter: Expr | undefined, context: EvalContext): ScanBound[] {
  if (filter === undefined) return [];
  switch (filter.kind) {
    case 'and':
      return filter.operands.flatMap((operand) => scanBounds(operand, context));
    case 'compare': {
      const { left, right, operator } = filter;
      if (operator === '<>') return [];
      const direct = comparison(left, operator, right, context);
      return direct.length > 0 ? direct : comparison(right, FLIPPED[operator], left, context);
    }
    case 'isNull':
      if (filter.operand.kind !== 'column') return [];
      return [{ column: filter.operand.index, bound: { operator: filter.negated ? 'isNotNull' : 'isNull' } }];
    default:
      return [];
  }
}

function comparison(column: Expr, operator: Operator, constant: Expr, context: EvalContext): ScanBound[] {
  if (column.kind !== 'column' || (constant.kind !== 'literal' && constant.kind !== 'parameter')) return [];
  const bound = boundOf(operator, constantOf(constant, context));
  return bound === undefined ? [] : [{ column: column.index, bound }];
}

/** undefined where the constant cannot be had: the filter itself raises that error, if a row asks for it. */
function constantOf(constant: Expr, context: EvalContext): RowValue | undefined {
  try {
    return interpret(constant, () => null, context);
  } catch {
    return undefined;
  }
}

function boundOf(operator: Operator, value: RowValue | undefined): ColumnBound | undefined {
  switch (typeof value) {
    case 'number':
      return { operator, kind: 'number', value };
    case 'boolean':
      return { operator, kind: 'boolean', value: value ? 1 : 0 };
    case 'string':
      return operator === '=' ? { operator, kind: 'text', value } : undefined;
    case 'object':
      if (Object.prototype.toString.call(value) !== '[object Date]') return undefined;
      return { operator, kind: 'time', value: (value as Date).getTime() };
    default:
      return undefined;
  }
}
