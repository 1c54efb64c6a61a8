/**
 * How long the messages of one link may be.
 *
 *   connectMember -> bound of the channel (what we take) ... Hello -> the member's own bound (what we send)
 *
 * message-bounds M1  What a member may send is taken, whatever its `limits.messageBytes` is: the bound of a channel stands
 *                    before the member has told its own, so it is the highest that a member can have.
 * message-bounds M2  What is longer than the member takes is refused here, by name, and is not sent: at its door it would
 *                    end the stream, with all that is under way there.
 * message-bounds M3  A bound of the caller's own holds both ways, whatever the member takes.
 */

/** The highest `limits.messageBytes` of a member. */
export const MESSAGE_BYTES_CEILING = 1 << 30;
/** What a member that has not told is taken to take. */
export const DEFAULT_MESSAGE_BYTES_MAX = 32 << 20;

export interface MessageBoundsOptions {
  /** Most bytes of one message, in either direction. Default: what the member takes, and all that it sends. */
  readonly messageBytesMax?: number | undefined;
  /** What the member takes, as far as that is known before Hello tells it. Default 32 MiB. */
  readonly memberMessageBytesMax?: number | undefined;
}

export class MessageBounds {
  /** Bytes of the longest message that is taken. */
  readonly receiveMax: number;
  readonly #own: number;
  #sendMax: number;

  constructor({ messageBytesMax, memberMessageBytesMax }: MessageBoundsOptions) {
    this.#own = messageBytesMax ?? MESSAGE_BYTES_CEILING;
    this.receiveMax = this.#own;
    this.#sendMax = Math.min(this.#own, memberMessageBytesMax ?? messageBytesMax ?? DEFAULT_MESSAGE_BYTES_MAX);
  }

  /** Bytes of the longest message that is sent. */
  get sendMax(): number {
    return this.#sendMax;
  }

  /** @param bytesMax  the member's own bound, as Hello tells it; 0: it tells none */
  memberTells(bytesMax: number): void {
    if (bytesMax > 0) this.#sendMax = Math.min(this.#own, bytesMax);
  }
}
