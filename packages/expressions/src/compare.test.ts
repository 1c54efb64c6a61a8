import { Decimal } from '@ashlar/api';
import fc from 'fast-check';
import { compareLoosely, compareText, compareValues } from './compare.ts';
import { Interval } from './interval.ts';
import type { RowValue } from './values.ts';

const numbers = fc.oneof(
  fc.double(),
  fc.constantFrom(0, -0, 2 ** 53, 2 ** 53 + 2, 0.1, Number.NaN, Infinity, -Infinity, 5e-324, 1e300),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }),
  fc.constantFrom(2n ** 53n, 2n ** 53n + 1n, 0n),
  fc
    .constantFrom('0.1', '0.1000000000000000055511151231257827', '9007199254740993', '0', '1e300')
    .map((text) => Decimal.parse(text)),
);
const texts = fc.string({ unit: fc.constantFrom('a', 'b', '\u{1f600}', '\uffff', '\ud7ff', 'é') });
const documents = fc.jsonValue().filter((value) => typeof value === 'object' && value !== null) as fc.Arbitrary<object>;

function itIsATotalOrder(name: string, values: fc.Arbitrary<RowValue>): void {
  it(`orders ${name} totally`, () => {
    fc.assert(
      fc.property(values, values, values, (a, b, c) => {
        expect(Math.sign(compareValues(a, b))).toBe(0 - Math.sign(compareValues(b, a)));
        expect(compareValues(a, a)).toBe(0);
        if (compareValues(a, b) <= 0 && compareValues(b, c) <= 0) expect(compareValues(a, c)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 3000 },
    );
  });
}

describe('compareValues', () => {
  itIsATotalOrder('numbers of mixed kinds', numbers);
  itIsATotalOrder('texts', texts);
  itIsATotalOrder('documents', documents);

  it('orders texts as their UTF-8 bytes', () => {
    fc.assert(
      fc.property(texts, texts, (a, b) => {
        expect(Math.sign(compareText(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses types that have no common order', () => {
    expect(() => compareValues(1, 'a')).toThrow(expect.objectContaining({ code: 'TYPE_MISMATCH' }));
    expect(() => compareValues(new Date(0), true)).toThrow(expect.objectContaining({ code: 'TYPE_MISMATCH' }));
  });
});

describe("SQL's comparison", () => {
  it('compares numbers of all kinds by exact value, a fraction by the decimal it prints as', () => {
    expect(compareLoosely(0.1, Decimal.parse('0.1'))).toBe(0);
    expect(compareLoosely(2 ** 53, 2n ** 53n + 1n)).toBe(-1);
    expect(compareLoosely(2n ** 53n + 1n, 2 ** 53)).toBe(1);
    expect(compareLoosely(2 ** 60, 2n ** 60n)).toBe(0);
    expect(compareLoosely(2n ** 53n, Decimal.parse('9007199254740993'))).toBe(-1);
    expect(compareLoosely(Infinity, Decimal.parse('1e400'))).toBe(1);
    expect(compareLoosely(-Infinity, -(10n ** 400n))).toBe(-1);
  });

  it('agrees with the order of ORDER BY', () => {
    fc.assert(
      fc.property(numbers, numbers, (a, b) => {
        expect(Math.sign(compareLoosely(a, b)!)).toBe(Math.sign(compareValues(a, b)));
      }),
    );
  });

  it('has NaN equal to itself and above all numbers, and -0 equal to 0', () => {
    expect([
      compareLoosely(Number.NaN, Number.NaN),
      compareLoosely(Number.NaN, Infinity),
      compareLoosely(-0, 0),
    ]).toEqual([0, 1, 0]);
  });

  it('compares intervals by their length with months of 30 days', () => {
    expect(compareLoosely(new Interval(1, 0, 0), new Interval(0, 30, 0))).toBe(0);
  });

  it('does not compare a text with a number', () => {
    expect(compareLoosely('1', 1)).toBeUndefined();
  });
});
