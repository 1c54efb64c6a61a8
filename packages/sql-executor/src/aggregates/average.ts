/** The quotient of avg over exact numbers, with the digits that PostgreSQL gives it. */
import { Decimal } from '@ashlar/api';

/** Digits of PostgreSQL's numeric are kept in groups of four. */
const GROUP_DIGITS = 4;
const SIGNIFICANT_DIGITS_MIN = 16;
const SCALE_MAX = 1000;

/** Weight of the first group of four digits (0: units), and that group's value; zero has weight 0 and value 0. */
function firstGroup(value: Decimal): { readonly weight: number; readonly digits: number } {
  if (value.unscaled === 0n) return { weight: 0, digits: 0 };
  const magnitude = value.unscaled < 0n ? -value.unscaled : value.unscaled;
  const text = magnitude.toString();
  // The position of the leading digit: 10^exponent.
  const exponent = text.length - 1 - value.scale;
  const weight = Math.floor(exponent / GROUP_DIGITS);
  const length = exponent - weight * GROUP_DIGITS + 1;
  return { weight, digits: Number(text.slice(0, length).padEnd(length, '0')) };
}

/**
 * sum / count, with at least 16 significant digits and never fewer after the point than the sum has.
 *
 * @see select_div_scale in PostgreSQL's numeric.c
 */
export function numericAverage(sum: Decimal, count: number): Decimal {
  const divisor = Decimal.of(BigInt(count), 0);
  const dividendFirst = firstGroup(sum);
  const divisorFirst = firstGroup(divisor);
  let weight = dividendFirst.weight - divisorFirst.weight;
  if (dividendFirst.digits <= divisorFirst.digits) weight -= 1;
  const scale = Math.max(SIGNIFICANT_DIGITS_MIN - weight * GROUP_DIGITS, sum.scale, 0);
  return sum.dividedBy(divisor, Math.min(scale, SCALE_MAX));
}
