/** Expressions over one dictionary column, as vectors: upper(brand) keeps the codes and maps the dictionary. */
import type { Evaluator } from '../interpret.ts';
import { type SqlType, Tag, type Vector } from '../types.ts';
import type { EvalContext, RowValue } from '../values.ts';
import { VectorBuilder } from '../vector.ts';
import { valuesByCode } from './tables.ts';

/**
 * The vector of `evaluate` over a column whose rows are texts by code, NULL or missing.
 *
 * @returns undefined when a text cannot be evaluated
 */
export function mapDictionary(
  vector: Vector,
  evaluate: Evaluator,
  type: SqlType,
  context: EvalContext,
): Vector | undefined {
  const values = valuesByCode(evaluate, vector.dictionary!, context);
  if (values === undefined) return undefined;
  const ofNull = values.pop()!;
  const isText = values.every((value) => typeof value === 'string') && (vector.uniform === Tag.TEXT || ofNull === null);
  if (isText) return { ...vector, type, dictionary: values as string[] };
  const builder = new VectorBuilder(type, vector.length);
  for (let row = 0; row < vector.length; row++) builder.set(row, valueOfRow(vector, row, values, ofNull));
  return builder.finish();
}

function valueOfRow(vector: Vector, row: number, values: readonly RowValue[], ofNull: RowValue): RowValue {
  const isText = vector.uniform === Tag.TEXT || vector.tags![row] === Tag.TEXT;
  return isText ? values[vector.codes![row]!]! : ofNull;
}
