/** A vector by slot number, made in scratch memory: from elements and keys, alone or over a copy of a region's lanes. */
import type { ColumnType, Key, ValueReader } from '@ashlar/serialization';
import { ValueTag } from '@ashlar/serialization';
import { elementValue, TAG_OF } from './element-readers.ts';
import { type RegionView, uniformOf } from './region-view.ts';
import type { Scratch } from './scratch.ts';
import type { ColumnVector } from './types.ts';

export class VectorWriter {
  readonly #scratch: Scratch;
  readonly #length: number;
  readonly #tags: Uint8Array;
  #tagMask = 0;
  #numbers: Float64Array | undefined;
  #values: unknown[] | undefined;
  #codes: Uint16Array | undefined;
  #dictionary: string[] | undefined;
  /** Code by text; made when the first text is added to a region's dictionary. */
  #codeOf: Map<string, number> | undefined;

  /** @param length  slots [0, length) can be set; those that are not hold anything */
  constructor(scratch: Scratch, length: number) {
    this.#scratch = scratch;
    this.#length = length;
    // rows that are never set must not look like another type to a kernel
    this.#tags = scratch.tags().fill(ValueTag.MISSING, 0, length);
  }

  /** Begins with the lanes of a region; elements that it keeps by offset are set one by one. */
  copyLanes(region: RegionView): void {
    const covered = Math.min(region.covered, this.#length);
    this.#tagMask = region.tagMask;
    if (region.tags === undefined) this.#tags.fill(region.uniform ?? ValueTag.NULL, 0, covered);
    else this.#tags.set(region.tags.subarray(0, covered));
    if (region.numbers !== undefined) this.#numberLane().set(region.numbers.subarray(0, covered));
    if (region.codes === undefined) return;
    this.#codes = this.#scratch.codes();
    this.#codes.set(region.codes.subarray(0, covered));
    this.#dictionary = [...region.dictionary!];
  }

  setElement(slot: number, reader: ValueReader): void {
    const tag = TAG_OF[reader.type]! as ValueTag;
    this.#setTag(slot, tag);
    if (tag <= ValueTag.NULL) return;
    if (tag === ValueTag.NUMBER || tag === ValueTag.BOOLEAN || tag === ValueTag.TIMESTAMP) {
      this.#numberLane()[slot] = reader.number;
    } else if (tag === ValueTag.TEXT) this.#setText(slot, reader.text());
    else this.#valueLane()[slot] = elementValue(reader);
  }

  setKey(slot: number, key: Key): void {
    if (typeof key === 'number') this.setNumber(slot, key);
    else if (typeof key === 'string') {
      this.#setTag(slot, ValueTag.TEXT);
      this.#setText(slot, key);
    } else {
      const isBigint = typeof key === 'bigint';
      this.setValue(slot, isBigint ? ValueTag.BIGINT : Array.isArray(key) ? ValueTag.JSON : ValueTag.BYTES, key);
    }
  }

  setNumber(slot: number, value: number): void {
    this.#setTag(slot, ValueTag.NUMBER);
    this.#numberLane()[slot] = value;
  }

  /** @param ms  milliseconds since 1970; undefined: NULL */
  setTime(slot: number, ms: number | undefined): void {
    this.#setTag(slot, ms === undefined ? ValueTag.NULL : ValueTag.TIMESTAMP);
    if (ms !== undefined) this.#numberLane()[slot] = ms;
  }

  /** A value that the number lane does not hold. */
  setValue(slot: number, tag: ValueTag, value: unknown): void {
    this.#setTag(slot, tag);
    this.#valueLane()[slot] = value;
  }

  finish(type: ColumnType): ColumnVector {
    const uniform = uniformOf(this.#tagMask);
    return {
      type,
      length: this.#length,
      uniform,
      tags: uniform === undefined ? this.#tags.subarray(0, this.#length) : undefined,
      numbers: this.#numbers,
      values: this.#values,
      codes: this.#codes,
      dictionary: this.#dictionary,
    };
  }

  #setTag(slot: number, tag: ValueTag): void {
    this.#tags[slot] = tag;
    this.#tagMask |= 1 << tag;
  }

  #numberLane(): Float64Array {
    this.#numbers ??= this.#scratch.numbers();
    return this.#numbers;
  }

  #valueLane(): unknown[] {
    this.#values ??= new Array<unknown>(this.#length);
    return this.#values;
  }

  #setText(slot: number, text: string): void {
    if (this.#codes === undefined) {
      this.#valueLane()[slot] = text;
      return;
    }
    const dictionary = this.#dictionary!;
    this.#codeOf ??= new Map(dictionary.map((known, code) => [known, code]));
    let code = this.#codeOf.get(text);
    if (code === undefined) {
      code = dictionary.push(text) - 1;
      this.#codeOf.set(text, code);
    }
    this.#codes[slot] = code;
  }
}
