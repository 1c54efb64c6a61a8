/** Functions of times, dates and intervals. The session's time zone is UTC. */
import { types as nodeTypes } from 'node:util';
import { Decimal } from '@ashlar/api';
import { dayOf, intervalEpochMicros, intervalField, timeField, truncateInterval, truncateTime } from '../datetime.ts';
import { outOfRange, refusedArgument } from '../failure.ts';
import { Interval } from '../interval.ts';
import type { SqlType } from '../types.ts';
import { nowOf, type RowValue } from '../values.ts';
import {
  type CallSite,
  type FunctionDefinition,
  floatArgument,
  NUMBERS,
  strict,
  TEXT,
  TIMES,
  textArgument,
  wrongArgument,
} from './definition.ts';

const TIMES_AND_INTERVALS: readonly SqlType[] = [...TIMES, 'interval'];
/** Fields that extract() gives with microseconds. */
const FRACTIONAL = new Set(['second', 'seconds', 'sec', 'epoch', 'millisecond', 'milliseconds', 'ms', 'msec']);

function fieldOf(args: readonly RowValue[], site: CallSite): number {
  const field = textArgument(args, 0, site);
  const value = args[1]!;
  const found = nodeTypes.isDate(value)
    ? timeField(field, value.getTime())
    : Interval.is(value)
      ? intervalField(field, value)
      : undefined;
  if (found !== undefined) return found;
  if (!nodeTypes.isDate(value) && !Interval.is(value)) throw wrongArgument(value, 1, site);
  throw refusedArgument('INVALID_ARGUMENT', `a time has no field ${JSON.stringify(field)}`, 0, site.at);
}

/** extract(): numeric, from whole microseconds, so that no digit is lost to a double. */
function extract(args: readonly RowValue[], site: CallSite): RowValue {
  const value = fieldOf(args, site);
  const field = textArgument(args, 0, site).toLowerCase();
  const time = args[1]!;
  if (!FRACTIONAL.has(field)) return Decimal.parse(String(value));
  if (field === 'epoch') {
    const isDate = site.types[1] === 'date';
    const micros = Interval.is(time) ? intervalEpochMicros(time) : BigInt((time as Date).getTime()) * 1000n;
    return isDate ? Decimal.of(micros / 1_000_000n, 0) : Decimal.of(micros, 6);
  }
  const micros = BigInt(Math.round(value * (field.startsWith('s') ? 1e6 : 1e3)));
  return Decimal.of(micros, field.startsWith('s') ? 6 : 3);
}

function dateTrunc(args: readonly RowValue[], site: CallSite): RowValue {
  const field = textArgument(args, 0, site);
  const value = args[1]!;
  const begin = nodeTypes.isDate(value)
    ? truncateTime(field, value.getTime())
    : Interval.is(value)
      ? truncateInterval(field, value)
      : undefined;
  if (begin !== undefined) return typeof begin === 'number' ? new Date(begin) : begin;
  if (!nodeTypes.isDate(value) && !Interval.is(value)) throw wrongArgument(value, 1, site);
  throw refusedArgument('INVALID_ARGUMENT', `no unit of time ${JSON.stringify(field)}`, 0, site.at);
}

function truncatedType([, type]: readonly SqlType[]): SqlType {
  return type === 'interval' ? 'interval' : 'timestamptz';
}

function toTimestamp(args: readonly RowValue[], site: CallSite): RowValue {
  const time = new Date(floatArgument(args, 0, site) * 1000);
  if (Number.isNaN(time.getTime())) throw outOfRange('timestamp', site.at);
  return time;
}

/** The statement's time; the same for all its rows. */
const now = strict('timestamptz', [], (_args, site) => new Date(nowOf(site.context)), { volatility: 'stable' });

export const TIME_FUNCTIONS: Readonly<Record<string, FunctionDefinition>> = {
  now,
  current_timestamp: now,
  localtimestamp: now,
  transaction_timestamp: now,
  statement_timestamp: now,
  current_date: strict('date', [], (_args, site) => new Date(dayOf(nowOf(site.context))), { volatility: 'stable' }),
  extract: strict('numeric', [TEXT, TIMES_AND_INTERVALS], extract),
  date_part: strict('float8', [TEXT, TIMES_AND_INTERVALS], fieldOf),
  date_trunc: strict(truncatedType, [TEXT, TIMES_AND_INTERVALS], dateTrunc),
  to_timestamp: strict('timestamptz', [NUMBERS], toTimestamp),
};
