/**
 * What statements, jobs and their parts hold on this member's heap, in bytes: batches that wait for a reader, rows
 * gathered for merges and joins, merged results, partial results of jobs. One Holding each, all of them in one sum.
 *
 *   passes through   window: a share of the member's bound, then the producer stops ---+
 *   gathered whole   take: the statement's bound, then the member's ------------------+--> bytes <= bytesMax
 *
 * held-memory M1  `bytes` is the sum of all open holdings; one that is closed or given up counts nothing.
 * held-memory M2  A window is never 0: with the bound used up a stream still moves one batch at a time, so that readers
 *                 which go on always come to their end. What exceeds the bound is WINDOW_BYTES_MIN a stream.
 * held-memory M3  Where gathering would pass the member's bound, results that nobody reads are given up, longest unread
 *                 first; then it waits `takeWaitMs` for others to end; then OVERLOADED.
 * held-memory M4  A result that is not read for `unreadMaxMs` is given up: its reader gets SNAPSHOT_EXPIRED.
 */
import { assert, CancelledError, GridError, SmallSet } from '@ashlar/core';

export interface HeldMemoryOptions {
  /** Most bytes of all holdings together. */
  readonly bytesMax: number;
  /** Most bytes that one statement or job may gather. */
  readonly statementBytesMax: number;
  readonly unreadMaxMs: number;
  /** How long gathering waits for others to end. Default 5000. */
  readonly takeWaitMs?: number;
  readonly nowMs: () => number;
}

const WINDOW_BYTES_MAX = 4 << 20;
const WINDOW_BYTES_MIN = 256 << 10;
/** The share of the member's bound that is left to what passes through. */
const WINDOWS_SHARE = 1 / 4;
/** Unread for less, a result is not given up for others. */
const UNREAD_LEAST_MS = 1000;
const TAKE_WAIT_MS = 5000;

interface Waiting {
  readonly holding: Holding;
  readonly bytes: number;
  readonly go: () => void;
}

export class HeldMemory {
  readonly #options: HeldMemoryOptions;
  readonly #open = new SmallSet<Holding>();
  readonly #waiting: Waiting[] = [];
  #bytes = 0;
  #givenUp = 0;

  constructor(options: HeldMemoryOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get bytesMax(): number {
    return this.#options.bytesMax;
  }

  get statementBytesMax(): number {
    return this.#options.statementBytesMax;
  }

  /** Bytes of the largest holding. */
  get bytesOfLargest(): number {
    let most = 0;
    for (const { bytes } of this.#open) most = Math.max(most, bytes);
    return most;
  }

  /** Results given up since the start: unread for too long, or to make room. */
  get givenUpCount(): number {
    return this.#givenUp;
  }

  open(): Holding {
    const holding = new Holding(this, this.#options.nowMs);
    this.#open.add(holding);
    return holding;
  }

  /** What one stream may have under way between its producer and its reader (held-memory M2). */
  windowBytes(): number {
    const share = (this.#options.bytesMax * WINDOWS_SHARE) / Math.max(1, this.#open.size);
    return Math.max(WINDOW_BYTES_MIN, Math.min(WINDOW_BYTES_MAX, Math.floor(share)));
  }

  /** Gives up what was not read for too long (held-memory M4). Called now and then. */
  sweep(): void {
    const { nowMs, unreadMaxMs } = this.#options;
    const sinceMs = nowMs() - unreadMaxMs;
    for (const holding of [...this.#open]) {
      if (holding.unreadSinceMs === undefined || holding.unreadSinceMs > sinceMs) continue;
      this.#giveUp(holding, `it was not read for ${unreadMaxMs} ms`);
    }
  }

  /** @internal Of a holding. */
  changed(bytes: number): void {
    this.#bytes += bytes;
    if (bytes < 0) this.#letGoOn();
  }

  /** @internal Of a holding that is closed. */
  forget(holding: Holding): void {
    this.#open.delete(holding);
  }

  /** @internal Counts `bytes` more for a holding as soon as the member has room for them; undefined: it has. */
  take(holding: Holding, bytes: number, signal: AbortSignal): Promise<void> | undefined {
    if (!this.#fits(bytes)) this.#makeRoom(bytes);
    if (this.#waiting.length > 0 || !this.#fits(bytes)) return this.#wait(holding, bytes, signal);
    holding.count(bytes);
    return undefined;
  }

  #fits(bytes: number): boolean {
    return this.#bytes + bytes <= this.#options.bytesMax;
  }

  #makeRoom(bytes: number): void {
    const untilMs = this.#options.nowMs() - UNREAD_LEAST_MS;
    const unread = [...this.#open]
      .filter(({ unreadSinceMs, bytes: held }) => unreadSinceMs !== undefined && unreadSinceMs <= untilMs && held > 0)
      .sort((a, b) => a.unreadSinceMs! - b.unreadSinceMs!);
    for (const holding of unread) {
      if (this.#fits(bytes)) return;
      this.#giveUp(holding, 'others needed the memory and it was not read');
    }
  }

  #giveUp(holding: Holding, reason: string): void {
    this.#givenUp++;
    const error = new GridError('SNAPSHOT_EXPIRED', `the result was given up: ${reason}`, {
      hint: 'ask again, and read on without long pauses; the limit is limits.snapshotMaxAgeMs',
      details: { unreadMaxMs: this.#options.unreadMaxMs },
    });
    holding.giveUp(error);
  }

  async #wait(holding: Holding, bytes: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { holding, bytes, go: resolve };
    this.#waiting.push(waiting);
    const timer = setTimeout(() => reject(this.#overloaded(bytes)), this.#options.takeWaitMs ?? TAKE_WAIT_MS);
    const onAbort = (): void => reject(new CancelledError('the statement'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      const place = this.#waiting.indexOf(waiting);
      if (place >= 0) this.#waiting.splice(place, 1);
    }
  }

  /** First come, first served: a large one is not passed by small ones for ever. */
  #letGoOn(): void {
    while (this.#waiting.length > 0 && this.#fits(this.#waiting[0]!.bytes)) {
      const { holding, bytes, go } = this.#waiting.shift()!;
      holding.count(bytes);
      go();
    }
  }

  #overloaded(bytes: number): GridError {
    const { bytesMax } = this.#options;
    return new GridError(
      'OVERLOADED',
      `statements and jobs hold ${this.#bytes} of ${bytesMax} bytes on this member: no room for ${bytes} more`,
      {
        hint: 'run fewer of them at once, read their results to the end, or raise memory.statementsMaxBytes',
        details: { heldBytes: this.#bytes, bytesMax, wantedBytes: bytes },
      },
    );
  }
}

/** What one statement, job or fragment holds. */
export class Holding {
  readonly #memory: HeldMemory;
  readonly #nowMs: () => number;
  #bytes = 0;
  #takenBytes = 0;
  #unreadSinceMs: number | undefined;
  #isClosed = false;
  #givenUp: GridError | undefined;
  #onGivenUp: (() => void) | undefined;

  constructor(memory: HeldMemory, nowMs: () => number) {
    this.#memory = memory;
    this.#nowMs = nowMs;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Since when everything waits for the reader; undefined: it does not. */
  get unreadSinceMs(): number | undefined {
    return this.#isClosed ? undefined : this.#unreadSinceMs;
  }

  windowBytes(): number {
    return this.#memory.windowBytes();
  }

  /** Counts what is there already: more, or less when negative. */
  count(bytes: number): void {
    if (this.#isClosed) return;
    this.#bytes += bytes;
    this.#memory.changed(bytes);
  }

  /**
   * Takes room for something that is kept whole; undefined: at once.
   *
   * @throws GridError QUERY_MEMORY_EXCEEDED at once; (rejects with) OVERLOADED, CANCELLED
   */
  take(bytes: number, signal: AbortSignal): Promise<void> | undefined {
    const { statementBytesMax } = this.#memory;
    if (this.#takenBytes + bytes > statementBytesMax) throw exceeded(statementBytesMax);
    this.#takenBytes += bytes;
    return this.#memory.take(this, bytes, signal);
  }

  /** Gives back what take() took. */
  giveBack(bytes: number): void {
    this.#takenBytes -= bytes;
    this.count(-bytes);
  }

  /** @param run  drops what is held; called when the holding is given up while it waits for its reader */
  onGivenUp(run: () => void): void {
    this.#onGivenUp = run;
  }

  /** Something was handed to the reader: what follows is up to it. */
  waitForReader(): void {
    this.#unreadSinceMs = this.#nowMs();
  }

  /** The reader wants more. @throws GridError SNAPSHOT_EXPIRED when it came too late */
  goOn(): void {
    this.#unreadSinceMs = undefined;
    if (this.#givenUp !== undefined) throw this.#givenUp;
  }

  /** @internal */
  giveUp(error: GridError): void {
    assert(this.#unreadSinceMs !== undefined, 'only what waits for its reader is given up');
    this.#givenUp = error;
    this.#onGivenUp?.();
    this.close();
  }

  /** Nothing is held any more. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.count(-this.#bytes);
    this.#isClosed = true;
    this.#memory.forget(this);
  }
}

function exceeded(memoryBytes: number): GridError {
  return new GridError(
    'QUERY_MEMORY_EXCEEDED',
    `the rows to merge or to join with take more than ${memoryBytes} bytes`,
    { hint: 'select fewer rows or columns, or raise memory.queryMaxBytes', details: { memoryBytes } },
  );
}
