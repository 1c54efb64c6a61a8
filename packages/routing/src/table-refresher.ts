/**
 * Asks members for the newest partition table: one question at a time, not at every occasion; and hears of new ones from all
 * of them while somebody waits for one.
 *
 * table-refresher R1  A member that does not answer, or is slow to, holds nobody up: the next one is asked meanwhile.
 * table-refresher R2  While it follows, whichever member is the first to know of a table tells it; once nobody waits any more
 *                     nothing is open at any member.
 */
import type { PartitionTable } from '@ashlar/core';
import type { MemberConnection } from '@ashlar/transport';
import { pause } from './connections.ts';

/** Questions within a moment nearly always have the same reason: one answer serves them all. */
const GATHER_MS = 20;
const EVERY_MS = 100;
const ANSWER_MS = 1_000;
/** The next member is asked when one has not answered by then. */
const NEXT_MS = 100;
/** A confirmation that is older than this does not count. */
const CONFIRMED_MS = 2_000;
/** Members that are followed at a time. */
const FOLLOWED_MAX = 4;

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
  /** Members that tell of every table, and how to end that. */
  readonly #followed = new Map<MemberConnection, AbortController>();

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

  /** Whether a member has sent the table of our grid a moment ago. */
  isNewest(nowMs: number): boolean {
    return this.#confirmation !== undefined && nowMs - this.#confirmation.atMs <= EVERY_MS;
  }

  /** Whether a member that has been there since then sent the table of our grid, after `sinceMs` and a moment ago. */
  isConfirmed(sinceMs: number, nowMs: number): boolean {
    if (this.#confirmation === undefined) return false;
    const { by, atMs } = this.#confirmation;
    const { upSinceMs = Number.POSITIVE_INFINITY } = by;
    return upSinceMs <= atMs && atMs >= Math.max(sinceMs, nowMs - CONFIRMED_MS);
  }

  /** Hears of tables from members that are connected (table-refresher R2), until rest(). To be called again and again. */
  follow(): void {
    for (const connection of this.#sources.connections()) {
      if (this.#followed.size >= FOLLOWED_MAX) return;
      if (connection.isUp && !this.#followed.has(connection)) void this.#follow(connection);
    }
  }

  /** Nobody waits for a table any more. Idempotent. */
  rest(): void {
    for (const abort of this.#followed.values()) abort.abort();
    this.#followed.clear();
  }

  async #follow(connection: MemberConnection): Promise<void> {
    const abort = new AbortController();
    this.#followed.set(connection, abort);
    try {
      for await (const table of connection.admin.watchTable(undefined, { signal: abort.signal })) {
        if (abort.signal.aborted) return;
        if (this.#isOurs(connection, table)) this.#sources.take(table);
      }
      // Who ends at once what it was asked for is not asked again at every occasion.
      await pause(EVERY_MS);
    } catch {
      // The member is gone, or we are; the next call follows whoever is there.
    }
    if (this.#followed.get(connection) === abort) this.#followed.delete(connection);
  }

  async #refresh(): Promise<void> {
    this.#askedMs = this.#sources.nowMs();
    await pause(GATHER_MS);
    const table = await this.#ask();
    if (table !== undefined) this.#sources.take(table);
  }

  /** A table of our grid from whoever sends one first; else one of another grid; else nothing. */
  #ask(): Promise<PartitionTable | undefined> {
    const isOurs = (connection: MemberConnection, table: PartitionTable): boolean => this.#isOurs(connection, table);
    return new TableQuestion(this.#sources.connections(), isOurs).answer;
  }

  #isOurs(connection: MemberConnection, { gridId }: PartitionTable): boolean {
    if (gridId !== this.#sources.gridId()) return false;
    this.#confirmation = { by: connection, atMs: this.#sources.nowMs() };
    return true;
  }
}

/** One question to members in turn (table-refresher R1). */
class TableQuestion {
  readonly answer: Promise<PartitionTable | undefined>;
  readonly #left: MemberConnection[];
  readonly #isOurs: (connection: MemberConnection, table: PartitionTable) => boolean;
  #resolve!: (table: PartitionTable | undefined) => void;
  #foreign: PartitionTable | undefined;
  #unanswered = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    connections: readonly MemberConnection[],
    isOurs: (connection: MemberConnection, table: PartitionTable) => boolean,
  ) {
    this.#left = [...connections];
    this.#isOurs = isOurs;
    this.answer = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#next();
  }

  #next(): void {
    clearTimeout(this.#timer);
    const connection = this.#left.shift();
    if (connection === undefined) {
      if (this.#unanswered === 0) this.#resolve(this.#foreign);
      return;
    }
    this.#unanswered += 1;
    this.#timer = setTimeout(() => this.#next(), NEXT_MS);
    void this.#askOne(connection);
  }

  async #askOne(connection: MemberConnection): Promise<void> {
    try {
      const table = await connection.admin.getTable(undefined, { timeoutMs: ANSWER_MS });
      if (this.#isOurs(connection, table)) {
        this.#left.length = 0;
        this.#resolve(table);
      } else this.#foreign ??= table;
    } catch {
      // The next member may know; queues ask again while they are down.
    }
    this.#unanswered -= 1;
    this.#next();
  }
}
