/**
 * What a slow subscriber has not received yet, one change a key: from the state that it knows to the newest one.
 *
 *   record -> (first of its key) kept | merged with what is kept -> moved behind all others -> columns, when it is read
 *
 * conflation K1  A change has the old value from before the first of its records and the newest value: so the old value of each
 *                event is what the event before left, also where many were merged. An entry that came and went leaves no
 *                change.
 * conflation K2  Within a partition changes are given in the order of their newest record: everything up to an event's
 *                sequence is delivered with it, so its token resumes without a gap.
 * conflation K3  At most `BYTES_MAX` bytes are kept, some 40,000 changes of small entries, and of all subscriptions of a
 *                member `bytesMax` of its budget; beyond, nothing more is taken and the subscriber lags in the log.
 */
import { assert, EVENT_TYPE, type EventTypeNumber } from '@ashlar/core';
import type { LogRecordView } from '@ashlar/storage';
import type { EventColumnsWriter } from './event-columns.ts';

const BYTES_MAX = 8 << 20;
/** Bytes that a change takes on the heap, besides its own. */
const CHANGE_BYTES = 200;

/** Bytes that all conflating subscriptions of a member hold together. */
export interface ConflationBudget {
  bytes: number;
  readonly bytesMax: number;
}

interface Change {
  readonly type: EventTypeNumber;
  readonly partition: number;
  readonly sequence: number;
  readonly version: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
  readonly oldValue: Uint8Array | undefined;
}

export class Conflation {
  readonly #budget: ConflationBudget;
  /** In the order of their newest records. */
  readonly #changes = new Map<string, Change>();
  #bytes = 0;

  constructor(budget: ConflationBudget) {
    this.#budget = budget;
  }

  get size(): number {
    return this.#changes.size;
  }

  get isFull(): boolean {
    const { bytes, bytesMax } = this.#budget;
    return this.#bytes >= BYTES_MAX || bytes >= bytesMax;
  }

  add(type: EventTypeNumber, partition: number, record: LogRecordView): void {
    record.positionKey();
    const key = record.bytes.slice(record.start, record.stop);
    const name = Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
    const known = this.#changes.get(name);
    if (known !== undefined) {
      const isLater = known.partition === partition && known.sequence < record.sequence;
      assert(isLater, 'conflation K2: an older record of a key comes behind a newer one');
      this.#drop(name, known);
    }
    const value = newValueOf(record);
    const oldValue = known === undefined ? oldValueOf(record) : known.oldValue;
    const merged = known === undefined ? type : mergedType(type, value !== undefined, oldValue !== undefined);
    if (merged === undefined) return;
    const { sequence, version } = record;
    const change: Change = { type: merged, partition, sequence, version, key, value, oldValue };
    this.#changes.set(name, change);
    this.#count(change, 1);
  }

  /** Moves the oldest changes to `writer`, until it has `bytesMax` bytes or is full. */
  moveTo(writer: EventColumnsWriter, bytesMax: number): void {
    for (const [name, change] of this.#changes) {
      if (writer.isFull || writer.bytes >= bytesMax) return;
      const { type, partition, sequence, version, key, value, oldValue } = change;
      writer.open(type, partition, sequence, version);
      writer.appendKey(key, 0, key.length);
      if (value !== undefined) writer.appendValue(value, 0, value.length);
      if (oldValue !== undefined) writer.appendOldValue(oldValue, 0, oldValue.length);
      writer.close();
      this.#drop(name, change);
    }
  }

  clear(): void {
    for (const [name, change] of this.#changes) this.#drop(name, change);
    assert(this.#bytes === 0, 'conflation K3: nothing is kept, and bytes are counted');
  }

  #drop(name: string, change: Change): void {
    this.#changes.delete(name);
    this.#count(change, -1);
  }

  #count({ key, value, oldValue }: Change, sign: 1 | -1): void {
    const bytes = sign * (CHANGE_BYTES + 2 * key.length + (value?.length ?? 0) + (oldValue?.length ?? 0));
    this.#bytes += bytes;
    this.#budget.bytes += bytes;
  }
}

/** A value's bytes outside of the arena; undefined: the record has none. */
function newValueOf(record: LogRecordView): Uint8Array | undefined {
  if (!record.hasValue) return undefined;
  record.positionValue();
  return record.bytes.slice(record.start, record.stop);
}

function oldValueOf(record: LogRecordView): Uint8Array | undefined {
  if (!record.hasOldValue) return undefined;
  record.positionOldValue();
  return record.bytes.slice(record.start, record.stop);
}

/** The type of a merged change, by whether the entry was there before the first record; undefined: no change. */
function mergedType(newest: EventTypeNumber, isThere: boolean, wasThere: boolean): EventTypeNumber | undefined {
  if (!isThere) return wasThere ? newest : undefined;
  const isLoad = newest === EVENT_TYPE.load || newest === EVENT_TYPE.reload;
  if (isLoad) return wasThere ? EVENT_TYPE.reload : EVENT_TYPE.load;
  return wasThere ? EVENT_TYPE.update : EVENT_TYPE.insert;
}
