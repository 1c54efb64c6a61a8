/**
 * min and max.
 *
 * extreme M1  `fastTags[group]` is the tag of the group's number when a kernel may compare against `numbers[group]` by `<`
 *             alone: a value of the number lane that is not NaN. Else 0 (none yet) or OTHER, and add() decides.
 */
import {
  type Aggregate,
  compareAcrossKinds,
  compareValues,
  type OddRows,
  type RowValue,
  Tag,
  tagOf,
  type Vector,
} from '@ashlar/expressions';
import { aggregateText } from '@ashlar/sql-plan';
import { ColumnBuilder, valueBytes, valueIn } from '../column-builder.ts';
import { kindOfTag, noteMixedOrder } from '../kinds.ts';
import { type Accumulator, grown } from './accumulator.ts';

const OTHER = 255;

export class ExtremeAccumulator implements Accumulator {
  readonly stateWidth = 1;
  fastTags = new Uint8Array(16);
  numbers = new Float64Array(16);
  #tags = new Uint8Array(16);
  readonly #values = new Map<number, unknown>();
  #valueBytes = 0;
  readonly #aggregate: Aggregate;
  /** Counts where kinds mix, which then are ordered too; undefined: comparing them is TYPE_MISMATCH. */
  readonly #oddRows: OddRows | undefined;
  #isTold = false;
  /** 1 for min, -1 for max: a candidate wins when compare * sign < 0. */
  readonly #sign: number;

  constructor(aggregate: Aggregate, oddRows: OddRows | undefined) {
    this.#aggregate = aggregate;
    this.#oddRows = oddRows;
    this.#sign = aggregate.name === 'min' ? 1 : -1;
  }

  get bytes(): number {
    return this.numbers.byteLength + this.#tags.byteLength * 2 + this.#valueBytes;
  }

  reserve(groups: number): void {
    if (groups <= this.numbers.length) return;
    this.fastTags = grown(this.fastTags, groups);
    this.numbers = grown(this.numbers, groups);
    this.#tags = grown(this.#tags, groups);
  }

  skip(): void {
    // A row that does not count changes no extreme.
  }

  add(group: number, tag: number, number: number, value: unknown): void {
    if (tag <= Tag.NULL) return;
    if (this.#tags[group] === Tag.MISSING || this.#beats(group, tag, number, value))
      this.#set(group, tag, number, value);
  }

  state(from: number, to: number): Vector[] {
    return [this.#vector('any', from, to)];
  }

  addState(group: number, columns: readonly Vector[], row: number): void {
    const column = columns[0]!;
    const tag = column.uniform ?? column.tags![row]!;
    if (tag <= Tag.NULL) return;
    if (tag >= Tag.BIGINT) this.add(group, tag, 0, valueIn(column, row, tag));
    else this.add(group, tag, column.numbers![row]!, undefined);
  }

  result(from: number, to: number): Vector {
    return this.#vector(this.#aggregate.type, from, to);
  }

  #vector(type: Aggregate['type'], from: number, to: number): Vector {
    const builder = new ColumnBuilder(type);
    for (let group = from; group < to; group++) {
      const tag = this.#tags[group]!;
      if (tag === Tag.MISSING) builder.appendNulls(1);
      else builder.appendValue(tag, this.numbers[group]!, this.#values.get(group));
    }
    return builder.slice(0, to - from);
  }

  #beats(group: number, tag: number, number: number, value: unknown): boolean {
    const held = this.#tags[group]!;
    if (tag === held && tag < Tag.BIGINT) return compareNumbers(number, this.numbers[group]!) * this.#sign < 0;
    const candidate = rowValue(tag, number, value);
    const order = this.#order(candidate, rowValue(held, this.numbers[group]!, this.#values.get(group)));
    // Among equal numbers the plainest wins, in whatever order they come: a number before a bigint before a decimal.
    return order === 0 ? tag < held : order * this.#sign < 0;
  }

  #order(a: RowValue, b: RowValue): number {
    const oddRows = this.#oddRows;
    if (oddRows === undefined || kindOfTag(tagOf(a)) === kindOfTag(tagOf(b))) return compareValues(a, b);
    if (!this.#isTold) noteMixedOrder(oddRows, this.#aggregate, aggregateText(this.#aggregate));
    this.#isTold = true;
    return compareAcrossKinds(a, b);
  }

  #set(group: number, tag: number, number: number, value: unknown): void {
    this.#tags[group] = tag;
    const isFast = tag < Tag.BIGINT && !Number.isNaN(number);
    this.fastTags[group] = isFast ? tag : OTHER;
    this.numbers[group] = number;
    if (tag < Tag.BIGINT) {
      if (this.#values.size > 0) this.#values.delete(group);
      return;
    }
    if (!this.#values.has(group)) this.#valueBytes += valueBytes(value);
    this.#values.set(group, value);
  }
}

/** As SQL orders doubles: NaN is above all others and equal to itself. */
function compareNumbers(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  return Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : -1;
}

function rowValue(tag: number, number: number, value: unknown): RowValue {
  switch (tag) {
    case Tag.BOOLEAN:
      return number !== 0;
    case Tag.NUMBER:
    case Tag.INT:
      return number;
    case Tag.TIMESTAMP:
    case Tag.DATE:
      return new Date(number);
    default:
      return value as RowValue;
  }
}
