/**
 * The local twin of a link to a member (member-calls.ts): calls to the member we are, without a socket, and otherwise as they
 * would be over one.
 *
 *   ask    -> handler at once, in this turn -> answer, or what ends the call before
 *   stream -> handler's next element when the reader asks for the next one
 *
 *   conversation -> each input to the handler, its next output back
 *
 * local-calls T1  A failure is the same as over the wire (error-status.ts): an error of ours whole, any other as INTERNAL
 *                 without its text. What was thrown is its cause.
 * local-calls T2  The caller's signal and the call's time end it at once, whatever its handler does; the handler's signal
 *                 fires.
 * local-calls T3  A reader that leaves waits until its handler has let go, unless the call has ended before.
 */
import { CancelledError, DeadlineExceededError, GridError, OutcomeUnknownError } from '@ashlar/core';
import { type CallOptions, DEADLINE_MS_MAX } from './client-calls.ts';
import type { Conversation } from './client-conversation.ts';
import { wireErrorOf } from './error-status.ts';
import { connectionLost } from './link-errors.ts';
import type { AdminCalls, MemberCalls, MembersCalls } from './member-calls.ts';
import { METHODS, type Method } from './methods.ts';
import type { CallContext, GridServices, Principal } from './services.ts';

/** `peer` of the calls that a member makes to itself. */
export const LOCAL_PEER = 'local';
const ITSELF: Principal = { name: 'member', roles: ['member'] };

/** Made once: a reason of its own for every call would cost a stack trace each. */
const LEFT = new CancelledError('the call');

type Called = Pick<Method<never, never>, 'name' | 'effect'>;

/** @param services  of this member; asked for at each call: they are made after what calls them */
export function localCalls(services: () => Pick<GridServices, 'admin' | 'members'>): MemberCalls {
  return { admin: adminCalls(services), members: membersCalls(services) };
}

function membersCalls(services: () => Pick<GridServices, 'members'>): MembersCalls {
  const m = METHODS;
  const { ask, stream } = callers(() => services().members);
  return {
    join: ask(m.join, (members, request, context) => members.join(request, context)),
    leave: ask(m.leave, async (members, request, context) => void (await members.leave(request, context))),
    heartbeat: ask(m.heartbeat, (members, request, context) => members.heartbeat(request, context)),
    watchControl: stream(m.watchControl, (members, request, context) => members.watchControl(request, context)),
    changeCatalog: ask(m.changeCatalog, (members, request, context) => members.changeCatalog(request, context)),
    readControl: ask(m.readControl, (members, request, context) => members.readControl(request, context)),
    transact: ask(m.transact, (members, request, context) => members.transact(request, context)),
    renew: ask(m.renew, (members, request, context) => members.renew(request, context)),
    recover: ask(m.recover, (members, request, context) => members.recover(request, context)),
    fetchBundle: ask(m.fetchBundle, (members, request, context) => members.fetchBundle(request, context)),
    followCatalog: ask(m.followCatalog, (members, request, context) => members.followCatalog(request, context)),
    pinSnapshot: ask(m.pinSnapshot, (members, request, context) => members.pinSnapshot(request, context)),
    openSnapshot: ask(m.openSnapshot, (members, request, context) => members.openSnapshot(request, context)),
    releaseSnapshot: ask(
      m.releaseSnapshot,
      async (members, request, context) => void (await members.releaseSnapshot(request, context)),
    ),
    findPaths: ask(m.findPaths, (members, request, context) => members.findPaths(request, context)),
    runFragment: stream(m.runFragment, (members, request, context) => members.runFragment(request, context)),
    runJobPart: stream(m.runJobPart, (members, request, context) => members.runJobPart(request, context)),
    modifyRows: ask(m.modifyRows, (members, request, context) => members.modifyRows(request, context)),
    deliverWrites: ask(m.deliverWrites, (members, request, context) => members.deliverWrites(request, context)),
    changePart: (options) =>
      new LocalConversation(m.changePart, options, (inputs, context) => services().members.changePart(inputs, context)),
  };
}

function adminCalls(services: () => Pick<GridServices, 'admin'>): AdminCalls {
  const m = METHODS;
  const { ask, stream } = callers(() => services().admin);
  return {
    hello: ask(m.hello, (admin, request, context) => admin.hello(request, context)),
    getTable: ask(m.getTable, (admin, _, context) => admin.getTable(context)),
    watchTable: stream(m.watchTable, (admin, _, context) => admin.watchTable(context)),
    ping: ask(m.ping, (admin, _, context) => admin.ping(context)),
    listMaps: ask(m.listMaps, (admin, _, context) => admin.listMaps(context)),
    mapSize: ask(m.mapSize, (admin, request, context) => admin.mapSize(request, context)),
    clear: ask(m.clear, (admin, request, context) => admin.clear(request, context)),
    dropMap: ask(m.dropMap, (admin, request, context) => admin.dropMap(request, context)),
    dropColumns: ask(
      m.dropColumns,
      async (admin, request, context) => void (await admin.dropColumns(request, context)),
    ),
    getReplicas: ask(m.getReplicas, (admin, _, context) => admin.getReplicas(context)),
    recover: ask(m.recoverPartitions, (admin, request, context) => admin.recover(request, context)),
    stats: ask(m.stats, (admin, _, context) => admin.stats(context)),
  };
}

function callers<Service>(service: () => Service) {
  return {
    ask:
      <Request, Response>(
        method: Called & Pick<Method<Request, Response>, 'decodeResponse'>,
        handler: (service: Service, request: Request, context: CallContext) => Promise<Response>,
      ) =>
      (request: Request, options?: CallOptions): Promise<Response> =>
        ask(method, options, (context) => handler(service(), request, context)),
    stream:
      <Request, Response>(
        method: Called & Pick<Method<never, Response>, 'decodeResponse'>,
        handler: (service: Service, request: Request, context: CallContext) => AsyncIterable<Response>,
      ) =>
      (request: Request, options?: CallOptions): AsyncGenerator<Response, void, undefined> =>
        stream(method, options, (context) => handler(service(), request, context)),
  };
}

async function ask<Response>(
  method: Called,
  options: CallOptions | undefined,
  run: (context: CallContext) => Promise<Response>,
): Promise<Response> {
  const call = new LocalCall(method, options);
  try {
    return await call.orEnded(run(call.context));
  } catch (error) {
    throw call.told(error);
  } finally {
    call.close();
  }
}

async function* stream<Response>(
  method: Called,
  options: CallOptions | undefined,
  run: (context: CallContext) => AsyncIterable<Response>,
): AsyncGenerator<Response, void, undefined> {
  const call = new LocalCall(method, options);
  let answers: AsyncIterator<Response> | undefined;
  let isDone = false;
  try {
    answers = run(call.context)[Symbol.asyncIterator]();
    while (!isDone) {
      const next = await call.orEnded(answers.next());
      if (next.done === true) isDone = true;
      else yield next.value;
    }
  } catch (error) {
    isDone = call.failure === undefined;
    throw call.told(error);
  } finally {
    call.close();
    if (!isDone) await left(answers, call);
  }
}

/** local-calls T3. One that was ended may still be computing: it is cancelled, and not waited for. */
async function left(answers: AsyncIterator<unknown> | undefined, call: LocalCall): Promise<void> {
  call.leave();
  const leaving = answers?.return?.().then(undefined, () => undefined);
  if (call.failure === undefined) await leaving;
}

/** One call of questions and answers under way. */
class LocalConversation<Input, Output> implements Conversation<Input, Output> {
  readonly #method: Called;
  readonly #call: LocalCall;
  readonly #outputs: AsyncIterator<Output>;
  /** The question that was asked and that the handler has not read yet. */
  #input: Input | undefined;
  #wakeHandler: (() => void) | undefined;
  #failure: GridError | undefined;
  /** The handler goes on by itself until it wants an input, as it does behind a socket. */
  #next: Promise<IteratorResult<Output, unknown>> | undefined;

  constructor(
    method: Called,
    options: CallOptions | undefined,
    run: (inputs: AsyncIterable<Input>, context: CallContext) => AsyncIterable<Output>,
  ) {
    this.#method = method;
    this.#call = new LocalCall(method, options);
    this.#outputs = run(this.#inputs(), this.#call.context)[Symbol.asyncIterator]();
  }

  async *#inputs(): AsyncGenerator<Input, void, undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const input = this.#input;
      this.#input = undefined;
      if (input !== undefined) yield input;
      else
        await new Promise<void>((resolve) => {
          this.#wakeHandler = resolve;
        });
    }
  }

  async ask(input: Input): Promise<Output> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#input = input;
    this.#wakeHandler?.();
    try {
      const next = await this.#call.orEnded(this.#next ?? this.#outputs.next());
      this.#next = this.#outputs.next();
      this.#next.catch(() => undefined);
      if (next.done !== true) return next.value;
      throw connectionLost(this.#method.name, '');
    } catch (error) {
      this.#end(this.#call.told(error));
      throw this.#failure;
    }
  }

  close(): void {
    if (this.#failure === undefined) this.#end(new CancelledError(this.#method.name));
  }

  #end(failure: GridError): void {
    this.#failure = failure;
    this.#call.end(failure);
    this.#call.close();
    this.#wakeHandler?.();
    void this.#outputs.return?.().then(undefined, () => undefined);
  }
}

/** One call under way. */
class LocalCall {
  readonly context: CallContext;
  /** What ended it before its handler did. */
  failure: GridError | undefined;
  readonly #method: Called;
  readonly #mayHaveApplied: boolean;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #reject: ((error: GridError) => void) | undefined;

  /** @throws GridError CANCELLED when the caller has left already: no handler hears of it */
  constructor(method: Called, options: CallOptions = {}) {
    const { signal, timeoutMs, trace, onlyReads } = options;
    if (signal?.aborted === true) throw new CancelledError(method.name);
    this.#method = method;
    this.#mayHaveApplied = method.effect !== 'none' && onlyReads !== true;
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    const isTimed = timeoutMs !== undefined && timeoutMs <= DEADLINE_MS_MAX;
    if (isTimed) this.#timer = setTimeout(() => this.end(this.#overdue(timeoutMs)), timeoutMs);
    this.context = {
      signal: this.#abort.signal,
      deadlineMs: isTimed ? performance.now() + timeoutMs : undefined,
      principal: ITSELF,
      trace,
      peer: LOCAL_PEER,
      require: () => undefined,
    };
  }

  readonly #onAbort = (): void => this.end(new CancelledError(this.#method.name));

  #overdue(timeoutMs: number): GridError {
    const late = new DeadlineExceededError(this.#method.name, timeoutMs);
    if (!this.#mayHaveApplied) return late;
    return new OutcomeUnknownError(this.#method.name, late, `and not answered within ${timeoutMs} ms`);
  }

  /** Ends the call, whatever its handler does. */
  end(failure: GridError): void {
    this.failure ??= failure;
    this.#abort.abort(this.failure);
    this.#reject?.(this.failure);
  }

  /** Settles as `work` does, or with what ends the call before. One at a time. */
  orEnded<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      if (this.failure !== undefined) reject(this.failure);
      work.then(resolve, reject);
    });
  }

  /** local-calls T1. */
  told(error: unknown): GridError {
    if (this.failure !== undefined) return this.failure;
    const wire = wireErrorOf(error);
    return new GridError(wire.code, wire.message, { ...wire, cause: error });
  }

  /** The reader wants no more. */
  leave(): void {
    this.#abort.abort(LEFT);
  }

  /** It is over. */
  close(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}
