/** One map over the router: every verb is one operation, or one group of them. */
import type {
  Call,
  Condition,
  ConditionOptions,
  Entry,
  EntryProcessor,
  EventFeed,
  GridKey,
  GridMap,
  ProcessedWhere,
  PutOptions,
  ReadyProcessor,
  SubscribeOptions,
} from '@ashlar/api';
import { GridError } from '@ashlar/core';
import { type EntryAnswer, forAll, type MapHandle, NOTHING, putAll, type Router } from '@ashlar/routing';
import { encodeValue } from '@ashlar/serialization';
import { OPCODE } from '@ashlar/transport';
import { checkIterable, extrasOf, parameterBytes } from './checks.ts';
import type { ClientTurns } from './client-turns.ts';
import type { DefinitionNames } from './definition-names.ts';
import { ADMIN_TIMEOUT_MS } from './options.ts';
import { GridSqlResult } from './sql-result.ts';
import { Subscription } from './subscription.ts';

const NO_BYTES = new Uint8Array(0);

/** What a map shares with its grid. */
export interface MapContext {
  readonly router: Router;
  readonly turns: ClientTurns;
  readonly names: DefinitionNames;
  readonly sqlTimeoutMs: number;
}

/** A processor of the application or a ready-made one: the callers' types say what it takes and answers. */
type AnyProcessor = EntryProcessor<never, never, unknown> | ReadyProcessor;

export class RemoteMap<K extends GridKey, V> implements GridMap<K, V> {
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
    return this.#router.call(OPCODE.GET, this.#handle, key, NOTHING, undefined, call) as Promise<V | undefined>;
  }

  async getEntry(key: K, call?: Call): Promise<Entry<K, V> | undefined> {
    const answer = await this.#router.call(OPCODE.GET_ENTRY, this.#handle, key, NOTHING, undefined, call);
    return answer === undefined ? undefined : { key, ...(answer as EntryAnswer & { readonly value: V }) };
  }

  async getAll(keys: readonly K[], call: Call = {}): Promise<(V | undefined)[]> {
    checkIterable('getAll', keys);
    const all = await forAll(this.#router, OPCODE.GET, this.#handle, keys, NOTHING, undefined, call, 'getAll');
    return all as (V | undefined)[];
  }

  put(key: K, value: V, options?: PutOptions): Promise<void> {
    return this.#store(OPCODE.PUT, key, value, options) as Promise<void>;
  }

  async putAll(entries: Iterable<readonly [K, V]>, options: PutOptions = {}): Promise<void> {
    checkIterable('putAll', entries);
    await putAll(this.#router, this.#handle, entries, extrasOf(options), options);
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
      const extras = extrasOf(options);
      return this.#router.call(OPCODE.REMOVE, this.#handle, key, NOTHING, extras, options) as Promise<boolean>;
    });
  }

  getAndRemove(key: K, call?: Call): Promise<V | undefined> {
    const answer = this.#router.call(OPCODE.GET_AND_REMOVE, this.#handle, key, NOTHING, undefined, call);
    return answer as Promise<V | undefined>;
  }

  has(key: K, call?: Call): Promise<boolean> {
    return this.#router.call(OPCODE.HAS, this.#handle, key, NOTHING, undefined, call) as Promise<boolean>;
  }

  async size(call: Call = {}): Promise<number> {
    const request = { map: this.name, grid: true };
    const { entries } = await this.#context.turns.ask(withTimeout(call), (member, options) =>
      member.admin.mapSize(request, options),
    );
    return entries;
  }

  async clear(call: Call = {}): Promise<void> {
    const request = { map: this.name };
    const { version } = await this.#context.turns.ask(withTimeout(call), (member, options) =>
      member.admin.clear(request, options),
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
    const result = new GridSqlResult<Row>(this.#router, this.#context.turns, {
      text: `SELECT ${columns} FROM "${this.name.replaceAll('"', '""')}"`,
      parameters: [],
      signal: call?.signal,
      timeoutMs: call?.timeoutMs ?? this.#context.sqlTimeoutMs,
      strict: false,
    });
    try {
      await result.columns();
    } catch (error) {
      // Only before the first row: later it would end a walk that has not seen everything.
      if (!GridError.is(error, 'UNKNOWN_MAP')) throw error;
      return;
    }
    yield* result;
  }

  process<Result>(key: K, processor: AnyProcessor, args: unknown, call?: Call): Promise<Result> {
    return this.#settled(() => {
      const extras = { processor: this.#context.names.of(processor) };
      const value = args === undefined ? NOTHING : args;
      return this.#router.call(OPCODE.PROCESS, this.#handle, key, value, extras, call) as Promise<Result>;
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
    const results = await forAll(this.#router, OPCODE.PROCESS, this.#handle, keys, value, extras, call, 'processAll');
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
    const limits = { ...options, timeoutMs: options.timeoutMs ?? this.#context.sqlTimeoutMs };
    const { affected, version, notices } = await this.#context.turns.ask(limits, (member, call) =>
      member.compute.processWhere(request, call),
    );
    this.#router.observeVersion(version);
    return { affected, notices };
  }

  subscribe(options: SubscribeOptions = {}): EventFeed<K, V> {
    return new Subscription<K, V>(this.#router, this.name, options);
  }

  #store(opcode: number, key: K, value: V, options: (PutOptions & Condition) | undefined): Promise<unknown> {
    return this.#settled(() => this.#router.call(opcode, this.#handle, key, value, extrasOf(options), options));
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

function withTimeout(call: Call): Call & { readonly timeoutMs: number } {
  return { ...call, timeoutMs: call.timeoutMs ?? ADMIN_TIMEOUT_MS };
}
