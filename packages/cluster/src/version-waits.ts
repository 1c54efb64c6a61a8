/**
 * Calls that wait for a version of the catalog, or of the table, because the member that they ask is behind.
 *
 *   wait(version) -> it comes by itself within COMING_MS -> answered
 *                \-> the coordinator is asked, again every RETRY_MS, until the caller's time is over
 *
 * version-waits W1  Nobody is let through before the version is here; whoever waits in vain gets LEASE_EXPIRED: nothing was
 *                   done, and another try, later or elsewhere, may go well. Only where the coordinator's word is final
 *                   does its answer end the wait, too: then there is no such version.
 * version-waits W2  However many wait, the coordinator is asked by one of them at a time.
 * version-waits W3  At most WAITING_MAX wait; more are refused at once (OVERLOADED).
 */
import { assert, CancelledError, GridError, timerMs } from '@ashlar/core';

/** A change that was announced is mostly on its way: asked for, it would come once more. */
const COMING_MS = 50;
const RETRY_MS = 200;
/** How long a caller that names no time waits. */
const PATIENCE_MS = 5000;
const WAITING_MAX = 65_536;

export interface WaitUntil {
  /** performance.now() at which the caller's time is over; undefined: five seconds from now. */
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface VersionWaitsOptions {
  /** The value whose versions are waited for, as messages name it. */
  readonly what: 'catalog' | 'table';
  /** Its version here. */
  readonly version: () => number;
  readonly refresh: () => Promise<void>;
  /**
   * Whether a version that the coordinator does not have is nobody's: who asked for it is let through, to be judged by what is
   * here. Then it is asked at once. Default: it may be behind itself, and is asked again.
   */
  readonly isAnswerFinal?: boolean;
  /** Whose it is, for the error. */
  readonly whose: string;
}

interface Waiting {
  readonly version: number;
  readonly resolve: () => void;
}

export class VersionWaits {
  readonly #options: VersionWaitsOptions;
  readonly #waiting = new Set<Waiting>();
  #timer: NodeJS.Timeout | undefined;
  #isAsking = false;
  #failure: unknown;

  constructor(options: VersionWaitsOptions) {
    this.#options = options;
  }

  /** @throws (rejects with) GridError LEASE_EXPIRED, CANCELLED, OVERLOADED */
  wait(version: number, { deadlineMs, signal }: WaitUntil): Promise<void> {
    if (this.#waiting.size >= WAITING_MAX) {
      const { what } = this.#options;
      return Promise.reject(new GridError('OVERLOADED', `more than ${WAITING_MAX} requests wait for a newer ${what}`));
    }
    const leftMs = deadlineMs === undefined ? PATIENCE_MS : timerMs(deadlineMs - performance.now());
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#waiting.delete(waiting);
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        if (this.#waiting.size === 0) this.#stopAsking();
      };
      const waiting: Waiting = {
        version,
        resolve: () => {
          end();
          resolve();
        },
      };
      const fail = (error: GridError): void => {
        end();
        reject(error);
      };
      const onAbort = (): void => fail(new CancelledError('the call'));
      const timer = setTimeout(() => fail(this.#behind(version)), leftMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(waiting);
      this.#askIn(this.#options.isAnswerFinal === true ? 0 : COMING_MS);
      if (signal?.aborted === true) onAbort();
    });
  }

  /** The version is here. */
  reached(version: number): void {
    assert(version <= this.#options.version(), 'version-waits W1: a version is told that is not here');
    for (const waiting of [...this.#waiting]) if (waiting.version <= version) waiting.resolve();
  }

  /** Unless it is about to be asked already (version-waits W2). */
  #askIn(ms: number): void {
    if (!this.#isAsking) this.#timer ??= setTimeout(() => void this.#ask(), ms);
  }

  async #ask(): Promise<void> {
    this.#timer = undefined;
    this.#isAsking = true;
    const asking = [...this.#waiting];
    try {
      await this.#options.refresh();
      this.#failure = undefined;
      if (this.#options.isAnswerFinal === true) for (const waiting of asking) waiting.resolve();
    } catch (error) {
      this.#failure = error;
    }
    this.#isAsking = false;
    if (this.#waiting.size > 0) this.#askIn(RETRY_MS);
  }

  #stopAsking(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#failure = undefined;
  }

  #behind(wanted: number): GridError {
    const { what, version, whose } = this.#options;
    return new GridError('LEASE_EXPIRED', `${whose} does not follow ${what} ${wanted} yet`, {
      hint: 'try again: it cannot reach the coordinator at this moment, or the coordinator is behind itself',
      details: { wanted, has: version() },
      cause: this.#failure,
    });
  }
}
