/** One map over the router: every verb is one operation, or one group of them. */
import type {
  Call,
  Condition,
  ConditionOptions,
  Entry,
  EntryProcessor,
  EntryStream,
  EventFeed,
  GridKey,
  GridMap,
  LoadOptions,
  LoadResult,
  ProcessedWhere,
  PutOptions,
  ReadyProcessor,
  SubscribeOptions,
} from '@ashlar/api';
import { type CallScope, GridError } from '@ashlar/core';
import {
  type CallLimits,
  type EntryAnswer,
  forAll,
  load,
  type MapHandle,
  NOTHING,
  type OperationExtras,
  putAll,
  type Router,
} from '@ashlar/routing';
import { encodeValue } from '@ashlar/serialization';
import { OPCODE } from '@ashlar/transport';
import type { CallTurns } from './call-turns.ts';
import { checkIterable, checkLoad, extrasOf, parameterBytes } from './checks.ts';
import type { DefinitionNames } from './definition-names.ts';
import { endOf, limitsIn, timed } from './scoped-limits.ts';
import type { ShortStatements } from './short-statements.ts';
import { GridSqlResult } from './sql-result.ts';
import { Subscription } from './subscription.ts';
import { ADMIN_TIMEOUT_MS } from './time-outs.ts';

const NO_BYTES = new Uint8Array(0);

/** What a map shares with its grid. */
export interface MapContext {
  readonly router: Router;
  readonly turns: CallTurns;
  readonly shorts: ShortStatements;
  readonly names: DefinitionNames;
  readonly sqlTimeoutMs: number;
  /** The call within which all calls are made; undefined: they stand alone. */
  readonly scope: CallScope | undefined;
}

/** A processor of the application or a ready-made one: the callers' types say what it takes and answers. */
type AnyProcessor = EntryProcessor<never, never, unknown> | ReadyProcessor;

export class RoutedMap<K extends GridKey, V> implements GridMap<K, V> {
  readonly name: string;
  readonly #context: MapContext;
  readonly #router: Router;
  readonly #handle: MapHandle;

  constructor(context: MapContext, handle: MapHandle) {
    this.#context = context;
    this.#router = context.router;
    this.#handle = handle;
    this.name = handle.name;
  }

  get(key: K, call?: Call): Promise<V | undefined> {
    return this.#call(OPCODE.GET, key, NOTHING, undefined, call) as Promise<V | undefined>;
  }

  async getEntry(key: K, call?: Call): Promise<Entry<K, V> | undefined> {
    const answer = await this.#call(OPCODE.GET_ENTRY, key, NOTHING, undefined, call);
    return answer === undefined ? undefined : { key, ...(answer as EntryAnswer & { readonly value: V }) };
  }

  async getAll(keys: readonly K[], call: Call = {}): Promise<(V | undefined)[]> {
    checkIterable('getAll', keys);
    const all = await forAll(
      this.#router,
      OPCODE.GET,
      this.#handle,
      keys,
      NOTHING,
      undefined,
      this.#grouped(call),
      'getAll',
    );
    return all as (V | undefined)[];
  }

  put(key: K, value: V, options?: PutOptions): Promise<void> {
    return this.#store(OPCODE.PUT, key, value, options) as Promise<void>;
  }

  async putAll(entries: Iterable<readonly [K, V]>, options: PutOptions = {}): Promise<void> {
    checkIterable('putAll', entries);
    await putAll(this.#router, this.#handle, entries, extrasOf(options), this.#grouped(options));
  }

  async load(
    entries: Iterable<readonly [K, V]> | AsyncIterable<readonly [K, V]> | EntryStream<K, V>,
    options: LoadOptions = {},
  ): Promise<LoadResult<K>> {
    checkLoad(entries, options);
    const { onFailure, onProgress, bytesInFlightMax } = options;
    const settings = { goesOn: onFailure === 'goOn', onProgress, bytesInFlightMax };
    const limits = this.#batched(options);
    const result = await load(this.#router, this.#handle, entries, extrasOf(options), limits, settings);
    return result as LoadResult<K>;
  }

  putIfAbsent(key: K, value: V, options?: PutOptions): Promise<boolean> {
    return this.#store(OPCODE.PUT_IF_ABSENT, key, value, options) as Promise<boolean>;
  }

  getAndPut(key: K, value: V, options?: PutOptions): Promise<V | undefined> {
    return this.#store(OPCODE.GET_AND_PUT, key, value, options) as Promise<V | undefined>;
  }

  replace(key: K, value: V, options?: PutOptions & Condition): Promise<boolean> {
    return this.#store(OPCODE.REPLACE, key, value, options) as Promise<boolean>;
  }

  remove(key: K, options?: Call & Condition): Promise<boolean> {
    return this.#settled(() => {
      return this.#call(OPCODE.REMOVE, key, NOTHING, extrasOf(options), options) as Promise<boolean>;
    });
  }

  getAndRemove(key: K, call?: Call): Promise<V | undefined> {
    return this.#call(OPCODE.GET_AND_REMOVE, key, NOTHING, undefined, call) as Promise<V | undefined>;
  }

  has(key: K, call?: Call): Promise<boolean> {
    return this.#call(OPCODE.HAS, key, NOTHING, undefined, call) as Promise<boolean>;
  }

  async size(call: Call = {}): Promise<number> {
    const request = { map: this.name, grid: true };
    const { entries } = await this.#context.turns.ask(
      timed(this.#context.scope, call, ADMIN_TIMEOUT_MS),
      (member, options) => member.admin.mapSize(request, options),
    );
    return entries;
  }

  async clear(call: Call = {}): Promise<void> {
    const request = { map: this.name };
    const { version } = await this.#context.turns.ask(
      timed(this.#context.scope, call, ADMIN_TIMEOUT_MS),
      (member, options) => member.admin.clear(request, options),
    );
    this.#router.observeVersion(version);
  }

  async *keys(call?: Call): AsyncGenerator<K, void, undefined> {
    for await (const row of this.#scan<{ key: K }>('__key AS key', call)) yield row.key;
  }

  async *entries(call?: Call): AsyncGenerator<Entry<K, V>, void, undefined> {
    const columns = '__key AS key, __value AS value, __version AS version, __expires_at AS expires';
    for await (const row of this.#scan<EntryRow<K, V>>(columns, call)) {
      const { key, value, version, expires } = row;
      yield { key, value, version: Number(version), expiresAtMs: expires === null ? undefined : expires.getTime() };
    }
  }

  /** Rows of the map over one snapshot; none where the map does not exist. */
  async *#scan<Row>(columns: string, call: Call | undefined): AsyncGenerator<Row, void, undefined> {
    const result = new GridSqlResult<Row>(this.#router, this.#context.turns, this.#context.shorts, {
      text: `SELECT ${columns} FROM "${this.name.replaceAll('"', '""')}"`,
      parameters: [],
      limits: () => timed(this.#context.scope, call, this.#context.sqlTimeoutMs),
      strict: false,
    });
    try {
      await result.columns();
    } catch (error) {
      // Only before the first row: later it would end an iteration that has not seen everything.
      if (!GridError.is(error, 'UNKNOWN_MAP')) throw error;
      return;
    }
    yield* result;
  }

  process<Result>(key: K, processor: AnyProcessor, args: unknown, call?: Call): Promise<Result> {
    return this.#settled(() => {
      const extras = { processor: this.#context.names.of(processor) };
      const value = args === undefined ? NOTHING : args;
      return this.#call(OPCODE.PROCESS, key, value, extras, call) as Promise<Result>;
    });
  }

  async processAll<Result>(
    keys: readonly K[],
    processor: AnyProcessor,
    args: unknown,
    call: Call = {},
  ): Promise<Result[]> {
    checkIterable('processAll', keys);
    const extras = { processor: this.#context.names.of(processor) };
    const value = args === undefined ? NOTHING : args;
    const limits = this.#grouped(call);
    const results = await forAll(this.#router, OPCODE.PROCESS, this.#handle, keys, value, extras, limits, 'processAll');
    return results as Result[];
  }

  async processWhere(
    where: string,
    params: readonly unknown[],
    processor: AnyProcessor,
    args?: unknown,
    options: ConditionOptions = {},
  ): Promise<ProcessedWhere> {
    const { module, exportName } = this.#context.names.of(processor);
    const request = {
      map: this.name,
      where,
      parameters: parameterBytes(params),
      module,
      exportName,
      arguments: args === undefined ? NO_BYTES : encodeValue(args),
      sessionVersion: this.#router.sessionVersion,
      strict: options.strict ?? false,
    };
    const limits = timed(this.#context.scope, options, this.#context.sqlTimeoutMs);
    const { affected, version, notices } = await this.#context.turns.ask(limits, (member, call) =>
      member.compute.processWhere(request, call),
    );
    this.#router.observeVersion(version);
    return { affected, notices };
  }

  subscribe(options: SubscribeOptions = {}): EventFeed<K, V> {
    const { scope } = this.#context;
    const limits = scope === undefined ? options : { ...options, signal: endOf(scope, options.signal) };
    return new Subscription<K, V>(this.#router, this.name, limits as SubscribeOptions);
  }

  #store(opcode: number, key: K, value: V, options: (PutOptions & Condition) | undefined): Promise<unknown> {
    return this.#settled(() => this.#call(opcode, key, value, extrasOf(options), options));
  }

  #call(
    opcode: number,
    key: K,
    value: unknown,
    extras: OperationExtras | undefined,
    call: Call | undefined,
  ): Promise<unknown> {
    const { scope } = this.#context;
    if (scope === undefined) return this.#router.call(opcode, this.#handle, key, value, extras, call);
    return this.#settled(() => {
      const limits = limitsIn(scope, call, this.#router.defaultTimeoutMs);
      return this.#router.call(opcode, this.#handle, key, value, extras, limits);
    });
  }

  /** Limits of calls on many keys: without a time they end when nothing more is answered. */
  #grouped(call: Call): CallLimits {
    const { scope } = this.#context;
    return scope === undefined ? call : limitsIn(scope, call, Number.POSITIVE_INFINITY);
  }

  /** Limits of calls that go on until they are ended, of which each part has the time. */
  #batched(call: Call): CallLimits {
    const { scope } = this.#context;
    if (scope === undefined) return call;
    const { trace } = limitsIn(scope, call, Number.POSITIVE_INFINITY);
    return { signal: endOf(scope, call.signal), timeoutMs: call.timeoutMs, trace };
  }

  /** Refusals reject, they are never thrown. */
  #settled<T>(start: () => Promise<T>): Promise<T> {
    try {
      return start();
    } catch (error) {
      return Promise.reject(error);
    }
  }
}

interface EntryRow<K, V> {
  readonly key: K;
  readonly value: V;
  readonly version: number | bigint;
  readonly expires: Date | null;
}
