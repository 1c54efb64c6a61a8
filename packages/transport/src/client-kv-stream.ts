/** The caller's side of one kv batch stream. The caller (routing) keeps the window; this one only sends and receives. */
import { GridError } from '@ashlar/core';
import { type Caller, metadataOf } from './client-calls.ts';
import { ClientFramedCall } from './client-framed-call.ts';
import type { KvAnswers } from './kv-batch.ts';
import { decodeAnswers } from './kv-codec.ts';
import { messageBuffers } from './message-buffers.ts';
import { KV_BATCH_PATH, STREAM_GENERATION } from './methods.ts';

export interface KvStreamListener {
  /** Answers, or a piece of them (`firstOperation`). */
  onAnswers(answers: KvAnswers): void;
  /** The stream is over, whichever side ended it; nothing follows. Batches that are unanswered may have been applied. */
  onClosed(error: GridError): void;
}

export interface KvStream {
  /**
   * Sends what `encodeBatch` made.
   *
   * @param calls  operations in it
   * @throws GridError MESSAGE_TOO_LARGE (nothing was sent), CONNECTION_LOST after the end
   */
  write(message: Buffer, calls?: number): void;
  /**
   * Takes back the memory of a message, for others: of a batch that is answered, or of answers that are handed out. Once each,
   * and nothing may read it any more. Optional; where messages are not copied into memory of the stream's there is none to
   * give back.
   *
   * @param bytes  the message or any part of it
   */
  giveBack?(bytes: Uint8Array): void;
  /** Ends the stream; `onClosed` follows. */
  close(): void;
}

/** @param generation  which of the caller's streams to this member it is, counting up from 1; 0: not given */
export function openKvStream(caller: Caller, listener: KvStreamListener, generation: number): KvStream {
  return new ClientKvStream(caller, listener, generation);
}

class ClientKvStream implements KvStream {
  readonly #call: ClientFramedCall;
  readonly #listener: KvStreamListener;
  readonly #caller: Caller;
  /** Operations that are not answered. */
  #out = 0;

  constructor(caller: Caller, listener: KvStreamListener, generation: number) {
    this.#listener = listener;
    this.#caller = caller;
    const metadata = metadataOf({ ...caller, trace: undefined }, {});
    if (generation > 0) metadata.set(STREAM_GENERATION, String(generation));
    this.#call = new ClientFramedCall(caller, KV_BATCH_PATH, 'the kv stream', metadata, {
      onMessage: (message) => this.#receive(message),
      onEnd: (error) => this.#end(error),
    });
  }

  write(message: Buffer, calls = 1): void {
    if (this.#call.isOver) throw new GridError('CONNECTION_LOST', 'the stream has ended');
    const { sendMax } = this.#caller.bounds;
    if (message.length > sendMax) {
      throw new GridError('MESSAGE_TOO_LARGE', `a batch has ${message.length} bytes`, {
        hint: 'send less at a time, or raise limits.messageBytes of the members',
        details: { bytes: message.length, limitBytes: sendMax },
      });
    }
    this.#call.send(message);
    this.#out += calls;
    this.#caller.calls?.sent(calls);
  }

  giveBack(bytes: Uint8Array): void {
    messageBuffers.release(bytes);
  }

  close(): void {
    this.#call.fail(new GridError('CLIENT_CLOSED', 'the connection was closed'));
  }

  #receive(message: Buffer): void {
    const answers = decodeAnswers(message);
    const count = answers.statuses.length;
    this.#out -= count;
    this.#caller.calls?.answered(count);
    this.#listener.onAnswers(answers);
  }

  #end(error: GridError): void {
    this.#caller.calls?.lost(this.#out);
    if (error.code === 'CONNECTION_LOST' && !this.#caller.isClosed) this.#caller.onLinkFailure?.('Kv', error);
    this.#listener.onClosed(error);
  }
}
