import { Decimal } from '@ashlar/api';
import fc from 'fast-check';
import { compareExactly, doubleAtLeast, doubleAtMost, doubleEqualTo } from './exact.ts';

const exact = fc.oneof(
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.constantFrom(0n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 10n ** 400n, -(10n ** 400n)),
  fc
    .double({ noNaN: true, noDefaultInfinity: true, min: -1e200, max: 1e200 })
    .map((value) => Decimal.parse(String(value))),
  fc.constantFrom('0.1', '0.10000000000000000001', '1e-400', '-1e-400').map((text) => Decimal.parse(text)),
);

describe('doubles beside an exact number', () => {
  it('are the nearest on each side, and the same one where a double has its value', () => {
    fc.assert(
      fc.property(exact, fc.double({ noNaN: true }), (value, other) => {
        const [least, most] = [doubleAtLeast(value), doubleAtMost(value)];
        expect(compareExactly(least, value)).toBeGreaterThanOrEqual(0);
        expect(compareExactly(most, value)).toBeLessThanOrEqual(0);
        expect(other >= least).toBe(compareExactly(other, value) >= 0);
        expect(other <= most).toBe(compareExactly(other, value) <= 0);
        const equal = doubleEqualTo(value);
        expect(Number.isNaN(equal)).toBe(least !== most);
      }),
      { numRuns: 2000 },
    );
  });
});
