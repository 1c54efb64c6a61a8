/**
 * What a change of the table means for what is under way: partitions that another member has taken over, and members that
 * somebody may stand in for. Pure.
 *
 *   table: p of a -> p of nobody, or of b ... PATIENCE_MS ... what a has not answered for p goes to whoever owns p by then
 *
 * partition-moves M1  What the former primary answers in a moment counts; a member that is cut off, or stands still, answers
 *                     nothing, though its link is up, and holds nobody up. What it had may be applied: it goes on under its numbers.
 * partition-moves M2  Calls for a member that cannot be reached wait within their time where another one has what it had: that one
 *                     takes over. Where nobody has, only the member itself could answer.
 */
import { type MemberId, type PartitionId, type PartitionTable, primaryOf } from '@ashlar/core';

const PATIENCE_MS = 50;
/** What was encoded for a member before a change may be given to its queue so much later. */
const KNOWN_MS = 5_000;

interface Move {
  /** When what is not answered goes on; undefined: it has. */
  dueMs: number | undefined;
  readonly untilMs: number;
}

export class PartitionMoves {
  /** By the member that has lost partitions. */
  readonly #moves = new Map<MemberId, Move>();

  /** The table has changed. */
  note(before: PartitionTable, now: PartitionTable, nowMs: number): void {
    for (const member of losers(before, now)) {
      this.#moves.set(member, { dueMs: nowMs + PATIENCE_MS, untilMs: nowMs + KNOWN_MS });
    }
  }

  /** Whether a member has lost partitions a moment ago: batches for it may have some of them. */
  hasLost(member: MemberId): boolean {
    return this.#moves.has(member);
  }

  /** Whether anybody waits for a former primary. */
  get isWaiting(): boolean {
    return [...this.#moves.values()].some(({ dueMs }) => dueMs !== undefined);
  }

  /** Members whose time to answer is over; each once. */
  due(nowMs: number): readonly MemberId[] {
    const due: MemberId[] = [];
    for (const [member, move] of this.#moves) {
      if (move.dueMs !== undefined && move.dueMs <= nowMs) {
        move.dueMs = undefined;
        due.push(member);
      }
      if (move.untilMs <= nowMs) this.#moves.delete(member);
    }
    return due;
  }
}

/** Members that were primary of a partition, and are not any more. */
function losers(before: PartitionTable, now: PartitionTable): ReadonlySet<MemberId> {
  const lost = new Set<MemberId>();
  if (now.owners.length !== before.owners.length) return lost;
  for (let partition = 0; partition < before.owners.length; partition++) {
    const former = primaryOf(before, partition as PartitionId)?.id;
    if (former !== undefined && former !== primaryOf(now, partition as PartitionId)?.id) lost.add(former);
  }
  return lost;
}

/** Whether another member has what the primary of the partition has (partition-moves M2). */
export function hasStandIn({ owners }: PartitionTable, partition: number): boolean {
  return (owners[partition]?.length ?? 0) > 1;
}

/** Whether a partition belongs to a member, by this table. */
export function isPrimary(table: PartitionTable, member: MemberId, partition: number): boolean {
  return table.owners.length > 0 && primaryOf(table, partition as PartitionId)?.id === member;
}
