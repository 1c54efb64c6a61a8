/**
 * Timestamps and dates as milliseconds since 1970 in UTC: text forms, calendar fields, sums with intervals.
 *
 * The session's time zone is always UTC. Digits below a millisecond are rounded away when a text is read.
 */
import { DAY_MS, Interval, unitNamed } from './interval.ts';

/** Dates beyond are refused: what a JavaScript Date can hold. */
const TIME_MAX_MS = 8.64e15;

const FORM =
  /^(\d{4,6})-(\d{1,2})-(\d{1,2})(?:(?:\s+|T)(\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d*)?)?\s*(Z|UTC|GMT|[+-]\d{1,2}(?::?\d{2})?)?)?(?:\s+(BC|AD))?$/i;

/** 15:59, as PostgreSQL has it. */
const ZONE_MAX_MS = 16 * 3_600_000 - 60_000;

const COMPACT_DATE = /^(\d{4})(\d\d)(\d\d)(?!\d)/;

/**
 * Reads `2024-05-06`, `20240506`, `2024-05-06 07:08[:09.123][Z|+02[:00]]`, with T for the space, `epoch`.
 *
 * @returns milliseconds since 1970, or undefined when the text is no time
 */
export function parseTime(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === 'epoch') return 0;
  const match = FORM.exec(trimmed.replace(COMPACT_DATE, '$1-$2-$3'));
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0));
  const astronomicalYear = match[9]?.toUpperCase() === 'BC' ? 1 - year! : year!;
  if (year === 0 || month! < 1 || month! > 12 || day! < 1 || day! > daysInMonth(astronomicalYear, month!)) {
    return undefined;
  }
  if (hour! > 24 || minute! > 59 || second! > 60 || (hour === 24 && minute! + second! > 0)) return undefined;
  const fractionMs = match[7] === undefined ? 0 : Math.round(Number(`0${match[7]}`) * 1000);
  const offsetMs = zoneMs(match[8]);
  if (Math.abs(offsetMs) > ZONE_MAX_MS) return undefined;
  const clockMs = ((hour! * 60 + minute!) * 60 + second!) * 1000 + fractionMs;
  const time = midnight(astronomicalYear, month! - 1, day!) + clockMs - offsetMs;
  return Math.abs(time) <= TIME_MAX_MS ? time : undefined;
}

function zoneMs(zone: string | undefined): number {
  if (zone === undefined || !/^[+-]/.test(zone)) return 0;
  const digits = zone.slice(1).replace(':', '');
  const hours = Number(digits.slice(0, digits.length > 2 ? -2 : undefined));
  const minutes = digits.length > 2 ? Number(digits.slice(-2)) : 0;
  return (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/** Months count from 0 and may lie outside a year. */
function midnight(year: number, month: number, day: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month, day);
  return date.getTime();
}

function daysInMonth(year: number, month: number): number {
  return new Date(midnight(year, month, 0)).getUTCDate();
}

/** The start of the day. */
export function dayOf(timeMs: number): number {
  return Math.floor(timeMs / DAY_MS) * DAY_MS;
}

/** `2024-05-06`. */
export function formatDate(timeMs: number): string {
  const date = new Date(timeMs);
  const year = date.getUTCFullYear();
  const shown = String(year > 0 ? year : 1 - year).padStart(4, '0');
  return `${shown}-${pad2(date.getUTCMonth() + 1)}-${pad2(date.getUTCDate())}${year > 0 ? '' : ' BC'}`;
}

/** `2024-05-06 07:08:09.12+00`, as PostgreSQL prints it in UTC. */
export function formatTimestamp(timeMs: number): string {
  const date = new Date(timeMs);
  const clock = `${pad2(date.getUTCHours())}:${pad2(date.getUTCMinutes())}:${pad2(date.getUTCSeconds())}`;
  const ms = date.getUTCMilliseconds();
  const fraction = ms === 0 ? '' : `.${String(ms).padStart(3, '0').replace(/0+$/, '')}`;
  const day = formatDate(timeMs);
  const era = day.endsWith(' BC') ? ' BC' : '';
  return `${day.slice(0, day.length - era.length)} ${clock}${fraction}+00${era}`;
}

function pad2(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/** The time `interval` later: months first (a day beyond the month's end becomes its last), then days, then the rest. */
export function addInterval(timeMs: number, interval: Interval): number {
  let time = timeMs;
  if (interval.months !== 0) {
    const date = new Date(timeMs);
    const month = date.getUTCMonth() + interval.months;
    const first = new Date(midnight(date.getUTCFullYear(), month, 1));
    const day = Math.min(date.getUTCDate(), daysInMonth(first.getUTCFullYear(), first.getUTCMonth() + 1));
    time = first.getTime() + (day - 1) * DAY_MS + (timeMs - dayOf(timeMs));
  }
  return Math.trunc(time + interval.days * DAY_MS + interval.milliseconds);
}

/** Whether a JavaScript Date can hold it. */
export function isTimeInRange(timeMs: number): boolean {
  return Math.abs(timeMs) <= TIME_MAX_MS;
}

/** ISO 8601: weeks begin on Monday, and week 1 holds the year's first Thursday. */
function isoWeek(timeMs: number): { year: number; week: number } {
  const day = dayOf(timeMs);
  const thursday = day + (3 - ((new Date(day).getUTCDay() + 6) % 7)) * DAY_MS;
  const year = new Date(thursday).getUTCFullYear();
  return { year, week: 1 + Math.floor((thursday - midnight(year, 0, 1)) / (7 * DAY_MS)) };
}

/**
 * A calendar field of a time: year, month, day, hour, minute, second, dow, doy, week, quarter, epoch ...
 *
 * @returns undefined when there is no such field
 */
export function timeField(field: string, timeMs: number): number | undefined {
  const date = new Date(timeMs);
  const year = date.getUTCFullYear();
  const secondMs = (((timeMs % 60_000) + 60_000) % 60_000) / 1000;
  switch (field.toLowerCase()) {
    case 'epoch':
      return timeMs / 1000;
    case 'dow':
      return date.getUTCDay();
    case 'isodow':
      return ((date.getUTCDay() + 6) % 7) + 1;
    case 'doy':
      return Math.floor((timeMs - midnight(year, 0, 1)) / DAY_MS) + 1;
    case 'quarter':
      return Math.floor(date.getUTCMonth() / 3) + 1;
    case 'isoyear':
      return isoWeek(timeMs).year;
    case 'julian':
      return timeMs / DAY_MS + 2_440_588;
    case 'timezone':
    case 'timezone_hour':
    case 'timezone_minute':
      return 0;
    default:
      return unitField(unitNamed(field), date, year, secondMs, isoWeek(timeMs).week);
  }
}

function unitField(
  unit: string | undefined,
  date: Date,
  year: number,
  second: number,
  week: number,
): number | undefined {
  switch (unit) {
    case 'millennium':
      return year > 0 ? Math.ceil(year / 1000) : Math.floor((year - 1) / 1000);
    case 'century':
      return year > 0 ? Math.ceil(year / 100) : Math.floor((year - 1) / 100);
    case 'decade':
      return Math.floor(year / 10);
    case 'year':
      return year > 0 ? year : year - 1;
    case 'month':
      return date.getUTCMonth() + 1;
    case 'week':
      return week;
    case 'day':
      return date.getUTCDate();
    case 'hour':
      return date.getUTCHours();
    case 'minute':
      return date.getUTCMinutes();
    case 'second':
      return second;
    case 'millisecond':
      return second * 1000;
    case 'microsecond':
      return Math.round(second * 1e6);
    default:
      return undefined;
  }
}

/** Microseconds of an interval, with years of 365.25 days and months of 30. */
export function intervalEpochMicros({ months, days, milliseconds }: Interval): bigint {
  // A quarter of a day a year is a whole number of seconds.
  const seconds = Math.trunc(months / 12) * 31_557_600 + ((months % 12) * 30 + days) * 86_400;
  return BigInt(seconds) * 1_000_000n + BigInt(Math.round(milliseconds * 1000));
}

/** A field of an interval; undefined when there is no such field. */
export function intervalField(field: string, interval: Interval): number | undefined {
  const { months, days, milliseconds } = interval;
  if (field.toLowerCase() === 'epoch') {
    return ((Math.trunc(months / 12) * 365.25 + (months % 12) * 30 + days) * DAY_MS + milliseconds) / 1000;
  }
  const unit = field.toLowerCase() === 'quarter' ? 'quarter' : unitNamed(field);
  const step = TRUNCATED_YEARS[unit ?? ''];
  if (step !== undefined) return Math.trunc(months / 12 / step);
  switch (unit) {
    case 'quarter':
      return Math.trunc((months % 12) / 3) + 1;
    case 'month':
      return months % 12;
    case 'day':
      return days;
    case 'hour':
      return Math.trunc(milliseconds / 3_600_000);
    case 'minute':
      return Math.trunc((milliseconds % 3_600_000) / 60_000);
    case 'second':
      return (milliseconds % 60_000) / 1000;
    case 'millisecond':
      return milliseconds % 60_000;
    case 'microsecond':
      return (milliseconds % 60_000) * 1000;
    default:
      return undefined;
  }
}

const TRUNCATED_YEARS: Readonly<Record<string, number>> = { year: 1, decade: 10, century: 100, millennium: 1000 };
const TRUNCATED_MS: Readonly<Record<string, number>> = {
  day: DAY_MS,
  hour: 3_600_000,
  minute: 60_000,
  second: 1000,
  millisecond: 1,
  microsecond: 0.001,
};

/** date_trunc of an interval: towards 0, part by part; undefined when there is no such unit. Weeks are none: months are not whole ones. */
export function truncateInterval(field: string, { months, days, milliseconds }: Interval): Interval | undefined {
  const unit = field.toLowerCase() === 'quarter' ? 'quarter' : unitNamed(field);
  const years = TRUNCATED_YEARS[unit ?? ''];
  const monthsKept = years === undefined ? { quarter: 3, month: 1 }[unit ?? ''] : years * 12;
  if (monthsKept !== undefined) return new Interval(months - (months % monthsKept), 0, 0);
  const step = TRUNCATED_MS[unit ?? ''];
  if (step === undefined) return undefined;
  if (unit === 'day') return new Interval(months, days, 0);
  return new Interval(months, days, step < 1 ? milliseconds : Math.trunc(milliseconds / step) * step);
}

/** date_trunc: the beginning of the unit that the time lies in; undefined when there is no such unit. */
export function truncateTime(field: string, timeMs: number): number | undefined {
  const unit = field.toLowerCase() === 'quarter' ? 'quarter' : unitNamed(field);
  if (unit === undefined) return undefined;
  const step = TRUNCATED_MS[unit];
  if (step !== undefined) return step < 1 ? timeMs : Math.floor(timeMs / step) * step;
  const date = new Date(timeMs);
  const year = date.getUTCFullYear();
  if (unit === 'week') return dayOf(timeMs) - ((date.getUTCDay() + 6) % 7) * DAY_MS;
  if (unit === 'month') return midnight(year, date.getUTCMonth(), 1);
  if (unit === 'quarter') return midnight(year, Math.floor(date.getUTCMonth() / 3) * 3, 1);
  const years = TRUNCATED_YEARS[unit]!;
  // centuries begin with the year 1: 1901, 2001
  const origin = years > 10 ? 1 : 0;
  return midnight(Math.floor((year - origin) / years) * years + origin, 0, 1);
}
