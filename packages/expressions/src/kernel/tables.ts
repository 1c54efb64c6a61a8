/** Values of an expression for every text of a dictionary, so that rows look them up by code. */
import type { Evaluator } from '../interpret.ts';
import type { EvalContext, RowValue } from '../values.ts';

export interface DictionaryTable {
  /** By code, then one entry for NULL rows. Truth: 1 true, 2 null, 0 false. */
  readonly values: Uint8Array | Float64Array;
  /** By code, of number tables: 1 where the value is null. */
  readonly nulls: Uint8Array;
}

const NO_NULLS = new Uint8Array(0);

/**
 * The value for every text and for NULL (first the texts by code, then NULL).
 *
 * @param context  a probe: its odd rows belong to nobody
 * @returns undefined when evaluating one fails or is odd: perhaps no row needs it, and rows are what is counted
 */
export function valuesByCode(
  evaluate: Evaluator,
  dictionary: readonly string[],
  context: EvalContext,
): RowValue[] | undefined {
  let text: string | null = null;
  const row = (): RowValue => text;
  const values: RowValue[] = [];
  context.oddRows?.clear();
  try {
    for (text of dictionary) values.push(evaluate(row, context));
    text = null;
    values.push(evaluate(row, context));
  } catch {
    return undefined;
  }
  if (context.oddRows?.isEmpty !== false) return values;
  context.oddRows.clear();
  return undefined;
}

/** @returns undefined when evaluating a text fails or gives a value that is neither null nor of the table's kind */
export function tableOf(
  evaluate: Evaluator,
  dictionary: readonly string[],
  result: 'truth' | 'number',
  context: EvalContext,
): DictionaryTable | undefined {
  const values = valuesByCode(evaluate, dictionary, context);
  if (values === undefined) return undefined;
  return result === 'truth' ? truthTable(values) : numberTable(values);
}

function truthTable(values: readonly RowValue[]): DictionaryTable | undefined {
  const table = new Uint8Array(values.length);
  for (let code = 0; code < values.length; code++) {
    const value = values[code]!;
    if (value !== null && typeof value !== 'boolean') return undefined;
    table[code] = value === null ? 2 : Number(value);
  }
  return { values: table, nulls: NO_NULLS };
}

function numberTable(values: readonly RowValue[]): DictionaryTable | undefined {
  const table = new Float64Array(values.length);
  const nulls = new Uint8Array(values.length);
  for (let code = 0; code < values.length; code++) {
    const value = values[code]!;
    if (value === null) nulls[code] = 1;
    else if (typeof value === 'number') table[code] = value;
    else return undefined;
  }
  return { values: table, nulls };
}
