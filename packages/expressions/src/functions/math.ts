/**
 * Functions of numbers.
 *
 * abs, mod, round, ceil, floor, trunc and sign keep numeric and float8; the last five make float8 of integers, as
 * PostgreSQL's choice of overload does. Roots, powers, logarithms and angles are float8 for every argument (in
 * PostgreSQL numerics stay numeric there).
 */
import { Decimal } from '@ashlar/api';
import { arithmetic, arithmeticType, checkInt8, INT4_MAX } from '../arithmetic.ts';
import { roundToEven } from '../cast.ts';
import { type AnyNumber, compareExactly, isNumber, toDouble } from '../exact.ts';
import { divisionByZero, failure, outOfRange } from '../failure.ts';
import { openArithmetic } from '../open-arithmetic.ts';
import type { SqlType } from '../types.ts';
import type { RowValue } from '../values.ts';
import {
  type CallSite,
  type FunctionDefinition,
  floatArgument,
  INTEGERS,
  integerArgument,
  NUMBERS,
  strict,
  wrongArgument,
} from './definition.ts';

const DECIMAL_SCALE_MAX = 1000;

function sameType(types: readonly SqlType[]): SqlType {
  return types[0] ?? 'any';
}

function floatForIntegers(types: readonly SqlType[]): SqlType {
  const type = types[0] ?? 'any';
  return type === 'int4' || type === 'int8' ? 'float8' : type;
}

function abs(args: readonly RowValue[], site: CallSite): RowValue {
  const value = args[0]!;
  if (typeof value === 'number') {
    const magnitude = Math.abs(value);
    if (site.types[0] === 'int4' && magnitude > INT4_MAX) throw outOfRange('integer', site.at);
    return magnitude;
  }
  if (typeof value === 'bigint') return checkInt8(value < 0n ? -value : value, site.at);
  if (Decimal.is(value)) return value.unscaled < 0n ? value.negate() : value;
  throw wrongArgument(value, 0, site);
}

/** A rounding to whole numbers: of doubles and of decimals. */
function rounding(ofFloat: (value: number) => number, ofDecimal: (value: Decimal) => Decimal): FunctionDefinition {
  return strict(floatForIntegers, [NUMBERS], (args, site) => {
    const value = args[0]!;
    return Decimal.is(value) ? ofDecimal(value) : ofFloat(floatArgument(args, 0, site));
  });
}

function towards(direction: 1n | -1n, value: Decimal): Decimal {
  const whole = truncated(value, 0);
  const isExact = whole.compare(value) === 0;
  const isAway = direction > 0n ? value.unscaled > 0n : value.unscaled < 0n;
  return isExact || !isAway ? whole : Decimal.of(whole.unscaled + direction, 0);
}

/** Digits behind `scale` cut off; a negative scale makes zeros before the point. */
function truncated(value: Decimal, scale: number): Decimal {
  if (scale >= value.scale) return value.rescale(Math.min(scale, DECIMAL_SCALE_MAX));
  const step = 10n ** BigInt(value.scale - scale);
  const kept = value.unscaled / step;
  return scale >= 0 ? Decimal.of(kept, scale) : Decimal.of(kept * 10n ** BigInt(-scale), 0);
}

/** Rounded half away from zero. */
function rounded(value: Decimal, scale: number): Decimal {
  if (scale >= 0) return value.rescale(Math.min(scale, DECIMAL_SCALE_MAX));
  const step = Decimal.of(10n ** BigInt(-scale), 0);
  return value.dividedBy(step, 0).times(step);
}

/** round(x, n) and trunc(x, n); a double goes through its shortest decimal form and stays a double. */
function toScale(ofDecimal: (value: Decimal, scale: number) => Decimal, whole: FunctionDefinition): FunctionDefinition {
  const resultType = (types: readonly SqlType[]): SqlType => {
    if (types.length < 2) return whole.resultType(types);
    return INTEGERS.includes(types[0]!) ? 'numeric' : (types[0] ?? 'any');
  };
  const evaluate = (args: readonly RowValue[], site: CallSite): RowValue => {
    if (args.length < 2) return whole.evaluate(args, site);
    const value = args[0]!;
    const scale = Math.max(-DECIMAL_SCALE_MAX, Math.min(DECIMAL_SCALE_MAX, integerArgument(args, 1, site)));
    if (Decimal.is(value)) return ofDecimal(value, scale);
    if (typeof value === 'bigint') return ofDecimal(Decimal.of(value, 0), scale);
    if (typeof value !== 'number') throw wrongArgument(value, 0, site);
    if (site.types[0] === 'int4') return ofDecimal(Decimal.of(BigInt(value), 0), scale);
    return Number.isFinite(value) ? ofDecimal(Decimal.parse(String(value)), scale).toNumber() : value;
  };
  return strict(resultType, [NUMBERS, INTEGERS], evaluate, { minArgs: 1 });
}

function sign(args: readonly RowValue[], site: CallSite): RowValue {
  const value = args[0]!;
  if (Decimal.is(value)) return Decimal.of(value.unscaled > 0n ? 1n : value.unscaled < 0n ? -1n : 0n, 0);
  // 0 for NaN and -0 too, as in PostgreSQL
  const float = floatArgument(args, 0, site);
  return float > 0 ? 1 : float < 0 ? -1 : 0;
}

/** A function of doubles; infinite results of finite arguments are out of range, NaN of numbers is outside its domain. */
function ofFloats(count: number, apply: (...values: number[]) => number, minArgs = count): FunctionDefinition {
  const argTypes = Array.from({ length: count }, () => NUMBERS);
  const evaluate = (args: readonly RowValue[], site: CallSite): number => {
    const values = args.map((_, index) => floatArgument(args, index, site));
    const result = apply(...values);
    if (Number.isNaN(result) && !values.some(Number.isNaN)) throw outsideDomain(site);
    if (!Number.isFinite(result) && values.every(Number.isFinite)) {
      throw result < 0 || site.name === 'power' ? outsideOrTooLarge(values, site) : outOfRange(site.name, site.at);
    }
    return result;
  };
  return strict('float8', argTypes, evaluate, { minArgs });
}

function outsideDomain(site: CallSite) {
  return failure('INVALID_ARGUMENT', `${site.name} is not defined for this argument`, site.at);
}

/** ln(0) and power(0, -1) have no value; other infinities are too large. */
function outsideOrTooLarge(values: readonly number[], site: CallSite) {
  return values.includes(0) ? outsideDomain(site) : outOfRange(site.name, site.at);
}

function logarithm(...values: number[]): number {
  return values.length === 1 ? Math.log10(values[0]!) : Math.log(values[1]!) / Math.log(values[0]!);
}

/** numeric(value, precision, scale): what a cast to numeric(p, s) does once the value is a numeric. */
const fitted = strict('numeric', [['numeric'], INTEGERS, INTEGERS], (args, site) => {
  const value = args[0]!;
  const [precision, scale] = [integerArgument(args, 1, site), integerArgument(args, 2, site)];
  if (!Decimal.is(value)) throw wrongArgument(value, 0, site);
  if (precision < 1 || precision > DECIMAL_SCALE_MAX) throw wrongArgument(args[1]!, 1, site);
  if (Math.abs(scale) > DECIMAL_SCALE_MAX) throw wrongArgument(args[2]!, 2, site);
  const result = rounded(value, scale);
  const magnitude = result.unscaled < 0n ? -result.unscaled : result.unscaled;
  if (magnitude < 10n ** BigInt(precision + result.scale - scale)) return result;
  throw outOfRange(`numeric(${precision}, ${scale})`, site.at);
});

/** div(a, b): the quotient cut towards zero, for numbers of every kind; exact where both are. */
const quotient = strict(
  (types) => (types.includes('any') ? 'any' : types.includes('float8') ? 'float8' : 'numeric'),
  [NUMBERS, NUMBERS],
  (args, site) => {
    const [a, b] = [args[0]!, args[1]!];
    for (const [index, value] of [a, b].entries()) if (!isNumber(value)) throw wrongArgument(value, index, site);
    const [left, right] = [a as AnyNumber, b as AnyNumber];
    const isDouble = [left, right].some((value, index) => typeof value === 'number' && site.types[index] !== 'int4');
    if (compareExactly(right, 0) === 0) throw divisionByZero(site.at);
    if (isDouble) return Math.trunc(toDouble(left) / toDouble(right)) + 0;
    return truncatedQuotient(exactOf(left), exactOf(right));
  },
);

function exactOf(value: AnyNumber): Decimal {
  return Decimal.is(value) ? value : Decimal.of(BigInt(value), 0);
}

function truncatedQuotient(a: Decimal, b: Decimal): Decimal {
  const scale = Math.max(a.scale, b.scale);
  return Decimal.of(a.rescale(scale).unscaled / b.rescale(scale).unscaled, 0);
}

/** The range check of a cast to smallint, once the value is an integer. */
const smallint = strict('int4', [INTEGERS], (args, site) => {
  const value = integerArgument(args, 0, site);
  if (value >= -0x8000 && value <= 0x7fff) return value;
  throw outOfRange('smallint', site.at);
});

/** The last step of a cast to real, once the value is a double: single precision. */
const real = strict('float8', [['float8']], (args, site) => {
  const value = floatArgument(args, 0, site);
  const rounded = Math.fround(value);
  if (Number.isFinite(value) && (!Number.isFinite(rounded) || (rounded === 0 && value !== 0))) {
    throw outOfRange('real', site.at);
  }
  return rounded;
});

const wholeRound = rounding(roundToEven, (value) => value.rescale(0));
const wholeTrunc = rounding(Math.trunc, (value) => truncated(value, 0));
const ceil = rounding(Math.ceil, (value) => towards(1n, value));
const power = ofFloats(2, (base, exponent) => (base === 1 ? 1 : base ** exponent));

export const MATH_FUNCTIONS: Readonly<Record<string, FunctionDefinition>> = {
  abs: strict(sameType, [NUMBERS], abs),
  ceil,
  ceiling: ceil,
  floor: rounding(Math.floor, (value) => towards(-1n, value)),
  round: toScale(rounded, wholeRound),
  numeric: fitted,
  int2: smallint,
  float4: real,
  trunc: toScale(truncated, wholeTrunc),
  sign: strict(floatForIntegers, [NUMBERS], sign),
  mod: strict(
    (types) => arithmeticType('%', types[0] ?? 'any', types[1] ?? 'any') ?? 'any',
    [NUMBERS, NUMBERS],
    ([a, b], { types, type, at }) => {
      if (type !== 'any') return arithmetic('%', a!, types[0]!, b!, types[1]!, at);
      const [left, right] = [0, 1].map((index) => ({ type: types[index]!, isConstant: false }));
      return openArithmetic('%', a!, left!, b!, right!, undefined, at);
    },
  ),
  div: quotient,
  sqrt: ofFloats(1, Math.sqrt),
  cbrt: ofFloats(1, Math.cbrt),
  power,
  pow: power,
  exp: ofFloats(1, Math.exp),
  ln: ofFloats(1, Math.log),
  log: ofFloats(2, logarithm, 1),
  log10: ofFloats(1, Math.log10),
  sin: ofFloats(1, Math.sin),
  cos: ofFloats(1, Math.cos),
  tan: ofFloats(1, Math.tan),
  asin: ofFloats(1, Math.asin),
  acos: ofFloats(1, Math.acos),
  atan: ofFloats(1, Math.atan),
  atan2: ofFloats(2, Math.atan2),
  degrees: ofFloats(1, (angle) => angle / (Math.PI / 180)),
  radians: ofFloats(1, (angle) => angle * (Math.PI / 180)),
  pi: strict('float8', [], () => Math.PI),
  random: strict('float8', [], () => Math.random(), { volatility: 'volatile' }),
};
