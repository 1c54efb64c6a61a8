/**
 * User code that runs beside the data: entry processors, jobs, listeners.
 *
 * A definition is a plain function with marks: in the application it names what to call (module and export, filled in
 * when its file is deployed), in a member's worker thread it is what runs.
 */
import type { TimeToLive } from '@ashlar/core';
import type { Call } from './calls.ts';
import type { EntryEvent, GridKey, GridMap, MapDefinition } from './maps.ts';
import type { Synchronous } from './mistakes.ts';
import type { NumberPath, PathOf, ValueAt } from './paths.ts';
import type { ArgumentsOf, ProcessorOn, ResultOf } from './processors.ts';

/** The entry a processor works on: a copy. What it assigns is committed after the function returned, or not at all. */
export interface MutableEntry<V> {
  readonly key: GridKey;
  readonly exists: boolean;
  /** Undefined when the entry does not exist. Assign to store; changing the object in place stores nothing. */
  value: V | undefined;
  remove(): void;
  /** Milliseconds that the entry has left; undefined: it has no deadline (or takes the map's default when stored). */
  get ttlMs(): number | undefined;
  /**
   * Milliseconds from now, `'default'` (the map's), `'never'`, or `'keep'` and undefined, which leave the deadline as it is.
   * Without an assignment the entry keeps its deadline; one that was removed and stored again, or is new, takes the map's.
   */
  set ttlMs(ttl: TimeToLive | undefined);
  /** Milliseconds since 1970, the same in a retry. */
  readonly now: number;
  /** A number in [0, 1), repeatable: a retry sees the same ones. */
  random(): number;
}

export interface Named {
  /** Module and export; empty until the file is deployed. */
  readonly module: string;
  readonly exportName: string;
}

export interface EntryProcessor<V = unknown, Args = unknown, Result = unknown> {
  readonly kind: 'processor';
  readonly name: Named | undefined;
  readonly run: (entry: MutableEntry<V>, args: Args) => Result;
  /** Ready-made processors are no processors of an application: see ReadyProcessor. */
  readonly '~ready'?: undefined;
}

/**
 * A synchronous function over one entry. Code may run more than once; it commits once. It refuses by `throw new Refusal(...)`.
 *
 * @example export const debit = defineProcessor<Account, { amount: number }, number>((entry, { amount }) => {
 *   if (entry.value === undefined) throw new Refusal('NO_ACCOUNT');
 *   entry.value = { ...entry.value, balance: entry.value.balance - amount };
 *   return entry.value.balance;
 * });
 */
export function defineProcessor<V, Args = void, Result = void>(
  run: (entry: MutableEntry<V>, args: Args) => Synchronous<Result>,
): EntryProcessor<V, Args, Result> {
  return { kind: 'processor', name: undefined, run: run as EntryProcessor<V, Args, Result>['run'] };
}

/** The rows of one partition as a job sees them: copies, in the same order in every call. */
export interface PartitionRows<K extends GridKey, V> {
  readonly partitionId: number;
  readonly count: number;
  /** Numbers at a path, one a row; NaN where the path is missing, null or not a number. */
  numbers<Path extends string>(path: NumberPath<V, Path>): Float64Array;
  /** Values at a path, one a row; undefined where the path is missing. */
  column<Path extends string>(path: PathOf<V, Path>): (ValueAt<V, Path> | undefined)[];
  entries(): IterableIterator<readonly [K, V]>;
}

export interface JobContext {
  readonly signal: AbortSignal;
  /** Reports the share, 0 to 1, of this partition's work that is done, for whoever asks for progress. */
  progress(share: number): void;
}

/** Map-reduce over the partitions of one map, against one snapshot of the whole grid. */
export interface Job<Args = unknown, Partial = unknown, Result = unknown, V = unknown, K extends GridKey = GridKey> {
  readonly kind: 'job';
  readonly name: Named | undefined;
  readonly map: (rows: PartitionRows<K, V>, args: Args, context: JobContext) => Partial;
  /** Merges the partial results; runs on the member that coordinates the job. Must not depend on their order. */
  readonly reduce: (partials: readonly Awaited<Partial>[], args: Args) => Result;
  /** Carries the types of the map that it reads; never present at run time. */
  readonly '~reads'?: readonly [K, V];
}

/**
 * Map-reduce over a map with values V; it is run with such maps only. Both functions may be async.
 *
 * @example export const total = defineJob<Account, unknown, number>({
 *   map: (rows) => rows.numbers('balance').reduce((sum, balance) => sum + balance, 0),
 *   reduce: (partials) => partials.reduce((sum, partial) => sum + partial, 0),
 * });
 */
export function defineJob<V, Args = unknown, Partial = unknown, Result = Partial, K extends GridKey = GridKey>(job: {
  readonly map: (rows: PartitionRows<K, V>, args: Args, context: JobContext) => Partial;
  readonly reduce: (partials: readonly Awaited<Partial>[], args: Args) => Result;
}): Job<Args, Partial, Result, V, K> {
  return { kind: 'job', name: undefined, map: job.map, reduce: job.reduce };
}

/**
 * A change that a listener hands back. Each takes effect once: those for the partition of the events commit with the
 * listener's checkpoint, those for other partitions, on whichever member, follow in the order of the events.
 */
export type WriteSetItem =
  | {
      readonly kind: 'put';
      readonly map: string;
      readonly key: GridKey;
      readonly value: unknown;
      /** As for a put. */
      readonly ttlMs?: TimeToLive;
    }
  | { readonly kind: 'remove'; readonly map: string; readonly key: GridKey };

/** The grid as a listener sees it: calls go through the member, never to a worker that the call's own chain holds. */
export interface ListenerGrid {
  map<K extends GridKey, V>(map: MapDefinition<K, V> | string): ListenerMap<K, V>;
}

/** A map as a listener sees it. */
export interface ListenerMap<K extends GridKey, V> extends Pick<GridMap<K, V>, 'get' | 'getAll' | 'process'> {
  /** One call an element, each with arguments of its own; results in their order. Calls on one key keep their order. */
  processEach<P extends ProcessorOn<V>, Path extends string>(
    calls: readonly (readonly [K, ArgumentsOf<P, V, Path>])[],
    processor: P,
  ): Promise<ResultOf<P, V, Path>[]>;
}

/**
 * Runs behind the commit, batch by batch in the order of each partition's log. Its write-set is applied as WriteSetItem says; calls
 * it makes while it runs may be repeated after a failure, so their processors must bear that.
 *
 * It belongs to the map of that name when its module is deployed, or to the first that is made after that. When the map is
 * dropped it gets what is left of its events and has ended, until the module is deployed again.
 */
export interface AfterListener<K extends GridKey = GridKey, V = unknown> {
  readonly kind: 'listener';
  readonly name: Named | undefined;
  readonly on: 'after';
  readonly map: string;
  readonly run: (
    events: readonly EntryEvent<K, V>[],
    grid: ListenerGrid,
  ) => readonly WriteSetItem[] | undefined | Promise<readonly WriteSetItem[] | undefined>;
}

export function defineListener<K extends GridKey, V>(listener: {
  readonly map: MapDefinition<K, V> | string;
  readonly after: AfterListener<K, V>['run'];
}): AfterListener<K, V> {
  const map = typeof listener.map === 'string' ? listener.map : listener.map.name;
  return { kind: 'listener', name: undefined, on: 'after', map, run: listener.after };
}

/** An item of a write-set, typed by the map's definition. */
export function writePut<K extends GridKey, V>(
  map: MapDefinition<K, V>,
  key: K,
  value: V,
  ttlMs?: TimeToLive,
): WriteSetItem {
  return ttlMs === undefined
    ? { kind: 'put', map: map.name, key, value }
    : { kind: 'put', map: map.name, key, value, ttlMs };
}

export interface RunOptions extends Call {
  readonly onProgress?: (share: number) => void;
}
