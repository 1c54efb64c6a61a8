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
  interpret,
  OddRows,
  type RowValue,
  type SqlType,
  Tag,
  type Vector,
  valueAt,
  vectorOf,
} from './index.ts';
import { conditionOf } from './interpret.ts';
import { column, condition, expression, PARAMETERS, withDictionary } from './testing/generators.ts';
import { typedColumn, typedCondition, typedScalar } from './testing/typed-generators.ts';

const LENGTH = 24;
const DEPTH = 3;
const RUNS = Number(process.env['ASHLAR_TWIN_RUNS'] ?? 1500);
const STRICT: EvalContext = { parameters: PARAMETERS, nowMs: 0 };
const lax = (): EvalContext => ({ ...STRICT, oddRows: new OddRows() });
const CONTEXTS = [() => STRICT, lax];
const ROWS = Array.from({ length: LENGTH }, (_, row) => row);
/** Generated at once, and never. */
const MODES = [{ interpretedRowsMax: 0 }, { interpretedRowsMax: Infinity }];

type Outcome =
  | { readonly values: readonly unknown[]; readonly tags?: readonly unknown[]; readonly odd: readonly string[] }
  | { readonly error: string };

function outcomeOf(run: () => Outcome): Outcome {
  try {
    return run();
  } catch (error) {
    if (GridError.is(error)) return { error: `${error.code} ${error.message} ${JSON.stringify(error.details)}` };
    throw error;
  }
}

interface GivenColumn {
  readonly type: SqlType;
  readonly values: RowValue[];
}

/** Each column plain or by dictionary. */
function batchOf(columns: readonly GivenColumn[], coded: readonly boolean[]): Batch {
  const vectors = columns.map((item, index) =>
    coded[index] ? withDictionary(item) : vectorOf(item.type, item.values),
  );
  return { length: LENGTH, columns: vectors };
}

const flags = fc.array(fc.boolean(), { minLength: 3, maxLength: 3 });
const selections = fc.option(fc.subarray(ROWS));
const wildColumns = fc.array(column(LENGTH), { minLength: 1, maxLength: 3 });
const typedColumns = fc.array(typedColumn(LENGTH), { minLength: 1, maxLength: 3 });
const typesOf = (columns: readonly GivenColumn[]) => ({ types: columns.map(({ type }) => type) });

function valueOfRow(expr: Expr, batch: Batch, row: number, context: EvalContext): RowValue {
  if (context.oddRows !== undefined) context.oddRows.row = row;
  return interpret(expr, (index) => valueAt(batch.columns[index]!, row), context);
}

/** What a context counted: findings with their rows, in a fixed order. */
function oddOf({ oddRows }: EvalContext): readonly string[] {
  return (oddRows?.counts() ?? []).map(({ what, rows }) => `${rows} ${what}`).sort();
}

function tagsOf(vector: Vector): (number | undefined)[] {
  return ROWS.map((row) => {
    const tag = vector.uniform ?? vector.tags![row];
    return tag === Tag.MISSING ? Tag.NULL : tag;
  });
}

/** @returns whether the expression has values, not an error */
function checkScalar(expr: Expr, batch: Batch): boolean {
  const [strict] = CONTEXTS.map((contextOf) => {
    const expected = outcomeOf(() => {
      const context = contextOf();
      const values = ROWS.map((row) => valueOfRow(expr, batch, row, context));
      return { values, tags: tagsOf(vectorOf(expr.type, values)), odd: oddOf(context) };
    });
    for (const mode of MODES) {
      const actual = outcomeOf(() => {
        const context = contextOf();
        const vector = compileScalar(expr, mode)(batch, context);
        return { values: ROWS.map((row) => valueAt(vector, row)), tags: tagsOf(vector), odd: oddOf(context) };
      });
      expect(actual).toEqual(expected);
    }
    return expected;
  });
  return 'values' in strict!;
}

/** @returns whether the filter keeps some rows and not all */
function checkFilter(expr: Expr, batch: Batch, rows: readonly number[] | null): boolean {
  const looked = rows ?? ROWS;
  const [strict] = CONTEXTS.map((contextOf) => {
    const expected = outcomeOf(() => {
      const context = contextOf();
      evaluatorOf(expr);
      const isTrue = (row: number) => conditionOf(valueOfRow(expr, batch, row, context), expr, context) === true;
      return { values: looked.filter(isTrue), odd: oddOf(context) };
    });
    for (const mode of MODES) {
      const actual = outcomeOf(() => {
        const context = contextOf();
        const out = new Uint16Array(LENGTH);
        const selection = rows === null ? undefined : Uint16Array.from(rows);
        const count = compileFilter(expr, mode)(batch, context, selection, looked.length, out);
        return { values: [...out.subarray(0, count)], odd: oddOf(context) };
      });
      expect(actual).toEqual(expected);
    }
    return expected;
  });
  return 'values' in strict! && strict.values.length > 0 && strict.values.length < looked.length;
}

describe('kernels and their interpreting twin', () => {
  it('agree on scalars of any types', () => {
    const cases = fc.tuple(wildColumns, flags).chain(([columns, coded]) => {
      return fc.tuple(fc.constant(batchOf(columns, coded)), expression(typesOf(columns), DEPTH));
    });
    fc.assert(
      fc.property(cases, ([batch, expr]) => void checkScalar(expr, batch)),
      { numRuns: RUNS },
    );
  });

  it('agree on filters of any types, with and without a selection', () => {
    const cases = fc.tuple(wildColumns, flags).chain(([columns, coded]) => {
      return fc.tuple(fc.constant(batchOf(columns, coded)), condition(typesOf(columns), DEPTH), selections);
    });
    fc.assert(
      fc.property(cases, ([batch, expr, rows]) => void checkFilter(expr, batch, rows)),
      { numRuns: RUNS },
    );
  });

  it('agree on well-typed scalars, most of which have values', () => {
    const cases = fc.tuple(typedColumns, flags).chain(([columns, coded]) => {
      const kinds = fc.constantFrom(...columns.map(({ kind }) => kind), 'boolean' as const);
      const expr = kinds.chain((kind) => typedScalar(columns, kind, DEPTH));
      return fc.tuple(fc.constant(batchOf(columns, coded)), expr);
    });
    let withValues = 0;
    const property = fc.property(cases, ([batch, expr]) => {
      if (checkScalar(expr, batch)) withValues += 1;
    });
    fc.assert(property, { numRuns: RUNS });
    expect(withValues).toBeGreaterThan(RUNS / 2);
  });

  it('agree on well-typed filters, many of which keep some rows', () => {
    const cases = fc.tuple(typedColumns, flags).chain(([columns, coded]) => {
      return fc.tuple(fc.constant(batchOf(columns, coded)), typedCondition(columns, DEPTH), selections);
    });
    let withSome = 0;
    const property = fc.property(cases, ([batch, expr, rows]) => {
      if (checkFilter(expr, batch, rows)) withSome += 1;
    });
    fc.assert(property, { numRuns: RUNS });
    expect(withSome).toBeGreaterThan(RUNS / 5);
  });
});
