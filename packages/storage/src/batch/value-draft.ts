/**
 * A value on its way into the store: one object for all puts of a store, filled by WriteBatch.value() and lent to put()
 * until that returns.
 *
 *   batch.put(map, partition, key, start, end, batch.value(bytes, from, to, expiresAt))
 */
import { assert } from '@ashlar/core';
import { assertRange } from '../edge-asserts.ts';
import { RecordCause } from '../log/log-record.ts';
import type { Ref } from '../memory/arena.ts';
import type { FoundEntry } from '../slots/found-entry.ts';

const NO_BYTES = new Uint8Array(0);

export class ValueDraft {
  /** MessagePack bytes[start, end). */
  bytes: Uint8Array = NO_BYTES;
  start = 0;
  end = 0;
  /** Deadline in version units; 0: the map's default; NO_DEADLINE: none. */
  expiresAt = 0;
  /** The cause of the put, for its record. */
  cause: RecordCause = RecordCause.request;
  /** While it is put: the block that holds it, and its deadline with the map's default in it; 0: none. */
  ref: Ref = 0;
  deadline = 0;
  /** The look that found its key, if that was the last one; see putBack(). */
  found: FoundEntry | undefined;

  /** @param bytes  copied by put(): they may change afterwards */
  fill(bytes: Uint8Array, start: number, end: number, expiresAt: number, cause: RecordCause): this {
    assertRange(bytes, start, end);
    assert(expiresAt >= 0, 'a deadline is a moment of the clock');
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.expiresAt = expiresAt;
    this.cause = cause;
    this.found = undefined;
    return this;
  }

  /** It goes to the very key that was found last, nothing having been looked up since: the key need not be looked up again. */
  putBack(found: FoundEntry): this {
    this.found = found;
    return this;
  }

  get length(): number {
    return this.end - this.start;
  }

  /** It lies in the arena, or was refused: the bytes are the caller's again. */
  letGo(): void {
    this.bytes = NO_BYTES;
  }
}
