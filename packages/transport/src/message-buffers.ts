/**
 * Memory for encoded answers, used again: an array for each would be freed only by collections of the whole heap.
 *
 *   take -> encode -> stream.write ... serialize() -> grpc-js copies -> next serialize() -> taken again
 *
 * message-buffers M1  A buffer is free once grpc-js has copied it, which it does right after serialize() and before another
 *                     serialize().
 * message-buffers M2  A message that is never serialized (its stream died) keeps its buffer; both are garbage then.
 */
const BUFFER_BYTES = 128 << 10;
const SHORT_BYTES = 4 << 10;
const KEPT_MAX = 16;

export class MessageBuffers {
  readonly #free: Buffer[] = [];
  readonly #wholeOf = new WeakMap<ArrayBufferLike, Buffer>();
  #serialized: Buffer | undefined;

  /** A buffer of at least `bytes` (short messages share Node's slabs, long ones are their own), to be filled and given to a stream whose serializer is `serialize`. */
  take(bytes: number): Buffer {
    if (bytes <= SHORT_BYTES || bytes > BUFFER_BYTES) return Buffer.allocUnsafe(bytes);
    const kept = this.#free.pop();
    if (kept !== undefined) return kept;
    const made = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    this.#wholeOf.set(made.buffer, made);
    return made;
  }

  /** The serializer of the streams (message-buffers M1). */
  readonly serialize = (message: Buffer): Buffer => {
    const whole = this.#serialized === undefined ? undefined : this.#wholeOf.get(this.#serialized.buffer);
    if (whole !== undefined && this.#free.length < KEPT_MAX) this.#free.push(whole);
    this.#serialized = message;
    return message;
  };
}

/** The buffers of all kv streams of this process, which share a thread. */
export const answerBuffers = new MessageBuffers();
