/** Short ways to write plan nodes and values for tests. */
import { Decimal } from '@ashlar/api';
import type { Aggregate, AggregateName, Expr, SqlType } from '@ashlar/expressions';
import type { FragmentNode, MergeNode, SortKey } from '@ashlar/sql-plan';
import fc from 'fast-check';
import type { Cut } from './run.ts';

/** The table of the tests: a column of each kind, all but the last three as documents hold them. */
export const TYPES: readonly SqlType[] = [
  'any',
  'any',
  'any',
  'any',
  'any',
  'any',
  'any',
  'any',
  'int4',
  'int8',
  'numeric',
];
export const NUM = 0;
export const SMALL = 1;
export const TEXT = 2;
export const BIG = 3;
export const DECIMAL = 4;
export const TIME = 5;
export const BOOL = 6;
export const MIXED = 7;
export const INT4 = 8;
export const INT8 = 9;
export const NUMERIC = 10;

export function column(index: number, type: SqlType = TYPES[index]!): Expr {
  return { kind: 'column', index, name: `c${index}`, type, at: -1 };
}

export function literal(value: string | number | null, type: SqlType): Expr {
  return { kind: 'literal', value, type, at: -1 };
}

export function compare(operator: '=' | '<' | '>' | '<=', left: Expr, right: Expr): Expr {
  return { kind: 'compare', operator, left, right, type: 'boolean', at: -1 };
}

export function aggregate(name: AggregateName, operand?: Expr, options: Partial<Aggregate> = {}): Aggregate {
  const type = name === 'count' ? 'int4' : 'any';
  return { name, operand, distinct: false, filter: undefined, type, at: -1, ...options };
}

export function scan(filter?: Expr): FragmentNode & { readonly kind: 'Scan' } {
  const columns = TYPES.map((type, index) => ({ source: 'path' as const, path: [`c${index}`], type }));
  return { kind: 'Scan', map: 'm', mapId: 1, alias: 'm', columns, filter };
}

export const gather: MergeNode = { kind: 'Gather', columns: [] };

export function key(expr: Expr, descending = false, nullsFirst = descending): SortKey {
  return { expr, descending, nullsFirst };
}

export function groupBy(
  groups: readonly Expr[],
  aggregates: readonly Aggregate[],
  input: FragmentNode = scan(),
): { readonly fragment: FragmentNode; readonly merge: MergeNode } {
  return {
    fragment: { kind: 'PartialAggregate', input, groups, aggregates },
    merge: { kind: 'FinalAggregate', input: gather, groupTypes: groups.map((group) => group.type), aggregates },
  };
}

// Numbers whose sums are exact in any order.
const num = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }).map((n) => n / 4),
  fc.constantFrom(0, -0, 1e6, 2 ** 40),
);
const small = fc.integer({ min: 0, max: 5 });
const text = fc.constantFrom('', 'a', 'b', 'c', 'ä', '\u{1f600}', '\uffee', 'abc');
const big = fc.oneof(fc.bigInt({ min: -5n, max: 5n }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
const decimal = fc.tuple(fc.bigInt({ min: -2000n, max: 2000n }), fc.nat(3)).map(([n, scale]) => Decimal.of(n, scale));
const time = fc.integer({ min: 0, max: 5 }).map((day) => new Date(day * 86_400_000));
const mixed = fc.oneof(
  small,
  text,
  fc.bigInt({ min: 0n, max: 5n }),
  fc.boolean(),
  time,
  fc.constant(Number.NaN),
  fc.constant([1, { a: 'x' }]),
);
const int4 = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer());
const orNull = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(values, { freq: 5 });

/** A row of the table; columns without nulls come too. */
const nullable = fc.tuple(
  orNull(num),
  orNull(small),
  orNull(text),
  orNull(big),
  orNull(decimal),
  orNull(time),
  orNull(fc.boolean()),
  orNull(mixed),
  orNull(int4),
  orNull(big),
  orNull(decimal),
);
const full = fc.tuple(num, small, text, big, decimal, time, fc.boolean(), mixed, int4, big, decimal);

export const tableRows: fc.Arbitrary<unknown[][]> = fc.oneof(
  fc.array(nullable, { maxLength: 60 }),
  fc.array(full, { maxLength: 60 }),
);

/** Any way to cut rows into chunks, partitions and tasks. */
export const cuts: fc.Arbitrary<Cut> = fc
  .record({
    chunkRows: fc.integer({ min: 1, max: 40 }),
    dictionary: fc.constantFrom('none' as const, 'codes8' as const, 'codes16' as const),
    partitions: fc.integer({ min: 1, max: 6 }),
    seed: fc.nat(1000),
    tasks: fc.integer({ min: 1, max: 4 }),
    combine: fc.boolean(),
    interpretedRowsMax: fc.constantFrom(0, Number.POSITIVE_INFINITY),
  })
  .map(({ chunkRows, dictionary, partitions, seed, tasks, combine, interpretedRowsMax }) => ({
    source: { chunkRows, dictionary },
    partitions,
    partitionOf: (row: number) => (row * 31 + seed * (row % 7)) % partitions,
    tasks: Array.from({ length: tasks }, (_, task) =>
      Array.from({ length: partitions }, (__, partition) => partition).filter(
        (partition) => partition % tasks === task,
      ),
    ),
    combine,
    interpretedRowsMax,
  }));
