/**
 * Whether a member may be told of as ready, as far as copies go: its grid serves every partition, and every copy that is wanted of
 * a member that lives is in sync. Whoever starts members one after the other, and waits for each, never stops one whose copies
 * others need.
 *
 *   table -> what is missing yet -> ... nothing: ready, from then on
 *
 * readiness A1  A member that has been ready stays so: that others go is no fault of its own.
 * readiness A2  Nobody waits for ever: where nothing more has come into sync for STILL_MS, the member is ready with what there is,
 *               and notices tell what is missing.
 * readiness A3  A table in which the member is not yet, or as an earlier process, says nothing about it.
 */
import type { TableState } from '@ashlar/cluster';
import { memberOfReplica, type ReplicaId } from '@ashlar/core';

const STILL_MS = 30_000;

export class Readiness {
  readonly #self: ReplicaId | undefined;
  readonly #nowMs: () => number;
  #isReady = false;
  #missing: Missing | undefined;
  /** When less was missing than ever before. */
  #progressMs: number;
  #least = Number.POSITIVE_INFINITY;

  /**
   * @param self   undefined: the grid holds no copies
   * @param nowMs  monotonic
   */
  constructor(self: ReplicaId | undefined, nowMs: () => number = () => performance.now()) {
    this.#self = self;
    this.#nowMs = nowMs;
    this.#progressMs = nowMs();
  }

  /** The table has changed. O(partitions) until the member is ready, then nothing. */
  onTable(table: TableState): void {
    if (this.#isReady || table.owners.length === 0) return;
    this.#missing = this.#isIn(table) ? missingOf(table) : NOT_IN;
    const { primaries, copies } = this.#missing;
    if (primaries + copies < this.#least) {
      this.#least = primaries + copies;
      this.#progressMs = this.#nowMs();
    }
    this.#isReady = primaries + copies === 0;
  }

  /** readiness A3 */
  #isIn({ replicas }: TableState): boolean {
    if (replicas === undefined || this.#self === undefined) return true;
    return replicas.members.some(({ replica, isAlive }) => replica === this.#self && isAlive);
  }

  /** Why the member is not ready yet; empty: it is, or was. */
  reasons(): string[] {
    if (this.#missing === undefined || this.#isReady) return [];
    this.#isReady = this.#nowMs() - this.#progressMs > STILL_MS; // readiness A2
    if (this.#isReady) return [];
    const { primaries, copies, partitions } = this.#missing;
    if (this.#missing === NOT_IN) return ['the member is not registered yet'];
    return [
      ...(primaries > 0 ? [`${primaries} of ${partitions} partitions wait for their primary`] : []),
      ...(copies > 0 ? [`copies of ${copies} of ${partitions} partitions are not in sync yet`] : []),
    ];
  }
}

interface Missing {
  readonly partitions: number;
  /** Partitions that nobody serves, but lost ones: those begin by an operator's word. */
  readonly primaries: number;
  /** Partitions served without a copy that is wanted of a member that lives. */
  readonly copies: number;
}

const NOT_IN: Missing = { partitions: 0, primaries: Number.POSITIVE_INFINITY, copies: 0 };

function missingOf({ replicas }: TableState): Missing {
  if (replicas === undefined) return { partitions: 0, primaries: 0, copies: 0 };
  const living = new Set(replicas.members.filter(({ isAlive }) => isAlive).map(({ replica }) => replica));
  const livingMembers = new Set([...living].map(memberOfReplica));
  let primaries = 0;
  let copies = 0;
  for (const { phase, inSync, wanted } of replicas.partitions) {
    if (phase === 'promoting' || phase === 'unassigned') primaries++;
    if (phase !== 'serving') continue;
    const held = new Set(inSync.filter((replica) => living.has(replica)).map(memberOfReplica));
    if (wanted.some((member) => livingMembers.has(member) && !held.has(member))) copies++;
  }
  return { partitions: replicas.partitions.length, primaries, copies };
}
