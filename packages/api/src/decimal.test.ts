/** Decimal against a dumb twin: fractions of two bigints, which never round. */
import fc from 'fast-check';
import { Decimal } from './decimal.ts';

interface Fraction {
  readonly over: bigint;
  readonly under: bigint;
}

const DIGITS = 10n ** 60n;
const decimal = fc
  .tuple(fc.bigInt({ min: -DIGITS, max: DIGITS }), fc.nat(40))
  .map(([unscaled, scale]) => Decimal.of(unscaled, scale));

function fractionOf(value: Decimal): Fraction {
  return { over: value.unscaled, under: 10n ** BigInt(value.scale) };
}

/** Negative, 0 or positive; denominators are positive. */
function difference(left: Fraction, right: Fraction): bigint {
  return left.over * right.under - right.over * left.under;
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}

/** Whether `rounded` is the nearest number of its scale, and of two that are as near the one away from zero. */
function isRoundedHalfAway({ unscaled, scale }: Decimal, exact: Fraction): boolean {
  // In units of its last digit.
  const over = exact.over * 10n ** BigInt(scale);
  const twiceOff = magnitude(unscaled * exact.under - over) * 2n;
  if (twiceOff !== exact.under) return twiceOff < exact.under;
  return magnitude(unscaled) * exact.under > magnitude(over);
}

describe('Decimal and fractions', () => {
  it('agree on sums, differences and products, which are exact (D4)', () => {
    fc.assert(
      fc.property(decimal, decimal, (left, right) => {
        const [a, b] = [fractionOf(left), fractionOf(right)];
        const under = a.under * b.under;
        const sum = { over: a.over * b.under + b.over * a.under, under };
        const gap = { over: a.over * b.under - b.over * a.under, under };
        expect(difference(fractionOf(left.plus(right)), sum)).toBe(0n);
        expect(difference(fractionOf(left.minus(right)), gap)).toBe(0n);
        expect(difference(fractionOf(left.times(right)), { over: a.over * b.over, under })).toBe(0n);
        expect(fractionOf(left.negate()).over).toBe(-a.over);
      }),
    );
  });

  it('agree on the order, whatever the scales (D3)', () => {
    const near = fc.tuple(decimal, fc.integer({ min: -1, max: 1 }), fc.nat(20)).map(([value, step, more]) => {
      const same = value.rescale(value.scale + more);
      return [value, Decimal.of(same.unscaled + BigInt(step), same.scale)] as const;
    });
    fc.assert(
      fc.property(fc.oneof(near, fc.tuple(decimal, decimal)), ([left, right]) => {
        const gap = difference(fractionOf(left), fractionOf(right));
        expect(Math.sign(left.compare(right))).toBe(gap < 0n ? -1 : gap > 0n ? 1 : 0);
        expect(left.equals(right)).toBe(gap === 0n);
      }),
    );
  });

  it('agree on quotients and on fewer digits, rounded half away from zero', () => {
    const scale = fc.nat(50);
    fc.assert(
      fc.property(decimal, decimal, scale, (left, right, digits) => {
        fc.pre(right.unscaled !== 0n);
        const [a, b] = [fractionOf(left), fractionOf(right)];
        const sign = b.over < 0n ? -1n : 1n;
        const exact = { over: a.over * b.under * sign, under: a.under * b.over * sign };
        const quotient = left.dividedBy(right, digits);
        expect([quotient.scale, isRoundedHalfAway(quotient, exact)]).toEqual([digits, true]);
        const shorter = left.rescale(digits);
        expect([shorter.scale, isRoundedHalfAway(shorter, a)]).toEqual([digits, true]);
      }),
    );
  });

  it('have one form that equal values share, and it is the shortest', () => {
    fc.assert(
      fc.property(decimal, fc.nat(20), (value, zeros) => {
        const { unscaled, scale } = value.canonical();
        expect(value.rescale(value.scale + zeros).canonical()).toEqual({ unscaled, scale });
        expect(difference({ over: unscaled, under: 10n ** BigInt(scale) }, fractionOf(value))).toBe(0n);
        expect(scale === 0 || unscaled % 10n !== 0n).toBe(true);
      }),
    );
  });

  it('never change: they are frozen (D1), and their texts read back as they were', () => {
    fc.assert(
      fc.property(decimal, (value) => {
        const { unscaled, scale } = Decimal.parse(value.toString());
        expect([unscaled, scale]).toEqual([value.unscaled, value.scale]);
        expect(Object.isFrozen(value)).toBe(true);
      }),
    );
  });

  it('end at the limits of decimal D2, and not before', () => {
    const most = 10n ** BigInt(Decimal.DIGITS_MAX) - 1n;
    const overflow = expect.objectContaining({ code: 'NUMERIC_OVERFLOW' });
    expect(Decimal.of(most, Decimal.SCALE_MAX).unscaled).toBe(most);
    expect(Decimal.of(-most, 0).unscaled).toBe(-most);
    expect(() => Decimal.of(most, 0).plus(Decimal.of(1n, 0))).toThrow(overflow);
    expect(() => Decimal.of(-most, 0).minus(Decimal.of(1n, 0))).toThrow(overflow);
    expect(() => Decimal.of(1n, Decimal.SCALE_MAX).times(Decimal.of(1n, 1))).toThrow(overflow);
    expect(() => Decimal.of(1n, 0).dividedBy(Decimal.of(3n, 0), Decimal.SCALE_MAX + 1)).toThrow(overflow);
  });
});
