/**
 * Commits that come late, as backups will make them: for tests and for those who want to see what their application does
 * then. Each batch waits for a time of its own; batches of different partitions overtake each other.
 *
 * late-commits C1  In every partition batches commit in log order, whatever their times (write-path P1).
 * late-commits C2  A partition that drops loses everything undecided from a batch on, as a member does that loses it to
 *                  another.
 * late-commits C3  Equal seeds and equal calls of decide() give equal delays and drops.
 * late-commits C4  A decision costs the same however many wait: a batch counts those that are before it in its partitions, and
 *                  they tell.
 */
import type { PartitionId, Random } from '@ashlar/core';
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

/** A sealed batch on its way to its decision. */
interface Waiting {
  readonly batch: WriteBatch;
  readonly isDropped: boolean;
  isDue: boolean;
  /** Number of batches of its partitions that are to be decided before it. */
  ahead: number;
}

export class LateCommits implements Committer {
  readonly isPrompt = false;
  readonly #store: MemberStore;
  readonly #options: LateCommitOptions;
  /** By the millisecond in which they are due: one alarm for each. */
  readonly #alarms = new Map<number, { readonly waiting: Waiting[]; readonly cancel: () => void }>();
  /** The last batch that was sealed in a partition. */
  readonly #last = new Map<PartitionId, WriteBatch>();
  /** Due, and nothing is before them. */
  #ready: Waiting[] = [];
  #isDeciding = false;
  #isClosed = false;
  /** Batches that were dropped, in part or as a whole. */
  dropped = 0;

  constructor(store: MemberStore, options: LateCommitOptions) {
    this.#store = store;
    this.#options = options;
  }

  decide(batch: WriteBatch): void {
    const { random, delayMaxMs, dropShare, nowMs } = this.#options;
    const dueMs = nowMs() + random.next() * delayMaxMs;
    const isDropped = dropShare > 0 && random.next() < dropShare && !this.#isClosed;
    const waiting: Waiting = { batch, isDropped, isDue: this.#isClosed, ahead: 0 };
    this.#queueBehind(waiting);
    if (this.#isClosed) this.#settle(waiting);
    else this.#arm(waiting, dueMs);
    this.#decideReady();
  }

  close(): void {
    this.#isClosed = true;
    for (const { waiting, cancel } of this.#alarms.values()) {
      cancel();
      for (const one of waiting) this.#fallDue(one);
    }
    this.#alarms.clear();
    this.#decideReady();
  }

  /** late-commits C1: it comes after the last batch of each of its partitions. */
  #queueBehind(waiting: Waiting): void {
    const { batch } = waiting;
    for (const partition of batch.partitionIds) {
      const before = this.#last.get(partition);
      this.#last.set(partition, batch);
      if (before?.state !== 'sealed') continue;
      waiting.ahead++;
      before.whenDecided(() => {
        waiting.ahead--;
        this.#settle(waiting);
        // The store may be taking batches back at the moment.
        if (!this.#isDeciding && this.#ready.length > 0) queueMicrotask(() => this.#decideReady());
      });
    }
  }

  #arm(waiting: Waiting, dueMs: number): void {
    const dueAt = Math.ceil(dueMs);
    const alarm = this.#alarms.get(dueAt);
    if (alarm !== undefined) {
      alarm.waiting.push(waiting);
      return;
    }
    const due = [waiting];
    const cancel = this.#options.later(Math.max(0, dueAt - this.#options.nowMs()), () => {
      this.#alarms.delete(dueAt);
      for (const one of due) this.#fallDue(one);
      this.#decideReady();
    });
    this.#alarms.set(dueAt, { waiting: due, cancel });
  }

  #fallDue(waiting: Waiting): void {
    waiting.isDue = true;
    this.#settle(waiting);
  }

  #settle(waiting: Waiting): void {
    if (waiting.isDue && waiting.ahead === 0) this.#ready.push(waiting);
  }

  /** The decision of one lets others be ready: they come in the next round. */
  #decideReady(): void {
    if (this.#isDeciding) return;
    this.#isDeciding = true;
    try {
      while (this.#ready.length > 0) {
        const ready = this.#ready;
        this.#ready = [];
        for (const waiting of ready) this.#decide(waiting);
      }
    } finally {
      this.#isDeciding = false;
    }
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
