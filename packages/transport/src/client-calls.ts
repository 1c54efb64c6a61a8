/**
 * The caller's side of unary calls and streams of answers: deadlines, cancellation, errors by name.
 *
 * A broken link says CONNECTION_LOST (MEMBER_UNREACHABLE between members) where sending again is safe (the call has no
 * effect, or never left), and OUTCOME_UNKNOWN where it may have been applied. So does a call whose time is over:
 * DEADLINE_EXCEEDED may be repeated, a write that was sent is OUTCOME_UNKNOWN. A link that is known to be down says so at
 * once.
 */
import {
  CancelledError,
  DeadlineExceededError,
  type ErrorCode,
  GridError,
  isError,
  MemberUnreachableError,
  OutcomeUnknownError,
  type TraceContext,
} from '@ashlar/core';
import {
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type CallOptions as GrpcCallOptions,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { fromStatus } from './error-status.ts';
import { type CatalogKnowledge, catalogTold, writeCatalog } from './known-catalog.ts';
import { connectionLost, wasNeverSent } from './link-errors.ts';
import type { LinkWatch } from './link-watch.ts';
import type { MessageBounds } from './message-bounds.ts';
import type { CreditInput, Method } from './methods.ts';
import type { CallWatch } from './spin-watch.ts';

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: none. */
  readonly timeoutMs?: number | undefined;
  /** The trace it belongs to. Default: what the connection says. */
  readonly trace?: TraceContext | undefined;
  /** Whether this call changes nothing, though others of its method do. */
  readonly onlyReads?: boolean | undefined;
}

/** What calls of one connection share. */
export interface Caller {
  readonly client: Client;
  readonly address: string;
  readonly link: LinkWatch;
  /** Id of the member at the other end, where it is known. */
  readonly peer: (() => string) | undefined;
  readonly bounds: MessageBounds;
  /** Calls under way: cancelled when the connection is closed. */
  readonly active: Set<ActiveCall>;
  isClosed: boolean;
  /** Whether it was closed because of the member, not by its caller: what it cut is lost, not given up. */
  isAbandoned: boolean;
  /** Called for whatever a broken or silent link ended. */
  readonly onLinkFailure: ((service: string, error: GridError) => void) | undefined;
  /** The trace of the present call, where callers are traced. */
  readonly trace: (() => TraceContext | undefined) | undefined;
  /** What is told of key-value calls that are out, where their process may spin. */
  readonly calls: CallWatch | undefined;
  /** What the caller knows of the catalog. */
  readonly catalog: CatalogKnowledge | undefined;
  /** The bearer token now. */
  token(): string | undefined;
}

export interface ActiveCall {
  readonly startedMs: number;
  /** Whether it waited for a link that did not come. */
  isUnsent: boolean;
  cancel(): void;
}

/** Ends every call under way with CLIENT_CLOSED. */
export function closeCaller(caller: Caller): void {
  caller.isClosed = true;
  caller.link.close();
  for (const call of [...caller.active]) call.cancel();
  caller.client.close();
}

/** The member is taken for dead: what waits for its answers ends as if the link had broken; streams of kv and of replication stay. */
export function giveUpCalls(caller: Caller): void {
  for (const call of [...caller.active]) call.cancel();
}

/** The link is down since `sinceMs`: what was asked for since then waits in the channel, and nothing of it was sent. */
export function dropUnsent(caller: Caller, sinceMs: number): void {
  for (const call of [...caller.active]) {
    if (call.startedMs < sinceMs) continue;
    call.isUnsent = true;
    call.cancel();
  }
}

export function begin(caller: Caller, call: { cancel(): void }): ActiveCall {
  const active: ActiveCall = { startedMs: Date.now(), isUnsent: false, cancel: () => call.cancel() };
  caller.active.add(active);
  return active;
}

/** Credit a caller keeps granted while it reads a stream. */
export const DEFAULT_CREDIT_BYTES = 1 << 20;

export function metadataOf(caller: Caller, options: CallOptions): Metadata {
  const metadata = new Metadata();
  const token = caller.token();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  const trace = options.trace ?? caller.trace?.();
  if (trace !== undefined) {
    metadata.set('traceparent', trace.traceparent);
    if (trace.tracestate !== '') metadata.set('tracestate', trace.tracestate);
  }
  return metadata;
}

export function metadataFor(
  caller: Caller,
  { namesCatalog }: Pick<Method<never, never>, 'namesCatalog'>,
  options: CallOptions,
): Metadata {
  const metadata = metadataOf(caller, options);
  const known = namesCatalog ? caller.catalog?.known() : undefined;
  if (known !== undefined) writeCatalog(metadata, known);
  return metadata;
}

/** The trailer has the version of the member's catalog: noted before whoever awaits the answer goes on. */
export function hearCatalog({ catalog }: Caller, call: ClientUnaryCall | ClientReadableStream<Buffer>): void {
  if (catalog === undefined) return;
  call.on('status', ({ metadata }: { readonly metadata: Metadata }) => {
    const told = catalogTold(metadata);
    if (told !== undefined) catalog.heard(told);
  });
}

export function grpcOptions(options: CallOptions): GrpcCallOptions {
  const { timeoutMs } = options;
  return timeoutMs === undefined || timeoutMs > DEADLINE_MS_MAX ? {} : { deadline: Date.now() + timeoutMs };
}

export function encodeRequest<Request>(
  caller: Caller,
  method: Pick<Method<Request, never>, 'path' | 'encodeRequest'>,
  request: Request,
): Buffer {
  const bytes = method.encodeRequest(request);
  const { sendMax } = caller.bounds;
  if (bytes.length > sendMax) {
    throw new GridError('MESSAGE_TOO_LARGE', `a request of ${method.path} has ${bytes.length} bytes`, {
      hint: 'send less at a time, or raise limits.messageBytes of the members',
      details: { bytes: bytes.length, limitBytes: sendMax },
    });
  }
  return bytes;
}

/** A timer takes at most 2^31 ms, and more is no deadline but for ever. */
export const DEADLINE_MS_MAX = 2 ** 30;

export function sameBytes(bytes: Buffer): Buffer {
  return bytes;
}

/** @throws (rejects with) GridError: the member's own, or CANCELLED, DEADLINE_EXCEEDED, CONNECTION_LOST, OUTCOME_UNKNOWN */
export async function callUnary<Request, Response>(
  caller: Caller,
  method: Method<Request, Response>,
  request: Request,
  options: CallOptions = {},
): Promise<Response> {
  refuseEarly(caller, method, options);
  const message = encodeRequest(caller, method, request);
  const response = await new Promise<Buffer>((resolve, reject) => {
    const call: ClientUnaryCall = caller.client.makeUnaryRequest(
      method.path,
      sameBytes,
      sameBytes,
      message,
      metadataFor(caller, method, options),
      grpcOptions(options),
      (error, bytes) => {
        options.signal?.removeEventListener('abort', cancel);
        caller.active.delete(active);
        if (error === null) resolve(bytes!);
        else reject(callError(caller, error, method, options, active.isUnsent));
      },
    );
    hearCatalog(caller, call);
    const active = begin(caller, call);
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
      metadataFor(caller, method, options),
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
      metadataFor(caller, method, options),
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
  refuseEarly(caller, method, options);
  const call = open();
  hearCatalog(caller, call);
  const active = begin(caller, call);
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
    throw isServiceError(error) ? callError(caller, error, method, options, active.isUnsent) : error;
  } finally {
    options.signal?.removeEventListener('abort', cancel);
    caller.active.delete(active);
    call.cancel();
  }
}

export function isServiceError(error: unknown): error is ServiceError {
  return isError(error) && 'metadata' in error && 'code' in error && typeof error.code === 'number';
}

/** Refuses a call that need not be made. Otherwise the link is kept up from here on. */
export function refuseEarly(
  caller: Caller,
  { name, service }: Pick<Method<never, never>, 'name' | 'service'>,
  options: CallOptions,
): void {
  if (caller.isClosed) throw caller.isAbandoned ? notThere(caller, name) : closed(name);
  if (options.signal?.aborted === true) throw new CancelledError(name);
  caller.link.want();
  if (caller.link.down === undefined) return;
  throw told(caller, service, notThere(caller, name));
}

function closed(what: string): GridError {
  return new GridError('CLIENT_CLOSED', `${what}: the connection was closed`);
}

export type Asked = Pick<Method<never, never>, 'name' | 'service' | 'effect'>;

export function callError(
  caller: Caller,
  error: ServiceError,
  method: Asked,
  options: CallOptions,
  isUnsent: boolean,
): GridError {
  if (caller.isClosed && !caller.isAbandoned) return closed(method.name);
  if (options.signal?.aborted === true) return new CancelledError(method.name);
  const own = isUnsent ? notThere(caller, method.name) : linkError(caller, error, method, options);
  return LINK_FAILURES.has(own.code) ? told(caller, method.service, own) : own;
}

function told(caller: Caller, service: string, error: GridError): GridError {
  caller.onLinkFailure?.(service, error);
  return error;
}

/** Codes that say that the other end could not be reached in time. */
const LINK_FAILURES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CONNECTION_LOST',
  'MEMBER_UNREACHABLE',
  'OUTCOME_UNKNOWN',
  'DEADLINE_EXCEEDED',
  'CONNECT_TIMEOUT',
]);

function linkError(caller: Caller, error: ServiceError, method: Asked, options: CallOptions): GridError {
  let own = fromStatus(error, method.name);
  // Without a cause it is the member's own error, which says what took too long, or who cancelled.
  if (own.cause !== undefined) {
    if (own.code === 'DEADLINE_EXCEEDED') return overdue(error, own, method, options);
    // Nobody here did: the stream was cut at the other end, or between.
    if (own.code === 'CANCELLED') own = connectionLost(method.name, error.details);
  }
  if (own.code !== 'CONNECTION_LOST') return own;
  if (mayHaveApplied(error, method, options)) return new OutcomeUnknownError(method.name);
  return caller.peer === undefined ? own : notThere(caller, method.name);
}

/** @param own  what the status says by itself */
function overdue(error: ServiceError, own: GridError, method: Asked, options: CallOptions): GridError {
  const { timeoutMs } = options;
  const late = timeoutMs === undefined ? own : new DeadlineExceededError(method.name, timeoutMs);
  if (!mayHaveApplied(error, method, options)) return late;
  return new OutcomeUnknownError(
    method.name,
    late,
    timeoutMs === undefined ? 'and not answered in time' : `and not answered within ${timeoutMs} ms`,
  );
}

function mayHaveApplied({ details }: ServiceError, { effect }: Asked, { onlyReads }: CallOptions): boolean {
  return effect !== 'none' && onlyReads !== true && !wasNeverSent(details);
}

/** The error of a call that found no member: nothing was changed. */
function notThere({ peer, address, link }: Caller, what: string): GridError {
  if (peer === undefined) return connectionLost(what, 'No connection established');
  return new MemberUnreachableError(peer(), address, link.down?.sinceMs ?? link.lostMs ?? Date.now());
}
