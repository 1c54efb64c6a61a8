/**
 * The caller's side of one kv batch stream. The caller (routing) keeps the window; this one only sends and receives: by the
 * library until its HTTP/2 stream is there and has what the library was given, past it from then on (framed-streams.ts).
 */
import type { ClientHttp2Stream } from 'node:http2';
import { GridError } from '@ashlar/core';
import { type ClientDuplexStream, Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { type Caller, metadataOf } from './client-calls.ts';
import { FRAME_HEADER_BYTES } from './data-frames.ts';
import { fromStatus } from './error-status.ts';
import { ClientFrames } from './framed-streams.ts';
import type { KvAnswers } from './kv-batch.ts';
import { decodeAnswers } from './kv-codec.ts';
import { messageBuffers } from './message-buffers.ts';
import { KV_BATCH_PATH, STREAM_GENERATION } from './methods.ts';
import { onStreamOf } from './stream-claims.ts';

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

const MALFORMED: StatusObject = { code: status.INTERNAL, details: '', metadata: new Metadata() };

function sameBytes(bytes: Buffer): Buffer {
  return bytes;
}

/** @param generation  which of the caller's streams to this member it is, counting up from 1; 0: not given */
export function openKvStream(caller: Caller, listener: KvStreamListener, generation: number): KvStream {
  return new ClientKvStream(caller, listener, generation);
}

class ClientKvStream implements KvStream {
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  readonly #listener: KvStreamListener;
  readonly #caller: Caller;
  /** Operations that are not answered. */
  #out = 0;
  #closed = false;
  /** The messages of its HTTP/2 stream; undefined: it is not there, or never known. */
  #frames: ClientFrames | undefined;
  #wasMade = false;
  /** Bytes of messages that the library was given. */
  #givenBytes = 0;
  readonly #unclaim: () => void;

  constructor(caller: Caller, listener: KvStreamListener, generation: number) {
    this.#listener = listener;
    this.#caller = caller;
    const metadata = metadataOf({ ...caller, trace: undefined }, {});
    if (generation > 0) metadata.set(STREAM_GENERATION, String(generation));
    this.#unclaim = onStreamOf(metadata, (stream) => this.#adopt(stream));
    this.#call = caller.client.makeBidiStreamRequest(KV_BATCH_PATH, sameBytes, sameBytes, metadata, {});
    this.#call.on('data', (bytes: Buffer) => this.#receive(bytes));
    this.#call.on('error', (error) => this.#end(fromStatus(error as never, 'the kv stream')));
    this.#call.on('end', () => {
      this.#call.end();
      this.#end(new GridError('CONNECTION_LOST', 'the member ended the stream'));
    });
  }

  write(message: Buffer, calls = 1): void {
    if (this.#closed) throw new GridError('CONNECTION_LOST', 'the stream has ended');
    const { sendMax } = this.#caller.bounds;
    if (message.length > sendMax) {
      throw new GridError('MESSAGE_TOO_LARGE', `a batch has ${message.length} bytes`, {
        hint: 'send less at a time, or raise limits.messageBytes of the members',
        details: { bytes: message.length, limitBytes: sendMax },
      });
    }
    this.#send(message);
    this.#out += calls;
    this.#caller.calls?.sent(calls);
  }

  #send(message: Buffer): void {
    if (this.#frames?.mayWrite(this.#givenBytes) === true) {
      this.#frames.write(message);
      return;
    }
    this.#givenBytes += FRAME_HEADER_BYTES + message.length;
    this.#call.write(message);
  }

  /**
   * The library has made the stream. Where no member took it, it makes another and repeats what it was given: from then on it is
   * given all.
   */
  #adopt(stream: ClientHttp2Stream): void {
    if (this.#closed) return;
    const before = this.#frames;
    this.#frames = undefined;
    if (!this.#wasMade) {
      this.#wasMade = true;
      this.#frames = new ClientFrames(stream, this.#caller.bounds.receiveMax, {
        onMessage: (bytes) => this.#receive(bytes),
        onMalformed: (status) => this.#fail(fromStatus({ ...MALFORMED, ...status }, 'the kv stream')),
      });
    } else if (before?.hasWritten === true) {
      process.nextTick(() => this.#fail(new GridError('CONNECTION_LOST', 'the member did not take the stream')));
    }
  }

  giveBack(bytes: Uint8Array): void {
    messageBuffers.release(bytes);
  }

  close(): void {
    this.#fail(new GridError('CLIENT_CLOSED', 'the connection was closed'));
  }

  #receive(bytes: Buffer): void {
    if (this.#closed) return;
    try {
      const answers = decodeAnswers(bytes);
      const count = answers.statuses.length;
      this.#out -= count;
      this.#caller.calls?.answered(count);
      this.#listener.onAnswers(answers);
    } catch (error) {
      this.#fail(GridError.wrap(error));
    }
  }

  #fail(error: GridError): void {
    this.#call.cancel();
    this.#end(error);
  }

  #end(error: GridError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unclaim();
    this.#caller.calls?.lost(this.#out);
    if (error.code === 'CONNECTION_LOST' && !this.#caller.isClosed) this.#caller.onLinkFailure?.('Kv', error);
    this.#listener.onClosed(error);
  }
}
