/**
 * Commits that come late, as backups will make them: for tests and for those who want to see what their application does
 * then. Each batch waits for a time of its own; batches of different partitions overtake each other.
 *
 * late-commits C1  In every partition batches commit in log order, whatever their times (write-path P1).
 * late-commits C2  A partition that drops loses everything undecided from a batch on, as a member does that loses it to
 *                  another.
 * late-commits C3  Equal seeds and equal calls of decide() give equal delays and drops.
 */
import type { Random } from '@ashlar/core';
import type { MemberStore, WriteBatch } from '@ashlar/storage';
import type { Committer } from './write-path.ts';

export interface LateCommitOptions {
  readonly random: Random;
  /** Delays are spread evenly over [0, delayMaxMs]. */
  readonly delayMaxMs: number;
  /** Share of batches, 0 to 1, that take the undecided tail of a partition with them. */
  readonly dropShare: number;
  readonly nowMs: () => number;
  /** Calls back after `ms`; answers how to call that off. */
  readonly later: (ms: number, run: () => void) => () => void;
}

interface Waiting {
  readonly batch: WriteBatch;
  readonly dueMs: number;
  readonly isDropped: boolean;
}

export class LateCommits implements Committer {
  readonly isPrompt = false;
  readonly #store: MemberStore;
  readonly #options: LateCommitOptions;
  /** In the order of sealing. */
  #waiting: Waiting[] = [];
  #cancel: (() => void) | undefined;
  #alarmMs = Infinity;
  #isClosed = false;
  /** Batches that were dropped, in part or as a whole. */
  dropped = 0;

  constructor(store: MemberStore, options: LateCommitOptions) {
    this.#store = store;
    this.#options = options;
  }

  decide(batch: WriteBatch): void {
    const { random, delayMaxMs, dropShare, nowMs } = this.#options;
    const dueMs = this.#isClosed ? 0 : nowMs() + random.next() * delayMaxMs;
    const isDropped = dropShare > 0 && random.next() < dropShare;
    this.#waiting.push({ batch, dueMs, isDropped: isDropped && !this.#isClosed });
    if (this.#isClosed) this.#decideDue(Infinity);
    else this.#arm(dueMs);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
    this.#decideDue(Infinity);
  }

  #arm(dueMs: number): void {
    if (dueMs >= this.#alarmMs) return;
    this.#cancel?.();
    this.#alarmMs = dueMs;
    this.#cancel = this.#options.later(Math.max(0, dueMs - this.#options.nowMs()), () => {
      this.#alarmMs = Infinity;
      this.#decideDue(this.#options.nowMs());
      const next = Math.min(...this.#waiting.map((waiting) => waiting.dueMs));
      // Whoever is due and not first waits for one that is not due.
      if (next < Infinity) this.#arm(Math.max(next, this.#options.nowMs() + 1));
    });
  }

  /** Those that are due, as far as they are first in their partitions; the decision of one lets others be first. */
  #decideDue(nowMs: number): void {
    for (let isOver = false; !isOver; ) {
      const ready = this.#waiting.filter((waiting) => waiting.dueMs <= nowMs && this.#isReady(waiting));
      const done = new Set(ready);
      this.#waiting = this.#waiting.filter((waiting) => !done.has(waiting));
      for (const waiting of ready) this.#decide(waiting);
      isOver = ready.length === 0;
    }
  }

  #isReady({ batch }: Waiting): boolean {
    return batch.state !== 'sealed' || batch.isNext;
  }

  #decide({ batch, isDropped }: Waiting): void {
    if (batch.state !== 'sealed') return;
    if (!isDropped) {
      batch.commit();
      return;
    }
    this.dropped++;
    const [partition] = batch.partitionIds;
    this.#store.dropUndecided(partition!, batch);
    // What it staged in others goes on.
    if ((batch.state as WriteBatch['state']) === 'sealed') batch.commit();
  }
}
