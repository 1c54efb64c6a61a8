/**
 * Exact decimal numbers: amounts of money, SQL `numeric`.
 *
 *   value = unscaled / 10^scale          1.50 = { unscaled: 150n, scale: 2 }
 *
 * decimal D1  A Decimal never changes: every operation gives a new one.
 * decimal D2  0 <= scale <= Decimal.SCALE_MAX and |unscaled| < 10^Decimal.DIGITS_MAX; there is no NaN, infinity or negative
 *             zero.
 * decimal D3  The scale is kept for display, as PostgreSQL's numeric does: 1.50 prints "1.50". Comparison and equality see
 *             the value alone: 1.50 equals 1.5. `canonical()` is the one form (fewest digits) that all equal Decimals share,
 *             for use as a key of a Map or a group.
 * decimal D4  plus, minus and times are exact; only rescale, dividedBy and toNumber round.
 */
import { GridError } from '@ashlar/core';

const DECIMAL_DIGITS_MAX = 1000;
const DECIMAL_SCALE_MAX = 1000;

/** Shared by all realms and all copies of this file in a process. */
const BRAND = Symbol.for('ashlar.Decimal');
const LIMIT = 10n ** BigInt(DECIMAL_DIGITS_MAX);
/** Longer texts cannot be within the limits; refused before any work is done on them. */
const TEXT_LENGTH_MAX = DECIMAL_DIGITS_MAX + DECIMAL_SCALE_MAX + 16;
const TEXT_FORM = /^\s*([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,5}))?\s*$/;

const POWERS: readonly bigint[] = Array.from({ length: 40 }, (_, exponent) => 10n ** BigInt(exponent));

function powerOfTen(exponent: number): bigint {
  return POWERS[exponent] ?? 10n ** BigInt(exponent);
}

function overflow(what: string): GridError {
  return new GridError(
    'NUMERIC_OVERFLOW',
    `${what}: a decimal has at most ${DECIMAL_DIGITS_MAX} digits, ${DECIMAL_SCALE_MAX} of them after the point`,
  );
}

/** Integer quotient rounded half away from zero, as PostgreSQL rounds numeric. `divisor` is not 0. */
function divideRounded(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  const remainder = dividend % divisor;
  const twice = remainder < 0n ? -remainder * 2n : remainder * 2n;
  if (twice < (divisor < 0n ? -divisor : divisor)) return quotient;
  return dividend < 0n === divisor < 0n ? quotient + 1n : quotient - 1n;
}

/** An exact decimal number. Made by `Decimal.parse('12.50')` or `Decimal.of(1250n, 2)`. */
export class Decimal {
  /** Decimal digits of `unscaled`, at most. */
  static readonly DIGITS_MAX = DECIMAL_DIGITS_MAX;
  /** Digits after the point, at most. */
  static readonly SCALE_MAX = DECIMAL_SCALE_MAX;
  /** The digits without the point, with the sign. */
  readonly unscaled: bigint;
  /** Digits after the point. */
  readonly scale: number;

  private constructor(unscaled: bigint, scale: number) {
    this.unscaled = unscaled;
    this.scale = scale;
    Object.freeze(this);
  }

  /**
   * The decimal unscaled / 10^scale.
   *
   * @throws GridError NUMERIC_OVERFLOW beyond the limits of decimal D2; INVALID_ARGUMENT when scale is not a whole number >= 0
   */
  static of(unscaled: bigint, scale: number): Decimal {
    if (!Number.isInteger(scale) || scale < 0) {
      throw new GridError('INVALID_ARGUMENT', `the scale of a decimal is a whole number from 0, not ${scale}`);
    }
    if (scale > DECIMAL_SCALE_MAX || unscaled >= LIMIT || unscaled <= -LIMIT) throw overflow('result too large');
    return new Decimal(unscaled, scale);
  }

  /**
   * Reads "12", "-0.50", ".5", "1e3", "1.25E-7"; white space around it is allowed. The scale is the number of digits
   * written after the point, less the exponent, and never below 0.
   *
   * @throws GridError INVALID_ARGUMENT when the text is no decimal number; NUMERIC_OVERFLOW beyond the limits of decimal D2
   */
  static parse(text: string): Decimal {
    if (text.length > TEXT_LENGTH_MAX) throw overflow(`a text of ${text.length} characters`);
    const match = TEXT_FORM.exec(text);
    const whole = match?.[2] ?? '';
    const fraction = match?.[3] ?? '';
    if (match === null || whole.length + fraction.length === 0) {
      throw new GridError('INVALID_ARGUMENT', `not a decimal number: ${JSON.stringify(text.slice(0, 60))}`);
    }
    const magnitude = BigInt(whole + fraction);
    const unscaled = match[1] === '-' ? -magnitude : magnitude;
    const scale = fraction.length - Number(match[4] ?? 0);
    if (scale >= 0) return Decimal.of(unscaled, scale);
    if (unscaled === 0n) return Decimal.of(0n, 0);
    if (-scale > DECIMAL_DIGITS_MAX) throw overflow(text.trim().slice(0, 60));
    return Decimal.of(unscaled * powerOfTen(-scale), 0);
  }

  /** Whether `value` is a Decimal, also one made in another realm or by another copy of this package. */
  static is(value: unknown): value is Decimal {
    if (typeof value !== 'object' || value === null) return false;
    const { [BRAND]: brand, unscaled, scale } = value as { [BRAND]?: unknown; unscaled?: unknown; scale?: unknown };
    return brand === true && typeof unscaled === 'bigint' && typeof scale === 'number';
  }

  /** What `Decimal.is` looks for. */
  get [BRAND](): true {
    return true;
  }

  /** Negative, 0 or positive as this is less than, equal to or greater than `other`. */
  compare(other: Decimal): number {
    const scale = Math.max(this.scale, other.scale);
    const mine = toScale(this, scale);
    const theirs = toScale(other, scale);
    return mine < theirs ? -1 : mine > theirs ? 1 : 0;
  }

  /** Equal in value: 1.50 equals 1.5. */
  equals(other: Decimal): boolean {
    return this.compare(other) === 0;
  }

  plus(other: Decimal): Decimal {
    const scale = Math.max(this.scale, other.scale);
    return Decimal.of(toScale(this, scale) + toScale(other, scale), scale);
  }

  minus(other: Decimal): Decimal {
    const scale = Math.max(this.scale, other.scale);
    return Decimal.of(toScale(this, scale) - toScale(other, scale), scale);
  }

  /** The product; its scale is the sum of the two. */
  times(other: Decimal): Decimal {
    return Decimal.of(this.unscaled * other.unscaled, this.scale + other.scale);
  }

  /**
   * The quotient, rounded half away from zero to `scale` digits after the point.
   *
   * @throws GridError DIVISION_BY_ZERO
   */
  dividedBy(other: Decimal, scale: number): Decimal {
    if (other.unscaled === 0n) throw new GridError('DIVISION_BY_ZERO', 'division by zero');
    const shift = Decimal.of(0n, scale).scale + other.scale - this.scale;
    const dividend = shift > 0 ? this.unscaled * powerOfTen(shift) : this.unscaled;
    const divisor = shift < 0 ? other.unscaled * powerOfTen(-shift) : other.unscaled;
    return Decimal.of(divideRounded(dividend, divisor), scale);
  }

  negate(): Decimal {
    return Decimal.of(-this.unscaled, this.scale);
  }

  /** The same value with `scale` digits after the point: zeros appended, or rounded half away from zero. */
  rescale(scale: number): Decimal {
    if (scale === this.scale) return this;
    const target = Decimal.of(0n, scale).scale;
    if (target > this.scale) return Decimal.of(toScale(this, target), target);
    return Decimal.of(divideRounded(this.unscaled, powerOfTen(this.scale - target)), target);
  }

  /** The form with the fewest digits after the point: 1.50 -> 1.5, 2.00 -> 2. Equal Decimals have the same one. */
  canonical(): Decimal {
    if (this.unscaled === 0n) return this.scale === 0 ? this : Decimal.of(0n, 0);
    let { unscaled, scale } = this;
    while (scale > 0 && unscaled % 10n === 0n) {
      unscaled /= 10n;
      scale -= 1;
    }
    return scale === this.scale ? this : Decimal.of(unscaled, scale);
  }

  /** Plain notation with all `scale` digits: "1.50", "-0.005". `Decimal.parse` reads it back as it was. */
  toString(): string {
    const negative = this.unscaled < 0n;
    const digits = (negative ? -this.unscaled : this.unscaled).toString().padStart(this.scale + 1, '0');
    const point = digits.length - this.scale;
    const magnitude = this.scale === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
    return negative ? `-${magnitude}` : magnitude;
  }

  /** The nearest double; exact up to 15 digits, infinite beyond the range of doubles. */
  toNumber(): number {
    return Number(this.toString());
  }

  /** The same text as toString: JSON numbers would lose digits. */
  toJSON(): string {
    return this.toString();
  }

  /** As toNumber, so that `a < b` works; sums belong to `plus`, which is exact. */
  valueOf(): number {
    return this.toNumber();
  }
}

/** The unscaled digits of `value` at a scale that is not smaller than its own. Works on Decimals of other realms too. */
function toScale(value: Decimal, scale: number): bigint {
  return scale === value.scale ? value.unscaled : value.unscaled * powerOfTen(scale - value.scale);
}
