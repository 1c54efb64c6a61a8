/** The constants of `x IN (...)`, looked up instead of compared one by one. */
import { type ConstantExpr, constantValue } from './constants.ts';
import type { EvalContext, RowValue } from './values.ts';

interface Item {
  readonly value: RowValue;
  readonly expr: ConstantExpr;
}

export interface ConstantList {
  readonly hasNull: boolean;
  /** The numbers (float8 and int4) among them. NaN equals NaN and -0 equals 0, as in SQL. */
  readonly numbers: ReadonlySet<number>;
  readonly texts: ReadonlySet<string>;
  has(value: RowValue): boolean;
  /** What `has` does not cover for a value of this kind. */
  besides(value: RowValue): readonly Item[];
}

/** @throws GridError as constantValue */
export function constantList(list: readonly ConstantExpr[], context: EvalContext): ConstantList {
  const items = list.map((expr) => ({ value: constantValue(expr, context), expr }));
  const known = items.filter((item) => item.value !== null);
  const numbers = new Set(known.map((item) => item.value).filter((value) => typeof value === 'number'));
  const texts = new Set(known.map((item) => item.value).filter((value) => typeof value === 'string'));
  const besidesNumbers = known.filter((item) => typeof item.value !== 'number');
  const besidesTexts = known.filter((item) => typeof item.value !== 'string');
  return {
    hasNull: known.length < items.length,
    numbers,
    texts,
    has: (value) =>
      typeof value === 'number' ? numbers.has(value) : typeof value === 'string' ? texts.has(value) : false,
    besides: (value) => (typeof value === 'number' ? besidesNumbers : typeof value === 'string' ? besidesTexts : known),
  };
}
