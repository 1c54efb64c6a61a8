/**
 * Commits sealed batches when every replica in sync holds them: the core says so partition by partition.
 *
 *   decide(batch) -> waits in each of its partitions -> commitTo(partition, sequence) ... -> first everywhere, held: commit
 *                                                  \--> lost(partition) -> goes on without it, or was aborted by the store
 *
 * replicated-committer D1  In every partition batches commit in log order (write-path P1); a batch of several partitions when it
 *                          is the first in each of them, and each is committed that far.
 * replicated-committer D2  A partition that stops being served loses all that waits in it; the store has undone it before.
 * replicated-committer D3  A decision costs what the batch has of partitions, however many wait, and makes one object a batch.
 * replicated-committer D4  Partitions that wait for the same followers are a group (write-path P3): what one of those holds up is
 *                          held up in each of them.
 */
import { assert, type PartitionId, type ReplicaId, type Sequence } from '@ashlar/core';
import type { WriteBatch } from '@ashlar/storage';
import type { Committer } from '../write-path.ts';
import { FollowerGroups } from './follower-groups.ts';

/** A sealed batch, and in how many of its partitions something is before it, or it is not held yet. */
interface Waiting {
  readonly batch: WriteBatch;
  readonly partitionIds: readonly PartitionId[];
  open: number;
}

/** What waits in a partition, in log order: places [first, end) of two columns, which are used again. */
interface Line {
  readonly waiting: (Waiting | undefined)[];
  /** Parallel to `waiting`: the last sequence of each in the partition. */
  readonly lastSequences: Sequence[];
  first: number;
  end: number;
  committed: Sequence;
  /** Whether its first place was counted as ready. */
  isFirstReady: boolean;
}

/** Fewer used-up places are not worth moving the others. */
const GONE_MAX = 256;

export interface CommitterPorts {
  /** The last sequence that is sealed in a partition. */
  heldSequence(partition: PartitionId): Sequence;
  /** Something was sealed: the replicas are to get it. */
  sealed(partition: PartitionId, lastSequence: Sequence): void;
  /** Whom a partition's commits wait for: one array as long as that stays the same. */
  followersOf(partition: PartitionId): readonly ReplicaId[];
}

export class ReplicatedCommitter implements Committer {
  readonly isPrompt = false;
  readonly #ports: CommitterPorts;
  readonly #groups: FollowerGroups;
  /** By partition. */
  readonly #lines: (Line | undefined)[] = [];
  /** Batches that may commit: those that follow come in the next round. */
  #ready: Waiting[] = [];
  #isDeciding = false;
  /** Batches that were lost with a partition, in part or as a whole. */
  dropped = 0;

  constructor(ports: CommitterPorts) {
    this.#ports = ports;
    this.#groups = new FollowerGroups((partition) => ports.followersOf(partition));
  }

  /** replicated-committer D4 */
  groupOf(partition: PartitionId): number {
    return this.#groups.of(partition);
  }

  /** Batches that wait in a partition. */
  waitingIn(partition: PartitionId): number {
    const line = this.#lines[partition];
    return line === undefined ? 0 : line.end - line.first;
  }

  decide(batch: WriteBatch): void {
    const { partitionIds } = batch;
    const waiting: Waiting = { batch, partitionIds, open: partitionIds.length };
    if (waiting.open === 0) {
      if (batch.state === 'sealed') batch.commit();
      return;
    }
    for (const partition of partitionIds) {
      const line = this.#lineOf(partition);
      const lastSequence = this.#ports.heldSequence(partition);
      line.waiting[line.end] = waiting;
      line.lastSequences[line.end++] = lastSequence;
      this.#ports.sealed(partition, lastSequence);
      this.#lookAtFirst(line);
    }
    this.#decideReady();
  }

  /** Everything up to the sequence is with every replica in sync. */
  commitTo(partition: PartitionId, sequence: Sequence): void {
    const line = this.#lineOf(partition);
    if (sequence <= line.committed) return;
    line.committed = sequence;
    this.#lookAtFirst(line);
    this.#decideReady();
  }

  /** This member begins to serve the partition: everything in its log is committed. */
  serve(partition: PartitionId, lastSequence: Sequence): void {
    assert(this.waitingIn(partition) === 0, 'replicated-committer D2: nothing waits where nobody served');
    this.#lines[partition] = newLine(lastSequence);
  }

  /** It does not serve it any more (replicated-committer D2). */
  lose(partition: PartitionId): void {
    const line = this.#lines[partition];
    this.#lines[partition] = undefined;
    if (line === undefined) return;
    for (let at = line.first; at < line.end; at++) {
      this.dropped++;
      // What it staged elsewhere goes on.
      const wasReady = at === line.first && line.isFirstReady;
      if (!wasReady) this.#settle(line.waiting[at]!);
    }
    this.#decideReady();
  }

  /** What waits for other members is theirs to decide: it is committed while they answer, or lost with its partition. */
  close(): void {
    this.#decideReady();
  }

  #lineOf(partition: PartitionId): Line {
    return (this.#lines[partition] ??= newLine(0 as Sequence));
  }

  /** The first of a line is ready there once its records are held: counted once. */
  #lookAtFirst(line: Line): void {
    const { first } = line;
    if (first === line.end || line.isFirstReady || line.lastSequences[first]! > line.committed) return;
    line.isFirstReady = true;
    this.#settle(line.waiting[first]!);
  }

  #settle(waiting: Waiting): void {
    if (--waiting.open === 0) this.#ready.push(waiting);
  }

  /** The decision of one lets the next of its partitions be ready. */
  #decideReady(): void {
    if (this.#isDeciding || this.#ready.length === 0) return;
    this.#isDeciding = true;
    let ready: readonly Waiting[] = [];
    let next = 0;
    try {
      while (this.#ready.length > 0) {
        ready = this.#ready;
        this.#ready = [];
        for (next = 0; next < ready.length; ) this.#commit(ready[next++]!);
      }
    } finally {
      // Whoever hears of one, and throws, keeps no other from being decided: with the next look.
      this.#ready = [...ready.slice(next), ...this.#ready];
      this.#isDeciding = false;
    }
  }

  /** replicated-committer D1 */
  #commit(waiting: Waiting): void {
    const { batch, partitionIds } = waiting;
    for (const partition of partitionIds) leave(this.#lines[partition], waiting);
    try {
      if (batch.state === 'sealed') batch.commit();
    } finally {
      for (const partition of partitionIds) {
        const line = this.#lines[partition];
        if (line !== undefined) this.#lookAtFirst(line);
      }
    }
  }
}

function newLine(committed: Sequence): Line {
  return { waiting: [], lastSequences: [], first: 0, end: 0, committed, isFirstReady: false };
}

function leave(line: Line | undefined, waiting: Waiting): void {
  if (line === undefined || line.waiting[line.first] !== waiting) return;
  line.waiting[line.first++] = undefined;
  line.isFirstReady = false;
  const { first, end } = line;
  if (first === end) {
    line.first = 0;
    line.end = 0;
  }
  if (first === end || first < GONE_MAX) return;
  line.waiting.copyWithin(0, first, end);
  line.waiting.fill(undefined, end - first, end);
  line.lastSequences.copyWithin(0, first, end);
  line.first = 0;
  line.end = end - first;
}
