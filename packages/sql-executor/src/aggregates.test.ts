/** Aggregates at their edges: exactness, overflow, types, NaN. */
import { Decimal } from '@ashlar/api';
import { type Aggregate, Interval } from '@ashlar/expressions';
import { numericAverage } from './aggregates/average.ts';
import type { Row } from './testing/memory-source.ts';
import { aggregate, BIG, column, DECIMAL, groupBy, INT4, INT8, MIXED, NUM, NUMERIC, TYPES } from './testing/plans.ts';
import { type Cut, runQuery, runWithNotices } from './testing/run.ts';

const rowsOf = (index: number, values: readonly unknown[]): Row[] =>
  values.map((value) => TYPES.map((_, at) => (at === index ? value : null)));

/** One value of one aggregate over a column, the same by kernels and by the twin, in one task and in many. */
function result(node: Aggregate, values: readonly unknown[]): unknown {
  const index = (node.operand as { index: number }).index;
  const query = groupBy([], [node]);
  const cuts: Cut[] = [
    { interpretedRowsMax: 0 },
    { interpretedRowsMax: Number.POSITIVE_INFINITY },
    { partitions: 3, partitionOf: (row) => row, tasks: [[0], [1], [2]], source: { chunkRows: 1 } },
    { partitions: 3, partitionOf: (row) => row, tasks: [[0], [1, 2]], combine: true },
  ];
  const results = cuts.map((cut) => runQuery(query, rowsOf(index, values), cut)[0]![0]);
  for (const other of results) expect(String(other)).toBe(String(results[0]));
  return results[0];
}

describe('sum', () => {
  it('of int4 is a bigint, exact however large', () => {
    const values = Array.from({ length: 50 }, () => Number.MAX_SAFE_INTEGER);
    expect(result(aggregate('sum', column(INT4), { type: 'int8' }), values)).toBe(
      BigInt(Number.MAX_SAFE_INTEGER) * 50n,
    );
    expect(result(aggregate('sum', column(INT4), { type: 'int8' }), [1, null, -3])).toBe(-2n);
  });

  it('of int8 is a numeric, beyond 64 bits too', () => {
    const sum = result(aggregate('sum', column(INT8), { type: 'numeric' }), [2n ** 63n - 1n, 2n ** 63n - 1n, null]);
    expect(Decimal.is(sum) && sum.toString()).toBe('18446744073709551614');
  });

  it('of documents keeps bigints exact and numbers double', () => {
    expect(result(aggregate('sum', column(BIG)), [2n ** 60n, 1n, 2n])).toBe(2n ** 60n + 3n);
    expect(String(result(aggregate('sum', column(BIG)), [2n ** 63n - 1n, 1n]))).toBe('9223372036854775808');
    expect(result(aggregate('sum', column(NUM)), [0.5, null, 2])).toBe(2.5);
    expect(result(aggregate('sum', column(BIG)), [2n ** 63n - 1n, 1n])).toBe(2n ** 63n);
    expect(result(aggregate('sum', column(MIXED)), [0.5, 2n])).toBe(2.5);
  });

  it('of mixed numbers loses no digit of the exact ones', () => {
    expect(result(aggregate('sum', column(MIXED)), [0.5, 2n, Decimal.parse('0.25')])).toEqual(Decimal.parse('2.75'));
    expect(String(result(aggregate('sum', column(MIXED)), [0.5, 2n ** 60n + 1n]))).toBe('1152921504606846977.5');
    expect(result(aggregate('sum', column(MIXED)), [Number.NaN, 2n ** 60n + 1n])).toBeNaN();
    expect(result(aggregate('sum', column(NUM)), [1, Number.NaN])).toBeNaN();
    expect(result(aggregate('sum', column(NUM)), [1, Number.POSITIVE_INFINITY])).toBe(Number.POSITIVE_INFINITY);
  });

  it('of decimals keeps the longest scale', () => {
    const values = ['1.5', '2.25', '-0.050'].map((text) => Decimal.parse(text));
    expect(String(result(aggregate('sum', column(DECIMAL)), values))).toBe('3.700');
    expect(String(result(aggregate('sum', column(NUMERIC), { type: 'numeric' }), values))).toBe('3.700');
  });

  it('of intervals adds their parts', () => {
    const sum = result(aggregate('sum', column(MIXED)), [new Interval(1, 2, 3), new Interval(10, 20, 30)]);
    expect(sum).toEqual(new Interval(11, 22, 33));
    expect(result(aggregate('avg', column(MIXED)), [new Interval(0, 2, 0), new Interval(0, 4, 0)])).toEqual(
      new Interval(0, 3, 0),
    );
  });

  it('leaves out texts, booleans and times and says so; strict, they are refused with their place', () => {
    const kinds: [unknown, string][] = [
      ['x', 'text'],
      [true, 'booleans'],
      [new Date(0), 'timestamps'],
      [[1], 'objects'],
    ];
    for (const [value, kind] of kinds) {
      const query = groupBy([], [aggregate('sum', column(MIXED), { at: 7 }), aggregate('avg', column(MIXED))]);
      const rows = rowsOf(MIXED, [1, value, 3, value, null]);
      for (const interpretedRowsMax of [0, Infinity]) {
        const { rows: sums, notices } = runWithNotices(query, rows, { interpretedRowsMax });
        expect(sums).toEqual([[4, 2]]);
        expect(notices).toEqual([expect.stringMatching(`^at least 2 rows hold ${kind} in `)]);
      }
      expect(() => runQuery(query, rows, { strict: true })).toThrow(
        expect.objectContaining({ code: 'TYPE_MISMATCH', details: { offset: 7 } }),
      );
    }
    expect(() =>
      runQuery(groupBy([], [aggregate('sum', column(MIXED))]), rowsOf(MIXED, [1, new Interval(0, 1, 0)])),
    ).toThrow(expect.objectContaining({ code: 'TYPE_MISMATCH' }));
  });

  it('of an int8 sum that its type cannot hold is NUMERIC_OVERFLOW', () => {
    const query = groupBy([], [aggregate('sum', column(INT8), { type: 'int8' })]);
    expect(() => runQuery(query, rowsOf(INT8, [2n ** 62n, 2n ** 62n]))).toThrow(
      expect.objectContaining({ code: 'NUMERIC_OVERFLOW' }),
    );
  });

  it('of nothing is NULL', () => {
    expect(result(aggregate('sum', column(NUM)), [])).toBeNull();
    expect(result(aggregate('avg', column(INT8), { type: 'numeric' }), [null])).toBeNull();
    expect(result(aggregate('sum', column(NUM), { distinct: true }), [null])).toBeNull();
  });
});

describe('avg', () => {
  // The scales of PostgreSQL's select_div_scale.
  it.each([
    ['1', 3, '0.33333333333333333333'],
    ['10', 4, '2.5000000000000000'],
    ['20000', 3, '6666.6666666666666667'],
    ['1.50', 2, '0.75000000000000000000'],
    ['0', 5, '0.00000000000000000000'],
    ['-7', 2, '-3.5000000000000000'],
    ['100000000', 3, '33333333.333333333333'],
  ])('of exact numbers has the digits of PostgreSQL: %s / %s', (sum, count, expected) => {
    expect(numericAverage(Decimal.parse(sum), count).toString()).toBe(expected);
  });

  it('is exact for exact numbers, double for numbers', () => {
    expect(String(result(aggregate('avg', column(INT4), { type: 'numeric' }), [1, 2, null]))).toBe(
      '1.5000000000000000',
    );
    expect(String(result(aggregate('avg', column(BIG)), [1n, 2n]))).toBe('1.5000000000000000');
    expect(result(aggregate('avg', column(NUM)), [1, 2])).toBe(1.5);
    expect(String(result(aggregate('avg', column(BIG), { distinct: true }), [1n, 1n, 3n]))).toBe('2.0000000000000000');
  });
});

describe('min and max', () => {
  it('order NaN above all numbers', () => {
    const values = [Number.NaN, 3, -0, Number.POSITIVE_INFINITY, null];
    expect(result(aggregate('min', column(NUM)), values)).toBe(-0);
    expect(result(aggregate('max', column(NUM)), values)).toBeNaN();
    expect(result(aggregate('min', column(NUM)), [Number.NaN, Number.NaN])).toBeNaN();
    expect(result(aggregate('max', column(NUM)), [1, 2])).toBe(2);
  });

  it('compare numbers of different kinds by value', () => {
    expect(result(aggregate('max', column(MIXED)), [1, 2n, Decimal.parse('1.5')])).toBe(2n);
    expect(String(result(aggregate('min', column(MIXED)), [1.5, 2n, Decimal.parse('1.25')]))).toBe('1.25');
  });

  it('keep the type of times and booleans', () => {
    expect(result(aggregate('max', column(MIXED)), [new Date(1), new Date(3), new Date(2)])).toEqual(new Date(3));
  });

  it('order values of several kinds by kind, whatever order they come in, and say so; strict, they refuse them', () => {
    const query = groupBy([], [aggregate('min', column(MIXED)), aggregate('max', column(MIXED))]);
    for (const values of [
      [1, 'a', true, 2n],
      [true, 2n, 'a', 1],
      ['a', true, 1, 2n],
    ]) {
      const cut = { partitions: 2, partitionOf: (row: number) => row, tasks: [[0], [1]] };
      for (const combine of [true, false]) {
        const { rows, notices } = runWithNotices(query, rowsOf(MIXED, values), { ...cut, combine });
        expect(rows).toEqual([['a', true]]);
        expect(notices.toSorted()).toEqual([
          expect.stringMatching(/^max\(.*\) orders values of several kinds/),
          expect.stringMatching(/^min\(.*\) orders values of several kinds/),
        ]);
      }
    }
    expect(() => runQuery(query, rowsOf(MIXED, [1, 'a']), { strict: true })).toThrow(
      expect.objectContaining({ code: 'TYPE_MISMATCH' }),
    );
  });
});

describe('count', () => {
  it('is a bigint where the plan says int8, else a whole number', () => {
    expect(result(aggregate('count', column(NUM), { type: 'int8' }), [1, null])).toBe(1n);
    expect(result(aggregate('count', column(NUM), { type: 'int4' }), [1, null])).toBe(1);
  });
});

describe('group keys', () => {
  const groups = (values: readonly unknown[]): unknown[] =>
    runQuery(groupBy([column(MIXED)], [aggregate('count')]), rowsOf(MIXED, values), { source: { chunkRows: 2 } });

  it('are one for equal values of different kinds', () => {
    expect(groups([1, 1n, Decimal.parse('1.00')])).toEqual([[1, 3]]);
    expect(groups([0, -0, 0n])).toEqual([[0, 3]]);
    expect(groups([Number.NaN, Number.NaN])).toEqual([[Number.NaN, 2]]);
    expect(groups([2 ** 60, 2n ** 60n, Decimal.of(2n ** 60n, 0)])).toEqual([[2 ** 60, 3]]);
    expect(groups([0.1, Decimal.parse('0.10')])).toEqual([[0.1, 2]]);
    expect(groups([null, undefined])).toEqual([[null, 2]]);
    expect(
      groups([
        { a: 1, b: [2n] },
        { b: [2], a: 1 },
      ]),
    ).toHaveLength(1);
    expect(groups([new Interval(1, 0, 0), new Interval(0, 30, 0)])).toHaveLength(1);
    expect(groups([Uint8Array.of(1, 2), Uint8Array.of(1, 2)])).toHaveLength(1);
  });

  it('are apart for different values that look alike', () => {
    expect(groups([1, '1', true, new Date(1)])).toHaveLength(4);
    expect(groups([2 ** 53, 2n ** 53n + 1n])).toHaveLength(2);
    expect(groups([Decimal.parse('0.1'), Decimal.parse('0.10000000000000000001')])).toHaveLength(2);
    expect(groups([[1, 2], [12], ['1', 2], { 0: 1 }])).toHaveLength(4);
    expect(groups([Uint8Array.of(1), 'x\u0001', '\u0001'])).toHaveLength(3);
    expect(groups([false, 0, null, ''])).toHaveLength(4);
  });
});
