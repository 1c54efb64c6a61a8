/** The constants of `x IN (...)`, looked up instead of compared one by one. */
import { compareLoosely } from './compare.ts';
import { type ConstantExpr, constantValue } from './constants.ts';
import type { Expr } from './expr.ts';
import { type readAsKind, readerBeside } from './quoted.ts';
import { Tag } from './types.ts';
import { type EvalContext, type RowValue, tagOf } from './values.ts';

interface Item {
  readonly value: RowValue;
  readonly expr: ConstantExpr;
}

/** The part of a list in which values of one kind are looked for. */
export interface KindList {
  /** Constants that a Set finds: numbers among numbers, texts among texts. NaN equals NaN and -0 equals 0, as in SQL. */
  readonly set: ReadonlySet<RowValue>;
  /** Other constants of comparable kinds. */
  readonly others: readonly RowValue[];
  /** Constants of kinds that do not compare with this one. */
  readonly unlike: readonly Item[];
}

export interface ConstantList {
  readonly hasNull: boolean;
  /** The list for values of the kind that `value` is. */
  for(value: RowValue): KindList;
}

/**
 * @param operand  what is looked for in the list
 * @throws GridError as constantValue
 */
export function constantList(operand: Expr, list: readonly ConstantExpr[], context: EvalContext): ConstantList {
  const read = readerBeside(operand);
  const items = list.map((expr) => ({ value: constantValue(expr, context), expr }));
  const known = items.filter((item) => item.value !== null);
  const byTag: (KindList | undefined)[] = [];
  return {
    hasNull: known.length < items.length,
    for: (value) => {
      const tag = tagOf(value);
      return (byTag[tag] ??= kindList(known, tag, value, read));
    },
  };
}

/** @param example  a value of the kind */
function kindList(items: readonly Item[], tag: Tag, example: RowValue, read: typeof readAsKind): KindList {
  const set = new Set<RowValue>();
  const others: RowValue[] = [];
  const unlike: Item[] = [];
  const isLookedUp = tag === Tag.NUMBER || tag === Tag.TEXT;
  for (const item of items) {
    const isQuoted = typeof item.value === 'string' && tag !== Tag.TEXT;
    const value = (isQuoted ? read(item.value as string, tag) : undefined) ?? item.value;
    if (isLookedUp && tagOf(value) === tag) set.add(value);
    else if (compareLoosely(value, example) !== undefined) others.push(value);
    else unlike.push(item);
  }
  return { set, others, unlike };
}
