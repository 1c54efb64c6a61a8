/**
 * The fields of an operation's record: one object for all records of a store, filled by whoever stages and written by the
 * log at once. No object a record, and no list of a dozen arguments in a row.
 *
 * record-draft F1  begin() sets every field, so nothing of the record before is repeated.
 * record-draft F2  Between begin() and the log's append() nothing is reserved, looked up or staged that could begin another.
 */
import { PENDING_BASE } from '../layout.ts';
import type { Ref } from '../memory/arena.ts';
import { RecordCause, RecordKind } from './log-record.ts';

export class RecordDraft {
  kind: RecordKind = RecordKind.put;
  mapId = 0;
  /** The pending lane of the batch; of another member's record its version. */
  lane = PENDING_BASE;
  /** Epoch in which the record was written. */
  epoch = 0;
  cause: RecordCause = RecordCause.request;
  /** 0: none, as `value` and `oldValue`. */
  entry: Ref = 0;
  value: Ref = 0;
  /** Deadline of the value in version units; 0: none. */
  expiresAt = 0;
  /** The value that is replaced or removed, and its version. */
  oldValue: Ref = 0;
  oldVersion = 0;

  /** A new record, without values so far. */
  begin(kind: RecordKind, mapId: number, lane: number, epoch: number, cause: RecordCause, entry: Ref): this {
    this.kind = kind;
    this.mapId = mapId;
    this.lane = lane;
    this.epoch = epoch;
    this.cause = cause;
    this.entry = entry;
    this.value = 0;
    this.expiresAt = 0;
    this.oldValue = 0;
    this.oldVersion = 0;
    return this;
  }

  /** What is stored. */
  stores(value: Ref, expiresAt: number): this {
    this.value = value;
    this.expiresAt = expiresAt;
    return this;
  }

  /** What was there before. */
  replaces(oldValue: Ref, oldVersion: number): this {
    this.oldValue = oldValue;
    this.oldVersion = oldVersion;
    return this;
  }
}
