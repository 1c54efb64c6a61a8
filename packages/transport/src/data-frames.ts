/**
 * The frames in which gRPC puts messages into a stream: a flag, the length, the message.
 *
 *   chunks of HTTP/2 -> FrameReader -> messages          message -> frameHeader + message -> HTTP/2
 *
 * data-frames F1  A message that lies in one chunk is a view of it; nothing is copied.
 * data-frames F2  One that spans chunks is put together in memory of its own, each byte once, however long it says it is: what
 *                 is allocated grows with the bytes that have come. Whoever is done with it may give that memory back.
 * data-frames F3  A length above the bound is refused before anything is allocated for it.
 * data-frames F4  A reader that is paused hands out no further message, also not of the chunk at hand: the rest of it waits
 *                 here, one chunk at most if its source is paused, too.
 */
import { type MessageBuffers, messageBuffers } from './message-buffers.ts';

/** Flag and length, big-endian. */
export const FRAME_HEADER_BYTES = 5;
/** Memory that a message gets on its length alone; beyond, it doubles as bytes come. */
const FIRST_BYTES = 1 << 20;

/** A frame is longer than a message may be. The text is the library's, so that both ways say the same. */
export class FrameTooLong extends Error {
  constructor(bytes: number, bytesMax: number) {
    super(`Received message larger than max (${bytes} vs ${bytesMax})`);
  }
}

/** What comes in front of a message of `bytes` bytes that is not compressed. */
export function frameHeader(bytes: number): Buffer {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header[0] = 0;
  header.writeUInt32BE(bytes, 1);
  return header;
}

/** The frame of a message that is not compressed: a copy. */
export function framed(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, FRAME_HEADER_BYTES);
  return frame;
}

/** Makes messages of the chunks of one stream. What is incomplete when the stream ends is dropped with the reader. */
export class FrameReader {
  readonly #bytesMax: number;
  readonly #onMessage: (message: Buffer, isCompressed: boolean) => void;
  readonly #buffers: MessageBuffers;
  readonly #header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  /** Bytes of the header that have come. */
  #headed = 0;
  /** Bytes of the message that the header announces. */
  #length = 0;
  /** The message that spans chunks; undefined: none is begun. */
  #begun: Buffer | undefined;
  #filled = 0;
  /** What came while it was paused. */
  #rest: Buffer[] = [];
  #isReading = false;
  #isOver = false;
  isPaused = false;

  /** @param onMessage  gets each message; it may keep it, or give it back to `buffers` */
  constructor(
    bytesMax: number,
    onMessage: (message: Buffer, isCompressed: boolean) => void,
    buffers: MessageBuffers = messageBuffers,
  ) {
    this.#buffers = buffers;
    this.#bytesMax = bytesMax;
    this.#onMessage = onMessage;
  }

  /** Whether anything waits here to be handed out. */
  get hasRest(): boolean {
    return this.#rest.length > 0;
  }

  /** Nothing is handed out any more. */
  close(): void {
    this.#isOver = true;
    this.#begun = undefined;
    this.#rest = [];
  }

  /** @throws FrameTooLong; the stream can not be read any further */
  read(chunk: Buffer): void {
    if (this.isPaused || this.#isReading || this.#rest.length > 0) this.#rest.push(chunk);
    else this.#readSome(chunk);
  }

  /**
   * Hands out what waits here, until it is paused.
   *
   * @throws FrameTooLong
   */
  readRest(): void {
    while (!this.isPaused && !this.#isReading && this.#rest.length > 0) this.#readSome(this.#rest.shift()!);
  }

  #readSome(chunk: Buffer): void {
    this.#isReading = true;
    try {
      const end = this.#readUntilPaused(chunk);
      if (end < chunk.length && !this.#isOver) this.#rest.unshift(chunk.subarray(end));
    } catch (error) {
      this.close();
      throw error;
    } finally {
      this.#isReading = false;
    }
  }

  /** Returns where it stopped. */
  #readUntilPaused(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length && !this.isPaused && !this.#isOver) {
      if (this.#begun !== undefined) at = this.#fill(this.#begun, chunk, at);
      else if (this.#headed < FRAME_HEADER_BYTES) at = this.#readHeader(chunk, at);
      else at = this.#begin(chunk, at);
    }
    return at;
  }

  #readHeader(chunk: Buffer, start: number): number {
    const end = Math.min(chunk.length, start + FRAME_HEADER_BYTES - this.#headed);
    for (let at = start; at < end; at++) this.#header[this.#headed++] = chunk[at]!;
    if (this.#headed < FRAME_HEADER_BYTES) return end;
    this.#length = this.#header.readUInt32BE(1);
    if (this.#length > this.#bytesMax) throw new FrameTooLong(this.#length, this.#bytesMax);
    if (this.#length === 0) this.#finish(Buffer.alloc(0));
    return end;
  }

  #begin(chunk: Buffer, at: number): number {
    const end = at + this.#length;
    if (end <= chunk.length) {
      this.#finish(chunk.subarray(at, end));
      return end;
    }
    this.#begun = this.#buffers.take(Math.min(this.#length, FIRST_BYTES));
    return at;
  }

  #fill(begun: Buffer, chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#length - this.#filled);
    const filled = this.#filled + end - at;
    const target = filled <= begun.length ? begun : this.#grow(begun, filled);
    chunk.copy(target, this.#filled, at, end);
    this.#filled = filled;
    if (filled === this.#length) this.#finish(target.subarray(0, filled));
    return end;
  }

  #grow(begun: Buffer, bytes: number): Buffer {
    const grown = Buffer.allocUnsafeSlow(Math.min(this.#length, Math.max(bytes, begun.length * 2)));
    begun.copy(grown, 0, 0, this.#filled);
    this.#buffers.release(begun);
    this.#begun = grown;
    return grown;
  }

  /** The next frame begins, then the message is handed out: who gets it may end the stream. */
  #finish(message: Buffer): void {
    const isCompressed = this.#header[0] === 1;
    this.#headed = 0;
    this.#begun = undefined;
    this.#filled = 0;
    this.#onMessage(message, isCompressed);
  }
}
