/**
 * Memory for encoded answers, used again: an array for each would be freed only by collections of the whole heap.
 *
 *   take -> encode -> stream.write ... serialize() -> grpc-js copies -> next serialize() -> taken again
 *
 * message-buffers M1  A buffer is free once grpc-js has copied it, which it does right after serialize() and before another
 *                     serialize().
 * message-buffers M2  A message that is never serialized (its stream died) keeps its buffer; both are garbage then.
 */
const SHORT_BYTES = 4 << 10;
/** Sizes of buffers are powers of two: a message that waits for its socket holds twice its own bytes at most. */
const SMALLEST_BITS = 13;
const LARGEST_BITS = 17;
/** Buffers of one size that are kept. */
const KEPT_MAX = 16;

export class MessageBuffers {
  /** free[bits - SMALLEST_BITS] */
  readonly #free: Buffer[][] = Array.from({ length: LARGEST_BITS - SMALLEST_BITS + 1 }, () => []);
  readonly #wholeOf = new WeakMap<ArrayBufferLike, Buffer>();
  #serialized: Buffer | undefined;

  /** A buffer of at least `bytes` (short messages share Node's slabs, long ones are their own), to be filled and given to a stream whose serializer is `serialize`. */
  take(bytes: number): Buffer {
    if (bytes <= SHORT_BYTES || bytes > 1 << LARGEST_BITS) return Buffer.allocUnsafe(bytes);
    const bits = Math.max(SMALLEST_BITS, 32 - Math.clz32(bytes - 1));
    const kept = this.#freeOf(bits).pop();
    if (kept !== undefined) return kept;
    const made = Buffer.allocUnsafeSlow(1 << bits);
    this.#wholeOf.set(made.buffer, made);
    return made;
  }

  #freeOf(bits: number): Buffer[] {
    return this.#free[bits - SMALLEST_BITS]!;
  }

  /** The serializer of the streams (message-buffers M1). */
  readonly serialize = (message: Buffer): Buffer => {
    const whole = this.#serialized === undefined ? undefined : this.#wholeOf.get(this.#serialized.buffer);
    if (whole !== undefined) {
      const free = this.#freeOf(31 - Math.clz32(whole.length));
      if (free.length < KEPT_MAX) free.push(whole);
    }
    this.#serialized = message;
    return message;
  };
}

/** The buffers of all kv streams and subscriptions of this process, which share a thread. */
export const answerBuffers = new MessageBuffers();
