/**
 * The caller's side of a stream of messages: by the library until its HTTP/2 stream is there and has what the library was
 * given, past it from then on (framed-streams.ts). Who sends what, and what comes back, is its user's matter.
 */
import type { ClientHttp2Stream } from 'node:http2';
import { GridError } from '@ashlar/core';
import { type ClientDuplexStream, Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { type Caller, sameBytes } from './client-calls.ts';
import { FRAME_HEADER_BYTES } from './data-frames.ts';
import { fromStatus } from './error-status.ts';
import { ClientFrames } from './framed-streams.ts';
import { onStreamOf } from './stream-claims.ts';

export interface FramedCallListener {
  onMessage(message: Buffer): void;
  /** The member has let the caller in, and may have answered. At most once. */
  onAccepted?(): void;
  /** It is over, whichever side ended it; nothing follows. */
  onEnd(error: GridError): void;
}

const MALFORMED: StatusObject = { code: status.INTERNAL, details: '', metadata: new Metadata() };

export class ClientFramedCall {
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  readonly #caller: Caller;
  readonly #what: string;
  readonly #listener: FramedCallListener;
  /** The messages of its HTTP/2 stream; undefined: it is not there, or never known. */
  #frames: ClientFrames | undefined;
  #wasMade = false;
  /** Bytes of messages that the library was given. */
  #givenBytes = 0;
  #isOver = false;
  readonly #unclaim: () => void;

  /** @param what  its name in errors */
  constructor(caller: Caller, path: string, what: string, metadata: Metadata, listener: FramedCallListener) {
    this.#caller = caller;
    this.#what = what;
    this.#listener = listener;
    this.#unclaim = onStreamOf(metadata, (stream) => this.#adopt(stream));
    this.#call = caller.client.makeBidiStreamRequest(path, sameBytes, sameBytes, metadata, {});
    this.#call.on('data', (message: Buffer) => this.#receive(message));
    this.#call.on('metadata', () => this.#listener.onAccepted?.());
    this.#call.on('error', (error) => this.#end(fromStatus(error as never, what)));
    this.#call.on('end', () => {
      this.#call.end();
      this.#end(new GridError('CONNECTION_LOST', 'the member ended the stream'));
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Sends a message. It must not be longer than the member takes. */
  send(message: Buffer): void {
    if (this.#mayWrite()) this.#frames!.write(message);
    else this.#give(message);
  }

  /**
   * Sends a message that lies in pieces, none of which may change until it has left.
   *
   * @param pieces  the frame: FRAME_HEADER_BYTES with the length, then the message
   * @param left  called when it has left; never, where it does not
   */
  sendFrame(pieces: readonly Uint8Array[], left: () => void): void {
    if (this.#mayWrite()) this.#frames!.writePieces(pieces, left);
    else this.#give(Buffer.concat(pieces).subarray(FRAME_HEADER_BYTES), left);
  }

  #mayWrite(): boolean {
    return this.#frames?.mayWrite(this.#givenBytes) === true;
  }

  #give(message: Buffer, left?: () => void): void {
    this.#givenBytes += FRAME_HEADER_BYTES + message.length;
    this.#call.write(message, left);
  }

  /** Ends the call with an error of ours, unless it is over. */
  fail(error: GridError): void {
    this.#call.cancel();
    this.#end(error);
  }

  /**
   * The library has made the stream. Where no member took it, it makes another and repeats what it was given: from then on it is
   * given all.
   */
  #adopt(stream: ClientHttp2Stream): void {
    if (this.#isOver) return;
    const before = this.#frames;
    this.#frames = undefined;
    if (!this.#wasMade) {
      this.#wasMade = true;
      this.#frames = new ClientFrames(stream, this.#caller.bounds.receiveMax, {
        onMessage: (message) => this.#receive(message),
        onMalformed: (status) => this.fail(fromStatus({ ...MALFORMED, ...status }, this.#what)),
      });
    } else if (before?.hasWritten === true) {
      process.nextTick(() => this.fail(new GridError('CONNECTION_LOST', 'the member did not take the stream')));
    }
  }

  #receive(message: Buffer): void {
    if (this.#isOver) return;
    try {
      this.#listener.onMessage(message);
    } catch (error) {
      this.fail(GridError.wrap(error));
    }
  }

  #end(error: GridError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#unclaim();
    this.#listener.onEnd(error);
  }
}
