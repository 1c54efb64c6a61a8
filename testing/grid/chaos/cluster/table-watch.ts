/**
 * Follows the partition table at the coordinator's member, past the links, and counts what changes in it.
 *
 * table-watch T1  A change that the member tells together with a later one is counted with it: counts are lower bounds.
 */
import type { PartitionTable } from '@ashlar/core';
import { connectMember } from '@ashlar/transport';
import { pause } from '../load/pace.ts';

const RETRY_MS = 100;

/** On the clock of performance.now(). */
export interface EpochTimes {
  readonly epoch: number;
  readonly namedMs: number;
  servedMs: number | undefined;
}

export class TableWatch {
  /** Changes of a partition's primary to another process. */
  failovers = 0;
  /** Times that a set of in-sync copies became smaller while its primary stayed. */
  shrinks = 0;
  /** Times that one became larger: a copy was transferred. */
  transfers = 0;
  /** Partitions that were told as lost. */
  lost = 0;
  table: PartitionTable | undefined;
  /** By partition: when the table named its newest epoch, and when it said that this epoch is served. */
  readonly epochs = new Map<number, EpochTimes>();
  /** By partition: when its primary was last seen alone in its set. */
  readonly aloneMs = new Map<number, number>();
  readonly #stopping = new AbortController();
  readonly #address: string;
  readonly #following: Promise<void>;
  /** By partition: its copies as it was last served. */
  readonly #served = new Map<number, { readonly epoch: number; readonly copies: number }>();
  readonly #lost = new Set<number>();

  /** @param address  of the door itself */
  constructor(address: string) {
    this.#address = address;
    this.#following = this.#follow();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#following;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const connection = connectMember(this.#address);
      try {
        for await (const table of connection.admin.watchTable(undefined, { signal })) this.#take(table);
      } catch {
        // The member is down or stands still: what it tells next is counted against what it told last.
      } finally {
        connection.close();
      }
      await pause(RETRY_MS, signal);
    }
  }

  #take(table: PartitionTable): void {
    this.table = table;
    const nowMs = performance.now();
    for (const [partition, { length: copies }] of table.owners.entries()) {
      this.#note(partition, table.epochs[partition]!, copies > 0, nowMs);
      if (copies === 1) this.aloneMs.set(partition, nowMs);
      if (copies === 0) continue;
      const epoch = table.epochs[partition]!;
      const before = this.#served.get(partition);
      if (before !== undefined && before.epoch !== epoch) this.failovers++;
      if (before?.epoch === epoch && copies < before.copies) this.shrinks++;
      if (before !== undefined && copies > before.copies) this.transfers++;
      this.#served.set(partition, { epoch, copies });
    }
    for (const partition of table.lost) {
      if (!this.#lost.has(partition)) this.lost++;
      this.#lost.add(partition);
    }
  }

  #note(partition: number, epoch: number, isServed: boolean, nowMs: number): void {
    let times = this.epochs.get(partition);
    if (times?.epoch !== epoch) {
      times = { epoch, namedMs: nowMs, servedMs: undefined };
      this.epochs.set(partition, times);
    }
    if (isServed) times.servedMs ??= nowMs;
  }
}
