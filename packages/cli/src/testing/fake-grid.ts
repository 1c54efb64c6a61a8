/** A grid in memory for command tests: as much of it as commands use. */
import { setImmediate } from 'node:timers/promises';
import {
  type ClusterState,
  type ColumnBatch,
  type EntryEvent,
  GridError,
  type GridKey,
  type LoadOptions,
  type MemberStats,
  type ResultColumn,
  type SqlResult,
} from '@ashlar/api';
import { isError } from '@ashlar/core';

export interface SqlAnswer {
  readonly columns: readonly ResultColumn[];
  /** batches[batch][row][column]. */
  readonly batches: readonly (readonly (readonly unknown[])[])[];
  readonly affected?: number;
  readonly notices?: readonly string[];
  /** Answers only when it is cancelled. */
  readonly hangs?: boolean;
}

export interface FakeAnswers {
  readonly answer?: SqlAnswer | Error;
  readonly answers?: Readonly<Record<string, SqlAnswer | Error>>;
  readonly maps?: Readonly<Record<string, readonly (readonly [GridKey, unknown])[]>>;
  readonly events?: readonly EntryEvent<GridKey, unknown>[];
  readonly cluster?: ClusterState;
  /** What grid.recover() throws, one after the other, before it recovers. */
  readonly recoverErrors?: readonly Error[];
  /** Answers of grid.stats(), one after the other; the last is repeated. */
  readonly looks?: readonly (readonly MemberStats[])[];
}

interface StoreOptions {
  readonly ttlMs?: number;
  readonly ifVersion?: number;
}

const VERSION = 7;
const BYTES_PER_ENTRY = 100;

export class FakeGrid {
  readonly entries: Map<string, Map<GridKey, unknown>>;
  readonly #answers: FakeAnswers;
  readonly #asked: string[];
  readonly #looks: (readonly MemberStats[])[];
  readonly #recoverErrors: Error[];

  constructor(answers: FakeAnswers, asked: string[]) {
    this.#answers = answers;
    this.#asked = asked;
    this.#recoverErrors = [...(answers.recoverErrors ?? [])];
    this.#looks = [...(answers.looks ?? [[]])];
    this.entries = new Map(Object.entries(answers.maps ?? {}).map(([name, entries]) => [name, new Map(entries)]));
  }

  async ping() {
    return [{ member: 'member-1', address: '127.0.0.1:7710', roundTripMs: 0.42, error: undefined }];
  }

  async stats() {
    return this.#looks.length > 1 ? this.#looks.shift()! : this.#looks[0]!;
  }

  async cluster() {
    return this.#answers.cluster!;
  }

  async recover(partitions: readonly number[] | 'all') {
    this.#asked.push(`recover ${partitions === 'all' ? partitions : partitions.join()}`);
    const error = this.#recoverErrors.shift();
    if (error !== undefined) throw error;
    return partitions === 'all' ? [1, 2, 3, 7] : partitions;
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  async maps() {
    return [...this.entries].map(([name, { size }]) => ({ name, entries: size, bytes: size * BYTES_PER_ENTRY }));
  }

  async drop(map: string): Promise<boolean> {
    this.#asked.push(`drop ${map}`);
    return this.entries.delete(map);
  }

  map(name: string) {
    const entries = (): Map<GridKey, unknown> => this.entries.get(name) ?? new Map();
    const store = (key: GridKey, value: unknown, options: StoreOptions = {}): void => {
      const { ttlMs } = options;
      this.#asked.push(`put ${name} ${JSON.stringify(key)}${ttlMs === undefined ? '' : ` ttl ${ttlMs}`}`);
      this.entries.set(name, entries().set(key, value));
    };
    return {
      get: async (key: GridKey) => {
        await setImmediate(); // as answers do, which come from outside
        return entries().get(key);
      },
      getEntry: async (key: GridKey) =>
        entries().has(key) ? { key, value: entries().get(key), version: VERSION, expiresAtMs: undefined } : undefined,
      put: async (key: GridKey, value: unknown, options?: StoreOptions) => {
        await setImmediate();
        store(key, value, options);
      },
      putIfAbsent: async (key: GridKey, value: unknown, options?: StoreOptions) => {
        if (entries().has(key)) return false;
        store(key, value, options);
        return true;
      },
      replace: async (key: GridKey, value: unknown, options: StoreOptions = {}) => {
        if (!entries().has(key) || (options.ifVersion ?? VERSION) !== VERSION) return false;
        store(key, value, options);
        return true;
      },
      putAll: async (all: Iterable<[GridKey, unknown]>) => {
        const map = entries();
        this.entries.set(name, map);
        for (const [key, value] of all) map.set(key, value);
      },
      load: async (all: AsyncIterable<[GridKey, unknown]>, { onProgress }: LoadOptions) => {
        const map = entries();
        this.entries.set(name, map);
        let stored = 0;
        for await (const [key, value] of all) {
          map.set(key, value);
          onProgress?.({ entries: ++stored, bytes: 0, failed: 0 });
        }
        return { entries: stored, bytes: 0, failed: 0, unknown: 0, failures: [] };
      },
      remove: async (key: GridKey) => entries().delete(key),
      subscribe: (options: {
        readonly where?: string;
        readonly signal?: AbortSignal;
        readonly onReady?: () => void;
      }) => {
        this.#asked.push(`subscribe ${name} ${JSON.stringify(options)}`);
        options.onReady?.();
        return this.#events(options.signal);
      },
    };
  }

  sql(
    text: string,
    params: readonly unknown[],
    call: { readonly signal?: AbortSignal } = {},
  ): Partial<SqlResult<unknown>> {
    this.#asked.push(`sql ${text} ${JSON.stringify(params)}`);
    const answer = this.#answers.answers?.[text] ?? this.#answers.answer;
    const told = async (): Promise<SqlAnswer> => {
      if (answer === undefined) throw new GridError('SYNTAX_ERROR', `nobody told how to answer ${text}`);
      if (isError(answer)) throw answer;
      if (answer.hangs === true) await cancelled(call.signal);
      return answer;
    };
    return {
      columns: async () => (await told()).columns,
      notices: async () => (await told()).notices ?? [],
      first: async () => {
        const { columns, batches } = await told();
        const row = batches[0]?.[0];
        return row && Object.fromEntries(columns.map(({ name }, column) => [name, row[column]]));
      },
      execute: async () => ({ affected: (await told()).affected ?? 0 }),
      async *batches(): AsyncGenerator<ColumnBatch> {
        const { columns, batches } = await told();
        for (const rows of batches) {
          yield { columns, rowCount: rows.length, values: (column) => rows.map((row) => row[column]) };
        }
      },
    };
  }

  async *#events(signal: AbortSignal | undefined): AsyncGenerator<EntryEvent<GridKey, unknown>> {
    yield* this.#answers.events ?? [];
    await cancelled(signal);
  }
}

/** Rejects when the signal fires. */
function cancelled(signal: AbortSignal | undefined): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const cancel = (): void => reject(new GridError('CANCELLED', 'cancelled'));
  if (signal?.aborted === true) cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  return promise;
}
