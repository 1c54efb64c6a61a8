import type { DocumentColumn, Expr } from '@ashlar/expressions';
import { type Equality, equalityOf } from './equality.ts';
import { and, COLUMNS, city, compare, isIn, key, n, number, parameter, text } from './testing/conditions.ts';

function begins(condition: Expr, parameters: readonly unknown[] = []): Equality | undefined {
  return equalityOf(condition, COLUMNS, { parameters });
}

const columnOf = (index: number): DocumentColumn => COLUMNS[index]!;

describe('what a condition begins with', () => {
  it.each([
    ['field = text', compare(city, '=', text('Ulm')), [], 2, ['Ulm'], true],
    ['text = field', compare(text('Ulm'), '=', city), [], 2, ['Ulm'], true],
    ['field = number', compare(n, '=', number(7)), [], 0, [7], true],
    ['field = $1', compare(n, '=', parameter), [7], 0, [7], true],
    ['field IN (numbers)', isIn(n, [number(0), number(1)]), [], 0, [0, 1], true],
    ['__key IN (texts)', isIn(key, [text('a'), text('b')]), [], 1, ['a', 'b'], true],
    ['field = text AND more', and(compare(city, '=', text('Ulm')), compare(n, '>', number(1))), [], 2, ['Ulm'], false],
  ])('is known where it is %s', (_, condition, parameters, column, constants, isWhole) => {
    const kind = typeof constants[0];
    expect(begins(condition, parameters)).toEqual({ column: columnOf(column), constants, kind, isWhole });
  });

  it.each([
    ['another comparison', compare(n, '>', number(1))],
    ['a list that is excluded', isIn(n, [number(1)], true)],
    ['a list of two kinds', isIn(n, [number(1), text('a')])],
    ['another column', compare(n, '=', city)],
    ['NULL', compare(n, '=', { kind: 'literal', value: null, type: 'any', at: 0 } as Expr)],
    ['a parameter that is not given', compare(n, '=', parameter)],
    [
      'more constants than are worth it',
      isIn(
        n,
        Array.from({ length: 257 }, (_, value) => number(value)),
      ),
    ],
    ['an alternative', { kind: 'or', type: 'boolean', at: 0, operands: [compare(n, '=', number(1))] } as Expr],
  ])('is left to the condition where it is %s', (_, condition) => {
    expect(begins(condition)).toBeUndefined();
  });
});
