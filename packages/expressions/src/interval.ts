/**
 * SQL intervals: months, days and time apart, as PostgreSQL keeps them, since a month has no fixed number of days and
 * text forms show the three apart.
 */

/** Shared by all realms and all copies of this file in a process. */
const BRAND = Symbol.for('ashlar.Interval');

export const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const DAYS_OF_MONTH = 30;
const DAY_SECONDS = 86_400;
const MILLISECONDS_MAX = 2 ** 63 / 1000;

/** A span of time. Immutable. */
export class Interval {
  /** Whole months; 12 a year. */
  readonly months: number;
  readonly days: number;
  /** Milliseconds, fractions allowed; not folded into days. */
  readonly milliseconds: number;

  constructor(months: number, days: number, milliseconds: number) {
    // + 0 makes -0 to 0
    this.months = months + 0;
    this.days = days + 0;
    this.milliseconds = milliseconds + 0;
    Object.freeze(this);
  }

  /** Whether `value` is an Interval, also one made in another realm or by another copy of this package. */
  static is(value: unknown): value is Interval {
    return typeof value === 'object' && value !== null && (value as { [BRAND]?: unknown })[BRAND] === true;
  }

  get [BRAND](): true {
    return true;
  }

  /** Milliseconds with months of 30 days and days of 24 hours: what comparisons see. */
  get comparable(): number {
    return (this.months * DAYS_OF_MONTH + this.days) * DAY_MS + this.milliseconds;
  }

  /** Whether PostgreSQL's interval could hold it: 32 bits of months and days, 64 bits of microseconds. */
  get isInRange(): boolean {
    const isCount = (count: number) => Math.abs(count) < 2 ** 31;
    return isCount(this.months) && isCount(this.days) && Math.abs(this.milliseconds) < MILLISECONDS_MAX;
  }

  plus(other: Interval): Interval {
    return new Interval(this.months + other.months, this.days + other.days, this.milliseconds + other.milliseconds);
  }

  negate(): Interval {
    return new Interval(-this.months, -this.days, -this.milliseconds);
  }

  /** Times `factor`; fractions of months become days, of days time, as in PostgreSQL. */
  times(factor: number): Interval {
    return cascaded(this.months * factor, this.days * factor, this.milliseconds * factor);
  }

  /** A quotient, likewise. `divisor` is not 0. */
  dividedBy(divisor: number): Interval {
    return cascaded(this.months / divisor, this.days / divisor, this.milliseconds / divisor);
  }

  /** `1 year 2 mons 3 days 04:05:06.5`, PostgreSQL's default style: a plus follows a negative part. */
  toString(): string {
    const counted: readonly (readonly [number, string])[] = [
      [Math.trunc(this.months / 12), 'year'],
      [this.months % 12, 'mon'],
      [this.days, 'day'],
    ];
    const parts: string[] = [];
    let isAfterNegative = false;
    for (const [count, unit] of counted) {
      if (count === 0) continue;
      parts.push(`${isAfterNegative && count > 0 ? '+' : ''}${count} ${unit}${count === 1 ? '' : 's'}`);
      isAfterNegative = count < 0;
    }
    if (this.milliseconds === 0 && parts.length > 0) return parts.join(' ');
    const plus = isAfterNegative && this.milliseconds >= 0 ? '+' : '';
    return [...parts, plus + clock(this.milliseconds)].join(' ');
  }

  toJSON(): string {
    return this.toString();
  }
}

function clock(milliseconds: number): string {
  const sign = milliseconds < 0 ? '-' : '';
  const total = Math.abs(milliseconds);
  const hours = Math.floor(total / HOUR_MS);
  const minutes = Math.floor((total % HOUR_MS) / MINUTE_MS);
  const micros = Math.round((total % MINUTE_MS) * 1000);
  const seconds = String(Math.floor(micros / 1e6)).padStart(2, '0');
  const fraction =
    micros % 1e6 === 0
      ? ''
      : `.${String(micros % 1e6)
          .padStart(6, '0')
          .replace(/0+$/, '')}`;
  return `${sign}${String(hours).padStart(2, '0')}:${String(minutes).padStart(2, '0')}:${seconds}${fraction}`;
}

/**
 * Months and days that may have fractions, which become days and time; what is left of doubles beyond a millionth is cut, so
 * that a third of 14 months is 4 months and 20 days.
 *
 * @see interval_mul and TSROUND in PostgreSQL's timestamp.c
 */
function cascaded(months: number, days: number, milliseconds: number): Interval {
  const wholeMonths = Math.trunc(months);
  let wholeDays = Math.trunc(days);
  const daysOfMonths = millionths((months - wholeMonths) * DAYS_OF_MONTH);
  const wholeDaysOfMonths = Math.trunc(daysOfMonths);
  let seconds = millionths((days - wholeDays + daysOfMonths - wholeDaysOfMonths) * DAY_SECONDS);
  const carried = Math.trunc(seconds / DAY_SECONDS);
  wholeDays += carried + wholeDaysOfMonths;
  seconds -= carried * DAY_SECONDS;
  return new Interval(wholeMonths, wholeDays, Math.round(milliseconds * 1000 + seconds * 1e6) / 1000);
}

function millionths(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

/** An interval of parts that may have fractions: months carry into days, days into time. */
function ofParts(months: number, days: number, milliseconds: number): Interval {
  const wholeMonths = Math.trunc(months);
  const allDays = days + (months - wholeMonths) * DAYS_OF_MONTH;
  const wholeDays = Math.trunc(allDays);
  const micros = Math.round((milliseconds + (allDays - wholeDays) * DAY_MS) * 1000);
  return new Interval(wholeMonths, wholeDays, micros / 1000);
}

type Unit = readonly [part: 'months' | 'days' | 'milliseconds', amount: number];

const UNITS: Readonly<Record<string, Unit>> = {
  millennium: ['months', 12_000],
  century: ['months', 1200],
  decade: ['months', 120],
  year: ['months', 12],
  month: ['months', 1],
  week: ['days', 7],
  day: ['days', 1],
  hour: ['milliseconds', HOUR_MS],
  minute: ['milliseconds', MINUTE_MS],
  second: ['milliseconds', 1000],
  millisecond: ['milliseconds', 1],
  microsecond: ['milliseconds', 0.001],
};

const ALIASES: Readonly<Record<string, string>> = {
  y: 'year',
  yr: 'year',
  mon: 'month',
  w: 'week',
  d: 'day',
  h: 'hour',
  hr: 'hour',
  m: 'minute',
  min: 'minute',
  s: 'second',
  sec: 'second',
  ms: 'millisecond',
  msec: 'millisecond',
  us: 'microsecond',
  usec: 'microsecond',
  centurie: 'century',
  millennia: 'millennium',
  c: 'century',
  cent: 'century',
  dec: 'decade',
  mil: 'millennium',
};

/** The unit's name in the singular (`hours`, `hr` -> `hour`), or undefined. */
export function unitNamed(text: string): string | undefined {
  const lower = text.toLowerCase();
  for (const name of [lower, lower.replace(/s$/, '')]) {
    if (Object.hasOwn(UNITS, name)) return name;
    if (Object.hasOwn(ALIASES, name)) return ALIASES[name];
  }
  return undefined;
}

/** A clock, years-months, a number with its unit, or `ago`; each with what may stand before it. */
const TOKEN =
  /[\s,@]*(?:([+-])?(\d+):([0-5]?\d)(?::([0-5]?\d(?:\.\d*)?))?(?![\d:.-])|([+-]?)(\d+)-(0?\d|1[01])(?![\d-])|([+-]?(?:\d+\.?\d*|\.\d+))\s*([a-z]*)|(ago)\b)\s*/iy;

/**
 * Reads `1 year 2 months`, `3 days 04:05:06`, `1-2` (years-months), `90 minutes ago`, `P1Y2M3DT4H5M6S`, `5` (seconds).
 *
 * A number without a unit is seconds at the end, days before a clock, and nothing elsewhere: so a date is no interval.
 *
 * @returns undefined when the text is no interval, or one that its type cannot hold
 */
export function parseInterval(text: string): Interval | undefined {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed.length > 200) return undefined;
  const interval = /^[+-]?P/.test(trimmed) ? parseIso(trimmed) : parseParts(trimmed);
  return interval?.isInRange === true ? interval : undefined;
}

/** Units that a clock, or years-months, says as well: each may stand once. */
const CLOCK_UNITS = ['hour', 'minute', 'second'];

function parseParts(text: string): Interval | undefined {
  const tokens = tokensOf(text);
  if (tokens === undefined) return undefined;
  const units = new Set<string>();
  let sum = new Interval(0, 0, 0);
  for (const [index, token] of tokens.entries()) {
    const said = unitsOf(tokens, index);
    if (said === undefined || said.some((unit) => units.has(unit))) return undefined;
    for (const unit of said) units.add(unit);
    sum = sum.plus(partOf(token, said[0]!));
  }
  if (!units.has(AGO)) return sum;
  return units.size === 1 ? undefined : sum.negate();
}

const AGO = 'ago';

/** The units that a token says; undefined when it says none. */
function unitsOf(tokens: readonly RegExpExecArray[], index: number): readonly string[] | undefined {
  const token = tokens[index]!;
  if (token[10] !== undefined) return [AGO];
  if (token[2] !== undefined) return CLOCK_UNITS;
  if (token[6] !== undefined) return ['month'];
  const unit = token[9] === '' ? impliedUnit(tokens, index) : unitNamed(token[9]!);
  return unit === undefined ? undefined : [unit];
}

/** Fractions carry within one part alone: of years into whole months, of months and weeks into days, of days into time. */
function partOf(token: RegExpExecArray, unit: string): Interval {
  if (unit === AGO) return new Interval(0, 0, 0);
  if (token[2] !== undefined) return ofParts(0, 0, clockOf(token));
  if (token[6] !== undefined) return new Interval(yearsOf(token), 0, 0);
  const [part, amount] = UNITS[unit]!;
  const value = Number(token[8]) * amount;
  if (part === 'months') return amount > 1 ? new Interval(Math.round(value), 0, 0) : ofParts(value, 0, 0);
  return part === 'days' ? ofParts(0, value, 0) : ofParts(0, 0, value);
}

function tokensOf(text: string): readonly RegExpExecArray[] | undefined {
  const tokens: RegExpExecArray[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const match = TOKEN.exec(text);
    if (match === null) return undefined;
    tokens.push(match);
  }
  return tokens;
}

/** The unit of a number that names none. */
function impliedUnit(tokens: readonly RegExpExecArray[], index: number): string | undefined {
  const next = tokens[index + 1];
  if (next?.[2] !== undefined) return 'day';
  const isAfterClock = tokens.slice(0, index).some((token) => token[2] !== undefined);
  const isLast = next === undefined || (next[10] !== undefined && index + 2 === tokens.length);
  return isLast && !isAfterClock ? 'second' : undefined;
}

function clockOf([, sign, hours, minutes, seconds]: RegExpExecArray): number {
  const total = Number(hours) * HOUR_MS + Number(minutes) * MINUTE_MS + Number(seconds ?? 0) * 1000;
  return sign === '-' ? -total : total;
}

function yearsOf(match: RegExpExecArray): number {
  const total = Number(match[6]) * 12 + Number(match[7]);
  return match[5] === '-' ? -total : total;
}

const ISO =
  /^([+-]?)P(?:([+-]?[\d.]+)Y)?(?:([+-]?[\d.]+)M)?(?:([+-]?[\d.]+)W)?(?:([+-]?[\d.]+)D)?(?:T(?:([+-]?[\d.]+)H)?(?:([+-]?[\d.]+)M)?(?:([+-]?[\d.]+)S)?)?$/;
/** ISO 8601's other form. */
const ISO_DATE = /^()P(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2}):(\d{2}(?:\.\d*)?))?$/;

function parseIso(text: string): Interval | undefined {
  const dated = ISO_DATE.exec(text);
  // In the order of the other form, without weeks.
  const match = dated === null ? ISO.exec(text) : dated.toSpliced(4, 0, '0');
  if (match === null || text.endsWith('P')) return undefined;
  const [years, months, weeks, days, hours, minutes, seconds] = match.slice(2).map((part) => Number(part ?? 0));
  const sign = match[1] === '-' ? -1 : 1;
  const sums = [years! * 12 + months!, weeks! * 7 + days!, hours! * HOUR_MS + minutes! * MINUTE_MS + seconds! * 1000];
  if (sums.some(Number.isNaN)) return undefined;
  return ofParts(sums[0]! * sign, sums[1]! * sign, sums[2]! * sign);
}
