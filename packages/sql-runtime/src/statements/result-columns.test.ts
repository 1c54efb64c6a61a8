import { Decimal } from '@ashlar/api';
import { Interval, type RowValue, type SqlType } from '@ashlar/expressions';
import { rowsBatch } from '@ashlar/sql-executor';
import type { PlanColumn } from '@ashlar/sql-plan';
import { resultColumns } from './result-columns.ts';

const OPEN: PlanColumn = { name: 'v', type: 'any' };

/** What a column without a static type is said to hold, by its first rows. */
function observed(values: readonly RowValue[], column: PlanColumn = OPEN): string {
  const [told] = resultColumns(
    [column],
    rowsBatch(
      [column],
      values.map((value) => [value]),
    ),
  );
  return told!.type;
}

describe('the columns of a result', () => {
  it('have the types of the plan where it has them, before any row is there and whatever the rows are', () => {
    const columns: readonly PlanColumn[] = [
      { name: 'a', type: 'int4' },
      { name: 'b', type: 'date' },
      { name: 'how many', type: 'int8', isCount: true },
    ];
    const expected = [
      { name: 'a', type: 'int4', isCount: false },
      { name: 'b', type: 'date', isCount: false },
      { name: 'how many', type: 'int8', isCount: true },
    ];
    expect(resultColumns(columns, undefined)).toEqual(expected);
    expect(resultColumns(columns, rowsBatch(columns, [[null, null, null]]))).toEqual(expected);
  });

  it.each<[string, RowValue]>([
    ['boolean', true],
    ['float8', 1.5],
    ['int8', 2n ** 60n],
    ['numeric', Decimal.parse('1.50')],
    ['text', ''],
    ['bytea', Uint8Array.of(1)],
    ['timestamptz', new Date(0)],
    ['interval', new Interval(1, 2, 3)],
    ['json', { a: 1 } as never],
    ['json', [1, 'two'] as never],
  ])('are %s where the first rows show it, nulls among them or not', (type, value) => {
    expect(observed([value])).toBe(type);
    expect(observed([null, value, null, value])).toBe(type);
  });

  it.each<[string, readonly RowValue[]]>([
    ['of two kinds', [1, 'x']],
    ['of two kinds of number', [1, 2n]],
    ['that are null', [null, null]],
  ])('are unknown where the first rows hold values %s', (_, values) => {
    expect(observed(values)).toBe('unknown');
  });

  it('are unknown where there is no row, and where the plan knows nothing but NULL', () => {
    expect(resultColumns([OPEN], undefined)).toEqual([{ name: 'v', type: 'unknown' }]);
    expect(observed([null], { name: 'v', type: 'null' })).toBe('unknown');
  });

  it('each have the type of their own values, in the order of the plan', () => {
    const columns: readonly PlanColumn[] = (['any', 'text', 'any', 'int4'] as SqlType[]).map((type, index) => ({
      ...{ name: `c${index}`, type },
    }));
    const batch = rowsBatch(columns, [['x', 'y', 1, 2]]);
    expect(resultColumns(columns, batch).map(({ name, type }) => `${name} ${type}`)).toEqual([
      'c0 text',
      'c1 text',
      'c2 float8',
      'c3 int4',
    ]);
  });
});
