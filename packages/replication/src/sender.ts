/**
 * What leaves at the end of a turn: one append and one acknowledgement a peer, with everything that there is for it.
 *
 * sender D1  Bytes under way to a peer stay within its credit; what does not fit waits in the log, partition by partition in turn,
 *            so that a busy partition does not keep the others back.
 * sender D2  Commit marks ride on appends; without one they go by themselves after markFlushMs, and once more with the next
 *            heartbeat, for a message may be lost.
 * sender D3  A lease is asked for with every heartbeat, and remembered with the moment before it is sent.
 */
import type { Sequence } from '@ashlar/core';
import { addRun, type BackupRole } from './backup-role.ts';
import type { Context } from './context.ts';
import type { Follower } from './follower.ts';
import {
  type BatchColumns,
  emptyBatches,
  emptyHeld,
  emptyMarks,
  emptyRefusals,
  type FencedCopy,
  type LeaseRequest,
  type MarkColumns,
} from './messages.ts';
import type { Peer } from './peer.ts';
import type { PrimaryRole } from './primary-role.ts';
import type { Replicas } from './replica.ts';

export class Sender {
  readonly #context: Context;
  readonly #replicas: Replicas;
  readonly #backup: BackupRole;
  /** A follower needs a record that the log has no more. */
  readonly #onLogGone: (role: PrimaryRole, follower: Follower) => void;
  #freeBytes: number;

  constructor(
    context: Context,
    replicas: Replicas,
    backup: BackupRole,
    onLogGone: (role: PrimaryRole, follower: Follower) => void,
  ) {
    this.#context = context;
    this.#replicas = replicas;
    this.#backup = backup;
    this.#onLogGone = onLogGone;
    this.#freeBytes = context.options.windowBytes;
  }

  setFreeBytes(bytes: number): void {
    this.#freeBytes = bytes;
  }

  flush(): void {
    for (const peer of this.#context.peers.values()) {
      this.#sendFenced(peer);
      this.#acknowledge(peer);
      this.#append(peer);
    }
    const transaction = this.#context.transactions.take();
    if (transaction !== undefined) this.#context.emit({ kind: 'transact', transaction });
  }

  /* ---- To a backup --------------------------------------------------------------------------------------------------- */

  #append(peer: Peer): void {
    const { nowMs, options } = this.#context;
    const isHeartbeat = peer.followed.size > 0 && nowMs >= peer.nextHeartbeatMs;
    const isFlush = nowMs - peer.marksSinceMs >= options.timings.markFlushMs;
    const batches = emptyBatches();
    if (isHeartbeat && peer.unread.size > 0) peer.readAgain();
    if (peer.dirty.size > 0) this.#addBatches(peer, batches);
    if (batches.partition.length === 0 && !isHeartbeat && !isFlush) return;
    const marks = emptyMarks();
    if (isHeartbeat) for (const partition of peer.toldMarks) peer.marks.add(partition);
    if (isHeartbeat) peer.toldMarks.clear();
    for (const partition of peer.marks) this.#addMark(peer, partition, marks, !isHeartbeat);
    peer.marks.clear();
    peer.marksSinceMs = Number.POSITIVE_INFINITY;
    const lease = isHeartbeat ? this.#leaseOf(peer) : undefined;
    if (batches.partition.length === 0 && marks.partition.length === 0 && lease === undefined) return;
    this.#context.send(peer.replica, { kind: 'append', batches, marks, lease });
  }

  /** sender D3 */
  #leaseOf(peer: Peer): LeaseRequest {
    const { nowMs, options } = this.#context;
    peer.nextHeartbeatMs = nowMs + options.timings.heartbeatMs;
    return this.#context.askForLease(peer.replica);
  }

  /** sender D1 */
  #addBatches(peer: Peer, batches: BatchColumns): void {
    const { options, log } = this.#context;
    let bytesLeft = Math.min(options.appendBytes, peer.creditBytes(options.windowBytes));
    log.begin();
    for (const partition of [...peer.dirty]) {
      if (bytesLeft <= 0 || log.isFull) break;
      // To the end of the line: what is left over of it goes after the others.
      peer.dirty.delete(partition);
      const role = this.#replicas.get(partition)?.role;
      const follower = role?.followers.get(peer.replica);
      if (role === undefined || follower === undefined || follower.isLost) continue;
      bytesLeft -= this.#addRuns(role, follower, batches, bytesLeft);
      if (role.followers.get(peer.replica) !== follower || peer.unread.has(partition)) continue;
      if (follower.sent < role.copy.held) peer.dirty.add(partition);
    }
    if (batches.partition.length > 0) batches.payload = log.finish();
  }

  #addRuns(role: PrimaryRole, follower: Follower, batches: BatchColumns, bytesMax: number): number {
    const { log } = this.#context;
    let bytes = 0;
    while (follower.sent < role.copy.held && bytes < bytesMax && !log.isFull) {
      const first = (follower.sent + 1) as Sequence;
      const run = this.#context.addToPayload(role.partition, first, bytesMax - bytes);
      if (run === 'unreadable') {
        follower.peer.unread.add(role.partition);
        return bytes;
      }
      if (run === undefined) {
        this.#onLogGone(role, follower);
        return bytes;
      }
      addRun(batches, role.partition, role.epoch, first, run);
      follower.sentRun((first + run.count - 1) as Sequence, run.bytes, this.#context.nowMs);
      this.#replicas.busy.add(role.partition);
      bytes += run.bytes;
    }
    return bytes;
  }

  /** sender D2 */
  #addMark(peer: Peer, partition: number, marks: MarkColumns, isAgain: boolean): void {
    const role = this.#replicas.get(partition)?.role;
    if (role === undefined || role.stage === 'promoting' || !role.followers.has(peer.replica)) return;
    const { trimFloor, heldFrom } = this.#context.log.terms(partition);
    role.copy.lineage.trim(trimFloor);
    marks.partition.push(partition);
    marks.epoch.push(role.epoch);
    marks.commit.push(role.copy.commit);
    marks.trimFloor.push(trimFloor);
    marks.heldFrom.push(heldFrom);
    if (isAgain) peer.toldMarks.add(partition);
  }

  /* ---- To a primary ---------------------------------------------------------------------------------------------------- */

  #acknowledge(peer: Peer): void {
    if (!peer.isAnswerDue && peer.acknowledge.size === 0 && peer.refusals.length === 0) return;
    const held = emptyHeld();
    for (const [partition, epoch] of peer.acknowledge) {
      const copy = this.#replicas.get(partition)?.copy;
      if (copy === undefined) continue;
      held.partition.push(partition);
      held.epoch.push(epoch);
      held.copy.push(copy.number);
      held.held.push(copy.held);
      held.hasGap.push(peer.gaps.has(partition));
    }
    const refusals = emptyRefusals();
    for (const { partition, epoch, reason } of peer.refusals) {
      refusals.partition.push(partition);
      refusals.epoch.push(epoch);
      refusals.reason.push(reason);
    }
    const { grant } = peer;
    peer.acknowledge.clear();
    peer.gaps.clear();
    peer.refusals.length = 0;
    peer.grant = undefined;
    peer.isAnswerDue = false;
    this.#context.send(peer.replica, {
      ...{ kind: 'acknowledge', held, refusals, freeBytes: this.#freeBytes, lease: grant },
    });
  }

  #sendFenced(peer: Peer): void {
    if (peer.fenced.size === 0) return;
    const copies: FencedCopy[] = [];
    for (const partition of peer.fenced) {
      const copy = this.#backup.fencedCopy(partition);
      if (copy !== undefined) copies.push(copy);
    }
    peer.fenced.clear();
    this.#context.send(peer.replica, { kind: 'fenced', copies });
  }
}
