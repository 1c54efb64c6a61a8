/**
 * The door to kernels: an expression becomes a function over batches.
 *
 *   batch -> profile of its columns -> cached source for (shape, profile) -> inputs -> loop
 *
 * Few rows, and processes that may not generate code, are interpreted row by row; so is a whole batch for which the
 * tables of a dictionary cannot be prepared without an error (a row that would not have met it must not fail).
 */
import { assert } from '@ashlar/core';
import type { Expr } from '../expr.ts';
import { conditionOf } from '../interpret.ts';
import { type Batch, Tag, type Vector } from '../types.ts';
import { type EvalContext, type RowValue, tagIn } from '../values.ts';
import { IN_NUMBERS, VectorBuilder } from '../vector.ts';
import { mapDictionary } from './dictionary.ts';
import { type KernelOptions, Kernels } from './kernels.ts';
import { profileCode, profileOf } from './profile.ts';
import { type FilterFunction, filterSource, type ScalarFunction, type Source, scalarSource } from './source.ts';

export type Selection = Int32Array | Uint16Array | undefined;

/**
 * Writes the rows of the batch where the condition is TRUE to `out`, in order, and gives their number.
 *
 * @param selection rows to look at, `count` of them; undefined: the first `count` rows
 * @param out at least `count` long; may be the selection itself
 */
export type FilterKernel = (
  batch: Batch,
  context: EvalContext,
  selection: Selection,
  count: number,
  out: Uint16Array,
) => number;

/** The expression's value for every row of the batch. */
export type ScalarKernel = (batch: Batch, context: EvalContext) => Vector;

/**
 * The condition `expr` as a filter of batches.
 *
 * @throws GridError UNKNOWN_FUNCTION; the filter throws what the interpreter throws for one of its rows
 */
export function compileFilter(expr: Expr, options: KernelOptions = {}): FilterKernel {
  const kernels = new Kernels<FilterFunction>(expr, 'filter', filterSource, options);
  return (batch, context, selection, count, out) => {
    assert(out.length >= count, 'the output of a filter has room for all rows');
    kernels.begin(batch);
    try {
      const source = kernels.prepare(batch, context, count);
      const { input } = kernels;
      const isTrue = (row: number) => conditionOf(kernels.interpret(row, context), expr, context) === true;
      if (source === undefined) return filterByRow(isTrue, selection, count, out);
      input.giveUp = () => isTrue(input.row);
      return source.run(input, selection, count, out);
    } finally {
      kernels.end();
    }
  };
}

function filterByRow(isTrue: (row: number) => boolean, selection: Selection, count: number, out: Uint16Array): number {
  let kept = 0;
  for (let index = 0; index < count; index++) {
    const row = selection === undefined ? index : selection[index]!;
    if (isTrue(row)) out[kept++] = row;
  }
  return kept;
}

/**
 * `expr` as a function from batches to vectors. A column is given as it is, without a copy.
 *
 * @throws GridError UNKNOWN_FUNCTION; the kernel throws what the interpreter throws for one of its rows
 */
export function compileScalar(expr: Expr, options: KernelOptions = {}): ScalarKernel {
  if (expr.kind === 'column') return (batch) => batch.columns[expr.index]!;
  const kernels = new Kernels<ScalarFunction>(expr, 'scalar', scalarSource, options);
  return (batch, context) => {
    kernels.begin(batch);
    try {
      return byDictionary(kernels, batch, context) ?? byKernel(kernels, batch, context, expr);
    } finally {
      kernels.end();
    }
  };
}

/** The values of an expression over one dictionary column: evaluated once a text. */
function byDictionary(kernels: Kernels<ScalarFunction>, batch: Batch, context: EvalContext): Vector | undefined {
  const { root, columns } = kernels.program;
  const vector = root.onlyColumn < 0 ? undefined : batch.columns[columns[root.onlyColumn]!]!;
  if (vector?.dictionary === undefined) return undefined;
  if (profileOf(profileCode(vector, batch.length)).lane !== 'dictionary') return undefined;
  return mapDictionary(vector, kernels.evaluate, root.expr.type, kernels.probeOf(context));
}

function byKernel(kernels: Kernels<ScalarFunction>, batch: Batch, context: EvalContext, expr: Expr): Vector {
  const { length } = batch;
  const source = kernels.prepare(batch, context, length);
  if (source === undefined) {
    const builder = new VectorBuilder(expr.type, length);
    for (let row = 0; row < length; row++) builder.set(row, kernels.interpret(row, context));
    return builder.finish();
  }
  const result = new NumberResult(expr, source, length);
  kernels.input.giveUp = () => result.setOdd(kernels.input.row, kernels.interpret(kernels.input.row, context));
  const hasNulls = source.run(kernels.input, length, result.numbers, result.tags);
  return result.finish(hasNulls);
}

const NO_TAGS = new Uint8Array(0);

/** The vector of a scalar kernel: doubles, and whatever the interpreter gave for rows that the kernel gave up. */
class NumberResult {
  readonly numbers: Float64Array;
  /** Written by kernels whose values may be NULL. */
  readonly tags: Uint8Array;
  readonly #expr: Expr;
  readonly #source: Source<ScalarFunction>;
  readonly #odd: { readonly row: number; readonly value: RowValue }[] = [];

  constructor(expr: Expr, source: Source<ScalarFunction>, length: number) {
    this.#expr = expr;
    this.#source = source;
    this.numbers = new Float64Array(length);
    this.tags = source.nullable ? new Uint8Array(length) : NO_TAGS;
  }

  setOdd(row: number, value: RowValue): null {
    this.#odd.push({ row, value });
    return null;
  }

  finish(hasNulls: boolean): Vector {
    const { type } = this.#expr;
    const { numbers } = this;
    const { length } = numbers;
    const plain = { type, length, numbers, codes: undefined, dictionary: undefined };
    const isUniform = !hasNulls && this.#odd.length === 0;
    if (isUniform) return { ...plain, uniform: this.#source.tag, tags: undefined, values: undefined };
    const tags = this.#source.nullable ? this.tags : new Uint8Array(length).fill(this.#source.tag);
    let values: unknown[] | undefined;
    for (const { row, value } of this.#odd) {
      const tag = tagIn(value, type);
      tags[row] = tag;
      if (IN_NUMBERS.has(tag)) numbers[row] = Number(value);
      else if (tag !== Tag.NULL) (values ??= new Array<unknown>(length).fill(undefined))[row] = value;
    }
    return { ...plain, uniform: undefined, tags, values };
  }
}
