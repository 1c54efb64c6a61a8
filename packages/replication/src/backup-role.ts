/**
 * What a member does as a backup: takes records, says what it holds, grants leases, is fenced.
 *
 * backup-role B1  What acts by an older epoch than was seen is refused, for ever: also after a reconnect, also by who was the
 *                 primary a moment ago. Fences count as seen, and so does the table.
 * backup-role B2  Records are taken only from the leader of the epoch that the copy follows, behind those that it has; what comes
 *                 twice is passed over, and what does not follow is said to be missing.
 * backup-role B3  What is acknowledged is held: by the store, not by a message under way to it.
 * backup-role B4  A fence changes nothing that is held: copies in the set never truncate. But of a batch whose end has not come
 *                 nothing stays: it is acknowledged when all of it is with everybody, so it never was.
 * backup-role B5  A lease is granted to whoever asks, and names the newest table of which this member knows: whether it counts
 *                 is decided by that. What was granted last, and up to which ceiling, is remembered by replica.
 * backup-role B6  Records that contradict the copy cost the copy, and no more (core-contract C5).
 */
import type { Epoch, ReplicaId, Sequence } from '@ashlar/core';
import type { Context } from './context.ts';
import { Copy } from './copy.ts';
import type { LogRun } from './host.ts';
import type { Append, BatchColumns, Fence, FencedCopy, MarkColumns, Pull } from './messages.ts';
import { emptyBatches } from './messages.ts';
import type { Peer } from './peer.ts';
import type { Replica, Replicas } from './replica.ts';

export class BackupRole {
  readonly #context: Context;
  readonly #replicas: Replicas;
  /** backup-role B6 */
  readonly #onContradiction: (partition: number, by: ReplicaId, error: unknown) => void;

  constructor(
    context: Context,
    replicas: Replicas,
    onContradiction: (partition: number, by: ReplicaId, error: unknown) => void,
  ) {
    this.#context = context;
    this.#replicas = replicas;
    this.#onContradiction = onContradiction;
  }

  /* ---- Records ------------------------------------------------------------------------------------------------------- */

  append(peer: Peer, { batches, marks, lease }: Append): void {
    peer.isAnswerDue = true;
    for (let at = 0; at < batches.partition.length; at++) {
      try {
        this.#batch(peer, batches, at);
      } catch (error) {
        this.#onContradiction(batches.partition[at]!, peer.replica, error);
        peer.refusals.push({ partition: batches.partition[at]!, epoch: batches.epoch[at]!, reason: 'noCopy' });
      }
    }
    for (let at = 0; at < marks.partition.length; at++) this.#mark(peer, marks, at);
    if (lease === undefined) return;
    const { granted, nowMs, tableOfGrant } = this.#context;
    peer.grant = granted.grant(peer.replica, lease, nowMs, tableOfGrant); // backup-role B5
  }

  #batch(peer: Peer, batches: BatchColumns, at: number): void {
    const partition = batches.partition[at]!;
    const copy = this.#followed(peer, partition, batches.epoch[at]!);
    if (copy === undefined) return;
    const first = batches.firstSequence[at]!;
    const epoch = batches.epoch[at]!;
    peer.acknowledge.set(partition, epoch);
    if (first > copy.asked + 1) peer.gaps.add(partition);
    else this.take(copy, batches, at);
  }

  /** Hands records to the store that follow what the copy has (backup-role B2). */
  take(copy: Copy, batches: BatchColumns, at: number): void {
    const firstSequence = batches.firstSequence[at]!;
    const count = batches.count[at]!;
    const last = (firstSequence + count - 1) as Sequence;
    if (last <= copy.asked) return;
    const recordEpoch = batches.recordEpoch[at]!;
    copy.lineage.endAt(copy.asked);
    copy.lineage.append(recordEpoch, Math.max(firstSequence, copy.asked + 1) as Sequence);
    copy.asked = last;
    this.#context.apply(batches.payload, at, batches.partition[at]!, firstSequence, count);
  }

  #mark(peer: Peer, marks: MarkColumns, at: number): void {
    const partition = marks.partition[at]!;
    const copy = this.#followed(peer, partition, marks.epoch[at]!);
    if (copy === undefined) return;
    if (marks.commit[at]! > copy.commitTold) copy.commitTold = marks.commit[at]!;
    if (marks.trimFloor[at]! > copy.trimFloor) {
      copy.trimFloor = marks.trimFloor[at]!;
      copy.lineage.trim(copy.trimFloor);
    }
    copy.heldFrom = marks.heldFrom[at]!;
    this.#show(partition, copy);
  }

  /** The store holds that much now. */
  applied(replica: Replica, lastSequence: Sequence): void {
    const { copy } = replica;
    if (copy === undefined) return;
    if (lastSequence < copy.held) unshow(copy, lastSequence);
    copy.held = lastSequence;
    // It took less than it was given (a map that it has not heard of, say): what is missing comes again.
    copy.asked = lastSequence;
    if (copy.leader !== undefined && copy.leader !== this.#context.self) {
      const { acknowledge } = this.#context.peer(copy.leader);
      if (!acknowledge.has(replica.partition)) acknowledge.set(replica.partition, copy.epoch);
      if (Math.min(copy.commitTold, copy.held) > copy.commit) this.#show(replica.partition, copy);
    }
  }

  #show(partition: number, copy: Copy): void {
    const commit = Math.min(copy.commitTold, copy.held) as Sequence;
    if (commit < copy.commit) return;
    copy.commit = commit;
    this.#context.commitBackup(partition, commit, copy.trimFloor, copy.heldFrom);
  }

  /** The copy that follows that epoch of the peer; else the peer is refused (backup-role B1, B2). */
  #followed(peer: Peer, partition: number, epoch: Epoch): Copy | undefined {
    if (this.#context.refuses(partition, epoch)) {
      peer.refusals.push({ partition, epoch, reason: 'staleEpoch' });
      this.#context.note({ kind: 'refusedEpoch', partition, from: peer.replica, epoch });
      return undefined;
    }
    const replica = this.#replicas.get(partition);
    const copy = replica?.copy;
    if (copy === undefined || copy.epoch < epoch) {
      peer.refusals.push({ partition, epoch, reason: 'noCopy' });
      return undefined;
    }
    return copy;
  }

  /* ---- Promotion of another member ---------------------------------------------------------------------------------------- */

  fence(peer: Peer, { partition, epoch, isFresh }: Fence): void {
    for (let at = 0; at < partition.length; at++) {
      // Of another grid, or of none: nothing here is ever asked for it.
      if (partition[at]! >= this.#context.options.partitionCount) continue;
      this.#fence(peer, partition[at]!, epoch[at]!, isFresh[at]!);
    }
  }

  #fence(peer: Peer, partition: number, epoch: Epoch, isFresh: boolean): void {
    const context = this.#context;
    if (context.refuses(partition, epoch)) {
      peer.refusals.push({ partition, epoch, reason: 'staleEpoch' });
      return;
    }
    // It was sent before the promotion came to its end: who is in the set by now has answered it.
    const row = context.row(partition);
    if (row !== undefined && row.epoch === epoch && row.phase !== 'promoting') return;
    context.see(partition, epoch);
    const replica = this.#replicas.of(partition);
    this.#replicas.depose(replica);
    if (replica.copy === undefined || replica.copy.epoch < epoch || replica.copy.leader === undefined) {
      this.#follow(replica, peer.replica, epoch, isFresh);
    }
    peer.fenced.add(partition);
  }

  /** backup-role B4 */
  #follow(replica: Replica, leader: ReplicaId, epoch: Epoch, isFresh: boolean): void {
    const context = this.#context;
    replica.afterlife.leaderEnded(context, replica.copy);
    if (replica.install !== undefined) this.#replicas.drop(replica);
    if (isFresh) {
      context.forgetCopy(replica.partition);
      replica.copy = new Copy(context, { epoch, leader, sequence: 0 as Sequence, isJoining: false });
      context.emit({ kind: 'openCopy', partition: replica.partition, logEpoch: epoch });
      return;
    }
    const { copy } = replica;
    if (copy === undefined) return;
    copy.epoch = epoch;
    copy.leader = leader;
    copy.isJoining = false;
    keep(copy, context.rules.keepsUpTo(copy.held, copy.commit));
    context.emit({ kind: 'endBatch', partition: replica.partition });
  }

  /** What a fenced member of the set says that it holds. */
  fencedCopy(partition: number): FencedCopy | undefined {
    const replica = this.#replicas.get(partition);
    if (replica === undefined) return undefined;
    const { copy } = replica;
    const epoch = this.#context.seen(partition) as Epoch;
    if (copy === undefined) return { partition, epoch, copy: undefined, held: 0 as Sequence, lineage: [] };
    return { partition, epoch: copy.epoch, copy: copy.number, held: copy.held, lineage: [...copy.lineage.entries] };
  }

  /** The named primary wants what it lacks. */
  pull(peer: Peer, { partition, epoch, from }: Pull): void {
    const batches = emptyBatches();
    const { log, options } = this.#context;
    let bytesLeft = options.appendBytes;
    log.begin();
    for (let at = 0; at < partition.length && bytesLeft > 0; at++) {
      const copy = this.#replicas.get(partition[at]!)?.copy;
      if (copy?.epoch !== epoch[at]! || copy.leader !== peer.replica || from[at]! > copy.held) continue;
      bytesLeft -= this.#addRuns(batches, partition[at]!, copy, from[at]!, bytesLeft);
    }
    if (batches.partition.length === 0) return;
    batches.payload = log.finish();
    this.#context.send(peer.replica, { kind: 'tail', batches });
  }

  #addRuns(batches: BatchColumns, partition: number, copy: Copy, from: Sequence, bytesMax: number): number {
    const { log } = this.#context;
    let bytes = 0;
    for (let next = from; next <= copy.held && bytes < bytesMax && !log.isFull; ) {
      const run = this.#context.addToPayload(partition, next, bytesMax - bytes);
      if (run === undefined || run === 'unreadable') break;
      addRun(batches, partition, copy.epoch, next, run);
      bytes += run.bytes;
      next = (next + run.count) as Sequence;
    }
    return bytes;
  }
}

/** Adds a run of records, which the log has added to the payload, to the columns of a message. */
export function addRun(
  batches: BatchColumns,
  partition: number,
  epoch: Epoch,
  firstSequence: Sequence,
  run: LogRun,
): void {
  batches.partition.push(partition);
  batches.epoch.push(epoch);
  batches.recordEpoch.push(run.recordEpoch);
  batches.firstSequence.push(firstSequence);
  batches.count.push(run.count);
}

/** Part of a batch is taken back: its numbers are used again, and no index of before speaks of those. */
function unshow(copy: Copy, held: Sequence): void {
  if (copy.commitTold > held) copy.commitTold = held;
  if (copy.commit > held) copy.commit = held;
}

/** Production keeps everything: here for the mutant that truncates. */
export function keep(copy: Copy, upTo: Sequence): void {
  copy.held = upTo;
  copy.asked = upTo;
}
