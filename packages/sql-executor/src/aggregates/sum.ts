/**
 * sum and avg, exact where PostgreSQL is exact.
 *
 *   float8, and numbers of undeclared paths     `floats`: double sums
 *   int4, int8, numeric, bigints of documents   `integers`: whole numbers within 2^52, spilled to `exact`: bigint or Decimal
 *
 * sum S1  |integers[group]| <= 2^52, so every addition to it is exact; what would pass that goes to exact[group].
 * sum S2  The sum of a group is floats + integers + exact. With operands of static type int4, int8 or numeric `floats` is 0.
 *         A Decimal, and a bigint that no double holds, lose no digit to doubles among them: their sum is a Decimal.
 * sum S3  `exactCounts` counts what went to integers or exact; rows + skipped counts floats (accumulator A2). Where all
 *         values are exact by type, rows + skipped counts them instead, and kernels add to `integers`.
 * sum S4  Values of undeclared paths that are no numbers are left out, where odd rows are counted; avg divides by what it
 *         summed.
 */
import { Decimal } from '@ashlar/api';
import type { GridError } from '@ashlar/core';
import {
  type Aggregate,
  findingOf,
  Interval,
  kindNoun,
  type OddRows,
  plusExact,
  readsUndeclared,
  type SqlType,
  Tag,
  tagOf,
  type Vector,
} from '@ashlar/expressions';
import { ColumnBuilder } from '../column-builder.ts';
import { failure } from '../failures.ts';
import { type Accumulator, type GroupRows, grown } from './accumulator.ts';
import { numericAverage } from './average.ts';
import { countVector } from './count.ts';

/** Sums of whole numbers stay below this in a double; see sum S1. */
export const INTEGER_LIMIT = 2 ** 52;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);
const EXACT_BYTES = 64;

/** Intervals are summed by their parts. */
type Exact = bigint | Decimal | Interval;

/** Whether every value of a static type is summed exactly. */
export function isExactType(type: SqlType): boolean {
  return type === 'int4' || type === 'int8' || type === 'numeric' || type === 'interval';
}

function toDecimal(value: bigint | Decimal): Decimal {
  return typeof value === 'bigint' ? Decimal.of(value, 0) : value;
}

export class SumAccumulator implements Accumulator {
  readonly stateWidth = 4;
  floats = new Float64Array(16);
  integers = new Float64Array(16);
  skipped = new Float64Array(16);
  readonly isExact: boolean;
  #exactCounts = new Float64Array(16);
  /** By group; holes where nothing was spilled. */
  readonly #exact = new Map<number, Exact>();
  readonly #rows: GroupRows;
  readonly #aggregate: Aggregate;
  readonly #oddRows: OddRows | undefined;
  /** Findings by tag. */
  readonly #findings: string[] = [];

  constructor(aggregate: Aggregate, rows: GroupRows, oddRows: OddRows | undefined) {
    this.#aggregate = aggregate;
    this.#oddRows = oddRows;
    this.#rows = rows;
    this.isExact = isExactType(aggregate.operand!.type);
  }

  get bytes(): number {
    return this.floats.byteLength * 4 + this.#exact.size * EXACT_BYTES;
  }

  reserve(groups: number): void {
    if (groups <= this.floats.length) return;
    this.floats = grown(this.floats, groups);
    this.integers = grown(this.integers, groups);
    this.skipped = grown(this.skipped, groups);
    this.#exactCounts = grown(this.#exactCounts, groups);
  }

  skip(group: number): void {
    this.skipped[group]!--;
  }

  add(group: number, tag: number, number: number, value: unknown): void {
    switch (tag) {
      case Tag.MISSING:
      case Tag.NULL:
        this.skipped[group]!--;
        return;
      case Tag.NUMBER:
      case Tag.INT:
        if (this.isExact) this.#addWhole(group, number);
        else this.floats[group]! += number;
        return;
      case Tag.BIGINT:
        this.#countExact(group);
        this.#addBigint(group, value as bigint);
        return;
      case Tag.DECIMAL:
      case Tag.INTERVAL:
        this.#countExact(group);
        this.#spill(group, value as Decimal | Interval);
        return;
      default:
        this.#skipOdd(group, tag);
    }
  }

  /** sum S4: a value that is no number does not count. */
  #skipOdd(group: number, tag: number): void {
    const { operand } = this.#aggregate;
    if (this.#oddRows === undefined || !readsUndeclared(operand!)) throw this.#mismatch();
    this.skipped[group]!--;
    this.#findings[tag] ??= findingOf(operand!, kindNoun(tag));
    this.#oddRows.add(this.#aggregate, this.#findings[tag], 1);
  }

  state(from: number, to: number): Vector[] {
    const exact = new ColumnBuilder('any');
    for (let group = from; group < to; group++) appendExact(exact, this.#exactSum(group));
    return [
      countVector(this.#counts(from, to)),
      numberVector(this.floats, from, to),
      countVector(this.#exactCounts.slice(from, to)),
      exact.slice(0, to - from),
    ];
  }

  addState(group: number, columns: readonly Vector[], row: number): void {
    this.skipped[group]! += columns[0]!.numbers![row]!;
    this.floats[group]! += columns[1]!.numbers![row]!;
    this.#exactCounts[group]! += columns[2]!.numbers![row]!;
    const exact = columns[3]!;
    const tag = exact.uniform ?? exact.tags![row]!;
    if (tag === Tag.NULL) return;
    const value = exact.values![row] as Exact;
    if (typeof value === 'bigint') this.#addBigint(group, value);
    else this.#spill(group, value);
  }

  result(from: number, to: number): Vector {
    const builder = new ColumnBuilder(this.#aggregate.type);
    const counts = this.#counts(from, to);
    for (let group = from; group < to; group++) {
      const inLane = counts[group - from]!;
      const floatCount = this.isExact ? 0 : inLane;
      const exactCount = this.#exactCounts[group]! + (this.isExact ? inLane : 0);
      if (floatCount + exactCount === 0) builder.appendNulls(1);
      else if (this.#aggregate.name === 'avg') this.#appendAverage(builder, group, floatCount, exactCount);
      else this.#appendSum(builder, group, floatCount);
    }
    return builder.slice(0, to - from);
  }

  #appendSum(builder: ColumnBuilder, group: number, floatCount: number): void {
    const exact = this.#exactSum(group) ?? 0n;
    const { type, at } = this.#aggregate;
    if (Interval.is(exact)) {
      if (floatCount > 0) throw this.#mismatch();
      builder.appendValue(Tag.INTERVAL, 0, exact);
    } else if (type === 'float8' || (type !== 'numeric' && floatCount > 0)) {
      appendNumber(builder, this.#floatSum(group));
    } else if (type === 'numeric') {
      builder.appendValue(Tag.DECIMAL, 0, toDecimal(exact));
    } else if (typeof exact !== 'bigint') {
      builder.appendValue(Tag.DECIMAL, 0, exact);
    } else if (type !== 'int8' || (exact >= INT64_MIN && exact <= INT64_MAX)) {
      builder.appendValue(Tag.BIGINT, 0, exact);
    } else {
      throw failure(
        'NUMERIC_OVERFLOW',
        'bigint out of range',
        at,
        'cast the operand to bigint: sum(bigint) has no bounds',
      );
    }
  }

  #appendAverage(builder: ColumnBuilder, group: number, floatCount: number, exactCount: number): void {
    const { type } = this.#aggregate;
    const count = floatCount + exactCount;
    const exact = this.#exactSum(group) ?? 0n;
    if (Interval.is(exact)) {
      if (floatCount > 0) throw this.#mismatch();
      builder.appendValue(Tag.INTERVAL, 0, exact.dividedBy(count));
    } else if (type === 'float8' || (type !== 'numeric' && floatCount > 0)) {
      const sum = this.#floatSum(group);
      appendNumber(builder, typeof sum === 'number' ? sum / count : numericAverage(sum, count));
    } else {
      builder.appendValue(Tag.DECIMAL, 0, numericAverage(toDecimal(exact), count));
    }
  }

  #floatSum(group: number): number | Decimal {
    const exact = this.#exactSum(group);
    const double = this.floats[group]!;
    if (exact === undefined || Interval.is(exact)) return double;
    return this.#aggregate.type === 'float8' ? double + Number(exact.toString()) : plusExact(double, exact);
  }

  /** What the group's exact values sum to; undefined when there are none. */
  #exactSum(group: number): Exact | undefined {
    const spilled = this.#exact.get(group);
    const whole = this.integers[group]!;
    if (whole === 0) return spilled;
    return spilled === undefined ? BigInt(whole) : this.#plus(spilled, BigInt(whole));
  }

  #counts(from: number, to: number): Float64Array {
    const rows = this.#rows.counts;
    return Float64Array.from({ length: to - from }, (_, index) => rows[from + index]! + this.skipped[from + index]!);
  }

  #plus(a: Exact, b: Exact): Exact {
    if (Interval.is(a) || Interval.is(b)) {
      if (Interval.is(a) && Interval.is(b)) return a.plus(b);
      throw this.#mismatch();
    }
    return typeof a === 'bigint' && typeof b === 'bigint' ? a + b : toDecimal(a).plus(toDecimal(b));
  }

  #mismatch(): GridError {
    const { name, at } = this.#aggregate;
    const hint = 'select the numbers with WHERE or FILTER, or cast the column';
    return failure('TYPE_MISMATCH', `${name} of values that are not numbers of one kind`, at, hint);
  }

  #countExact(group: number): void {
    if (this.isExact) return;
    this.skipped[group]!--;
    this.#exactCounts[group]!++;
  }

  #addBigint(group: number, value: bigint): void {
    const number = Number(value);
    if (Number.isSafeInteger(number)) this.#addWhole(group, number);
    else this.#spill(group, value);
  }

  #addWhole(group: number, number: number): void {
    const sum = this.integers[group]! + number;
    if (sum > INTEGER_LIMIT || sum < -INTEGER_LIMIT) this.#spill(group, BigInt(number));
    else this.integers[group] = sum;
  }

  #spill(group: number, value: Exact): void {
    const held = this.#exact.get(group);
    this.#exact.set(group, held === undefined ? value : this.#plus(held, value));
  }
}

function appendNumber(builder: ColumnBuilder, value: number | Decimal): void {
  if (typeof value === 'number') builder.appendValue(Tag.NUMBER, value, undefined);
  else builder.appendValue(Tag.DECIMAL, 0, value);
}

function appendExact(builder: ColumnBuilder, value: Exact | undefined): void {
  if (value === undefined) builder.appendNulls(1);
  else builder.appendValue(tagOf(value), 0, value);
}

function numberVector(lane: Float64Array, from: number, to: number): Vector {
  const builder = new ColumnBuilder('float8');
  for (let group = from; group < to; group++) builder.appendValue(Tag.NUMBER, lane[group]!, undefined);
  return builder.slice(0, to - from);
}
