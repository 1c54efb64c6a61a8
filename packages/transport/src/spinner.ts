/**
 * Adaptive spinning: the event loop is kept turning for a moment where the next bytes are about to come, because putting a
 * process to sleep and waking it costs more than most calls take.
 *
 *   watch -> turn -> turn -> turn ... bytes came (a hit), rest, or its time is over (a miss) -> the loop sleeps as ever
 *
 * spinner S1  It turns only while somebody watches, and at most for the time that was asked for, SPIN_MAX_MS, after the last byte that
 *             came or went.
 * spinner S2  A turn that took longer than TURN_MS without bytes of ours ends it: the loop has other work, or was preempted.
 * spinner S3  What it does for nothing is bounded: after n misses in a row 2^n - 1 chances are let pass, PASSED_MAX at most.
 * spinner S4  Of every SAMPLED spins one is looked at: whether the process had to give up its core meanwhile. Every WINDOW spins it is
 *             judged: where a quarter of those looked at was preempted, or a fifth of the time was lost to late turns (others on the
 *             core, a quota, other work), it stands still for STILL_MIN_MS, and twice as long each time that it is found so
 *             before a whole window went well, up to STILL_MAX_MS. At first, and after standing still, it is on trial: all spins
 *             are looked at, and judged after TRIAL of them.
 * spinner S5  One that is off never turns.
 */

import type { SpinFigures } from '@ashlar/core';

/** How long it turns after the last byte where nobody knows better. */
export const SPIN_MS = 0.2;
/** Longest time that it turns after the last byte. */
export const SPIN_MAX_MS = 0.5;
const TURN_MS = 0.1;
const PASSED_MAX = 1023;
const WINDOW = 2048;
/** Looking at the process's figures takes some 10 us. */
const SAMPLED = 256;
const TRIAL = 16;
/** Share of spins that may be preempted: a core of one's own is wanted by the kernel's threads now and then. */
const PREEMPTED_SHARE = 0.25;
/** Share of the time that may be lost: a collection of garbage takes some. */
const LOST_SHARE = 0.2;
/** Short: a process that has just begun is late for reasons of its own. */
const STILL_MIN_MS = 100;
const STILL_MAX_MS = 60_000;

/** The event loop of this thread. */
export interface SpinLoop {
  /** A clock that only grows, milliseconds. */
  nowMs(): number;
  /** Runs `turn` once the loop has looked for bytes. */
  nextTurn(turn: () => void): void;
  /** How often the process has had to give up a core that it still wanted. */
  involuntarySwitches(): number;
}

export class Spinner {
  readonly #loop: SpinLoop;
  readonly #reason: string;
  /** Undefined: nobody watches. */
  #untilMs: number | undefined;
  /** Whether a turn is asked for. */
  #isTurning = false;
  /** Whether bytes of ours came or went since the last turn. */
  #hasBytes = false;
  #beganMs = 0;
  #turnedMs = 0;
  #missesInRow = 0;
  #toPass = 0;
  #stillUntilMs = 0;
  #stillMs = STILL_MIN_MS;
  #isOnTrial = true;
  /** Of the spins since the last judgement: all, those looked at, those of them that were preempted; their time, and what of it was lost. */
  #spins = 0;
  #sampled = 0;
  #preempted = 0;
  #windowMs = 0;
  #lostMs = 0;
  /** Of the present spin, where it is looked at. */
  #switches: number | undefined;
  readonly #figures: { spins: number; hits: number; misses: number; preempted: number; spunMs: number };

  /**
   * @param reason  why it must never turn; empty: it may
   * @param among   whose figures it is counted in
   */
  constructor(loop: SpinLoop, reason: string, among?: Spinner) {
    this.#loop = loop;
    this.#reason = reason;
    this.#figures = among === undefined ? { spins: 0, hits: 0, misses: 0, preempted: 0, spunMs: 0 } : among.#figures;
  }

  /** spinner S5 */
  get isAllowed(): boolean {
    return this.#reason === '';
  }

  /** Whether it turns for somebody. */
  get isWatching(): boolean {
    return this.#untilMs !== undefined;
  }

  nowMs(): number {
    return this.#loop.nowMs();
  }

  figures(): SpinFigures {
    const still = this.#stillUntilMs > this.#loop.nowMs();
    return { allowed: this.isAllowed, reason: this.#reason, still, ...this.#figures };
  }

  /**
   * Bytes went, or came, and others are expected: it turns from now on, or goes on.
   *
   * @param forMs  at most SPIN_MAX_MS
   */
  watch(nowMs: number, forMs = SPIN_MS): void {
    if (this.#untilMs === undefined) {
      if (!this.isAllowed || nowMs < this.#stillUntilMs || !this.#takesChance()) return;
      this.#begin(nowMs);
    }
    this.#untilMs = nowMs + Math.min(forMs, SPIN_MAX_MS);
    this.#hasBytes = true;
    if (this.#isTurning) return;
    this.#isTurning = true;
    this.#turnedMs = nowMs;
    this.#loop.nextTurn(this.#turn);
  }

  /** Bytes came that were watched for. */
  arrived(nowMs: number): void {
    if (this.#untilMs === undefined) return;
    this.#figures.hits++;
    this.#missesInRow = 0;
    this.#toPass = 0;
    this.#end(nowMs);
  }

  /** Nothing is expected any more. */
  rest(nowMs: number): void {
    if (this.#untilMs !== undefined) this.#end(nowMs);
  }

  /** spinner S3 */
  #takesChance(): boolean {
    if (this.#toPass === 0) return true;
    this.#toPass--;
    return false;
  }

  #begin(nowMs: number): void {
    this.#figures.spins++;
    this.#beganMs = nowMs;
    const isSampled = this.#isOnTrial || this.#spins % SAMPLED === 0;
    this.#switches = isSampled ? this.#loop.involuntarySwitches() : undefined;
  }

  readonly #turn = (): void => {
    this.#isTurning = false;
    if (this.#untilMs === undefined) return;
    const nowMs = this.#loop.nowMs();
    if (nowMs >= this.#untilMs || this.#lateMs(nowMs) > 0) {
      this.#figures.misses++;
      this.#missesInRow++;
      this.#toPass = Math.min(2 ** this.#missesInRow - 1, PASSED_MAX);
      this.#end(nowMs);
      return;
    }
    this.#turnedMs = nowMs;
    this.#hasBytes = false;
    this.#isTurning = true;
    this.#loop.nextTurn(this.#turn);
  };

  #end(nowMs: number): void {
    this.#untilMs = undefined;
    const spunMs = nowMs - this.#beganMs;
    this.#figures.spunMs += spunMs;
    this.#windowMs += spunMs;
    this.#lostMs += this.#lateMs(nowMs);
    this.#spins++;
    if (this.#switches !== undefined) {
      this.#sampled++;
      if (this.#loop.involuntarySwitches() > this.#switches) this.#preempted++;
    }
    if (this.#spins >= (this.#isOnTrial ? TRIAL : WINDOW)) this.#judge(nowMs);
  }

  /** How much too late the present turn is, unless bytes of ours were at work in it. */
  #lateMs(nowMs: number): number {
    return this.#hasBytes ? 0 : Math.max(0, nowMs - this.#turnedMs - TURN_MS);
  }

  /** spinner S4 */
  #judge(nowMs: number): void {
    const isInTheWay = this.#preempted > this.#sampled * PREEMPTED_SHARE || this.#lostMs > this.#windowMs * LOST_SHARE;
    const wasOnTrial = this.#isOnTrial;
    this.#isOnTrial = isInTheWay;
    this.#spins = 0;
    this.#sampled = 0;
    this.#preempted = 0;
    this.#windowMs = 0;
    this.#lostMs = 0;
    if (!isInTheWay) {
      if (!wasOnTrial) this.#stillMs = STILL_MIN_MS;
      return;
    }
    this.#figures.preempted++;
    this.#stillUntilMs = nowMs + this.#stillMs;
    this.#stillMs = Math.min(this.#stillMs * 2, STILL_MAX_MS);
  }
}
