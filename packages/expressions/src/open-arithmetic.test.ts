import { Decimal } from '@ashlar/api';
import type { Expr, NumberReading, RowValue, SqlType } from './index.ts';
import { interpret } from './index.ts';

const column = (index: number): Expr => ({ kind: 'column', index, name: `c${index}`, type: 'any', at: -1 });
const literal = (value: number | bigint | { decimal: string }, type: SqlType): Expr => ({
  kind: 'literal',
  value,
  type,
  at: -1,
});

function result(
  operator: '+' | '-' | '*' | '/' | '%',
  left: Expr,
  right: Expr,
  row: RowValue[],
  numbers?: NumberReading,
) {
  const expr: Expr = { kind: 'arithmetic', operator, left, right, type: 'any', numbers, at: -1 };
  return interpret(expr, (index) => row[index]!, { parameters: [] });
}

const decimal = (text: string): Decimal => Decimal.parse(text);
const WIDE = 2n ** 60n + 1n;

describe('arithmetic of undeclared paths', () => {
  it('never truncates integers', () => {
    const two = literal(2, 'int4');
    expect([3n, 4n, 5, -5n].map((value) => result('/', column(0), two, [value]))).toEqual([1.5, 2, 2.5, -2.5]);
    expect(result('/', column(0), column(1), [3n, 2n])).toBe(1.5);
    // PostgreSQL's digits of a numeric quotient.
    expect(String(result('/', column(0), two, [WIDE]))).toBe('576460752303423489');
    expect([result('+', column(0), two, [3n]), result('%', column(0), two, [3n])]).toEqual([5n, 1n]);
  });

  it('loses no digit of wide bigints and decimals to a number', () => {
    expect(result('+', column(0), column(1), [0.5, WIDE])).toEqual(decimal('1152921504606846977.5'));
    expect(result('*', column(0), column(1), [decimal('12345678901234567890.12'), 1])).toEqual(
      decimal('12345678901234567890.12'),
    );
    expect(result('+', column(0), column(1), [0.1, decimal('0.20')])).toEqual(decimal('0.30'));
    expect(result('+', column(0), column(1), [Number.NaN, decimal('0.20')])).toBeNaN();
  });

  it('is double where that loses nothing, or where the exact side is the statement itself', () => {
    expect(result('+', column(0), column(1), [0.5, 2n])).toBe(2.5);
    expect(result('*', column(0), literal({ decimal: '1.5' }, 'numeric'), [3])).toBe(4.5);
    expect(result('*', column(0), literal({ decimal: '1.5' }, 'numeric'), [3n])).toEqual(decimal('4.5'));
    expect([result('+', column(0), literal(2, 'float8'), [3n]), result('+', column(0), column(1), [3n, 2])]).toEqual([
      5n,
      5,
    ]);
  });

  it('reads bigints as int8 where the planner says so, and sums of them without bounds', () => {
    const two = literal(2, 'int4');
    expect(result('/', column(0), two, [3n], 'int8')).toBe(1n);
    expect(() => result('+', column(0), two, [2n ** 63n - 1n], 'int8')).toThrow('bigint out of range');
    expect(result('+', column(0), two, [2n ** 63n - 1n], 'whole')).toBe(2n ** 63n + 1n);
    expect(result('*', column(0), column(0), [2n ** 63n], 'whole')).toBe(2n ** 126n);
  });
});
