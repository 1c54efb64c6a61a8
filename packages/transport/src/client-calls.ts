/**
 * The caller's side of unary calls and streams of answers: deadlines, cancellation, errors by name.
 *
 * A broken link says CONNECTION_LOST where sending again is safe (the call has no effect, or never left), and
 * OUTCOME_UNKNOWN where it may have been applied.
 */
import {
  CancelledError,
  DeadlineExceededError,
  type ErrorCode,
  GridError,
  OutcomeUnknownError,
  type TraceContext,
} from '@ashlar/core';
import {
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type CallOptions as GrpcCallOptions,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { fromStatus } from './error-status.ts';
import type { CreditInput, Method } from './methods.ts';

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: none. */
  readonly timeoutMs?: number | undefined;
  /** The trace it belongs to. Default: what the connection says. */
  readonly trace?: TraceContext | undefined;
  /** Wait (within the timeout) for a connection instead of failing while there is none. */
  readonly waitForReady?: boolean;
}

/** What calls of one connection share. */
export interface Caller {
  readonly client: Client;
  readonly messageBytesMax: number;
  /** Calls under way: cancelled when the connection is closed. */
  readonly active: Set<Cancellable>;
  isClosed: boolean;
  /** Told of what a broken or silent link ended. */
  readonly onLinkFailure: ((service: string, error: GridError) => void) | undefined;
  /** The trace of the present call, where callers are traced. */
  readonly trace: (() => TraceContext | undefined) | undefined;
  /** The bearer token now. */
  token(): string | undefined;
}

interface Cancellable {
  cancel(): void;
}

/** Ends every call under way with CLIENT_CLOSED. */
export function closeCaller(caller: Caller): void {
  caller.isClosed = true;
  for (const call of [...caller.active]) call.cancel();
  caller.client.close();
}

/** Credit a caller keeps granted while it reads a stream. */
export const DEFAULT_CREDIT_BYTES = 1 << 20;

export function metadataOf(caller: Caller, options: CallOptions): Metadata {
  const metadata = new Metadata({ waitForReady: options.waitForReady === true });
  const token = caller.token();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  const trace = options.trace ?? caller.trace?.();
  if (trace !== undefined) {
    metadata.set('traceparent', trace.traceparent);
    if (trace.tracestate !== '') metadata.set('tracestate', trace.tracestate);
  }
  return metadata;
}

function grpcOptions(options: CallOptions): GrpcCallOptions {
  const { timeoutMs } = options;
  return timeoutMs === undefined || timeoutMs > DEADLINE_MS_MAX ? {} : { deadline: Date.now() + timeoutMs };
}

function encodeRequest<Request>(
  caller: Caller,
  method: Pick<Method<Request, never>, 'path' | 'encodeRequest'>,
  request: Request,
): Buffer {
  const bytes = method.encodeRequest(request);
  if (bytes.length > caller.messageBytesMax) {
    throw new GridError('MESSAGE_TOO_LARGE', `a request of ${method.path} has ${bytes.length} bytes`, {
      details: { bytes: bytes.length, limitBytes: caller.messageBytesMax },
    });
  }
  return bytes;
}

/** A timer takes at most 2^31 ms, and more is no deadline but for ever. */
const DEADLINE_MS_MAX = 2 ** 30;

function sameBytes(bytes: Buffer): Buffer {
  return bytes;
}

/** @throws (rejects with) GridError: the member's own, or CANCELLED, DEADLINE_EXCEEDED, CONNECTION_LOST, OUTCOME_UNKNOWN */
export async function callUnary<Request, Response>(
  caller: Caller,
  method: Method<Request, Response>,
  request: Request,
  options: CallOptions = {},
): Promise<Response> {
  refuseEarly(caller, method.name, options);
  const message = encodeRequest(caller, method, request);
  const response = await new Promise<Buffer>((resolve, reject) => {
    const call = caller.client.makeUnaryRequest(
      method.path,
      sameBytes,
      sameBytes,
      message,
      metadataOf(caller, options),
      grpcOptions(options),
      (error, bytes) => {
        options.signal?.removeEventListener('abort', cancel);
        caller.active.delete(call);
        if (error === null) resolve(bytes!);
        else reject(callError(caller, error, method, options));
      },
    );
    caller.active.add(call);
    const cancel = (): void => call.cancel();
    options.signal?.addEventListener('abort', cancel, { once: true });
  });
  return method.decodeResponse(response);
}

/** Answers of a method without credit. */
export function callStream<Request, Response>(
  caller: Caller,
  method: Method<Request, Response>,
  request: Request,
  options: CallOptions = {},
): AsyncGenerator<Response, void, undefined> {
  const open = (): ClientReadableStream<Buffer> =>
    caller.client.makeServerStreamRequest(
      method.path,
      sameBytes,
      sameBytes,
      encodeRequest(caller, method, request),
      metadataOf(caller, options),
      grpcOptions(options),
    );
  return readAnswers(caller, open, method, options, () => undefined);
}

/**
 * Answers of a method with credit: what was taken is granted again, half a window at a time.
 *
 * @param weigh  bytes an answer costs of the credit, as the member counts
 */
export function callWithCredit<Request, Response>(
  caller: Caller,
  method: Method<CreditInput<Request>, Response>,
  weigh: (response: Response) => number,
  request: Request,
  options: CallOptions & { readonly creditBytes?: number } = {},
): AsyncGenerator<Response, void, undefined> {
  const creditBytes = options.creditBytes ?? DEFAULT_CREDIT_BYTES;
  let call: ClientDuplexStream<Buffer, Buffer> | undefined;
  let owed = 0;
  const open = (): ClientDuplexStream<Buffer, Buffer> => {
    const first = encodeRequest(caller, method, { request, creditBytes });
    call = caller.client.makeBidiStreamRequest(
      method.path,
      sameBytes,
      sameBytes,
      metadataOf(caller, options),
      grpcOptions(options),
    );
    call.write(first);
    return call;
  };
  const taken = (response: Response): void => {
    owed += weigh(response);
    if (owed < creditBytes / 2) return;
    call?.write(method.encodeRequest({ creditBytes: owed }));
    owed = 0;
  };
  return readAnswers(caller, open, method, options, taken);
}

/** @param taken  called when the reader asks for what follows an answer */
async function* readAnswers<Response>(
  caller: Caller,
  open: () => ClientReadableStream<Buffer>,
  method: Pick<Method<never, Response>, 'name' | 'service' | 'effect' | 'decodeResponse'>,
  options: CallOptions,
  taken: (response: Response) => void,
): AsyncGenerator<Response, void, undefined> {
  refuseEarly(caller, method.name, options);
  const call = open();
  caller.active.add(call);
  const cancel = (): void => call.cancel();
  // A cancelled stream says so once more after nobody reads it.
  call.on('error', () => undefined);
  options.signal?.addEventListener('abort', cancel, { once: true });
  try {
    for await (const bytes of call) {
      const response = method.decodeResponse(bytes as Buffer);
      yield response;
      taken(response);
    }
  } catch (error) {
    throw isServiceError(error) ? callError(caller, error, method, options) : error;
  } finally {
    options.signal?.removeEventListener('abort', cancel);
    caller.active.delete(call);
    call.cancel();
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return Error.isError(error) && 'metadata' in error && 'code' in error && typeof error.code === 'number';
}

const NEVER_SENT = /No connection established|Name resolution failed|Channel has been shut down/;

function refuseEarly(caller: Caller, what: string, options: CallOptions): void {
  if (caller.isClosed) throw closed(what);
  if (options.signal?.aborted === true) throw new CancelledError(what);
}

function closed(what: string): GridError {
  return new GridError('CLIENT_CLOSED', `${what}: the connection was closed`);
}

function callError(
  caller: Caller,
  error: ServiceError,
  method: Pick<Method<never, never>, 'name' | 'service' | 'effect'>,
  options: CallOptions,
): GridError {
  if (caller.isClosed) return closed(method.name);
  if (options.signal?.aborted === true) return new CancelledError(method.name);
  const own = linkError(error, method, options);
  if (LINK_FAILURES.has(own.code)) caller.onLinkFailure?.(method.service, own);
  return own;
}

/** What says that the other end could not be reached in time. */
const LINK_FAILURES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CONNECTION_LOST',
  'OUTCOME_UNKNOWN',
  'DEADLINE_EXCEEDED',
  'CONNECT_TIMEOUT',
]);

function linkError(
  error: ServiceError,
  method: Pick<Method<never, never>, 'name' | 'effect'>,
  options: CallOptions,
): GridError {
  const own = fromStatus(error, method.name);
  // Without a cause it is the member's own error, which says what took too long.
  if (own.code === 'DEADLINE_EXCEEDED' && own.cause !== undefined && options.timeoutMs !== undefined) {
    return new DeadlineExceededError(method.name, options.timeoutMs);
  }
  if (own.code !== 'CONNECTION_LOST' || method.effect === 'none' || NEVER_SENT.test(error.details)) return own;
  return new OutcomeUnknownError(method.name, error);
}
