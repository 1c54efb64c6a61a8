/**
 * Messages of a kv or replication stream straight to and from its HTTP/2 stream. The library keeps the session, headers, half-close, resets,
 * deadlines and trailers; only the DATA frames go past it, which it would copy three times.
 *
 * framed-streams M1  Messages are read where the library would read them: its own readers are taken off before the first
 *                    byte has come.
 * framed-streams M2  Nothing overtakes: a caller's message goes past the library only when every byte of those that the library
 *                    was given has come to the stream. The library says of messages that it keeps that they have left, so the
 *                    bytes are counted where they come in. Should they never match, messages go on by the library.
 * framed-streams M3  What a message may not be (too long, compressed) ends the stream with the status that the library would
 *                    end it with.
 */
import type { ClientHttp2Stream, Http2Stream, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import type { Duplex } from 'node:stream';
import { Metadata, type ServerDuplexStream, type StatusObject, status } from '@grpc/grpc-js';
import { FRAME_HEADER_BYTES, FrameReader, FrameTooLong, framed, frameHeader } from './data-frames.ts';
import { isPlain } from './stream-claims.ts';

/** Messages up to which one write of a copy costs less than two writes. */
const SHORT_BYTES = 2048;

/** What a kv stream in a member needs of its messages; the library's call has it, too. */
export interface MessageFlow {
  write(bytes: Buffer, flushed: () => void): boolean;
  isPaused(): boolean;
  pause(): unknown;
  resume(): unknown;
  /** What still comes is dropped, what was written leaves. */
  close?(): void;
}

export interface FlowListener {
  onMessage(bytes: Buffer): void;
  /** The caller sends no more. */
  onEnd(): void;
  /** A message that no stream carries: the stream ends with this status. */
  onMalformed(status: Partial<StatusObject>): void;
}

function tooLong(details: string): Partial<StatusObject> {
  return { code: status.RESOURCE_EXHAUSTED, details };
}

/** Puts `onChunk` in the place of all who read the stream. */
function readInstead(stream: Http2Stream, onChunk: (chunk: Buffer) => void): void {
  const readers = stream.listeners('data') as ((chunk: Buffer) => void)[];
  stream.on('data', onChunk);
  for (const reader of readers) stream.removeListener('data', reader);
}

/** @param done  called when the message has left, with an error where it has not */
function writeFrame(stream: Http2Stream, message: Buffer, done: (error?: Error | null) => void): boolean {
  if (message.length <= SHORT_BYTES) return stream.write(framed(message), done);
  stream.cork();
  stream.write(frameHeader(message.length));
  const goesOn = stream.write(message, done);
  stream.uncork();
  return goesOn;
}

/** The member's side. */
export class ServerFrames implements MessageFlow {
  readonly #stream: ServerHttp2Stream;
  readonly #call: ServerDuplexStream<Buffer, Buffer>;
  readonly #bytesMax: number;
  readonly #release: (message: Buffer) => void;
  readonly #listener: FlowListener;
  readonly #reader: FrameReader;
  #goesOn = false;
  #hasEnded = false;

  /** @param release  takes back the memory of a message that has left */
  constructor(
    stream: ServerHttp2Stream,
    call: ServerDuplexStream<Buffer, Buffer>,
    bytesMax: number,
    release: (message: Buffer) => void,
    listener: FlowListener,
  ) {
    this.#stream = stream;
    this.#call = call;
    this.#bytesMax = bytesMax;
    this.#release = release;
    this.#listener = listener;
    this.#reader = new FrameReader(bytesMax, (message) => listener.onMessage(message));
    readInstead(stream, (chunk) => this.#read(() => this.#reader.read(chunk)));
    stream.on('end', () => this.#onEnd());
    stream.resume();
  }

  #read(some: () => void): void {
    try {
      some();
    } catch (error) {
      if (!(error instanceof FrameTooLong)) throw error;
      this.#listener.onMalformed(tooLong(error.message));
    }
  }

  close(): void {
    this.#reader.close();
    this.#stream.resume();
  }

  write(message: Buffer, flushed: () => void): boolean {
    const stream = this.#stream;
    if (message.length > this.#bytesMax) {
      const bytes = message.length + FRAME_HEADER_BYTES;
      this.#listener.onMalformed(tooLong(`Sent message larger than max (${bytes} vs. ${this.#bytesMax})`));
      return false;
    }
    if (!stream.headersSent) this.#call.sendMetadata(new Metadata());
    if (!(stream.writable && stream.headersSent)) return false;
    return writeFrame(stream, message, (error) => {
      // The session may hold on to what it did not send.
      if (error !== undefined && error !== null) return;
      this.#release(message);
      flushed();
    });
  }

  isPaused(): boolean {
    return this.#reader.isPaused;
  }

  pause(): void {
    this.#reader.isPaused = true;
    this.#stream.pause();
  }

  /** What waits comes in a later tick, as it does from other streams. */
  resume(): void {
    this.#reader.isPaused = false;
    if (this.#goesOn) return;
    this.#goesOn = true;
    process.nextTick(() => this.#goOn());
  }

  #goOn(): void {
    this.#goesOn = false;
    this.#read(() => this.#reader.readRest());
    if (this.#reader.isPaused) return;
    if (this.#hasEnded) this.#listener.onEnd();
    else this.#stream.resume();
  }

  /** May come while messages of the last chunk wait. */
  #onEnd(): void {
    this.#hasEnded = true;
    if (!this.#reader.hasRest) this.#listener.onEnd();
  }
}

/** The caller's side: reading begins with the headers of the answer, writing when the stream has what the library was given. */
export class ClientFrames {
  readonly #stream: ClientHttp2Stream;
  readonly #listener: Pick<FlowListener, 'onMessage' | 'onMalformed'>;
  readonly #bytesMax: number;
  /** Bytes that the library has written. */
  #libraryBytes = 0;
  /** Whether anything was written past the library. */
  hasWritten = false;

  constructor(stream: ClientHttp2Stream, bytesMax: number, listener: Pick<FlowListener, 'onMessage' | 'onMalformed'>) {
    this.#stream = stream;
    this.#bytesMax = bytesMax;
    this.#listener = listener;
    stream.once('response', (headers, flags) => this.#onResponse(headers, flags));
    this.#countWrites();
  }

  #countWrites(): void {
    const stream: Duplex = this.#stream;
    const { write } = stream;
    const counted = (chunk: Uint8Array, ...rest: unknown[]): unknown => {
      this.#libraryBytes += chunk.length;
      return Reflect.apply(write, stream, [chunk, ...rest]);
    };
    stream.write = counted as Duplex['write'];
  }

  /** @param givenBytes  of frames, that the library was given for this stream */
  mayWrite(givenBytes: number): boolean {
    return this.hasWritten || this.#libraryBytes === givenBytes;
  }

  /** What is no answer of a member (a proxy's, one with compressed messages, one that is over at once) is the library's to read. */
  #onResponse(headers: IncomingHttpHeaders, flags: number): void {
    const isOver = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    if (isOver || Number(headers[':status']) !== 200 || !isPlain(headers)) return;
    const reader = new FrameReader(this.#bytesMax, (message, isCompressed) => this.#onMessage(message, isCompressed));
    readInstead(this.#stream, (chunk) => this.#read(reader, chunk));
  }

  #read(reader: FrameReader, chunk: Buffer): void {
    try {
      reader.read(chunk);
    } catch (error) {
      if (!(error instanceof FrameTooLong)) throw error;
      this.#listener.onMalformed(tooLong(error.message));
    }
  }

  #onMessage(message: Buffer, isCompressed: boolean): void {
    if (!isCompressed) this.#listener.onMessage(message);
    else this.#listener.onMalformed({ code: status.INTERNAL, details: 'a message is compressed, its stream is not' });
  }

  /** A stream that is over takes nothing; what ended it comes by the library. */
  write(message: Buffer): void {
    if (this.#isWritable()) writeFrame(this.#stream, message, ignoreError);
  }

  /** The same, of a frame that lies in pieces. @param left  called when all of it has left */
  writePieces(pieces: readonly Uint8Array[], left: () => void): void {
    if (!this.#isWritable()) return;
    const stream = this.#stream;
    const done = (error?: Error | null): void => {
      if (error === undefined || error === null) left();
    };
    const last = pieces.length - 1;
    if (last > 0) stream.cork();
    for (let index = 0; index < last; index++) stream.write(pieces[index]);
    stream.write(pieces[last], done);
    if (last > 0) stream.uncork();
  }

  /** The library's writes are counted no more once messages go past it. */
  #isWritable(): boolean {
    if (!this.#stream.writable) return false;
    if (!this.hasWritten) Reflect.deleteProperty(this.#stream, 'write');
    this.hasWritten = true;
    return true;
  }
}

/** The stream's own end tells it. */
function ignoreError(): void {
  // Nothing to do.
}
