/**
 * The rows of one column chunk on their way from values into a region: lanes in the worker's own memory, used again for
 * every chunk.
 */
import { decodeKey, type Path, type ValueReader, ValueTag, ValueType } from '@ashlar/serialization';
import { CHUNK_SLOTS_MAX } from '../layout.ts';
import type { SlotChunkView } from '../slots/slot-chunk.ts';
import { type ElementReaders, TAG_OF } from './element-readers.ts';
import { TextDictionary } from './text-dictionary.ts';
import type { SlotSelection } from './types.ts';

export class RowBuffer {
  readonly tags = new Uint8Array(CHUNK_SLOTS_MAX);
  readonly numbers = new Float64Array(CHUNK_SLOTS_MAX);
  readonly bigints = new BigInt64Array(CHUNK_SLOTS_MAX);
  readonly offsets = new Uint32Array(CHUNK_SLOTS_MAX);
  readonly codes = new Uint16Array(CHUNK_SLOTS_MAX);
  readonly dictionary = new TextDictionary();
  /** Slots [0, covered) are described; those that were not visible have tag MISSING. */
  covered = 0;
  filled = 0;
  nulls = 0;
  tagMask = 0;
  /** A bigint beyond 64 bits is among them: the bigint lane does not hold it. */
  hasWideBigint = false;
  min = Infinity;
  max = -Infinity;
  hasNaN = false;

  /** Reads the element at `path` of every slot of the selection (of [0, count) when it is undefined). */
  readPath(chunk: SlotChunkView, readers: ElementReaders, path: Path, selection: SlotSelection, count: number): void {
    this.#begin(selection === undefined ? count : count === 0 ? 0 : selection[count - 1]! + 1, count);
    const { tags, offsets } = this;
    let mask = 0;
    for (let index = 0; index < count; index++) {
      const slot = selection === undefined ? index : selection[index]!;
      const reader = readers.find(chunk, slot, path);
      const tag = TAG_OF[reader.type]!;
      tags[slot] = tag;
      mask |= 1 << tag;
      if (tag === ValueTag.NUMBER) this.#number(slot, reader.number);
      else if (tag === ValueTag.TEXT) {
        offsets[slot] = reader.at - chunk.start;
        this.codes[slot] = this.dictionary.codeOf(reader.bytes, reader.stringStart, reader.stringEnd);
      } else this.#other(chunk, slot, tag, reader);
    }
    this.tagMask = mask;
  }

  /**
   * Reads the keys of the slots.
   *
   * @returns false when one is no number: such keys are read from the entries as fast as from a region
   */
  readKeys(chunk: SlotChunkView, selection: SlotSelection, count: number): boolean {
    this.#begin(selection === undefined ? count : count === 0 ? 0 : selection[count - 1]! + 1, count);
    for (let index = 0; index < count; index++) {
      const slot = selection === undefined ? index : selection[index]!;
      chunk.positionKey(slot);
      const key = decodeKey(chunk.bytes, chunk.start, chunk.stop);
      if (typeof key !== 'number') return false;
      this.tags[slot] = ValueTag.NUMBER;
      this.#number(slot, key);
    }
    this.tagMask = count === 0 ? 0 : 1 << ValueTag.NUMBER;
    return true;
  }

  #begin(covered: number, filled: number): void {
    this.covered = covered;
    this.filled = filled;
    this.nulls = 0;
    this.hasWideBigint = false;
    this.min = Infinity;
    this.max = -Infinity;
    this.hasNaN = false;
    this.dictionary.reset();
    if (filled < covered) this.tags.fill(ValueTag.MISSING, 0, covered);
  }

  #number(slot: number, value: number): void {
    this.numbers[slot] = value;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    if (Number.isNaN(value)) this.hasNaN = true;
  }

  #other(chunk: SlotChunkView, slot: number, tag: number, reader: ValueReader): void {
    if (tag <= ValueTag.NULL) {
      this.nulls += 1;
      this.codes[slot] = 0;
    } else if (tag === ValueTag.BOOLEAN || tag === ValueTag.TIMESTAMP) {
      this.#number(slot, reader.number);
    } else {
      this.offsets[slot] = reader.at - chunk.start;
      if (reader.type === ValueType.BIGINT) this.bigints[slot] = reader.bigint;
      else if (reader.type === ValueType.WIDE_BIGINT) this.hasWideBigint = true;
    }
  }
}
