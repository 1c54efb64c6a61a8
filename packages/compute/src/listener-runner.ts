/**
 * The main thread's half of listeners: events of some partitions to a worker, its calls into the grid to the member,
 * write-sets back.
 *
 * listener-runner L1  A listener's effects happen only when the member commits its write-set: a worker killed at any moment has
 *                     written nothing. Calls it made may be made again.
 * listener-runner L2  While calls wait for the member, the listener's wall clock stands still.
 *                     A call ends with the run that made it.
 * listener-runner L3  A failed group fails alone when its error was its own; a death fails all groups of the task, because
 *                     several of them may have been half done. Then run each alone to find the one to blame (kind 'shared').
 */
import type { EventType } from '@ashlar/api';
import { assert, type CallScope, EVENT_TYPE, GridError, type TraceContext } from '@ashlar/core';
import type { WorkerPools, WorkerTask } from '@ashlar/workers';
import { crossed, crossing } from './crossing-errors.ts';
import type {
  AnswersMessage,
  CallColumns,
  CallsMessage,
  GroupAnswer,
  GroupColumns,
  ListenerTask,
  WriteColumns,
} from './listener-messages.ts';
import { type ModuleRegistry, sourceOf } from './module-registry.ts';
import { buffersOf, packBytes, unpackAll, unpackBytes } from './packed-bytes.ts';

export interface ListenerEvent {
  readonly type: EventType;
  /** Canonical bytes. */
  readonly key: Uint8Array;
  /** MessagePack. */
  readonly value: Uint8Array | undefined;
  readonly oldValue: Uint8Array | undefined;
  readonly version: number;
  readonly token: string;
}

/** Calls of one kind that a listener made in one turn. Calls on one key are meant in this order. */
export interface ListenerCall {
  readonly operation: 'get' | 'process';
  readonly map: string;
  /** Set for 'process' only. */
  readonly module: string;
  readonly exportName: string;
  readonly keys: readonly Uint8Array[];
  /** MessagePack; undefined: none. */
  readonly args: readonly (Uint8Array | undefined)[];
  /** For processors that these calls lead to. */
  readonly depth: number;
}

/** Aligned with the call's keys: a value or result (undefined: none), or an error. */
export interface ListenerCallAnswer {
  readonly results: readonly (Uint8Array | undefined)[];
  readonly errors: readonly (readonly [index: number, error: GridError])[];
}

/**
 * Answers the calls of a listener. A rejection fails each of them.
 *
 * @param scope  the run that they are made in: its signal fires when that has ended, however it did
 */
export type ListenerCallHandler = (call: ListenerCall, scope: CallScope) => Promise<ListenerCallAnswer>;

export interface ListenerWrite {
  readonly map: string;
  readonly key: Uint8Array;
  /** undefined: remove. */
  readonly value: Uint8Array | undefined;
  /** undefined: the map's default. */
  readonly ttlMs: number | undefined;
}

/** The outcome of one partition's events. */
export type ListenerOutcome =
  | { readonly kind: 'writes'; readonly writes: readonly ListenerWrite[] }
  /**
   * This group of events failed; the others are not concerned. `transient`: the same events may well succeed later, else
   * they would fail again. `isDeath`: the failure cost the thread that it ran in.
   */
  | { readonly kind: 'failed'; readonly error: GridError; readonly transient: boolean; readonly isDeath: boolean }
  /** The listener refused these events, and will refuse them again: at least one of them is not for it. */
  | { readonly kind: 'refused'; readonly error: GridError }
  /** The worker died (`isDeath`), or never ran, with several groups at once: run them one by one. */
  | { readonly kind: 'shared'; readonly error: GridError; readonly isDeath: boolean };

export interface ListenerRun {
  readonly module: string;
  readonly exportName: string;
  readonly map: string;
  /** groups[i]: events of one partition in the order of its log. */
  readonly groups: readonly (readonly ListenerEvent[])[];
}

export interface ListenerRunOptions {
  readonly callHandler: ListenerCallHandler;
  readonly depth?: number;
  readonly signal?: AbortSignal | undefined;
  /** The trace that user code runs in. */
  readonly trace?: TraceContext | undefined;
}

/** Errors of a task whose code cost the thread. */
const DEATHS: ReadonlySet<string> = new Set(['USER_CODE_TIMEOUT', 'USER_CODE_OUT_OF_MEMORY', 'USER_CODE_FAILED']);

export class ListenerRunner {
  readonly #pools: WorkerPools;
  readonly #modules: ModuleRegistry;

  constructor(pools: WorkerPools, modules: ModuleRegistry) {
    this.#pools = pools;
    this.#modules = modules;
  }

  /** Runs the listener on each group; outcomes aligned with the groups. Never rejects. */
  async run(run: ListenerRun, options: ListenerRunOptions): Promise<readonly ListenerOutcome[]> {
    try {
      const answers = await this.#answers(run, options);
      assert(answers.length === run.groups.length, 'every group of events has its answer');
      return answers.map((answer) =>
        'writes' in answer
          ? { kind: 'writes', writes: writesOf(answer.writes) }
          : answer.isRefusal
            ? { kind: 'refused', error: crossed(answer.error) }
            : failed(crossed(answer.error), false),
      );
    } catch (error) {
      const told = GridError.wrap(error);
      const isDeath = DEATHS.has(told.code);
      return run.groups.map(() =>
        run.groups.length > 1 ? { kind: 'shared', error: told, isDeath } : failed(told, isDeath),
      );
    }
  }

  #answers(run: ListenerRun, options: ListenerRunOptions): Promise<readonly GroupAnswer[]> {
    const { callHandler, depth = 0, signal, trace } = options;
    const module = this.#modules.resolve(run.module, run.exportName, 'listener');
    const groups = run.groups.map(columnsOf);
    const task: ListenerTask = { source: sourceOf(module), exportName: run.exportName, map: run.map, groups, trace };
    const ended = new AbortController();
    const scope = { signal: ended.signal, trace };
    let waiting = 0;
    const running: WorkerTask<readonly GroupAnswer[]> = this.#pools.run(depth, 'listener', task, {
      transfer: groups.flatMap(({ keys, values, oldValues }) => buffersOf(keys, values, oldValues)),
      wallMs: module.limits.wallMs,
      memoryMax: module.limits.memoryMax,
      signal,
      isWaiting: () => waiting > 0,
      onMessage: (message) => {
        for (const call of (message as CallsMessage).calls) {
          waiting += 1;
          answer(call, (one) => callHandler(one, scope), depth + 1)
            .then((answers) => running.post(answers, buffersOf(answers.results)))
            .finally(() => {
              waiting -= 1;
            });
        }
      },
    });
    const end = (): void => ended.abort();
    running.result.then(end, end);
    return running.result;
  }
}

/** Whether the same events may succeed when they are tried again later, without a new deployment. */
export function isTransient(error: GridError): boolean {
  switch (error.code) {
    case 'WORKER_LOST':
    case 'OVERLOADED':
    case 'SHUTTING_DOWN':
    case 'CANCELLED':
    case 'DEADLINE_EXCEEDED':
    case 'OUTCOME_UNKNOWN':
    case 'IN_DOUBT':
    case 'SNAPSHOT_EXPIRED':
      return true;
    default:
      return error.retryable;
  }
}

function failed(error: GridError, isDeath: boolean): ListenerOutcome {
  return { kind: 'failed', error, transient: isTransient(error), isDeath };
}

/** Asks the member; a rejection becomes the error of each call. */
async function answer(
  call: CallColumns,
  handler: (call: ListenerCall) => Promise<ListenerCallAnswer>,
  depth: number,
): Promise<AnswersMessage> {
  const { operation, map, module, exportName, firstId } = call;
  const keys = unpackAll(call.keys);
  try {
    const args = unpackBytes(call.args);
    const { results, errors } = await handler({ operation, map, module, exportName, keys, args, depth });
    const crossings = errors.map(([index, error]) => [index, crossing(error)] as const);
    return { firstId, results: packBytes(results), errors: crossings };
  } catch (error) {
    const told = crossing(GridError.wrap(error));
    return { firstId, results: packBytes(keys.map(() => undefined)), errors: keys.map((_, index) => [index, told]) };
  }
}

function columnsOf(events: readonly ListenerEvent[]): GroupColumns {
  return {
    types: Uint8Array.from(events, ({ type }) => EVENT_TYPE[type]),
    versions: Float64Array.from(events, ({ version }) => version),
    tokens: events.map(({ token }) => token),
    keys: packBytes(events.map(({ key }) => key)),
    values: packBytes(events.map(({ value }) => value)),
    oldValues: packBytes(events.map(({ oldValue }) => oldValue)),
  };
}

function writesOf({ maps, mapOf, keys, values, ttlMs }: WriteColumns): ListenerWrite[] {
  const valueBytes = unpackBytes(values);
  return unpackAll(keys).map((key, index) => ({
    map: maps[mapOf[index]!]!,
    key,
    value: valueBytes[index],
    ttlMs: Number.isNaN(ttlMs[index]) ? undefined : ttlMs[index],
  }));
}
