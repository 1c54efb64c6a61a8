/**
 * A process of a simulated grid: what runs in it, in turns, and what becomes of that when it is stopped or killed.
 *
 *   run(turn) -- alive: at once | stopped: kept, runs in order after the stop | killed: gone
 *
 * process P1  A turn runs whole; nothing else of the process runs meanwhile.
 * process P2  What a killed process was asked for never runs, also not in the process that follows it under its name.
 * process P3  A stopped process runs nothing; after the stop first what had waited, among it timers that are overdue, in an
 *             order that the seed decides between messages and timers.
 */
import { assert, type Random } from '@ashlar/core';
import type { Happening, Kernel } from './kernel.ts';
import type { MemberClock } from './member-clock.ts';

export class Process {
  readonly #kernel: Kernel;
  readonly #random: Random;
  readonly clock: MemberClock;
  /** The machine sleeps: a stop in which the monotonic clock stands still, as will be seen after it. */
  isSuspended = false;
  #state: 'running' | 'stopped' | 'killed' = 'running';
  #messages: (() => void)[] = [];
  #timers: (() => void)[] = [];

  constructor(kernel: Kernel, random: Random, clock: MemberClock) {
    this.#kernel = kernel;
    this.#random = random;
    this.clock = clock;
  }

  get isKilled(): boolean {
    return this.#state === 'killed';
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /** A turn for something that came from outside. */
  run(turn: () => void): void {
    if (this.#state === 'running') turn();
    else if (this.#state === 'stopped') this.#messages.push(turn);
  }

  /** A turn after so much time of the process's own clock. */
  afterMs(localMs: number, turn: () => void): Happening {
    return this.#kernel.after(this.clock.kernelMs(localMs), () => {
      if (this.#state === 'running') turn();
      else if (this.#state === 'stopped') this.#timers.push(turn);
    });
  }

  kill(): void {
    this.#state = 'killed';
    this.#messages = [];
    this.#timers = [];
  }

  stop(): void {
    assert(this.#state === 'running', 'only a running process is stopped');
    this.#state = 'stopped';
  }

  /** Goes on after a stop (process P3). */
  goOn(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'running';
    const [messages, timers] = [this.#messages, this.#timers];
    this.#messages = [];
    this.#timers = [];
    const turns = this.#random.below(2) === 0 ? [...messages, ...timers] : [...timers, ...messages];
    for (const turn of turns) this.run(turn);
  }
}
