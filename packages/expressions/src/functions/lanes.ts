/**
 * Functions that kernels apply to the number lane without making values: rounding, roots, time buckets.
 *
 * Each gives NaN where it has no result or may fail; the row then goes to the interpreter, which knows.
 */

import { INT4_MAX } from '../arithmetic.ts';
import { roundToEven } from '../cast.ts';
import { timeField, truncateTime } from '../datetime.ts';
import { Tag } from '../types.ts';

export interface LaneFunction {
  /** The tag of the results. */
  readonly tag: Tag;
  /** Made for the value of the constant argument in front, where the function has one. */
  readonly make: (constant: unknown) => (value: number) => number;
}

function ofFloat(apply: (value: number) => number): LaneFunction {
  return { tag: Tag.NUMBER, make: () => apply };
}

/** Functions of one number. */
const OF_NUMBERS: Readonly<Record<string, LaneFunction>> = {
  abs: ofFloat(Math.abs),
  floor: ofFloat(Math.floor),
  ceil: ofFloat(Math.ceil),
  ceiling: ofFloat(Math.ceil),
  trunc: ofFloat(Math.trunc),
  round: ofFloat(roundToEven),
  sqrt: ofFloat(Math.sqrt),
};

const ABS_OF_INT: LaneFunction = {
  tag: Tag.INT,
  make: () => (value) => (Math.abs(value) > INT4_MAX ? Number.NaN : Math.abs(value)),
};

/** Functions of a constant field and a time. */
const OF_TIMES: Readonly<Record<string, LaneFunction>> = {
  date_trunc: {
    tag: Tag.TIMESTAMP,
    make: (field) => (value) => truncateTime(String(field), value) ?? Number.NaN,
  },
  date_part: { tag: Tag.NUMBER, make: (field) => (value) => timeField(String(field), value) ?? Number.NaN },
};

/**
 * @param argument       the tag of the last argument
 * @param argumentCount  two when a constant stands in front of it
 */
export function laneFunction(name: string, argument: Tag, argumentCount: number): LaneFunction | undefined {
  const isTime = argument === Tag.TIMESTAMP || argument === Tag.DATE;
  if (isTime) return argumentCount === 2 && Object.hasOwn(OF_TIMES, name) ? OF_TIMES[name] : undefined;
  if (argumentCount !== 1 || (argument !== Tag.NUMBER && argument !== Tag.INT)) return undefined;
  if (name === 'abs' && argument === Tag.INT) return ABS_OF_INT;
  return Object.hasOwn(OF_NUMBERS, name) ? OF_NUMBERS[name] : undefined;
}
