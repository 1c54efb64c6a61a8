/**
 * A pool of worker threads beside the arena: the main thread's half.
 *
 *   run -> queue (bounded: OVERLOADED) -> piscina, at most one task a thread -> answer
 *                                          |  watchdog: wall clock, memory -> kill -> replaced thread, typed error
 *                                          '- 'exit' -> the worker's number is free -> onWorkerGone(number)
 *
 * piscina brings threads up, replaces them and wakes them; the queue, the limits and the meaning of a death are ours.
 * What it cannot do shapes this file: its signal also counts time in its queue, so ours hands over a task only when a
 * thread is free; more than one task a worker hangs the sibling of a killed one; it has no word for "this worker is
 * new", so the choice of a worker (loadBalancer) is where a new worker gets its attachment.
 *
 * worker-pool W1  A task that was killed has no result, and its promise is rejected at once; its thread may live on until
 *                 'exit'.
 * worker-pool W2  A worker's number goes back to the allocator after 'exit', never before.
 * worker-pool W3  Wall clock counts from when the worker began the task, or reported its last step.
 * worker-pool W4  No more than `queueMax` tasks wait.
 * worker-pool W5  A message reaches the task that posted it, whatever its thread runs by then: piscina hands a thread the next
 *                 task before we have read the messages of the one before, so a thread has several tasks whose messages are
 *                 still due.
 * worker-pool W6  A task settles after all its messages, and fails when fewer arrived than its worker says it posted: a lost
 *                 message is never a short result.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  type Transferable,
  type Worker,
} from 'node:worker_threads';
import { assert, GridError, SmallSet } from '@ashlar/core';
import { Piscina } from 'piscina';
import { ControlBlock } from './control-block.ts';
import { type DeathWords, deathOf, QUERY_DEATHS, USER_DEATHS } from './deaths.ts';
import type { IndexAllocator } from './index-allocator.ts';
import { type Answer, type Envelope, STRAY_TASK, TASK_NUMBER_MAX, type TaskMessage } from './protocol.ts';
import { Watchdog } from './watchdog.ts';

export interface ResourceLimits {
  readonly maxOldGenerationSizeMb?: number;
  readonly maxYoungGenerationSizeMb?: number;
  readonly stackSizeMb?: number;
}

/**
 * V8's limit for user code: far beyond what one call into a built-in can take (an array of 1 GB and its copy), because
 * V8 ends the process when one call overshoots. The limit that counts is RunOptions.memoryMax.
 */
export const USER_HEAP_BACKSTOP: ResourceLimits = Object.freeze({ maxOldGenerationSizeMb: 4096 });

export interface WorkerPoolOptions {
  /** For errors and metrics: "query", "user-0". */
  readonly name: string;
  /** The entry file: its default export is what serveWorker returned. */
  readonly entry: URL;
  readonly threads: number;
  /** Handed to each worker once: a StoreHandle. Cloneable. */
  readonly store: unknown;
  /** Shared by all pools of the member. */
  readonly workerIndexes: IndexAllocator;
  /** The worker has exited: no thread reads under this number any more. Called before the number is free again. */
  readonly onWorkerGone: (workerIndex: number) => void;
  /** Tasks that may wait for a thread. */
  readonly queueMax: number;
  /** Which errors the death of a thread becomes: USER_CODE_*, or those of a query. Default 'user'. */
  readonly role?: 'user' | 'query';
  readonly resourceLimits?: ResourceLimits;
  /** Environment of the workers; default: a copy of the process's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Added to the threads' nice value, where the system has one for each thread. Default 0. */
  readonly niceness?: number;
  /** Threads start with the pool instead of with the first task. Default false. */
  readonly eager?: boolean;
}

export interface RunOptions {
  readonly transfer?: readonly Transferable[];
  /** Gives up: a waiting task leaves the queue; a running one is cancelled by its flag (`cancelFlag`) or killed. */
  readonly signal?: AbortSignal | undefined;
  /** Wall clock of one step, milliseconds; a breach kills the thread. Default: none. */
  readonly wallMs?: number | undefined;
  /** Heap and external memory of the worker, bytes, polled while the task runs; a breach kills the thread. Default: none. */
  readonly memoryMax?: number | undefined;
  /** Cancel by the worker's flag: the thread lives, the task ends itself. Default false. */
  readonly cancelFlag?: boolean;
  /** Messages of the running task, in order, all of them before its result. */
  readonly onMessage?: (message: unknown) => void;
  /** True while the task waits for us: the wall clock stands still. */
  readonly isWaiting?: () => boolean;
  /** The task's thread is about to be killed: the moment to note how far it got. */
  readonly onKill?: () => void;
}

/** A task handed to a pool. */
export interface WorkerTask<T> {
  /**
   * @throws GridError what the handler threw; or of a kill: USER_CODE_TIMEOUT, USER_CODE_OUT_OF_MEMORY,
   *   USER_CODE_FAILED (the thread ended itself), CANCELLED, SHUTTING_DOWN; OVERLOADED when the queue is full
   */
  readonly result: Promise<T>;
  /** Posts to the task's onMessage in the worker; kept until it runs. After its end: nothing happens. */
  post(message: unknown, transfer?: readonly Transferable[]): void;
  /** Ends the task with `error`; a running one loses its thread. */
  kill(error: GridError): void;
}

export interface PoolStats {
  readonly threads: number;
  readonly busy: number;
  readonly queued: number;
  readonly queueMax: number;
  /** Threads killed since the start, and threads that died by themselves. */
  readonly killed: number;
  readonly died: number;
  /** Killed threads that have not ended: each burns a core until the process is killed. */
  readonly stuck: number;
  /** Errors that surfaced in a worker and belonged to no task. */
  readonly strayErrors: number;
}

/** Memory of a worker's isolate. Shared memory is not in it. */
export interface WorkerMemory {
  /** The worker's number among all workers of the member. */
  readonly index: number;
  readonly heapBytes: number;
  readonly externalBytes: number;
}

/** One living worker thread. */
interface WorkerState {
  readonly index: number;
  readonly thread: Worker;
  readonly control: ControlBlock;
  readonly port: MessagePort;
  readonly exited: Promise<void>;
  /** Handed to the thread and not settled; the newest is the one that runs (worker-pool W5). */
  readonly tasks: SmallSet<TaskRecord>;
  newest: TaskRecord | undefined;
}

/** One task from run() to its end. */
interface TaskRecord {
  readonly envelope: Envelope;
  readonly transfer: Transferable[];
  readonly options: RunOptions;
  readonly abort: AbortController;
  readonly settle: { resolve(value: unknown): void; reject(error: unknown): void };
  state: 'queued' | 'dispatched' | 'settled';
  worker: WorkerState | undefined;
  /** Messages taken off the port. */
  received: number;
  /** The error of handling its messages on this side. */
  failure: GridError | undefined;
  unlisten: () => void;
  readonly kept: (readonly [unknown, readonly Transferable[]])[];
}

const STUCK_AFTER_MS = 1000;
const CLOSE_WAIT_MS = 5000;
/** A thread in one long call into a built-in answers when that returns. */
const MEMORY_ANSWER_MS = 100;
const { queueOptionsSymbol } = Piscina;

export class WorkerPool {
  readonly name: string;
  readonly #options: WorkerPoolOptions;
  readonly #words: DeathWords;
  readonly #queue: TaskRecord[] = [];
  readonly #dispatched = new SmallSet<TaskRecord>();
  /** By thread id. */
  readonly #workers = new Map<number, WorkerState>();
  readonly #watchdog: Watchdog<TaskRecord>;
  readonly #stopListening: () => void;
  /** Killed, not yet gone: since when, in milliseconds. */
  readonly #leaving = new Map<WorkerState, number>();
  #threads: Piscina | undefined;
  #nextTask = 1;
  #killed = 0;
  #died = 0;
  #strayErrors = 0;
  #closing: Promise<void> | undefined;

  constructor(options: WorkerPoolOptions) {
    assert(options.threads >= 1, 'a pool has a thread');
    this.name = options.name;
    this.#options = options;
    this.#words = options.role === 'query' ? QUERY_DEATHS : USER_DEATHS;
    this.#watchdog = new Watchdog<TaskRecord>({
      tasks: () => this.#dispatched,
      limitsOf: (record) => record.options,
      workerOf: (record) => record.worker,
      taskNumberOf: (record) => record.envelope.task,
      onBreach: (record, breach) => this.#kill(record, this.#words.breached(breach)),
    });
    this.#stopListening = options.workerIndexes.onRelease(() => this.#pump());
    if (options.eager === true) this.#start();
  }

  /** Queues a task. The caller awaits `result`, or its rejection is an unhandled one. */
  run<T>(kind: string, body: unknown, options: RunOptions = {}): WorkerTask<T> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const record = this.#record(kind, body, options, { resolve, reject });
    const refused = this.#refusal(options);
    if (refused !== undefined) {
      this.#fail(record, refused);
    } else {
      this.#listen(record);
      this.#queue.push(record);
      this.#pump();
    }
    return {
      result: promise as Promise<T>,
      post: (message, transfer = []) => post(record, message, transfer),
      kill: (error) => this.#end(record, error),
    };
  }

  stats(): PoolStats {
    return {
      threads: this.#options.threads,
      busy: this.#dispatched.size,
      queued: this.#queue.length,
      queueMax: this.#options.queueMax,
      killed: this.#killed,
      died: this.#died,
      stuck: [...this.#leaving.values()].filter((sinceMs) => performance.now() - sinceMs > STUCK_AFTER_MS).length,
      strayErrors: this.#strayErrors,
    };
  }

  /** What each worker holds that has run a task and answers at once; it is asked by interrupt, also while it runs one. */
  async memory(): Promise<readonly WorkerMemory[]> {
    const given = new AbortController();
    const late = sleep(MEMORY_ANSWER_MS, undefined, { signal: given.signal, ref: false }).catch(() => undefined);
    const asked = [...this.#workers.values()].map(async ({ index, thread }) => {
      const told = await Promise.race([thread.getHeapStatistics().catch(() => undefined), late]);
      if (told === undefined) return [];
      return [{ index, heapBytes: told.used_heap_size, externalBytes: told.external_memory }];
    });
    const answers = await Promise.all(asked);
    given.abort();
    return answers.flat();
  }

  /**
   * Ends everything: what waits and what runs is rejected with SHUTTING_DOWN. Resolves when all threads are gone, or
   * after CLOSE_WAIT_MS when some are stuck (see stats): then the process can end only by a signal to itself.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#watchdog.stop();
    const error = new GridError('SHUTTING_DOWN', `the ${this.name} workers are closing`);
    for (const record of [...this.#queue, ...this.#dispatched]) this.#end(record, error);
    const waited = new AbortController();
    const given = sleep(CLOSE_WAIT_MS, undefined, { signal: waited.signal, ref: false }).catch(() => undefined);
    // piscina waits for the threads it still knows; those that were killed before are ours to wait for.
    const exits = [...this.#workers.values()].map(({ exited }) => exited);
    await Promise.race([Promise.all([this.#threads?.destroy(), ...exits]), given]);
    waited.abort();
    this.#stopListening();
  }

  #refusal({ signal }: RunOptions): GridError | undefined {
    if (this.#closing !== undefined) return new GridError('SHUTTING_DOWN', `the ${this.name} workers are closing`);
    if (signal?.aborted === true) return cancelled();
    const { queueMax, threads } = this.#options;
    if (this.#queue.length < queueMax || this.#dispatched.size < threads) return undefined;
    return new GridError('OVERLOADED', `${this.#queue.length} tasks wait for the ${threads} ${this.name} workers`, {
      hint: 'try again later, or give the member more worker threads',
      details: { pool: this.name, queued: this.#queue.length, queueMax, threads },
    });
  }

  #record(kind: string, body: unknown, options: RunOptions, settle: TaskRecord['settle']): TaskRecord {
    const task = this.#nextTask;
    this.#nextTask = task === TASK_NUMBER_MAX ? 1 : task + 1;
    return {
      envelope: { task, kind, body, attachment: undefined },
      transfer: [...(options.transfer ?? [])],
      options,
      abort: new AbortController(),
      settle,
      state: 'queued',
      worker: undefined,
      received: 0,
      failure: undefined,
      unlisten: () => undefined,
      kept: [],
    };
  }

  #listen(record: TaskRecord): void {
    const { signal, cancelFlag } = record.options;
    if (signal === undefined) return;
    const onAbort = (): void => {
      const { worker } = record;
      if (cancelFlag !== true || worker === undefined) this.#end(record, cancelled());
      // Once its thread has another task it has ended: the flag is the other's.
      else if (worker.newest === record) worker.control.cancel(record.envelope.task);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    record.unlisten = () => signal.removeEventListener('abort', onAbort);
  }

  /** Hands waiting tasks over, one for each free thread. */
  #pump(): void {
    const { threads, workerIndexes } = this.#options;
    while (this.#queue.length > 0 && this.#dispatched.size < threads && workerIndexes.freeCount > 0) {
      this.#dispatch(this.#queue.shift()!);
    }
  }

  #dispatch(record: TaskRecord): void {
    record.state = 'dispatched';
    this.#dispatched.add(record);
    this.#watchdog.start();
    // The balancer finds the record by this symbol, which cloning drops, and adds the attachment to the envelope and
    // the port to `transfer` before piscina posts them.
    const task = Object.assign(record.envelope, { [queueOptionsSymbol]: record });
    this.#start()
      .run(task, { transferList: record.transfer as never, signal: record.abort.signal })
      .then(
        (answer: Answer) => this.#onAnswer(record, answer),
        (error: unknown) => this.#onDeath(record, error),
      );
  }

  #start(): Piscina {
    if (this.#threads !== undefined) return this.#threads;
    const { entry, threads, resourceLimits, env, niceness } = this.#options;
    const pool = new Piscina({
      filename: entry.href,
      minThreads: threads,
      maxThreads: threads,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      recordTiming: false,
      loadBalancer: (task, workers) => this.#choose(task, workers) as never,
      ...(resourceLimits === undefined ? {} : { resourceLimits }),
      ...(env === undefined ? {} : { env }),
      ...(niceness === undefined ? {} : { niceIncrement: niceness }),
    });
    // A thread that dies between tasks. Without a listener the process would end.
    pool.on('error', (error: unknown) => this.#onIdleDeath(error));
    this.#threads = pool;
    return pool;
  }

  /** piscina asks which worker takes the task; a worker met for the first time is attached. */
  #choose(task: object, workers: readonly { readonly id: number; readonly currentUsage: number }[]): unknown {
    const free = workers.find((worker) => worker.currentUsage === 0);
    if (free === undefined) return null;
    const record = (task as Readonly<Record<symbol, unknown>>)[queueOptionsSymbol] as TaskRecord;
    const state = this.#workers.get(free.id) ?? this.#attach(free.id, record);
    if (state === undefined) return null;
    state.tasks.add(record);
    state.newest = record;
    record.worker = state;
    for (const [message, transfer] of record.kept.splice(0)) post(record, message, transfer);
    return free;
  }

  #attach(threadId: number, record: TaskRecord): WorkerState | undefined {
    const thread = this.#threads?.threads.find((one) => one.threadId === threadId);
    if (thread === undefined) return undefined;
    const { store, workerIndexes, onWorkerGone } = this.#options;
    const { port1, port2 } = new MessageChannel();
    const control = new ControlBlock();
    const index = workerIndexes.take();
    const { promise: exited, resolve } = Promise.withResolvers<void>();
    const tasks = new SmallSet<TaskRecord>();
    const state: WorkerState = { index, thread, control, port: port1, exited, tasks, newest: undefined };
    this.#workers.set(threadId, state);
    thread.once('exit', () => {
      this.#workers.delete(threadId);
      this.#leaving.delete(state);
      port1.close();
      onWorkerGone(index);
      workerIndexes.release(index);
      resolve();
    });
    port1.on('message', (message: TaskMessage) => this.#onMessage(state, message));
    port1.unref();
    record.envelope.attachment = { store, workerIndex: index, control: control.shared, port: port2 };
    record.transfer.push(port2);
    return state;
  }

  #onMessage({ tasks }: WorkerState, { task, body }: TaskMessage): void {
    if (task === STRAY_TASK) {
      this.#strayErrors++;
      return;
    }
    for (const record of tasks) {
      if (record.envelope.task === task) {
        deliver(record, body);
        return;
      }
    }
  }

  #onAnswer(record: TaskRecord, answer: Answer): void {
    if (record.state === 'settled') {
      // It ended by itself in the moment in which it was killed: its thread lives on.
      if (record.worker !== undefined) this.#leaving.delete(record.worker);
      return;
    }
    this.#drainMessages(record);
    this.#release(record);
    const failure = record.failure ?? lossOf(record, answer.posted, this.name);
    if (!answer.ok) record.settle.reject(GridError.from(answer.error));
    else if (failure !== undefined) record.settle.reject(failure);
    else record.settle.resolve(answer.value);
    this.#pump();
  }

  /** Result and messages take different ports: what the worker posted before its result is there, but perhaps unread. */
  #drainMessages({ worker }: TaskRecord): void {
    if (worker === undefined) return;
    for (let next = nextMessage(worker.port); next !== undefined; next = nextMessage(worker.port)) {
      this.#onMessage(worker, next);
    }
  }

  /** piscina rejects only for reasons of its own: the thread died, or the task could not be posted. */
  #onDeath(record: TaskRecord, error: unknown): void {
    if (record.state === 'settled') return;
    const isPostFailure = (error as { name?: unknown }).name === 'DataCloneError';
    if (!isPostFailure) this.#died++;
    this.#drainMessages(record);
    this.#release(record);
    if (isPostFailure && record.envelope.attachment !== undefined && record.worker !== undefined) {
      // It never got its attachment; as an unattached worker it could not serve, so it goes.
      void record.worker.thread.terminate();
    }
    record.settle.reject(deathOf(error, this.#words));
    this.#pump();
  }

  #onIdleDeath(error: unknown): void {
    this.#died++;
    if (this.#workers.size > 0 || this.#threads?.threads.length !== 0) return;
    // The entry file cannot be loaded: piscina starts no more threads, so what waits would wait for ever.
    const failure = deathOf(error, this.#words);
    for (const record of [...this.#queue, ...this.#dispatched]) this.#end(record, failure);
    this.#threads = undefined;
  }

  #kill(record: TaskRecord, error: GridError): void {
    if (record.state === 'settled') return;
    this.#drainMessages(record);
    this.#end(record, error);
  }

  #end(record: TaskRecord, error: GridError): void {
    if (record.state === 'settled') return;
    const wasDispatched = record.state === 'dispatched';
    if (record.worker !== undefined) {
      this.#killed++;
      this.#leaving.set(record.worker, performance.now());
      record.options.onKill?.();
    }
    this.#fail(record, error);
    if (wasDispatched) record.abort.abort();
    this.#pump();
  }

  #fail(record: TaskRecord, error: GridError): void {
    this.#release(record);
    record.settle.reject(error);
  }

  #release(record: TaskRecord): void {
    if (record.state === 'queued') {
      const place = this.#queue.indexOf(record);
      if (place >= 0) this.#queue.splice(place, 1);
    }
    record.state = 'settled';
    record.unlisten();
    this.#dispatched.delete(record);
    record.worker?.tasks.delete(record);
  }
}

function cancelled(): GridError {
  return new GridError('CANCELLED', 'the task was cancelled');
}

function deliver(record: TaskRecord, body: unknown): void {
  record.received++;
  try {
    record.options.onMessage?.(body);
  } catch (error) {
    record.failure ??= GridError.wrap(error);
  }
}

/** A message that cannot be read counts as none: its task then lacks it (worker-pool W6). */
function nextMessage(port: MessagePort): TaskMessage | undefined {
  try {
    return receiveMessageOnPort(port)?.message as TaskMessage | undefined;
  } catch {
    return undefined;
  }
}

/** The error of a task of which fewer messages arrived than it posted. */
function lossOf(record: TaskRecord, posted: number, pool: string): GridError | undefined {
  const { received } = record;
  if (received === posted) return undefined;
  const { kind } = record.envelope;
  return new GridError('INTERNAL', `${received} of ${posted} messages of a '${kind}' task arrived`, {
    hint: 'the result would be short, so there is none: try again, and report it',
    details: { pool, kind, received, posted },
  });
}

function post(record: TaskRecord, message: unknown, transfer: readonly Transferable[]): void {
  if (record.state === 'settled') return;
  if (record.worker === undefined) record.kept.push([message, transfer]);
  else record.worker.port.postMessage({ task: record.envelope.task, body: message } satisfies TaskMessage, transfer);
}
