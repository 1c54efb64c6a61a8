/**
 * User code that runs beside the data: entry processors, jobs, listeners.
 *
 * A definition is a plain function with marks: in the application it names what to call (module and export, filled in
 * when its file is deployed), in a member's worker thread it is what runs.
 */
import type { TimeToLive } from '@ashlar/core';
import type { Call } from './calls.ts';
import type { EntryEvent, GridKey, GridMap, MapDefinition } from './maps.ts';

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
}

/**
 * A synchronous function over one entry. Code may run more than once; it commits once.
 *
 * @example export const debit = defineProcessor<Account, { amount: number }, number>((entry, { amount }) => {
 *   entry.value = { ...entry.value, balance: entry.value.balance - amount };
 *   return entry.value.balance;
 * });
 */
export function defineProcessor<V, Args = void, Result = void>(
  run: (entry: MutableEntry<V>, args: Args) => Result,
): EntryProcessor<V, Args, Result> {
  return { kind: 'processor', name: undefined, run };
}

/** A column of one partition as a job sees it: a copy of the values, in the order of the partition's rows. */
export interface PartitionRows<K extends GridKey, V> {
  readonly partitionId: number;
  readonly count: number;
  /** Numbers at a path, one a row; NaN where the path is missing, null or not a number. */
  numbers(path: string): Float64Array;
  /** Values at a path, one a row; undefined where the path is missing. */
  column(path: string): unknown[];
  entries(): IterableIterator<readonly [K, V]>;
}

export interface JobContext {
  readonly signal: AbortSignal;
  /** 0 .. 1 of this partition's work; shown to who asks for progress. */
  progress(share: number): void;
}

/** Map-reduce over the partitions of one map, against one snapshot of the whole grid. */
export interface Job<Args = unknown, Partial = unknown, Result = unknown> {
  readonly kind: 'job';
  readonly name: Named | undefined;
  readonly map: (rows: PartitionRows<GridKey, unknown>, args: Args, context: JobContext) => Partial;
  /** Merges the partial results; runs on the member that coordinates the job. Must not depend on their order. */
  readonly reduce: (partials: readonly Partial[], args: Args) => Result;
}

export function defineJob<V, Args = unknown, Partial = unknown, Result = Partial>(job: {
  readonly map: (rows: PartitionRows<GridKey, V>, args: Args, context: JobContext) => Partial;
  readonly reduce: (partials: readonly Partial[], args: Args) => Result;
}): Job<Args, Partial, Result> {
  return { kind: 'job', name: undefined, map: job.map as Job<Args, Partial, Result>['map'], reduce: job.reduce };
}

/**
 * A change that a listener hands back. Those for entries on the listener's member are applied once, with its place in the
 * log; those for other members follow in order, at least once.
 */
export type WriteSetItem =
  | {
      readonly kind: 'put';
      readonly map: string;
      readonly key: GridKey;
      readonly value: unknown;
      /** As of a put. */
      readonly ttlMs?: TimeToLive;
    }
  | { readonly kind: 'remove'; readonly map: string; readonly key: GridKey };

/** The grid as a listener sees it: calls go through the member, never to a worker that the call's own chain holds. */
export interface ListenerGrid {
  map<K extends GridKey, V>(
    map: MapDefinition<K, V> | string,
  ): Pick<GridMap<K, V>, 'get' | 'getAll' | 'process'> & {
    /** One call an element, each with arguments of its own; results in their order. Calls on one key keep their order. */
    processEach<Args, Result>(
      calls: readonly (readonly [K, Args])[],
      processor: EntryProcessor<V, Args, Result>,
    ): Promise<Result[]>;
  };
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

/** The module name under which ready-made processors are called. */
export const READY_MODULE = 'ashlar';

/** What ready-made processors take beside their own arguments. */
export interface ReadyOptions {
  /** Of an entry that they store; without it the entry keeps its deadline, and a new one takes the map's. */
  readonly ttlMs?: TimeToLive;
}

/** Ready-made processors run on the partition's writer itself: no worker, no module. */
export const ready = Object.freeze({
  /** Adds to the number at `path` (0 when missing) and answers the sum. */
  increment: readyMade<{ readonly path: string; readonly by: number } & ReadyOptions, number>('increment'),
  /** Merges into the document by RFC 7396 and answers nothing. A value that is no object is TYPE_MISMATCH. */
  mergePatch: readyMade<{ readonly patch: object } & ReadyOptions, void>('mergePatch'),
  /** Appends to the array at `path` (made when missing) and answers its new length. */
  append: readyMade<{ readonly path: string; readonly items: readonly unknown[] } & ReadyOptions, number>('append'),
  /**
   * Stores `value` (undefined: removes the entry) when the entry's value equals `expected` (undefined: absent); answers
   * whether it did.
   */
  compareAndSet: readyMade<{ readonly expected: unknown; readonly value: unknown } & ReadyOptions, boolean>(
    'compareAndSet',
  ),
});

function readyMade<Args, Result>(
  exportName: string,
): EntryProcessor<unknown, Args, Result> & EntryProcessor<never, Args, Result> {
  const run = (): never => {
    throw new TypeError(`the ready-made processor '${exportName}' runs in a member`);
  };
  return { kind: 'processor', name: { module: READY_MODULE, exportName }, run };
}
