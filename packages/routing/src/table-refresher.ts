/** Asks members for the newest partition table: one question at a time, not at every occasion. */
import type { PartitionTable } from '@ashlar/core';
import type { MemberConnection } from '@ashlar/transport';
import { pause } from './connections.ts';

/** Questions within a moment nearly always have the same reason: one answer serves them all. */
const GATHER_MS = 20;
const EVERY_MS = 100;
const ANSWER_MS = 1_000;
/** A confirmation that is older than this does not count. */
const CONFIRMED_MS = 2_000;

export interface TableSources {
  /** Whom to ask, best first. */
  connections(): readonly MemberConnection[];
  /** The router's clock. */
  nowMs(): number;
  /** Id of the grid whose table is in use. */
  gridId(): string;
  /** Gets the table that a member sent, whether it is newer or not: one of our grid if there is any, else of another. */
  take(table: PartitionTable): void;
}

export class TableRefresher {
  readonly #sources: TableSources;
  #asking: Promise<void> | undefined;
  #askedMs = 0;
  /** The member that last sent a table of our grid. */
  #confirmation: { readonly by: MemberConnection; readonly atMs: number } | undefined;

  constructor(sources: TableSources) {
    this.#sources = sources;
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

  /** Whether a member that has been there since then sent the table of our grid, after `sinceMs` and a moment ago. */
  isConfirmed(sinceMs: number, nowMs: number): boolean {
    if (this.#confirmation === undefined) return false;
    const { by, atMs } = this.#confirmation;
    const { upSinceMs = Number.POSITIVE_INFINITY } = by;
    return upSinceMs <= atMs && atMs >= Math.max(sinceMs, nowMs - CONFIRMED_MS);
  }

  async #refresh(): Promise<void> {
    this.#askedMs = this.#sources.nowMs();
    await pause(GATHER_MS);
    const table = await this.#ask();
    if (table !== undefined) this.#sources.take(table);
  }

  async #ask(): Promise<PartitionTable | undefined> {
    let foreign: PartitionTable | undefined;
    for (const connection of this.#sources.connections()) {
      try {
        const table = await connection.admin.getTable(undefined, { timeoutMs: ANSWER_MS });
        if (table.gridId === this.#sources.gridId()) {
          this.#confirmation = { by: connection, atMs: this.#sources.nowMs() };
          return table;
        }
        foreign ??= table;
      } catch {
        // The next member may know; queues ask again while they are down.
      }
    }
    return foreign;
  }
}
