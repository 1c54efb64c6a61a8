/**
 * The caller's side of a call of questions and answers. Each question says whether it matters when the link breaks under it:
 * what has no effect fails with MEMBER_UNREACHABLE (nothing was changed), what has one with OUTCOME_UNKNOWN.
 */
import { assert, CancelledError } from '@ashlar/core';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import {
  type ActiveCall,
  begin,
  type Caller,
  type CallOptions,
  callError,
  encodeRequest,
  grpcOptions,
  hearCatalog,
  isServiceError,
  metadataFor,
  refuseEarly,
  sameBytes,
} from './client-calls.ts';
import { connectionLost } from './link-errors.ts';
import type { Effect, Method } from './methods.ts';

export interface Conversation<Input, Output> {
  /**
   * One at a time.
   *
   * @param effect  'write': it may have taken effect where its answer does not come
   * @throws (rejects with) GridError: the member's own, with which the call is over; CANCELLED after close(); those of a link
   */
  ask(input: Input, effect: Effect): Promise<Output>;
  /** Ends the call; whoever waits for an answer gets CANCELLED. Idempotent. */
  close(): void;
}

/** @throws GridError CLIENT_CLOSED, MEMBER_UNREACHABLE */
export function openConversation<Input, Output>(
  caller: Caller,
  method: Method<Input, Output>,
  options: CallOptions = {},
): Conversation<Input, Output> {
  refuseEarly(caller, method, options);
  return new OpenConversation(caller, method, options);
}

interface Pending {
  readonly effect: Effect;
  readonly resolve: (message: Buffer) => void;
  readonly reject: (error: unknown) => void;
}

class OpenConversation<Input, Output> implements Conversation<Input, Output> {
  readonly #caller: Caller;
  readonly #method: Method<Input, Output>;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  readonly #active: ActiveCall;
  #pending: Pending | undefined;
  /** The error with which the call ended while nothing was asked. */
  #failure: unknown;
  #isClosed = false;

  constructor(caller: Caller, method: Method<Input, Output>, options: CallOptions) {
    this.#caller = caller;
    this.#method = method;
    const metadata = metadataFor(caller, method, options);
    this.#call = caller.client.makeBidiStreamRequest(method.path, sameBytes, sameBytes, metadata, grpcOptions(options));
    hearCatalog(caller, this.#call);
    this.#active = begin(caller, this.#call);
    this.#call.on('data', (message: Buffer) => this.#onAnswer(message));
    this.#call.on('error', (error: unknown) => this.#onEnd(error));
    this.#call.on('end', () => this.#onEnd(connectionLost(method.name, '')));
  }

  async ask(input: Input, effect: Effect): Promise<Output> {
    assert(this.#pending === undefined, 'a conversation asks one thing at a time');
    if (this.#isClosed) throw new CancelledError(this.#method.name);
    if (this.#failure !== undefined) throw this.#errorOf(this.#failure, 'none');
    const message = encodeRequest(this.#caller, this.#method, input);
    const answer = await new Promise<Buffer>((resolve, reject) => {
      this.#pending = { effect, resolve, reject };
      this.#call.write(message);
    });
    return this.#method.decodeResponse(answer);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#caller.active.delete(this.#active);
    this.#call.cancel();
    this.#take()?.reject(new CancelledError(this.#method.name));
  }

  #take(): Pending | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    return pending;
  }

  #onAnswer(message: Buffer): void {
    this.#take()?.resolve(message);
  }

  #onEnd(error: unknown): void {
    this.#caller.active.delete(this.#active);
    this.#failure ??= error;
    const pending = this.#take();
    pending?.reject(this.#errorOf(this.#failure, pending.effect));
  }

  #errorOf(error: unknown, effect: Effect): unknown {
    if (!isServiceError(error)) return error;
    const { name, service } = this.#method;
    return callError(this.#caller, error, { name, service, effect }, {}, this.#active.isUnsent);
  }
}
