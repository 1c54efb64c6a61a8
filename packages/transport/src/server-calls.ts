/**
 * The three kinds of calls a member answers, over grpc-js: unary, stream of answers, stream of answers under credit.
 *
 *   context (who) -> decode -> authorize -> handler -> encode -> send
 *
 * A stream's next element is computed only when there is credit, the transport took the one before, and the turn's
 * byte quota allows it.
 */
import { CancelledError, GridError } from '@ashlar/core';
import type {
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  StatusObject,
  sendUnaryData,
} from '@grpc/grpc-js';
import type { ActiveCalls } from './active-calls.ts';
import { type AccessControl, type AnyCall, authorizeCall, openContext } from './call-context.ts';
import { CallerLeaves } from './caller-leaves.ts';
import { Credit } from './credit.ts';
import { type CatalogDoor, catalogIn, catalogTrailer, followed, writeCatalog } from './known-catalog.ts';
import type { CreditInput, Method } from './methods.ts';
import type { Outgoing, OutgoingCall } from './outgoing.ts';
import type { CallContext } from './services.ts';
import type { SpinMode } from './spinning.ts';
import type { DoorStreams } from './stream-claims.ts';
import type { Traffic } from './traffic.ts';
import type { TurnQuota } from './turn-quota.ts';

/** What all calls of one server share. */
export interface ServerState {
  readonly access: AccessControl;
  readonly catalog: CatalogDoor | undefined;
  readonly quota: TurnQuota;
  readonly messageBytesMax: number;
  readonly active: ActiveCalls;
  readonly traffic: Traffic;
  readonly outgoing: Outgoing;
  /** HTTP/2 streams of its kv and replication streams. */
  readonly doorStreams: DoorStreams;
  /** The ways to end the replication streams that are open. */
  readonly exchanges: Set<() => void>;
  /** The ways to end the streams that tell of changes for as long as somebody listens. */
  readonly watches: Set<() => void>;
  /** Whether the process may spin between batches. */
  readonly spin: SpinMode;
  /** New calls are refused. */
  draining: boolean;
}

/** Credit a caller may hold, at most: it bounds nothing of ours, but keeps the sum exact. */
const CREDIT_BYTES_MAX = 1 << 30;

export function refuseWhenDraining(state: ServerState): void {
  if (state.draining) throw shuttingDown();
}

function shuttingDown(): GridError {
  return new GridError('SHUTTING_DOWN', 'the member is shutting down', { hint: 'ask another member' });
}

export function encodeBounded<T>(encode: (value: T) => Buffer, value: T, path: string, state: ServerState): Buffer {
  const bytes = encode(value);
  if (bytes.length > state.messageBytesMax) {
    throw new GridError('MESSAGE_TOO_LARGE', `an answer of ${path} has ${bytes.length} bytes`, {
      hint: 'ask for less at a time',
      details: { bytes: bytes.length, limitBytes: state.messageBytesMax },
    });
  }
  return bytes;
}

/** Finds out who calls, whether they may, and what they ask. */
async function admit<Request>(
  call: AnyCall,
  method: Pick<Method<never, never>, 'path' | 'namesCatalog'>,
  request: () => Request,
  state: ServerState,
  abort: AbortController,
): Promise<{ readonly context: CallContext; readonly request: Request }> {
  refuseWhenDraining(state);
  const context = await openContext(call, state.access, abort);
  const decoded = request();
  authorizeCall(method.path, decoded, context);
  await caughtUp(call, method, state, context);
  return { context, request: decoded };
}

/** A caller may know a later catalog than this member (known-catalog N1). */
export function caughtUp(
  call: AnyCall,
  { namesCatalog }: Pick<Method<never, never>, 'namesCatalog'>,
  { catalog }: ServerState,
  context: CallContext,
): Promise<void> | undefined {
  return namesCatalog && catalog !== undefined ? followed(catalogIn(call.metadata), catalog, context) : undefined;
}

export function unaryCall<Request, Response>(
  method: Method<Request, Response>,
  handler: (request: Request, context: CallContext) => Promise<Response>,
  state: ServerState,
): (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => void {
  const respond = async (call: ServerUnaryCall<Buffer, Buffer>, abort: AbortController): Promise<Buffer> => {
    state.traffic.bytesIn += call.request.length;
    const admitted = await admit(call, method, () => method.decodeRequest(call.request), state, abort);
    const response = await handler(admitted.request, admitted.context);
    const bytes = encodeBounded(method.encodeResponse, response, method.path, state);
    state.traffic.bytesOut += bytes.length;
    return bytes;
  };
  return (call, answer) => {
    const abort = new AbortController();
    state.active.track(method.name, method.effect, abort, respond(call, abort)).then(
      (bytes) => answer(null, bytes, method.namesCatalog ? catalogTrailer(state.catalog) : undefined),
      (error: unknown) => answer(refusalOf(method, error, state)),
    );
  };
}

export function streamCall<Request, Response>(
  method: Method<Request, Response>,
  handler: (request: Request, context: CallContext) => AsyncIterable<Response>,
  state: ServerState,
): (call: ServerWritableStream<Buffer, Buffer>) => void {
  return (call) => {
    const abort = new AbortController();
    const run = async (): Promise<void> => {
      state.traffic.bytesIn += call.request.length;
      const decode = (): Request => method.decodeRequest(call.request);
      const { context, request } = await admit(call, method, decode, state, abort);
      const outgoing = outgoingOf(call, context, state);
      await sendAll(
        { call, method, context, state, credit: undefined, outgoing },
        handler(request, { ...context, answers: outgoing }),
      );
    };
    const ran = method.isWatch ? untilDrained(run(), abort, state) : run();
    finish(call, method, state, state.active.track(method.name, method.effect, abort, ran));
  };
}

/** Settles as `run` does, or is refused when the door begins to drain. */
function untilDrained(run: Promise<void>, abort: AbortController, { watches }: ServerState): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      reject(shuttingDown());
      abort.abort();
    };
    watches.add(end);
    run.then(resolve, reject).finally(() => watches.delete(end));
  });
}

/**
 * A caller grants again what it took, half a window at a time, and must not be writing when the call ends: grpc-js would
 * make "write after end" of a call that went well, and drop answers it has not handed over. So the call ends when the
 * caller owes less than the half window that makes it write, or has closed its side.
 *
 * @param weigh  the bytes an answer costs of the credit; 0: free
 */
export function creditCall<Request, Response>(
  method: Method<CreditInput<Request>, Response>,
  weigh: (response: Response) => number,
  handler: (request: Request, context: CallContext) => AsyncIterable<Response>,
  state: ServerState,
): (call: ServerDuplexStream<Buffer, Buffer>) => void {
  return (call) => {
    const abort = new AbortController();
    let credit: Credit | undefined;
    let isClosed = false;
    const run = async (first: Buffer): Promise<void> => {
      refuseWhenDraining(state);
      const context = await openContext(call, state.access, abort);
      const input = method.decodeRequest(first);
      if (input.request === undefined) throw new GridError('INVALID_ARGUMENT', 'the first message is not a request');
      authorizeCall(method.path, input.request, context);
      await caughtUp(call, method, state, context);
      const granted = Math.min(input.creditBytes, CREDIT_BYTES_MAX);
      credit = new Credit(pending + granted);
      if (isClosed) credit.finish();
      const outgoing = outgoingOf(call, context, state);
      const answers = handler(input.request, { ...context, answers: outgoing });
      await sendAll({ call, method, context, state, credit, weigh, outgoing }, answers);
      await credit.returned(granted / 2, context.signal);
    };
    let started = false;
    let pending = 0;
    const onGrant = (message: Buffer): void => {
      const bytes = Math.min(method.decodeRequest(message).creditBytes, CREDIT_BYTES_MAX);
      if (credit === undefined) pending += bytes;
      else credit.grant(bytes);
    };
    call.on('data', (message: Buffer) => {
      state.traffic.bytesIn += message.length;
      if (!started) {
        started = true;
        finish(call, method, state, state.active.track(method.name, method.effect, abort, run(message)));
        return;
      }
      try {
        onGrant(message);
      } catch (error) {
        call.emit('error', state.traffic.refusal(error));
      }
    });
    call.on('end', () => {
      isClosed = true;
      credit?.finish();
      if (!started)
        finish(call, method, state, Promise.reject(new GridError('INVALID_ARGUMENT', 'no request was sent')));
    });
  };
}

/** The status of a failed call. A change of the catalog may stand although it failed, so the catalog's version goes along. */
function refusalOf(
  { namesCatalog }: Pick<Method<never, never>, 'namesCatalog'>,
  error: unknown,
  { traffic, catalog }: ServerState,
): StatusObject {
  const refusal = traffic.refusal(error);
  if (namesCatalog && catalog !== undefined) writeCatalog(refusal.metadata, catalog.known());
  return refusal;
}

type StreamingCall = ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;

/** Ends the call with the outcome of `run`. */
export function finish(
  call: StreamingCall,
  method: Pick<Method<never, never>, 'namesCatalog'>,
  state: ServerState,
  run: Promise<void>,
): void {
  run.then(
    () => call.end(method.namesCatalog ? catalogTrailer(state.catalog) : undefined),
    (error: unknown) => {
      if (!call.cancelled) call.emit('error', refusalOf(method, error, state));
    },
  );
}

interface Sending<Response> {
  readonly call: StreamingCall;
  readonly method: Pick<Method<never, Response>, 'path' | 'encodeResponse'>;
  readonly context: CallContext;
  readonly state: ServerState;
  readonly credit: Credit | undefined;
  readonly outgoing: OutgoingCall;
  readonly weigh?: (response: Response) => number;
}

export function outgoingOf(call: StreamingCall, { signal }: CallContext, state: ServerState): OutgoingCall {
  const outgoing = state.outgoing.open(state.traffic.linkOf(call.getPeer()));
  signal.addEventListener('abort', () => outgoing.close(), { once: true });
  return outgoing;
}

export async function sendAll<Response>(sending: Sending<Response>, answers: AsyncIterable<Response>): Promise<void> {
  const { call, method, context, state, credit, weigh, outgoing } = sending;
  const { signal } = context;
  const caller = new CallerLeaves(signal);
  const iterator = answers[Symbol.asyncIterator]();
  try {
    for (;;) {
      // A stream that is cut must not look like one that ended.
      if (signal.aborted) throw new CancelledError('the call');
      // Nothing is awaited that is there: each promise costs every message of every stream.
      if (credit?.isUsedUp === true) await credit.available(signal);
      while (!outgoing.hasRoom) await caller.orElse(outgoing.room());
      const next = await caller.orElse(iterator.next());
      if (next.done === true) return;
      const bytes = encodeBounded(method.encodeResponse, next.value, method.path, state);
      const turn = state.quota.take(bytes.length);
      if (turn !== undefined) await turn;
      state.traffic.bytesOut += bytes.length;
      credit?.use(weigh?.(next.value) ?? 0);
      outgoing.write(call, bytes);
    }
  } finally {
    outgoing.closeWhenFlushed();
    iterator.return?.().then(undefined, () => undefined);
  }
}
