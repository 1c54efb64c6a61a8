/** Asks members for the newest partition table: one question at a time, not at every occasion. */
import type { PartitionTable } from '@ashlar/core';
import { pause } from './connections.ts';

/** Who asks in a moment has nearly always the same reason: one answer serves all. */
const GATHER_MS = 20;
const EVERY_MS = 100;

export class TableRefresher {
  readonly #ask: () => Promise<PartitionTable | undefined>;
  readonly #take: (table: PartitionTable) => void;
  #asking: Promise<void> | undefined;
  #askedMs = 0;

  /**
   * @param ask   the table of the first member that answers; must not reject
   * @param take  gets it, whether it is newer or not
   */
  constructor(ask: () => Promise<PartitionTable | undefined>, take: (table: PartitionTable) => void) {
    this.#ask = ask;
    this.#take = take;
  }

  refresh(): Promise<void> {
    this.#asking ??= this.#refresh().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** As refresh, unless the last question is but a moment old. */
  refreshIfDue(nowMs: number): void {
    if (nowMs - this.#askedMs > EVERY_MS) void this.refresh();
  }

  async #refresh(): Promise<void> {
    this.#askedMs = performance.now();
    await pause(GATHER_MS);
    const table = await this.#ask();
    if (table !== undefined) this.#take(table);
  }
}
