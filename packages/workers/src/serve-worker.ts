/**
 * The worker's half of a pool: what an entry file makes its default export from.
 *
 *   piscina's port --Envelope--> serve: attach once -> RUNNING = task -> handler -> RUNNING = 0 --Answer--> main
 *   private port   <--TaskMessage--> the running task
 *
 * serve-worker S1  The attachment (store handle, control words, port) comes with the first task, before user code is loaded,
 *                  and lives in a closure of this call: no export, no global, no workerData leads to it.
 * serve-worker S2  A worker runs one task at a time.
 * serve-worker S3  A handler's failure is an Answer; nothing a handler throws reaches piscina, which would lose its fields.
 * serve-worker S4  An Answer says how many messages its task posted: main takes it only with all of them.
 */

import type { MessagePort, Transferable } from 'node:worker_threads';
import { assert, GridError } from '@ashlar/core';
import { Piscina } from 'piscina';
import { ControlBlock } from './control-block.ts';
import { type Answer, type Attachment, type Envelope, isLaterTask, STRAY_TASK, type TaskMessage } from './protocol.ts';
import { handlerErrorToWire } from './thrown.ts';

/** What a handler has besides its task. */
export interface WorkerContext<Reader> {
  /** Made once a worker by the entry file's `attach`. */
  readonly reader: Reader;
  /** Whether the caller gave up; a handler looks once a chunk, cleans up and ends. */
  cancelled(): boolean;
  /** Throws CANCELLED when the caller gave up. */
  throwIfCancelled(): void;
  /** A step is done: the wall clock of the task starts again. */
  beat(): void;
  /** To the task's onMessage in the main thread; messages arrive before the task's result. */
  post(message: unknown, transfer?: readonly Transferable[]): void;
  /** Messages that main posts to this task. One function at a time; earlier messages are kept for it. */
  onMessage(receive: (message: unknown) => void): void;
}

export type Handler<Reader> = (task: never, context: WorkerContext<Reader>) => unknown;

export interface ServeOptions<Reader> {
  /** Makes the reader from the pool's `store` (a StoreHandle) and this worker's reader-epoch number. */
  readonly attach: (store: never, workerIndex: number) => Reader;
  /**
   * Keeps the thread alive when an error surfaces that no task awaits (a timer of user code, a forgotten promise);
   * it is counted in the pool's stats. Default false: such an error ends the thread.
   */
  readonly toleratesStrayErrors?: boolean;
}

/** A handler's result of which `buffers` are moved, not copied. */
export function transferring<T extends object>(value: T, buffers: readonly Transferable[]): T {
  moved.set(value, buffers);
  return value;
}

const moved = new WeakMap<object, readonly Transferable[]>();
const { transferableSymbol, valueSymbol } = Piscina;
let isServing = false;

/**
 * Serves a pool's tasks by kind. An entry file does `export default serveWorker({ ... }, { attach })`.
 * Once a thread: code that comes later cannot put itself in its place.
 */
export function serveWorker<Reader>(
  handlers: Readonly<Record<string, Handler<Reader>>>,
  options: ServeOptions<Reader>,
): (envelope: Envelope) => Promise<unknown> {
  assert(!isServing, 'a worker thread serves once');
  isServing = true;
  const table = new Map(Object.entries(handlers));
  let served: Served<Reader> | undefined;
  return async (envelope) => {
    if (envelope.attachment !== undefined) {
      assert(served === undefined, 'a worker is attached once');
      served = new Served(table, envelope.attachment, options);
    }
    assert(served !== undefined, 'the first task attaches the worker');
    return served.run(envelope);
  };
}

/** A worker from its attachment on. */
class Served<Reader> {
  readonly #handlers: ReadonlyMap<string, Handler<Reader>>;
  readonly #control: ControlBlock;
  readonly #port: MessagePort;
  readonly #reader: Reader;
  #running: RunningContext<Reader> | undefined;
  #lastTask = 0;
  /** Messages that overtook their task: the two ports know no order between them. */
  readonly #early = new Map<number, unknown[]>();

  constructor(handlers: ReadonlyMap<string, Handler<Reader>>, attachment: Attachment, options: ServeOptions<Reader>) {
    this.#handlers = handlers;
    this.#control = new ControlBlock(attachment.control);
    this.#port = attachment.port;
    this.#reader = options.attach(attachment.store as never, attachment.workerIndex);
    this.#port.on('message', (message: TaskMessage) => this.#receive(message));
    // The pool's own port keeps the thread alive; this one would show up among the process's active handles.
    this.#port.unref();
    if (options.toleratesStrayErrors === true) this.#tolerateStrayErrors();
  }

  async run(envelope: Envelope): Promise<unknown> {
    const handler = this.#handlers.get(envelope.kind);
    const context = new RunningContext(envelope.task, this.#reader, this.#control, this.#port);
    this.#running = context;
    this.#lastTask = envelope.task;
    this.#control.begin(envelope.task);
    for (const message of this.#early.get(envelope.task) ?? []) context.receive(message);
    this.#early.clear();
    try {
      if (handler === undefined) throw new GridError('INTERNAL', `no handler for tasks of kind '${envelope.kind}'`);
      const returned = handler(envelope.body as never, context);
      return answerOf(isPromise(returned) ? await returned : returned, context.posted);
    } catch (error) {
      return { ok: false, error: handlerErrorToWire(error), posted: context.posted } satisfies Answer;
    } finally {
      this.#control.end();
      this.#running = undefined;
    }
  }

  #receive({ task, body }: TaskMessage): void {
    if (task === this.#running?.task) {
      this.#running.receive(body);
    } else if (isLaterTask(task, this.#lastTask)) {
      const kept = this.#early.get(task);
      if (kept === undefined) this.#early.set(task, [body]);
      else kept.push(body);
    }
  }

  #tolerateStrayErrors(): void {
    const report = (error: unknown): void => {
      const { message } = handlerErrorToWire(error);
      this.#port.postMessage({ task: STRAY_TASK, body: message } satisfies TaskMessage);
    };
    process.on('uncaughtException', report);
    process.on('unhandledRejection', report);
  }
}

function isPromise(value: unknown): value is Promise<unknown> {
  return value instanceof Promise;
}

function answerOf(value: unknown, posted: number): unknown {
  const answer: Answer = { ok: true, value, posted };
  const buffers = typeof value === 'object' && value !== null ? moved.get(value) : undefined;
  if (buffers === undefined) return answer;
  return Piscina.move({ [transferableSymbol]: buffers, [valueSymbol]: answer } as unknown as ArrayBuffer);
}

class RunningContext<Reader> implements WorkerContext<Reader> {
  readonly reader: Reader;
  readonly task: number;
  readonly #control: ControlBlock;
  readonly #port: MessagePort;
  readonly #kept: unknown[] = [];
  #receive: ((message: unknown) => void) | undefined;
  /** Messages so far. */
  posted = 0;

  constructor(task: number, reader: Reader, control: ControlBlock, port: MessagePort) {
    this.reader = reader;
    this.task = task;
    this.#control = control;
    this.#port = port;
  }

  cancelled(): boolean {
    return this.#control.isCancelled(this.task);
  }

  throwIfCancelled(): void {
    if (this.cancelled()) throw new GridError('CANCELLED', 'the task was cancelled');
  }

  beat(): void {
    this.#control.beat();
  }

  post(message: unknown, transfer: readonly Transferable[] = []): void {
    this.#port.postMessage({ task: this.task, body: message } satisfies TaskMessage, transfer);
    this.posted += 1;
  }

  onMessage(receive: (message: unknown) => void): void {
    this.#receive = receive;
    for (const message of this.#kept.splice(0)) receive(message);
  }

  receive(message: unknown): void {
    if (this.#receive === undefined) this.#kept.push(message);
    else this.#receive(message);
  }
}
