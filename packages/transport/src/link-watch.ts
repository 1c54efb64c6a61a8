/**
 * Whether the link to a member is up, by the state of its channel: a link that is known to be down is reported at once, not
 * by a time-out.
 *
 *             refused, or nothing for GRACE_MS
 *   up -- lost -------------------------------> down -- connected again --> up
 *         (a reconnect within the grace is not reported)
 *
 * link-watch W1  Once wanted, a link that is not up is tried again for ever; the channel backs off, with jitter.
 * link-watch W2  `down` is reported once a loss, `up` once a return: never two of a kind in a row.
 * link-watch W3  While a link is down nothing was sent over it since `sinceMs`.
 */
import { type Channel, connectivityState } from '@grpc/grpc-js';

/** Time after which a link that does not answer, and is not refused, counts as down. */
const GRACE_MS = 1_000;
/** The same for a link that was never up: a member that starts is busy. */
const FIRST_GRACE_MS = 3_000;

export interface LinkDown {
  /** When the link was lost, or first wanted: milliseconds since 1970. */
  readonly sinceMs: number;
}

export class LinkWatch {
  readonly #channel: Pick<Channel, 'getConnectivityState' | 'watchConnectivityState'>;
  readonly #onChange: (down: LinkDown | undefined) => void;
  readonly #onUp: () => void;
  #isWanted = false;
  #hasStood = false;
  #isClosed = false;
  /** When it was lost, while it is not up. */
  #lostMs: number | undefined;
  #down: LinkDown | undefined;
  #upSinceMs: number | undefined;
  #grace: NodeJS.Timeout | undefined;

  /**
   * @param onChange  called when the link is known to be down, and when it is up again
   * @param lostMs    since when a link before it is lost, whose place it takes: milliseconds since 1970
   * @param onUp      called each time that the link has come up: the first time, and after losses that were not reported, too
   */
  constructor(
    channel: Pick<Channel, 'getConnectivityState' | 'watchConnectivityState'>,
    onChange: (down: LinkDown | undefined) => void,
    lostMs?: number,
    onUp: () => void = () => undefined,
  ) {
    this.#channel = channel;
    this.#onChange = onChange;
    this.#lostMs = lostMs;
    this.#onUp = onUp;
  }

  get isUp(): boolean {
    return !this.#isClosed && this.#channel.getConnectivityState(false) === connectivityState.READY;
  }

  /** Undefined: it is up, or its state is not known yet. */
  get down(): LinkDown | undefined {
    return this.#down;
  }

  /** performance.now() since which it has been up without a break; undefined: it is not up. */
  get upSinceMs(): number | undefined {
    return this.isUp ? this.#upSinceMs : undefined;
  }

  /** When the link that is not up was lost: milliseconds since 1970. */
  get lostMs(): number | undefined {
    return this.#lostMs;
  }

  /** Begins to keep the link up. Idempotent. */
  want(): void {
    if (this.#isWanted || this.#isClosed) return;
    this.#isWanted = true;
    this.#look(this.#channel.getConnectivityState(true));
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#grace);
  }

  #look(state: connectivityState): void {
    if (this.#isClosed || state === connectivityState.SHUTDOWN) return;
    if (state === connectivityState.READY) this.#stand();
    else this.#miss(state);
    this.#channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, () => {
      if (!this.#isClosed) this.#look(this.#channel.getConnectivityState(false));
    });
    // An idle channel stays idle by itself.
    if (state === connectivityState.IDLE) this.#channel.getConnectivityState(true);
  }

  #stand(): void {
    clearTimeout(this.#grace);
    this.#grace = undefined;
    this.#lostMs = undefined;
    this.#upSinceMs ??= performance.now();
    this.#hasStood = true;
    if (this.#down !== undefined) {
      this.#down = undefined;
      this.#onChange(undefined);
    }
    this.#onUp();
  }

  #miss(state: connectivityState): void {
    this.#lostMs ??= Date.now();
    this.#upSinceMs = undefined;
    if (this.#down !== undefined) return;
    if (state === connectivityState.TRANSIENT_FAILURE) this.#fall();
    else this.#grace ??= setTimeout(() => this.#fall(), this.#hasStood ? GRACE_MS : FIRST_GRACE_MS).unref();
  }

  #fall(): void {
    clearTimeout(this.#grace);
    this.#grace = undefined;
    this.#down = { sinceMs: this.#lostMs ?? Date.now() };
    this.#onChange(this.#down);
  }
}
