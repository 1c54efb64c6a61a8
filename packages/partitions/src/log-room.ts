/**
 * Room in the logs for statements. All records of a statement lie in the logs before the first of them can be read, so
 * what listeners hold must leave room for all of them together.
 *
 *   LOG_FULL -> what the whole statement needs, by what it had staged -> more than there can be: refused, with what to set
 *                                               '-> else: wait until listeners have let go of so much -> stage again
 *
 * log-room R1  Who waits holds nothing: no partition, no staged record; so listeners get on.
 * log-room R2  When there is no time for another attempt and its answer (without a deadline: when no listener has got on for
 *              STALL_MS), or the log is held by a listener in quarantine, it fails with LOG_FULL, as it would without
 *              waiting: a caller learns why, not only that it took too long.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledError, GridError } from '@ashlar/core';
import type { LogRoom } from '@ashlar/storage';

const LOOK_MS = 10;
const STALL_MS = 5000;
/** Pieces that the logs have room for. */
const PIECES_AT_ONCE = 4;
/** The rows that are still to be staged may be longer than those before. */
const ESTIMATE_MARGIN = 1.05;

/** What a statement had staged when a log refused more. */
export class LackOfRoom {
  /** LOG_FULL. */
  readonly error: GridError;
  /** Bytes of log that the whole statement needs, about. */
  readonly bytesWanted: number;
  /** How long it took to find out: another attempt takes as long. */
  readonly attemptMs: number;

  /**
   * @param stagedBytes  of log, for the rows before
   * @param stagedRows   of rowCount
   */
  constructor(error: GridError, stagedBytes: number, stagedRows: number, rowCount: number, attemptMs = 0) {
    this.error = error;
    this.attemptMs = attemptMs;
    this.bytesWanted = Math.ceil((stagedBytes * rowCount * ESTIMATE_MARGIN) / Math.max(1, stagedRows));
  }
}

/** The waiting of one statement, over all its attempts. */
export class LogWait {
  readonly #room: () => LogRoom;
  readonly #stallMs: number;
  readonly #dueMs: number;
  #consumed = -1;
  #movedAtMs = 0;

  /**
   * @param waitMs   how long the statement may wait in all; undefined: until its caller leaves
   * @param stallMs  where it may wait for ever: how long no listener may get on before waiting ends
   */
  constructor(room: () => LogRoom, waitMs: number | undefined, stallMs: number = STALL_MS) {
    this.#room = room;
    this.#stallMs = waitMs === undefined ? stallMs : Number.POSITIVE_INFINITY;
    this.#dueMs = performance.now() + (waitMs ?? Number.POSITIVE_INFINITY);
  }

  /** Whether the log can never hold what is lacking, however much is read. */
  neverFits({ bytesWanted }: LackOfRoom): boolean {
    return bytesWanted > this.#room().bytesMax;
  }

  /** Into how many pieces to divide it, so that each leaves room for what listeners have not read of the one before. */
  piecesFor({ bytesWanted }: LackOfRoom): number {
    return Math.max(2, Math.ceil((PIECES_AT_ONCE * bytesWanted) / this.#room().bytesMax));
  }

  /**
   * Resolves when it is worth another attempt.
   *
   * @throws GridError LOG_FULL: there can never be so much room, or listeners do not get on; CANCELLED
   */
  async until(lack: LackOfRoom, signal: AbortSignal): Promise<void> {
    if (this.neverFits(lack)) throw tooLargeForLogs(lack.bytesWanted, this.#room().bytesMax);
    if (lack.error.details?.['isStopped'] === true) throw lack.error;
    for (;;) {
      const { bytesMax, heldBytes, consumed } = this.#room();
      const nowMs = performance.now();
      if (consumed !== this.#consumed) {
        this.#consumed = consumed;
        this.#movedAtMs = nowMs;
      } else if (nowMs - this.#movedAtMs > this.#stallMs) throw lack.error;
      if (nowMs + lack.attemptMs > this.#dueMs) throw lack.error;
      await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) throw new CancelledError('the statement');
      if (bytesMax - heldBytes >= lack.bytesWanted) return;
    }
  }
}

/** LOG_FULL for ever: what the statement writes can never lie in the logs together. */
export function tooLargeForLogs(bytesWanted: number, bytesMax: number): GridError {
  return new GridError(
    'LOG_FULL',
    `the statement would write ${bytesWanted} bytes of log on a member, and ${bytesMax} are the most that may wait there for its commit and for listeners; nothing is changed`,
    {
      hint: 'change fewer rows at a time (clear() and TRUNCATE remove all of a map in pieces), or raise memory.maxBytes: logs have an eighth of it',
      details: { bytesWanted, limitBytes: bytesMax },
    },
  );
}

/** Whether an error is of tooLargeForLogs(), here or at another member. */
export function isTooLargeForLogs(error: unknown): boolean {
  if (!GridError.is(error, 'LOG_FULL')) return false;
  const { bytesWanted, limitBytes } = error.details ?? {};
  return Number(bytesWanted) > Number(limitBytes);
}
