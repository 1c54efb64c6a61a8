import { Decimal } from '@ashlar/api';
import fc from 'fast-check';
import { withDictionary } from './testing/generators.ts';
import { Tag } from './types.ts';
import { gather, valueAt, vectorOf } from './vector.ts';

const values = fc.array(
  fc.oneof(
    fc.constant(null),
    fc.double(),
    fc.string(),
    fc.boolean(),
    fc.bigInt(),
    fc.date({ noInvalidDate: true }),
    fc.constant({ a: [1] }),
  ),
  { maxLength: 30 },
);

describe('a vector', () => {
  it('gives back the values that it was made of, also by dictionary', () => {
    fc.assert(
      fc.property(values, (given) => {
        for (const vector of [vectorOf('any', given), withDictionary({ type: 'any', values: given })]) {
          expect(given.map((_, row) => valueAt(vector, row))).toEqual(given);
        }
      }),
    );
  });

  it('gathers rows in the order of a selection', () => {
    fc.assert(
      fc.property(values, fc.infiniteStream(fc.nat()), (given, random) => {
        fc.pre(given.length > 0);
        const rows = Uint16Array.from([...random.take(10)].map((number) => number % given.length));
        for (const vector of [vectorOf('any', given), withDictionary({ type: 'any', values: given })]) {
          const gathered = gather(vector, rows, rows.length);
          expect([...rows].map((_, index) => valueAt(gathered, index))).toEqual([...rows].map((row) => given[row]));
          const first = gather(vector, undefined, 1);
          expect([first.length, valueAt(first, 0)]).toEqual([1, given[0]]);
        }
      }),
    );
  });

  it('has one tag for all rows only when none is NULL', () => {
    expect(vectorOf('any', [1, 2]).uniform).toBe(Tag.NUMBER);
    expect(vectorOf('int4', [1, 2]).uniform).toBe(Tag.INT);
    expect(vectorOf('date', [new Date(0)]).uniform).toBe(Tag.DATE);
    expect(vectorOf('any', [Decimal.parse('1.5')]).uniform).toBe(Tag.DECIMAL);
    expect([vectorOf('any', [1, null]).uniform, vectorOf('any', [null]).uniform, vectorOf('any', []).uniform]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
