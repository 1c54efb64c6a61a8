/** What goes into and comes out of a batch of entry processor calls. */
import type { GridError } from '@ashlar/core';

/**
 * Calls of one processor on some entries. Calls on one entry chain: a later one sees what an earlier one left.
 * Columns are aligned: entry e is keys[e], values[e], ttlMs[e]; call c is entryOf[c], args[c], nowMs[c], seeds[c].
 */
export interface ProcessorBatch {
  /** The module's name or hash in the registry. */
  readonly module: string;
  readonly exportName: string;
  /** Canonical key bytes. */
  readonly keys: readonly Uint8Array[];
  /** MessagePack bytes; undefined: there is no entry. */
  readonly values: readonly (Uint8Array | undefined)[];
  /** Milliseconds until the entry expires; NaN: it does not. */
  readonly ttlMs: ArrayLike<number>;
  /** entryOf[c] is the index of the entry that call c works on. */
  readonly entryOf: ArrayLike<number>;
  /** MessagePack bytes; undefined: called without arguments. */
  readonly args: readonly (Uint8Array | undefined)[];
  /** entry.now: milliseconds since 1970, the same when the call is repeated. */
  readonly nowMs: ArrayLike<number>;
  /** Seeds of entry.random(), the same when the call is repeated; 32-bit integers. */
  readonly seeds: ArrayLike<number>;
}

/** What became of an entry after all calls on it. */
export interface EntryOutcome {
  readonly action: 'keep' | 'set' | 'remove';
  /** MessagePack bytes, of 'set'. A view of memory that release() gives away. */
  readonly value: Uint8Array | undefined;
  /** New time to live from now in milliseconds (Infinity: none any more); undefined: the deadline stays as it is. */
  readonly ttlMs: number | undefined;
  /** It was removed on the way: what is 'set' is a new entry, and the deadline of the old one does not count. */
  readonly isRenewed: boolean;
}

/** What came out of a batch: complete, whatever was killed on the way. */
export interface ProcessorOutcomes {
  readonly callCount: number;
  /** Why the call failed; then it changed nothing. */
  error(call: number): GridError | undefined;
  /** MessagePack bytes of the result, the caller's own; undefined: the call failed or returned undefined. */
  result(call: number): Uint8Array | undefined;
  entry(entry: number): EntryOutcome;
  /** The values are copied or dropped: their memory may be used again. */
  release(): void;
}
