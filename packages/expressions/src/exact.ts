/**
 * Numbers of all kinds by their exact value.
 *
 *   a double that is whole      its binary value: 2 ** 60 is 1152921504606846976
 *   a double with a fraction    the decimal that it prints as: 0.1 is 1/10, as everybody who wrote it meant
 *
 * exact E1  The order is total and the same for `=`, `<`, IN, ORDER BY and zone maps; equal numbers have the same key in
 *           GROUP BY, DISTINCT and joins (sql-executor's keys). PostgreSQL compares a double with a numeric or bigint as
 *           doubles, so that there 2^53 = 2^53 + 1.
 * exact E2  Printing is monotone (the decimal of a double lies nearer to it than to any other), so the two readings do not
 *           contradict each other.
 */
import { Decimal } from '@ashlar/api';

/** A number of any kind. */
export type AnyNumber = number | bigint | Decimal;

export function isNumber(value: unknown): value is AnyNumber {
  return typeof value === 'number' || typeof value === 'bigint' || Decimal.is(value);
}

/** The order of doubles: NaN equals NaN and is above all others; -0 equals 0. */
export function compareDoubles(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  return Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : -1;
}

/** The nearest double; infinite beyond their range. */
export function toDouble(value: AnyNumber): number {
  return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : value.toNumber();
}

/** Negative, 0 or positive as `a` is less than, equal to or greater than `b`. */
export function compareExactly(a: AnyNumber, b: AnyNumber): number {
  if (typeof a === 'number') return typeof b === 'number' ? compareDoubles(a, b) : compareDoubleWith(a, b);
  if (typeof b === 'number') return 0 - compareDoubleWith(b, a);
  if (typeof a === 'bigint' && typeof b === 'bigint') return a < b ? -1 : a > b ? 1 : 0;
  return toDecimal(a).compare(toDecimal(b));
}

function toDecimal(value: bigint | Decimal): Decimal {
  return typeof value === 'bigint' ? Decimal.of(value, 0) : value;
}

function compareDoubleWith(a: number, b: bigint | Decimal): number {
  // Rounding is monotone: what differs after it differed before, the same way round.
  const rough = compareDoubles(a, toDouble(b));
  if (rough !== 0) return rough;
  if (!Number.isFinite(a)) return a < 0 ? -1 : 1;
  if (!Number.isInteger(a)) return Decimal.parse(String(a)).compare(toDecimal(b));
  const whole = BigInt(a);
  if (typeof b === 'bigint') return whole < b ? -1 : whole > b ? 1 : 0;
  const scaled = whole * 10n ** BigInt(b.scale);
  return scaled < b.unscaled ? -1 : scaled > b.unscaled ? 1 : 0;
}

/** The least double that is not below `value`. */
export function doubleAtLeast(value: AnyNumber): number {
  const nearest = toDouble(value);
  return compareExactly(nearest, value) < 0 ? neighbour(nearest, 1) : nearest;
}

/** The greatest double that is not above `value`. */
export function doubleAtMost(value: AnyNumber): number {
  const nearest = toDouble(value);
  return compareExactly(nearest, value) > 0 ? neighbour(nearest, -1) : nearest;
}

/** The double of exactly this value; NaN, which equals no number, where there is none. */
export function doubleEqualTo(value: AnyNumber): number {
  const nearest = toDouble(value);
  return compareExactly(nearest, value) === 0 ? nearest : Number.NaN;
}

const bits = new BigInt64Array(1);
const double = new Float64Array(bits.buffer);

/** The next double above (1) or below (-1). */
function neighbour(value: number, direction: 1 | -1): number {
  if (value === 0) return direction * Number.MIN_VALUE;
  double[0] = value;
  // The bits of doubles of one sign are ordered as their magnitudes are.
  bits[0] = bits[0]! + (value > 0 === direction > 0 ? 1n : -1n);
  return double[0];
}
