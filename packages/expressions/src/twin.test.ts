/** Kernels and the interpreter agree: values, NULLs and errors, over random expressions and batches. */
import { GridError } from '@ashlar/core';
import fc from 'fast-check';
import {
  type Batch,
  compileFilter,
  compileScalar,
  type EvalContext,
  type Expr,
  evaluatorOf,
  type FilterKernel,
  interpret,
  type RowValue,
  type ScalarKernel,
  Tag,
  type Vector,
  valueAt,
  vectorOf,
} from './index.ts';
import { conditionOf } from './interpret.ts';
import { column, condition, expression, PARAMETERS, withDictionary } from './testing/generators.ts';

const LENGTH = 24;
const DEPTH = 3;
/** Enough rows that a kernel is generated. */
const REPEATS = 2048 / LENGTH + 2;
const RUNS = Number(process.env['ASHLAR_TWIN_RUNS'] ?? 1500);

type Outcome = { readonly values: readonly unknown[] } | { readonly error: string };

function outcomeOf(run: () => readonly unknown[]): Outcome {
  try {
    return { values: run() };
  } catch (error) {
    if (GridError.is(error)) return { error: `${error.code} ${error.message} ${JSON.stringify(error.details)}` };
    throw error;
  }
}

const batchOf = fc
  .array(column(LENGTH), { minLength: 1, maxLength: 3 })
  .chain((columns) =>
    fc.tuple(fc.constant(columns), fc.array(fc.boolean(), { minLength: columns.length, maxLength: columns.length })),
  );

function build([columns, coded]: [Parameters<typeof withDictionary>[0][], boolean[]]): {
  batch: Batch;
  types: Vector['type'][];
} {
  const vectors = columns.map((item, index) =>
    coded[index] ? withDictionary(item) : vectorOf(item.type, item.values),
  );
  return { batch: { length: LENGTH, columns: vectors }, types: columns.map((item) => item.type) };
}

function rowsByTwin(expr: Expr, batch: Batch, context: EvalContext): RowValue[] {
  return Array.from({ length: batch.length }, (_, row) => rowByTwin(expr, batch, row, context));
}

function rowByTwin(expr: Expr, batch: Batch, row: number, context: EvalContext): RowValue {
  return interpret(expr, (index) => valueAt(batch.columns[index]!, row), context);
}

function tagsOf(vector: Vector): (number | undefined)[] {
  return Array.from({ length: vector.length }, (_, row) => {
    const tag = vector.uniform ?? vector.tags![row];
    return tag === Tag.MISSING ? Tag.NULL : tag;
  });
}

describe('kernels and their interpreting twin', () => {
  it('give the same values and errors for scalars', () => {
    const cases = batchOf.chain((given) =>
      fc.tuple(fc.constant(given), expression({ types: build(given).types }, DEPTH)),
    );
    fc.assert(
      fc.property(cases, ([given, expr]) => {
        const { batch } = build(given);
        const context: EvalContext = { parameters: PARAMETERS, nowMs: 0 };
        let kernel: ScalarKernel | undefined;
        const expected = outcomeOf(() => rowsByTwin(expr, batch, context));
        let tags: readonly unknown[] = [];
        for (let repeat = 0; repeat < REPEATS; repeat++) {
          const actual = outcomeOf(() => {
            kernel ??= compileScalar(expr);
            const vector = kernel(batch, context);
            tags = tagsOf(vector);
            return Array.from({ length: LENGTH }, (_, row) => valueAt(vector, row));
          });
          if (repeat === 0 || repeat >= REPEATS - 2) expect(actual).toEqual(expected);
        }
        if ('values' in expected) expect(tags).toEqual(tagsOf(vectorOf(expr.type, expected.values)));
      }),
      { numRuns: RUNS },
    );
  });

  it('keep the same rows, with and without a selection', () => {
    const cases = batchOf.chain((given) =>
      fc.tuple(
        fc.constant(given),
        condition({ types: build(given).types }, DEPTH),
        fc.option(fc.subarray(Array.from({ length: LENGTH }, (_, row) => row))),
      ),
    );
    fc.assert(
      fc.property(cases, ([given, expr, rows]) => {
        const { batch } = build(given);
        const context: EvalContext = { parameters: PARAMETERS, nowMs: 0 };
        let kernel: FilterKernel | undefined;
        const selection = rows === null ? undefined : Uint16Array.from(rows);
        const looked = rows ?? Array.from({ length: LENGTH }, (_, row) => row);
        const expected = outcomeOf(() => {
          evaluatorOf(expr);
          return looked.filter((row) => conditionOf(rowByTwin(expr, batch, row, context), expr) === true);
        });
        for (let repeat = 0; repeat < 2048 / Math.max(1, looked.length) + 2; repeat++) {
          const actual = outcomeOf(() => {
            kernel ??= compileFilter(expr);
            const out = new Uint16Array(LENGTH);
            return [...out.subarray(0, kernel(batch, context, selection, looked.length, out))];
          });
          if (repeat % 40 === 0 || repeat >= 2048 / Math.max(1, looked.length)) expect(actual).toEqual(expected);
          if (looked.length === 0) break;
        }
      }),
      { numRuns: RUNS },
    );
  });
});
