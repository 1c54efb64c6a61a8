/**
 * Commits sealed batches when every replica in sync holds them: the core says so partition by partition.
 *
 *   decide(batch) -> waits in each of its partitions -> commitTo(partition, sequence) ... -> first everywhere, held: commit
 *                                                  \--> lost(partition) -> goes on without it, or was aborted by the store
 *
 * replicated-committer D1  In every partition batches commit in log order (write-path P1); a batch of several partitions when it
 *                          is the first in each of them, and each is committed that far.
 * replicated-committer D2  A partition that stops being served loses all that waits in it; the store has undone it before.
 * replicated-committer D3  A decision costs what the batch has of partitions, however many wait.
 */
import { assert, type PartitionId, type Sequence } from '@ashlar/core';
import type { WriteBatch } from '@ashlar/storage';
import type { Committer } from '../write-path.ts';

/** A sealed batch, and in how many of its partitions something is before it, or it is not held yet. */
interface Waiting {
  readonly batch: WriteBatch;
  open: number;
}

interface Place {
  readonly waiting: Waiting;
  readonly lastSequence: Sequence;
}

/** What waits in a partition, in log order, behind `gone` places that are used up. */
interface Line {
  places: Place[];
  gone: number;
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
}

export class ReplicatedCommitter implements Committer {
  readonly isPrompt = false;
  readonly #ports: CommitterPorts;
  readonly #lines = new Map<PartitionId, Line>();
  /** Batches that may commit: those that follow come in the next round. */
  #ready: Waiting[] = [];
  #isDeciding = false;
  /** Batches that were lost with a partition, in part or as a whole. */
  dropped = 0;

  constructor(ports: CommitterPorts) {
    this.#ports = ports;
  }

  /** Batches that wait in a partition. */
  waitingIn(partition: PartitionId): number {
    const line = this.#lines.get(partition);
    return line === undefined ? 0 : line.places.length - line.gone;
  }

  decide(batch: WriteBatch): void {
    const { partitionIds } = batch;
    const waiting: Waiting = { batch, open: partitionIds.length };
    if (waiting.open === 0) {
      if (batch.state === 'sealed') batch.commit();
      return;
    }
    for (const partition of partitionIds) {
      const line = this.#lineOf(partition);
      const lastSequence = this.#ports.heldSequence(partition);
      line.places.push({ waiting, lastSequence });
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
    this.#lines.set(partition, { places: [], gone: 0, committed: lastSequence, isFirstReady: false });
  }

  /** It does not serve it any more (replicated-committer D2). */
  lose(partition: PartitionId): void {
    const line = this.#lines.get(partition);
    this.#lines.delete(partition);
    if (line === undefined) return;
    for (let at = line.gone; at < line.places.length; at++) {
      const { waiting } = line.places[at]!;
      this.dropped++;
      // What it staged elsewhere goes on.
      const wasReady = at === line.gone && line.isFirstReady;
      if (!wasReady) this.#settle(waiting);
    }
    this.#decideReady();
  }

  /** What waits for other members is theirs to decide: it is committed while they answer, or lost with its partition. */
  close(): void {
    this.#decideReady();
  }

  #lineOf(partition: PartitionId): Line {
    let line = this.#lines.get(partition);
    if (line === undefined) {
      line = { places: [], gone: 0, committed: 0 as Sequence, isFirstReady: false };
      this.#lines.set(partition, line);
    }
    return line;
  }

  /** The first of a line is ready there once its records are held: counted once. */
  #lookAtFirst(line: Line): void {
    const first = line.places[line.gone];
    if (first === undefined || line.isFirstReady || first.lastSequence > line.committed) return;
    line.isFirstReady = true;
    this.#settle(first.waiting);
  }

  #settle(waiting: Waiting): void {
    if (--waiting.open === 0) this.#ready.push(waiting);
  }

  /** The decision of one lets the next of its partitions be ready. */
  #decideReady(): void {
    if (this.#isDeciding) return;
    this.#isDeciding = true;
    let ready: readonly Waiting[] = [];
    let next = 0;
    try {
      while (this.#ready.length > 0) {
        ready = this.#ready;
        this.#ready = [];
        for (next = 0; next < ready.length; ) this.#commit(ready[next++]!.batch);
      }
    } finally {
      // Whoever hears of one, and throws, keeps no other from being decided: with the next look.
      this.#ready = [...ready.slice(next), ...this.#ready];
      this.#isDeciding = false;
    }
  }

  /** replicated-committer D1 */
  #commit(batch: WriteBatch): void {
    const { partitionIds } = batch;
    for (const partition of partitionIds) this.#leave(this.#lines.get(partition), batch);
    try {
      if (batch.state === 'sealed') batch.commit();
    } finally {
      for (const partition of partitionIds) {
        const line = this.#lines.get(partition);
        if (line !== undefined) this.#lookAtFirst(line);
      }
    }
  }

  #leave(line: Line | undefined, batch: WriteBatch): void {
    if (line?.places[line.gone]?.waiting.batch !== batch) return;
    line.gone++;
    line.isFirstReady = false;
    if (line.gone < GONE_MAX && line.gone < line.places.length) return;
    line.places = line.places.slice(line.gone);
    line.gone = 0;
  }
}
