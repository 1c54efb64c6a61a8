/**
 * Events as parallel columns: element i of each column belongs to event i. Records are copied out of the arena here, once, into
 * memory that is used again: whoever takes them copies (take), or is done with them in the call (drain).
 *
 * event-columns C1  An event is whole when it is closed, and only closed ones are taken; at most `capacity` of them.
 * event-columns C2  Ends never fall: an event's bytes lie from the end of the one before to its own.
 */
import { assert, type EventTypeNumber } from '@ashlar/core';
import { ByteColumn, type EventColumns } from '@ashlar/serialization';

export class EventColumnsWriter {
  readonly #capacity: number;
  readonly #types: Uint8Array;
  readonly #partitions: Uint32Array;
  readonly #sequences: Float64Array;
  readonly #versions: Float64Array;
  readonly #keyEnds: Uint32Array;
  readonly #valueEnds: Uint32Array;
  readonly #oldValueEnds: Uint32Array;
  readonly #keys = new ByteColumn();
  readonly #values = new ByteColumn();
  readonly #oldValues = new ByteColumn();
  #count = 0;
  #isOpen = false;

  /** @param capacity  the most events a batch may have */
  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#types = new Uint8Array(capacity);
    this.#partitions = new Uint32Array(capacity);
    this.#sequences = new Float64Array(capacity);
    this.#versions = new Float64Array(capacity);
    this.#keyEnds = new Uint32Array(capacity);
    this.#valueEnds = new Uint32Array(capacity);
    this.#oldValueEnds = new Uint32Array(capacity);
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.#capacity;
  }

  get bytes(): number {
    return this.#keys.length + this.#values.length + this.#oldValues.length + this.#count * 29;
  }

  /** Begins an event; key, value and old value follow by appendKey, appendValue, appendOldValue, then close. */
  open(type: EventTypeNumber, partition: number, sequence: number, version: number): void {
    assert(
      !this.#isOpen && this.#count < this.#capacity,
      'event-columns C1: there is no room, or an event is not closed',
    );
    this.#isOpen = true;
    const at = this.#count;
    this.#types[at] = type;
    this.#partitions[at] = partition;
    this.#sequences[at] = sequence;
    this.#versions[at] = version;
  }

  appendKey(source: Uint8Array, start: number, end: number): void {
    this.#keys.append(source, start, end);
  }

  appendValue(source: Uint8Array, start: number, end: number): void {
    this.#values.append(source, start, end);
  }

  appendOldValue(source: Uint8Array, start: number, end: number): void {
    this.#oldValues.append(source, start, end);
  }

  close(): void {
    assert(this.#isOpen, 'event-columns C1: nothing is open that could be closed');
    this.#isOpen = false;
    const at = this.#count++;
    this.#keyEnds[at] = this.#keys.length;
    this.#valueEnds[at] = this.#values.length;
    this.#oldValueEnds[at] = this.#oldValues.length;
  }

  /**
   * Hands the events so far to `use`, as they lie here: arrays longer than their count, good during the call. The writer is
   * empty then.
   */
  drain<T>(use: (events: EventColumns) => T): T {
    assert(!this.#isOpen, 'event-columns C1: an event is taken that is not whole');
    try {
      return use({
        count: this.#count,
        types: this.#types,
        partitions: this.#partitions,
        sequences: this.#sequences,
        versions: this.#versions,
        keyEnds: this.#keyEnds,
        keys: this.#keys.bytes,
        valueEnds: this.#valueEnds,
        values: this.#values.bytes,
        oldValueEnds: this.#oldValueEnds,
        oldValues: this.#oldValues.bytes,
      });
    } finally {
      this.#count = 0;
      for (const bytes of [this.#keys, this.#values, this.#oldValues]) bytes.clear();
    }
  }

  /** The events so far, as arrays of their own; the writer is empty again. */
  take(): EventColumns {
    assert(!this.#isOpen, 'event-columns C1: an event is taken that is not whole');
    const count = this.#count;
    const columns: EventColumns = {
      count,
      types: this.#types.slice(0, count),
      partitions: this.#partitions.slice(0, count),
      sequences: this.#sequences.slice(0, count),
      versions: this.#versions.slice(0, count),
      keyEnds: this.#keyEnds.slice(0, count),
      keys: this.#keys.take(),
      valueEnds: this.#valueEnds.slice(0, count),
      values: this.#values.take(),
      oldValueEnds: this.#oldValueEnds.slice(0, count),
      oldValues: this.#oldValues.take(),
    };
    this.#count = 0;
    return columns;
  }
}
