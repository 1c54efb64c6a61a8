/** Undeclared paths are read laxly where a context counts odd rows: NULL and a finding in place of an error. */
import { Decimal } from '@ashlar/api';
import { GridError } from '@ashlar/core';
import {
  type EvalContext,
  type Expr,
  interpret,
  isMet,
  noticesOf,
  OddRows,
  type RowValue,
  type SqlType,
} from './index.ts';
import { RowDividesByZero } from './lax.ts';

const AT = 3;
const n: Expr = { kind: 'column', index: 0, name: 'n', type: 'any', at: AT };
const m: Expr = { kind: 'column', index: 1, name: 'm', type: 'any', at: AT };
const declared: Expr = { kind: 'column', index: 0, name: 'd', type: 'int8', at: AT, isDeclared: true };

function literal(value: RowValue, type: SqlType = typeof value === 'string' ? 'text' : 'float8'): Expr {
  return { kind: 'literal', value, type, at: AT };
}
const parameter: Expr = { kind: 'parameter', index: 0, type: 'any', at: AT };

function compare(operator: '=' | '<>' | '<' | '<=' | '>' | '>=', left: Expr, right: Expr): Expr {
  return { kind: 'compare', operator, left, right, type: 'boolean', at: AT };
}
function sum(operator: '+' | '-' | '*' | '/' | '%', left: Expr, right: Expr): Expr {
  return { kind: 'arithmetic', operator, left, right, type: 'any', at: AT };
}
function isIn(operand: Expr, list: readonly Expr[], negated = false): Expr {
  return { kind: 'in', operand, list, negated, type: 'boolean', at: AT };
}
function call(name: string, args: readonly Expr[], type: SqlType = 'any'): Expr {
  return { kind: 'call', name, args, type, at: AT };
}
function cast(operand: Expr, type: SqlType): Expr {
  return { kind: 'cast', operand, type, at: AT };
}
const not = (operand: Expr): Expr => ({ kind: 'not', operand, type: 'boolean', at: AT });
const distinct = (left: Expr, right: Expr): Expr => ({
  kind: 'distinctFrom',
  negated: false,
  left,
  right,
  type: 'boolean',
  at: AT,
});

interface Read {
  readonly values: readonly RowValue[];
  readonly notices: readonly string[];
}

/** The expression over rows of `n` (or `[n, m]`), read laxly. */
function read(expr: Expr, rows: readonly RowValue[], parameters: readonly unknown[] = []): Read {
  const oddRows = new OddRows();
  const values = rows.map((row) => {
    oddRows.row++;
    return interpret(expr, (index) => cell(row, index), { parameters, nowMs: 0, oddRows });
  });
  return { values, notices: noticesOf(oddRows.counts()) };
}

function cell(row: RowValue, index: number): RowValue {
  return Array.isArray(row) ? ((row as RowValue[])[index] ?? null) : index === 0 ? row : null;
}

function strictly(expr: Expr, row: RowValue, parameters: readonly unknown[] = []): string {
  return codeOf(() => interpret(expr, (index) => cell(row, index), { parameters, nowMs: 0 }));
}

function laxly(expr: Expr, row: RowValue, parameters: readonly unknown[] = []): string {
  return codeOf(() => read(expr, [row], parameters));
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'none';
  } catch (error) {
    return GridError.wrap(error).code;
  }
}

const lessThan3 = compare('<', n, literal(3));

describe('undeclared paths', () => {
  it('give NULL where values of unlike kinds are compared, also under NOT', () => {
    const rows = [1, 'n/a', null, 5, true, 'x'];
    expect(read(lessThan3, rows)).toEqual({
      values: [true, null, null, false, null, null],
      notices: ['at least 2 rows hold text in n', 'at least 1 row holds booleans in n'],
    });
    expect(read(not(lessThan3), rows).values).toEqual([false, null, null, true, null, null]);
    expect(strictly(lessThan3, 'n/a')).toBe('TYPE_MISMATCH');
  });

  it('count a row once, however many parts of the condition meet it', () => {
    const both: Expr = { kind: 'and', operands: [lessThan3, compare('>', n, literal(0))], type: 'boolean', at: AT };
    expect(read(both, ['a', 'b', 1]).notices).toEqual(['at least 2 rows hold text in n']);
  });

  it('are blamed each for its own values', () => {
    const rows: RowValue[] = [
      ['abc', 1],
      [5, 1],
      ['abc', true],
      [true, 1],
    ];
    expect(read(call('left', [n, m], 'text'), rows).notices).toEqual([
      'at least 1 row holds booleans in m',
      'at least 1 row holds booleans in n',
      'at least 1 row holds numbers in n',
    ]);
  });

  it('name both paths where neither is a constant', () => {
    expect(read(compare('=', n, m), [[1, 'a']]).notices).toEqual(['at least 1 row holds numbers in n and text in m']);
  });

  it.each<[string, Expr, RowValue, string]>([
    ['arithmetic on a wrong kind', sum('+', n, literal(1)), 'n/a', 'holds text in n'],
    ['arithmetic on a wrong kind at the right', sum('*', literal(2), n), true, 'holds booleans in n'],
    ['arithmetic on an object', sum('+', n, literal(1)), { a: 1 }, 'holds objects in n'],
    ['arithmetic on an array', sum('-', n, m), [[1], 1] as RowValue, 'holds arrays in n'],
    ['the sign of a wrong kind', { kind: 'negate', operand: n, type: 'any', at: AT }, 'a', 'holds text in n'],
    ['overflow', sum('*', n, literal(1e308)), 1e308, 'holds numbers in n that * takes out of range'],
    ['a failing cast', cast(n, 'int4'), 'n/a', 'holds text in n that a cast to integer does not take'],
    ['a cast out of range', cast(n, 'int4'), 1e12, 'holds numbers in n that a cast to integer takes out of range'],
    ['a cast that there is not', cast(n, 'interval'), 5, 'holds numbers in n that a cast to interval does not take'],
    ['a root of a negative number', call('sqrt', [n], 'float8'), -1, 'holds numbers in n that sqrt does not take'],
    ['a logarithm of 0', call('ln', [n], 'float8'), 0, 'holds numbers in n that ln does not take'],
    ['a function of a wrong kind', call('upper', [n], 'text'), 5, 'holds numbers in n'],
    [
      '|| of two numbers',
      { kind: 'concat', left: n, right: m, type: 'any', at: AT },
      [1, 2],
      'holds numbers in n and numbers in m',
    ],
    ['a condition that is none', not(n), 5, 'holds numbers in n'],
    [
      'a time that a text is not',
      compare('>', n, literal('no time')),
      new Date(0),
      "holds timestamps in n, and 'no time' is not a timestamp",
    ],
  ])('%s is NULL and told', (_name, expr, row, finding) => {
    expect(read(expr, [row])).toEqual({ values: [null], notices: [`at least 1 row ${finding}`] });
    expect(strictly(expr, row)).not.toBe('none');
  });

  it('LIKE on another kind is NULL; a bad pattern is an error of the statement', () => {
    const like = (pattern: string): Expr => ({
      kind: 'like',
      operand: n,
      pattern: literal(pattern),
      escape: undefined,
      caseInsensitive: false,
      negated: true,
      type: 'boolean',
      at: AT,
    });
    expect(read(like('a%'), [5, 'abc', 'xyz']).values).toEqual([null, false, true]);
    expect(laxly(like('a\\'), 'abc')).toBe('INVALID_ARGUMENT');
  });

  it('greatest and least are NULL over unlike kinds, NULLIF gives its first argument, IS DISTINCT FROM says yes', () => {
    expect(
      read(call('greatest', [n, m]), [
        [1, 'a'],
        [1, 2],
      ]).values,
    ).toEqual([null, 2]);
    expect(
      read(call('nullif', [n, m]), [
        [1, 'a'],
        [1, 1],
      ]).values,
    ).toEqual([1, null]);
    expect(read(distinct(n, literal(3)), ['a', 3, null])).toEqual({
      values: [true, false, true],
      notices: ['at least 1 row holds text in n'],
    });
  });

  it('a branch of CASE and an argument of COALESCE that its type cannot hold is NULL', () => {
    const huge = 10n ** 400n;
    expect(read(call('coalesce', [n, literal(1)], 'float8'), [huge, null]).values).toEqual([null, 1]);
  });
});

describe('errors of the statement itself', () => {
  it.each<[string, Expr, RowValue]>([
    ['a root without a column', compare('<', call('sqrt', [literal(-1)], 'float8'), n), 1],
    ['a literal zero', sum('/', n, literal(0)), 1],
    ['a zero of the row', sum('/', literal(1), n), 0],
    ['mod by a zero of the row', call('mod', [literal(1), n]), 0],
    ['a unit of time that there is not', call('date_trunc', [literal('nonsense'), n], 'timestamptz'), new Date(0)],
    [
      'a constant argument that the function refuses',
      call('split_part', [n, literal(','), literal(0, 'int4')], 'text'),
      'a,b',
    ],
    ['a cast of a constant', sum('+', n, cast(parameter, 'int4')), 1],
    ['a declared column', compare('<', declared, literal('x', 'text')), 1n],
  ])('%s stays an error', (_name, expr, row) => {
    expect(laxly(expr, row, ['x'])).not.toBe('none');
    expect(laxly(expr, row, ['x'])).toBe(strictly(expr, row, ['x']));
  });

  it('a context that drops rows that divide by zero ends those, not divisions by a literal zero', () => {
    const context: EvalContext = { parameters: [], oddRows: new OddRows(), dropsDivisionByZero: true };
    const divides = compare('>', sum('/', literal(1), n), literal(0));
    expect(() => isMet(divides, () => 0, context)).toThrow(RowDividesByZero);
    expect(isMet(divides, () => 2, context)).toBe(true);
    expect(codeOf(() => isMet(compare('>', sum('/', n, literal(0)), literal(0)), () => 1, context))).toBe(
      'DIVISION_BY_ZERO',
    );
  });
});

describe('quoted literals and string parameters', () => {
  it.each<[string, RowValue, boolean | null]>([
    ['3', 3, true],
    [' 3.0 ', 3, true],
    ['4', 3, false],
    ['3', 3n, true],
    ['9007199254740993', 9007199254740993n, true],
    ['3.5', 3n, false],
    ['0.10', Decimal.parse('0.1'), true],
    ['true', true, true],
    ['f', true, false],
    ['1970-01-01', new Date(0), true],
    ['3', '3', true],
    ['03', '3', false],
    ['{"a": 1}', { a: 1 }, true],
    ['abc', 3, null],
    ['', 0, null],
  ])('%j beside %p reads as its kind', (text, value, expected) => {
    for (const quoted of [literal(text), parameter]) {
      expect(read(compare('=', n, quoted), [value], [text]).values).toEqual([expected]);
      expect(read(compare('=', quoted, n), [value], [text]).values).toEqual([expected]);
      const skipped = expected ?? false;
      expect(read(isIn(n, [quoted]), [value], [text]).values).toEqual([skipped]);
      expect(read(isIn(n, [quoted], true), [value], [text]).values).toEqual([!skipped]);
    }
  });

  it('are operands of arithmetic too', () => {
    expect(read(sum('+', n, literal('1')), [2, 2n, new Date(0)]).values).toEqual([3, 3n, new Date(1000)]);
    expect(read(sum('+', n, literal('1 day')), [new Date(0)]).values).toEqual([new Date(86_400_000)]);
    expect(read(sum('-', n, literal('1970-01-01')), [new Date(0)]).notices).toEqual([]);
  });

  it('an IN list skips what cannot be read as the row, and says so', () => {
    const list = [literal('a'), literal('1'), literal(2)];
    expect(read(isIn(n, list), [1, 2, 3, 'a', '2', true])).toEqual({
      values: [true, true, false, true, false, true],
      notices: ["at least 1 row holds numbers in n, and 'a' is not a number", 'at least 1 row holds text in n'],
    });
    expect(read(isIn(n, [...list, literal(null, 'null')], true), [3]).values).toEqual([null]);
    expect(strictly(isIn(n, list), 3)).toBe('TYPE_MISMATCH');
  });

  it('greatest reads them as the others', () => {
    expect(read(call('greatest', [n, literal('10')]), [9, 11]).values).toEqual([10, 11]);
  });
});
