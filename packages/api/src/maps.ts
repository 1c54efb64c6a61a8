/** Maps as applications see them: definitions, verbs, entries, events. */
import type { EventType, GridError, TimeToLive } from '@ashlar/core';
import type { Call, JsonPath } from './calls.ts';
import type { ArgumentsOf, ProcessorOn, ResultOf } from './processors.ts';

/** Keys: integral numbers and bigints of equal value are one key; -0 is 0; NaN is refused; arrays are composite keys. */
export type GridKey = string | number | bigint | Uint8Array | readonly (string | number | bigint | Uint8Array)[];

export interface MapOptions {
  /** Elements of an array key that choose the partition: entries that share them live together. Default: all. Fixed at creation. */
  readonly affinityParts?: number;
  /**
   * Time to live of an entry in milliseconds, from the last write that takes the default: `put`, `putAll`, `putIfAbsent`
   * and `getAndPut` do unless a call says otherwise, `replace`, processors and UPDATE keep the deadline that the entry has.
   * Default: none.
   */
  readonly ttlMs?: number;
  /** An entry not read or written for so long expires, in milliseconds, whatever its time to live says. Default: none. */
  readonly maxIdleMs?: number;
}

/** A map's name with the types of its keys and values. Nothing exists until the first put. */
export interface MapDefinition<K extends GridKey = GridKey, V = unknown> {
  readonly name: string;
  readonly options: MapOptions;
  /** Carries the types; never present at run time. */
  readonly '~types'?: readonly [K, V] | undefined; // with undefined: applications may compile with exactOptionalPropertyTypes
}

/** The definition of a map whose keys and values have no declared types. */
export interface UntypedDefinition extends MapDefinition {
  readonly '~types'?: undefined;
}

/**
 * Names a map and its types.
 *
 * @example const Accounts = defineMap<string, { brand: string; balance: number }>('accounts');
 */
export function defineMap(name: string, options?: MapOptions): UntypedDefinition;
export function defineMap<K extends GridKey, V>(name: string, options?: MapOptions): MapDefinition<K, V>;
export function defineMap(name: string, options: MapOptions = {}): UntypedDefinition {
  return Object.freeze({ name, options: Object.freeze({ ...options }) });
}

export interface Entry<K, V> {
  readonly key: K;
  readonly value: V;
  /** Microseconds since 1970 (hybrid clock): grows with every write of the entry. */
  readonly version: number;
  /** Milliseconds since 1970, or undefined when the entry does not expire. */
  readonly expiresAtMs: number | undefined;
}

export interface PutOptions extends Call {
  /**
   * Milliseconds from now, `'default'` (the map's, from now), `'keep'` (the deadline that the entry has; the map's where
   * there is no entry) or `'never'`. What a verb does without it stands with the verb.
   */
  readonly ttlMs?: TimeToLive;
}

/** How far a `load` is. */
export interface LoadProgress {
  /** Entries stored. */
  readonly entries: number;
  /** Bytes of their keys and values, as they were sent. */
  readonly bytes: number;
  /** Entries that were not stored, those in doubt among them. */
  readonly failed: number;
}

/** `timeoutMs` is the time of each batch of some hundred entries, not of the load, which may take hours. */
export interface LoadOptions extends PutOptions {
  /** `'stop'` (default): the first entry that fails ends the load. `'goOn'`: the result lists what failed. */
  readonly onFailure?: 'stop' | 'goOn';
  /** Called as batches are answered. What it throws ends the load. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Bytes of keys and values that may be gathered or unanswered; the source is not read beyond. Default: 4 MiB a member. */
  readonly bytesInFlightMax?: number;
}

/**
 * Entries as they come, like an AsyncIterable; but what is at hand may be returned by `next` as it is, without a promise, so that
 * of a source that reads in batches only a batch costs an asynchronous step, not each of its entries.
 */
export interface EntryStream<K, V> {
  [Symbol.asyncIterator](): {
    next(): IteratorResult<readonly [K, V], unknown> | Promise<IteratorResult<readonly [K, V], unknown>>;
    /** It is not read to its end. */
    return?(value: undefined): unknown;
  };
}

/** An entry that a `load` did not store. */
export interface LoadFailure<K> {
  readonly key: K;
  /** Of the entry in the source, from 0. */
  readonly position: number;
  /** Nobody knows whether it was stored (OUTCOME_UNKNOWN and its kin). */
  readonly isInDoubt: boolean;
  readonly error: GridError;
}

export interface LoadResult<K> extends LoadProgress {
  /** Of the failed entries those in doubt. */
  readonly unknown: number;
  /** The first 1,000. */
  readonly failures: readonly LoadFailure<K>[];
}

export interface Condition {
  /** Apply only when the entry still has this version. */
  readonly ifVersion?: number;
}

export type { EventType };

interface EventBase<K> {
  readonly map: string;
  readonly key: K;
  readonly version: number;
  /** Opaque and URL-safe: a subscription `from` it goes on behind this event. */
  readonly token: string;
}

/** A committed change of one entry. Events of one key arrive in order. */
export type EntryEvent<K, V> =
  | (EventBase<K> & { readonly type: 'insert' | 'load'; readonly value: V; readonly oldValue: undefined })
  | (EventBase<K> & { readonly type: 'update' | 'reload'; readonly value: V; readonly oldValue: V })
  | (EventBase<K> & { readonly type: 'remove' | 'expire' | 'evict'; readonly value: undefined; readonly oldValue: V });

export interface SubscribeOptions extends Call {
  /**
   * An SQL condition on the new value (on the old one where there is no new one): `balance < $1`. No document ends the
   * subscription: a value of another kind reads as NULL, and one that the condition divides by zero does not match.
   */
  readonly where?: string;
  readonly params?: readonly unknown[];
  /** 'now' (default) or the token of an event seen. */
  readonly from?: 'now' | (string & {});
  /** Only these types. Default: all. */
  readonly types?: readonly EventType[];
  /**
   * What happens to a subscriber that reads too slowly. `'lag'` (default): it reads on from the log while the log holds it,
   * then SEQUENCE_GONE. `'conflate'`: it gets one change a key, from the state it got last (`oldValue`) to the newest
   * one: updates become one, an entry that went and came again is an update, one that came and went is left out; the member
   * keeps some 65,000 such keys or 8 MiB for it, beyond it lags. `'cut'`: it ends with SLOW_CONSUMER.
   */
  readonly onSlow?: 'lag' | 'conflate' | 'cut';
  /** Called once the subscription has its place in every partition: changes made from then on are seen. */
  readonly onReady?: () => void;
  /** Called when every partition says that no event at or below `version` follows. */
  readonly onResolved?: (version: number) => void;
}

/** The events of a subscription, as they come. Leaving its loop ends it. */
export interface EventFeed<K extends GridKey, V> extends AsyncIterableIterator<EntryEvent<K, V>> {
  stats(): SubscriptionStats;
}

/** As far as the members have reported it, which they do every 100 ms. */
export interface SubscriptionStats {
  /** Changes that were left out because the condition divides by a zero in them. */
  readonly dividedByZero: number;
  /** Changes with values of other kinds than the condition asks for, which read as NULL in it. */
  readonly oddValues: number;
}

/** Options of calls that take an SQL condition; see `SqlOptions`. */
export interface ConditionOptions extends Call {
  readonly strict?: boolean | undefined;
}

/** What became of a `processWhere`. */
export interface ProcessedWhere {
  /** Entries that the processor ran on. */
  readonly affected: number;
  /** For people: what looks like a mistake in the condition, and in how many rows at least values had unexpected kinds. */
  readonly notices: readonly string[];
}

/** One map of the grid. Verbs go to the primary of the key's partition. */
export interface GridMap<K extends GridKey, V> {
  readonly name: string;
  get(key: K, call?: Call): Promise<V | undefined>;
  getEntry(key: K, call?: Call): Promise<Entry<K, V> | undefined>;
  /** Values in the order of the keys; undefined where there is none. A failure names the keys without an answer. */
  getAll(keys: readonly K[], call?: Call): Promise<(V | undefined)[]>;
  /** Stores; the entry lives for the map's `ttlMs` from now, unless the options say otherwise. */
  put(key: K, value: V, options?: PutOptions): Promise<void>;
  /**
   * Atomic per partition; deadlines as of `put`. Stored in part it rejects with PARTIAL, which names the keys done, not done and
   * unknown.
   */
  putAll(entries: Iterable<readonly [K, V]>, options?: PutOptions): Promise<void>;
  /**
   * Stores the entries of a source of any length, each for itself, while the source goes on: it is read only as fast as the grid
   * stores. Entries of one key take effect in the order of the source, each at most once; deadlines as of `put`. The first
   * failure ends it, unless `onFailure` says otherwise: PARTIAL, whose details say how many entries are `done`, `notDone` and
   * `unknown`, name the latter two, and give `firstNotDone`, the position in the source before which all are stored. A
   * source that throws ends it likewise. `signal` ends it at once (CANCELLED, with the same details).
   */
  load(
    entries: Iterable<readonly [K, V]> | AsyncIterable<readonly [K, V]> | EntryStream<K, V>,
    options?: LoadOptions,
  ): Promise<LoadResult<K>>;
  /** True when the key was absent and the value is stored; deadlines as of `put`. */
  putIfAbsent(key: K, value: V, options?: PutOptions): Promise<boolean>;
  /** Stores and answers the old value; deadlines as of `put`. */
  getAndPut(key: K, value: V, options?: PutOptions): Promise<V | undefined>;
  /** Stores only where the entry exists (and has the version, if asked); true when stored. Keeps the deadline unless the options give one. */
  replace(key: K, value: V, options?: PutOptions & Condition): Promise<boolean>;
  /** True when an entry was removed. */
  remove(key: K, options?: Call & Condition): Promise<boolean>;
  getAndRemove(key: K, call?: Call): Promise<V | undefined>;
  has(key: K, call?: Call): Promise<boolean>;
  /** How many entries there are. What was written before the call, by this client too, is waited for and counted. */
  size(call?: Call): Promise<number>;
  clear(call?: Call): Promise<void>;
  /** Over one snapshot, in no particular order: all of it, or MAP_DROPPED when the map is dropped meanwhile. */
  keys(call?: Call): AsyncIterableIterator<K>;
  entries(call?: Call): AsyncIterableIterator<Entry<K, V>>;
  /** Runs a deployed (or ready-made) processor beside the entry and answers its result. */
  process<P extends ProcessorOn<V>, Path extends string>(
    key: K,
    processor: P,
    args: ArgumentsOf<P, V, Path>,
    call?: Call,
  ): Promise<ResultOf<P, V, Path>>;
  /**
   * One call a key; results in the order of the keys. Atomic per key. Done in part it rejects with PARTIAL: repeat it for
   * `details.notDoneKeys` only, and read `details.unknownKeys` first.
   */
  processAll<P extends ProcessorOn<V>, Path extends string>(
    keys: readonly K[],
    processor: P,
    args: ArgumentsOf<P, V, Path>,
    call?: Call,
  ): Promise<ResultOf<P, V, Path>[]>;
  /**
   * Runs the processor on every entry that meets the SQL condition, re-checked where the entry changed meanwhile; arguments may
   * be left out where it does without. Where a path that no declaration gives a type holds a value of another kind than the
   * condition asks for, it reads as NULL, and the notices say so; with `strict` such a value ends the call with TYPE_MISMATCH
   * before an entry is changed.
   */
  processWhere<P extends ProcessorOn<V>, Path extends string>(
    where: string,
    params: readonly unknown[],
    processor: P,
    ...rest: undefined extends ArgumentsOf<P, V, Path>
      ? [args?: ArgumentsOf<P, V, Path>, options?: ConditionOptions]
      : [args: ArgumentsOf<P, V, Path>, options?: ConditionOptions]
  ): Promise<ProcessedWhere>;
  /**
   * Changes of the map that has the name, or of the first that gets it. When that map is dropped the feed gives what is left
   * of it and ends with MAP_DROPPED, as its tokens do.
   */
  subscribe(options?: SubscribeOptions): EventFeed<K, V>;
}

export type { JsonPath };
