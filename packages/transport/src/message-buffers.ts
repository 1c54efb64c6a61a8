/**
 * Memory for messages, used again: an array for each would be freed only by collections of the whole heap.
 *
 *   take -> encode -> stream.write ... serialize() -> grpc-js copies -> next serialize() -> taken again
 *   take -> encode -> frame written past grpc-js ... its bytes have left -> release() -> taken again
 *   take -> chunks put together -> decode ... nothing of it is read any more -> release() -> taken again
 *
 * message-buffers M1  A buffer is free once grpc-js has copied it, which it does right after serialize() and before another
 *                     serialize().
 * message-buffers M2  A message that is never serialized (its stream died) keeps its buffer; both are garbage then.
 */
const SHORT_BYTES = 4 << 10;
/** Sizes of buffers are powers of two: a message that waits for its socket holds twice its own bytes at most. */
const SMALLEST_BITS = 13;
const LARGEST_BITS = 20;
/** Buffers of one size that are kept, and their bytes. */
const KEPT_MAX = 16;
const KEPT_BYTES_MAX = 4 << 20;

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
    if (this.#serialized !== undefined) this.release(this.#serialized);
    this.#serialized = message;
    return message;
  };

  /** Takes back the memory of a message that nobody reads any more: once, and none that went through `serialize`. */
  release(message: Uint8Array): void {
    const whole = this.#wholeOf.get(message.buffer);
    if (whole === undefined) return;
    const free = this.#freeOf(31 - Math.clz32(whole.length));
    if (free.length < Math.min(KEPT_MAX, KEPT_BYTES_MAX / whole.length)) free.push(whole);
  }
}

/** The buffers of all kv and replication streams (either way) and subscriptions of this process, which share a thread. */
export const messageBuffers = new MessageBuffers();

/** Memory for a message of `bytes` bytes that goes to a KvStream, which takes it back (`KvStream.giveBack`). */
export function takeMessage(bytes: number): Buffer {
  return messageBuffers.take(bytes);
}

/**
 * Takes back the memory of a message that came (a ReplicaMessage): once, when nothing of it is read any more. Optional.
 *
 * @param bytes  any part of it
 */
export function giveBackMessage(bytes: Uint8Array): void {
  messageBuffers.release(bytes);
}
