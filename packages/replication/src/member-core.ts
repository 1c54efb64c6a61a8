/**
 * The core of one member: all of its partitions, as primary and as backup, behind one door (`core-contract.ts`). Here inputs are
 * handed to the parts that decide, and the news of the table to each partition that it concerns.
 *
 *   onTable -> row by row -> deposed | promotion begins | served | set changed | copy dropped | transfer wanted
 *   onMessage -> backup-role | primary-role | promotion | transfer-source | transfer-sink
 *
 * member-core Z1  Who is not in the set of a table as new as any that was seen drops its copy, unless it is being made for the
 *                 present primary.
 * member-core Z2  A row of an epoch below one that was seen is of the past, even where its table is news: nothing follows from it.
 * member-core Z3  A turn's messages leave when the store has said what it holds: effects of inputs come first, alone.
 */
import type { Epoch, PartitionReplicas, ReplicaId, ReplicaTable, Sequence, Version } from '@ashlar/core';
import { BackupRole, keep } from './backup-role.ts';
import { COORDINATOR, Context } from './context.ts';
import { Copy } from './copy.ts';
import type { Moment, Renewal, ReplicationCore, TransactionAnswer, TransferRef } from './core-contract.ts';
import type { Effect } from './effects.ts';
import { figuresOf, type ReplicationFigures } from './figures.ts';
import type { LogReader, ReplicationOptions, ServeAnswer } from './host.ts';
import { Leaving } from './leaving.ts';
import { Membership } from './membership.ts';
import type {
  Acknowledge,
  BatchColumns,
  Envelope,
  Fence,
  Fenced,
  Message,
  Payload,
  Pull,
  TransferStart,
} from './messages.ts';
import type { Peer } from './peer.ts';
import { PrimaryRole } from './primary-role.ts';
import { Promotion } from './promotion.ts';
import { type Replica, Replicas } from './replica.ts';
import { PRODUCTION_RULES, type Rules } from './rules.ts';
import { Sender } from './sender.ts';
import { checkedTimings } from './timings.ts';
import { TransferSink } from './transfer-sink.ts';
import { TransferSource } from './transfer-source.ts';

const NOBODY: readonly ReplicaId[] = [];

export class MemberCore implements ReplicationCore {
  readonly #context: Context;
  readonly #replicas: Replicas;
  readonly #backup: BackupRole;
  readonly #source: TransferSource;
  readonly #sink: TransferSink;
  readonly #membership: Membership;
  readonly #leaving: Leaving;
  readonly #sender: Sender;
  #hasBegun = false;
  endings = 0;

  constructor(options: ReplicationOptions, log: LogReader, rules: Rules = PRODUCTION_RULES) {
    checkedTimings(options.timings);
    this.#context = new Context(options, log, rules);
    this.#replicas = new Replicas(this.#context);
    this.#backup = new BackupRole(this.#context, this.#replicas, (...fault) => this.#contradicted(...fault));
    this.#source = new TransferSource(this.#context, this.#replicas);
    this.#sink = new TransferSink(this.#context, this.#replicas);
    this.#membership = new Membership(this.#context);
    this.#leaving = new Leaving(this.#context, this.#replicas);
    this.#sender = new Sender(this.#context, this.#replicas, this.#backup, (role, follower) =>
      this.#source.logGone(role, follower),
    );
  }

  /* ---- Time ---------------------------------------------------------------------------------------------------------- */

  #at(now: Moment): void {
    const elapsedMs = now.ms - this.#context.nowMs;
    this.#context.setNow(now);
    const { rules, options } = this.#context;
    if (this.#hasBegun && rules.isGap(elapsedMs, options.timings.clockGapMs)) this.#gap(elapsedMs);
    this.#hasBegun = true;
  }

  onClockGap(now: Moment): void {
    this.#at(now);
    if (this.#context.rules.isGap(Number.POSITIVE_INFINITY, this.#context.options.timings.clockGapMs)) this.#gap(0);
  }

  /** read-leases E3. Nor is anybody silent, or lagging, for a time in which this member heard nothing. */
  #gap(gapMs: number): void {
    this.endings++;
    const { held, granted, nowMs, peers } = this.#context;
    held.endAll();
    granted.afterGap(nowMs);
    for (const { afterlife, role } of this.#replicas) {
      afterlife.afterGap(this.#context);
      for (const follower of role?.followers.values() ?? []) follower.forgetLag();
    }
    for (const peer of peers.values()) {
      peer.heardAtMs = nowMs;
      peer.nextHeartbeatMs = nowMs;
    }
    this.#membership.afterGap();
    this.#context.note({ kind: 'clockGap', gapMs });
  }

  /** What others wait for goes again at once, rather than when its time has come. */
  onLink(replica: ReplicaId, now: Moment): void {
    this.#at(now);
    const peer = this.#context.peers.get(replica);
    if (peer !== undefined) peer.nextHeartbeatMs = now.ms;
    for (const partition of this.#replicas.promoting) this.#replicas.get(partition)?.promotion?.linked(replica);
    this.#sink.linked(replica);
  }

  tick(now: Moment): void {
    this.#at(now);
    this.endings++;
    this.#membership.tick();
    this.#watchPeers();
    for (const partition of [...this.#replicas.busy]) this.#lookAfter(partition);
    this.#source.tick();
    if (!this.#leaving.isLeaving) this.#sink.tick();
    this.#leaving.tick();
  }

  /** A peer that has fallen silent concerns every partition in which it follows. */
  #watchPeers(): void {
    const { peers, nowMs, options } = this.#context;
    for (const peer of peers.values()) {
      if (peer.followed.size === 0 || nowMs - peer.heardAtMs <= options.timings.silentMs) continue;
      for (const partition of peer.followed) this.#replicas.busy.add(partition);
    }
  }

  #lookAfter(partition: number): void {
    const replica = this.#replicas.get(partition);
    const row = this.#context.row(partition);
    const { role, promotion } = replica ?? {};
    if (replica === undefined || row === undefined) return;
    if (role === undefined) {
      if (!this.#giveUpSet(replica, row)) this.#replicas.busy.delete(partition);
      return;
    }
    promotion?.step();
    const isBusy = role.lookAfter(row);
    this.#source.lookAfter(role);
    if (!isBusy && replica.promotion === undefined) this.#replicas.busy.delete(partition);
  }

  leave(now: Moment): void {
    this.#at(now);
    this.endings++;
    this.#leaving.begin();
  }

  turn(now: Moment): readonly Effect[] {
    this.#at(now);
    if (!this.#context.hasEffects()) {
      this.#leaving.advance();
      this.#sendPromotions();
      this.#sender.flush();
    }
    const effects = this.#context.takeEffects();
    for (const effect of effects) if (effect.kind === 'serve') this.#toldToServe(effect);
    return effects;
  }

  #toldToServe({ partition, epoch }: { readonly partition: number; readonly epoch: Epoch }): void {
    const role = this.#replicas.get(partition)?.role;
    if (role?.epoch === epoch) role.isTold = true;
  }

  /* ---- The table ------------------------------------------------------------------------------------------------------- */

  onTable(table: ReplicaTable, now: Moment): void {
    this.#at(now);
    const before = this.#context.table;
    if (before?.version === table.version || this.#context.rules.isOldTable(table.version, this.#context.tableVersion))
      return;
    this.endings++;
    this.#context.table = table;
    this.#membership.onTable();
    for (const [partition, row] of table.partitions.entries()) {
      if (before?.partitions[partition]?.revision !== row.revision) this.#onRow(partition, row);
    }
    if (before?.members !== table.members) this.#onMembers(table);
  }

  onTransaction({ id, table }: TransactionAnswer, now: Moment): void {
    this.#at(now);
    this.endings++;
    if (table !== undefined) this.onTable(table, now);
    for (const partition of this.#replicas.busy) this.#replicas.get(partition)?.role?.answered(id);
  }

  onRenewed({ number, tableVersion }: Renewal, now: Moment): void {
    this.#at(now);
    this.#context.held.granted(COORDINATOR, { number, tableVersion }, now.ms, this.#context.tableVersion);
  }

  #onRow(partition: number, row: PartitionReplicas): void {
    const context = this.#context;
    // A fence told of a later epoch: this row is of the past, though its table is news. What it names, or empties, is over.
    if (context.refuses(partition, row.epoch)) return;
    context.see(partition, row.epoch);
    const isInSet = row.inSync.some((one) => context.isSelf(one));
    const replica = isInSet ? this.#replicas.of(partition) : this.#replicas.get(partition);
    if (replica !== undefined) {
      this.#endBefore(replica, row);
      if (isInSet) this.#inSet(replica, row);
      else this.#outsideSet(replica, row);
    }
    this.#sink.onRow(partition, row);
  }

  /** Whoever led until now leads no more. */
  #endBefore(replica: Replica, row: PartitionReplicas): void {
    const { role, copy } = replica;
    if (
      role !== undefined &&
      (role.epoch !== row.epoch || !this.#context.isSelf(row.primary) || row.phase === 'lost')
    ) {
      this.#depose(replica);
    }
    if (copy !== undefined && copy.epoch < row.epoch) replica.afterlife.leaderEnded(this.#context, copy);
  }

  #depose(replica: Replica): void {
    this.#source.close(replica.partition);
    this.#replicas.depose(replica);
  }

  /** member-core Z1 */
  #outsideSet(replica: Replica, row: PartitionReplicas): void {
    const { copy } = replica;
    // A row of an epoch before the copy's says nothing about it: it was fenced, or named, by a table that is on its way.
    if (copy === undefined || row.epoch < copy.epoch) return;
    const isBeingMade = copy.isJoining && row.phase === 'serving' && copy.epoch === row.epoch;
    if (!isBeingMade && this.#context.rules.dropsCopyOutsideSet(false)) {
      this.#source.close(replica.partition);
      this.#replicas.drop(replica);
    }
  }

  #inSet(replica: Replica, row: PartitionReplicas): void {
    const { role, copy } = replica;
    const isMine = this.#context.isSelf(row.primary);
    if (row.phase === 'promoting') {
      if (isMine && role === undefined) this.#beginPromotion(replica, row);
      else if (isMine) replica.promotion?.rowChanged(row);
      if (replica.copy === undefined) this.#replicas.busy.add(replica.partition);
      return;
    }
    if (!isMine || role === undefined) {
      // A table from before the copy was begun, come late, speaks of the one before it: taken for this one's, the next, in which
      // it has not joined yet, would make it drop a copy that is in the set by now.
      if (copy !== undefined && row.revision > copy.sinceRevision) copy.isJoining = false;
      if (isMine) this.#replicas.busy.add(replica.partition);
      return;
    }
    this.#replicas.busy.add(replica.partition);
    const { promotion } = replica;
    this.#replicas.endPromotion(replica);
    if (promotion !== undefined && role.stage === 'promoting') promotion.served(row);
    else role.record(row);
  }

  /** Step 1 has named this member. */
  #beginPromotion(replica: Replica, row: PartitionReplicas): void {
    const context = this.#context;
    if (replica.install !== undefined) this.#replicas.drop(replica);
    replica.afterlife.leaderEnded(context, replica.copy);
    if (row.isFresh) {
      context.forgetCopy(replica.partition);
      replica.copy = new Copy(context, {
        ...{ epoch: row.epoch, leader: context.self, sequence: 0 as Sequence, isJoining: false },
      });
      context.emit({ kind: 'openCopy', partition: replica.partition, logEpoch: row.logEpoch });
    }
    const { copy } = replica;
    // It has lost its copy: the controller names another when nothing comes of it.
    if (copy === undefined) return;
    copy.epoch = row.epoch;
    copy.leader = context.self;
    copy.isJoining = false;
    keep(copy, context.rules.keepsUpTo(copy.held, copy.commit));
    if (!row.isFresh) context.emit({ kind: 'endBatch', partition: replica.partition });
    replica.role = new PrimaryRole(context, replica.partition, row, copy);
    const promotion = new Promotion(context, replica, replica.role, row);
    this.#replicas.beginPromotion(replica, promotion);
    this.#replicas.busy.add(replica.partition);
    promotion.step();
  }

  /** Peers that were replaced by later processes are no peers any more, where nothing hangs on them. */
  #onMembers({ members }: ReplicaTable): void {
    const present = new Set(members.map(({ replica }) => replica));
    // One that led a copy here is remembered until its epoch has ended: what it was granted is noted then (copy Y3).
    const leaders = new Set([...this.#replicas].map(({ copy }) => copy?.leader));
    this.#context.granted.keepOnly((holder) => present.has(holder) || leaders.has(holder));
    for (const [replica, peer] of this.#context.peers) {
      if (present.has(replica)) continue;
      for (const partition of peer.followed) this.#replicas.busy.add(partition);
      if (peer.followed.size > 0) continue;
      this.#context.peers.delete(replica);
      this.#context.held.forget(replica);
    }
  }

  /**
   * This member is in the set, and has lost its copy. As a backup it is asked out of the set by its primary; as the primary it
   * gives the partition up; and while nobody serves it says so itself, or a set of which no member has a copy would stand for
   * ever, and its loss would not be told.
   */
  #giveUpSet(replica: Replica, row: PartitionReplicas): boolean {
    const { partition, copy, role } = replica;
    const { self, nowMs, nowVersion, options } = this.#context;
    if (role !== undefined || copy !== undefined || row.isFresh || !row.inSync.includes(self)) return false;
    if (row.phase !== 'promoting' && (row.phase !== 'serving' || row.primary !== self)) return false;
    if (nowMs < replica.gaveUpMs + options.timings.transactionRetryMs) return true;
    replica.gaveUpMs = nowMs;
    const { epoch, revision } = row;
    const successor = row.inSync.find((one) => one !== self);
    if (row.phase === 'serving' && successor !== undefined) {
      this.#context.propose({
        ...{ kind: 'renounce', partition, epoch, revision, by: self, successor },
        ...{ lastSequence: 0 as Sequence, clock: nowVersion },
      });
    } else this.#context.propose({ kind: 'leaveSet', partition, epoch, revision, by: self });
    return true;
  }

  /* ---- Messages --------------------------------------------------------------------------------------------------------- */

  onMessage({ from, to, message }: Envelope, now: Moment): void {
    this.#at(now);
    if (!this.#context.isSelf(to)) return; // messages M1
    const peer = this.#context.peer(from);
    peer.heardAtMs = now.ms;
    if (mayEnd(message)) this.endings++;
    this.#take(peer, message);
  }

  #take(peer: Peer, message: Message): void {
    switch (message.kind) {
      case 'append':
        this.#backup.append(peer, message);
        break;
      case 'acknowledge':
        this.#acknowledged(peer, message);
        break;
      case 'fence':
        this.#fence(peer, message);
        break;
      case 'fenced':
        this.#fenced(peer, message);
        break;
      case 'pull':
        this.#backup.pull(peer, message);
        break;
      case 'tail':
        this.#tail(peer.replica, message.batches);
        break;
      case 'transferAsk':
        this.#source.asked(peer.replica, message);
        break;
      case 'transferPage':
        this.#sink.page(peer.replica, message);
        break;
      case 'transferCut':
        this.#sink.cut(message);
        break;
    }
  }

  #acknowledged(peer: Peer, { held, refusals, freeBytes, lease }: Acknowledge): void {
    const { nowMs, tableVersion } = this.#context;
    peer.freeBytes = freeBytes;
    if (lease !== undefined) this.#context.held.granted(peer.replica, lease, nowMs, tableVersion);
    for (let at = 0; at < held.partition.length; at++) {
      const replica = this.#leading(held.partition[at]!, held.epoch[at]!);
      if (replica !== undefined) this.#heldBy(peer.replica, replica, held.copy[at]!, held.held[at]!, held.hasGap[at]!);
    }
    for (let at = 0; at < refusals.partition.length; at++) {
      const role = this.#leading(refusals.partition[at]!, refusals.epoch[at]!)?.role;
      if (role === undefined) continue;
      this.#replicas.busy.add(role.partition);
      if (refusals.reason[at] === 'staleEpoch') role.isFencedOff = true;
      const follower = role.followers.get(peer.replica);
      if (refusals.reason[at] === 'noCopy' && follower !== undefined) follower.isLost = true;
    }
  }

  #heldBy(from: ReplicaId, replica: Replica, copy: number, held: Sequence, hasGap: boolean): void {
    const role = replica.role!;
    const follower =
      role.followers.get(from) ??
      [...role.followers.values()].find(({ peer }) => this.#context.rules.isSameReplica(peer.replica, from));
    if (follower !== undefined) role.acknowledged(follower, copy, held, hasGap);
    if (follower === undefined || (!follower.isInSync && follower.copy !== copy)) {
      const installed = this.#source.installed(role, from, copy, held);
      if (follower === undefined && installed === undefined) this.#source.unknown(role, from, copy);
    }
    replica.promotion?.step();
  }

  /** The partition, where this member leads it, or is about to, by that epoch. */
  #leading(partition: number, epoch: Epoch): Replica | undefined {
    const replica = this.#replicas.get(partition);
    return replica?.role?.epoch === epoch ? replica : undefined;
  }

  #fence(peer: Peer, message: Fence): void {
    for (const [at, partition] of message.partition.entries()) {
      if (!this.#context.refuses(partition, message.epoch[at]!)) this.#source.close(partition);
    }
    this.#backup.fence(peer, message);
  }

  #fenced(peer: Peer, { copies }: Fenced): void {
    for (const copy of copies) {
      const promotion = this.#leading(copy.partition, copy.epoch)?.promotion;
      try {
        promotion?.fenced(peer.replica, copy);
      } catch (error) {
        this.#context.note({ kind: 'fault', partition: copy.partition, by: peer.replica, error });
        promotion?.distrust(peer.replica);
      }
    }
  }

  /** Records of a peer do not go with the copy that is here (backup-role B6). */
  #contradicted(partition: number, by: ReplicaId, error: unknown): void {
    this.#context.note({ kind: 'fault', partition, by, error });
    const replica = this.#replicas.get(partition);
    if (replica !== undefined) this.#lose(replica);
  }

  #tail(from: ReplicaId, batches: BatchColumns): void {
    for (const partition of this.#replicas.promoting) this.#replicas.get(partition)?.promotion?.tailCame(from);
    for (let at = 0; at < batches.partition.length; at++) {
      const replica = this.#leading(batches.partition[at]!, batches.epoch[at]!);
      const copy = replica?.copy;
      if (replica?.promotion?.stage !== 'pulling' || copy === undefined) continue;
      try {
        if (batches.firstSequence[at]! <= copy.asked + 1) this.#backup.take(copy, batches, at);
      } catch (error) {
        this.#context.note({ kind: 'fault', partition: replica.partition, by: from, error });
        replica.promotion.distrust(from);
      }
    }
  }

  /** What promotions ask of others now, a message a member. */
  #sendPromotions(): void {
    if (this.#replicas.promoting.size === 0) return;
    const fences = new Map<ReplicaId, Fence>();
    const pulls = new Map<ReplicaId, Pull>();
    for (const partition of this.#replicas.promoting) {
      const { promotion, role } = this.#replicas.get(partition) ?? {};
      if (promotion === undefined || role === undefined) continue;
      for (const to of promotion.takeFences()) addFence(fences, to, partition, role.epoch, promotion.isFresh);
      const pull = promotion.takePull();
      if (pull !== undefined) addPull(pulls, pull.from, partition, role.epoch, pull.first);
    }
    for (const [to, fence] of fences) this.#context.send(to, fence);
    for (const [to, pull] of pulls) this.#context.send(to, pull);
  }

  /* ---- The store ---------------------------------------------------------------------------------------------------------- */

  sealed(partition: number, lastSequence: Sequence): void {
    const role = this.#replicas.get(partition)?.role;
    // It was deposed in this very turn: the records stay in the copy that it leaves behind.
    if (role === undefined) this.#sealedTooLate(partition, lastSequence);
    else {
      role.sealed(lastSequence);
      this.#replicas.busy.add(partition);
    }
  }

  #sealedTooLate(partition: number, lastSequence: Sequence): void {
    const copy = this.#replicas.get(partition)?.copy;
    if (copy === undefined || lastSequence <= copy.held) return;
    keep(copy, lastSequence);
  }

  /** Trim floor or holds have changed. */
  termsChanged(partition: number): void {
    this.#replicas.get(partition)?.role?.markFollowers();
  }

  applied(partition: number, lastSequence: Sequence): void {
    const replica = this.#replicas.get(partition);
    if (replica === undefined) return;
    this.#backup.applied(replica, lastSequence);
    replica.promotion?.pulled();
  }

  setFreeBytes(bytes: number): void {
    this.#sender.setFreeBytes(bytes);
  }

  copyLost(partition: number, now: Moment): void {
    this.#at(now);
    const replica = this.#replicas.get(partition);
    if (replica !== undefined) this.#lose(replica);
  }

  /** There is no copy any more, of which the table may say that it is in the set. */
  #lose(replica: Replica): void {
    this.endings++;
    this.#depose(replica);
    this.#replicas.drop(replica);
    this.#sink.lost(replica.partition);
    this.#replicas.busy.add(replica.partition);
  }

  transferOpened(transfer: TransferRef, start: TransferStart): void {
    this.#source.opened(transfer, start);
  }

  transferFailed(transfer: TransferRef): void {
    this.#source.failed(transfer);
  }

  pageRead(transfer: TransferRef, page: { page: number; isLast: boolean; bytes: number; payload: Payload }): void {
    this.#source.pageRead(transfer, page);
  }

  installed(partition: number, copy: number): void {
    this.#sink.installed(partition, copy);
  }

  /* ---- Asked --------------------------------------------------------------------------------------------------------------- */

  mayRead(partition: number, nowMs: number): ServeAnswer {
    const role = this.#replicas.get(partition)?.role;
    if (role === undefined) return 'notPrimary';
    return this.#membership.isSuspended ? 'suspended' : role.mayServe(nowMs);
  }

  mayWrite(partition: number, nowMs: number): ServeAnswer {
    const role = this.#replicas.get(partition)?.role;
    if (role === undefined) return 'notPrimary';
    return this.#membership.isSuspended ? 'suspended' : role.mayWrite(nowMs);
  }

  ceilingOf(partition: number, nowMs: number): Version {
    const role = this.#replicas.get(partition)?.role;
    return role !== undefined && this.mayRead(partition, nowMs) === 'yes' ? role.ceilingAt(nowMs) : (0 as Version);
  }

  epochOf(partition: number): number {
    return this.#replicas.get(partition)?.role?.epoch ?? 0;
  }

  followersOf(partition: number): readonly ReplicaId[] {
    return this.#replicas.get(partition)?.role?.set.others ?? NOBODY;
  }

  figures(): ReplicationFigures {
    return figuresOf(this.#context, this.#replicas);
  }

  freeBytesOf(partition: number): number {
    const { role } = this.#replicas.get(partition) ?? {};
    let least = Number.POSITIVE_INFINITY;
    for (const replica of role?.set.others ?? []) {
      const peer = this.#context.peers.get(replica);
      if (peer !== undefined) least = Math.min(least, peer.freeBytes - peer.inFlightBytes);
    }
    return least;
  }
}

/** Whether somebody may not be served any more by what it says: `endings`. */
function mayEnd(message: Message): boolean {
  if (message.kind === 'acknowledge') return message.refusals.partition.length > 0;
  return message.kind !== 'append';
}

function addFence(
  fences: Map<ReplicaId, Fence>,
  to: ReplicaId,
  partition: number,
  epoch: Epoch,
  isFresh: boolean,
): void {
  const fence = fences.get(to) ?? { kind: 'fence', partition: [], epoch: [], isFresh: [] };
  fence.partition.push(partition);
  fence.epoch.push(epoch);
  fence.isFresh.push(isFresh);
  fences.set(to, fence);
}

function addPull(pulls: Map<ReplicaId, Pull>, to: ReplicaId, partition: number, epoch: Epoch, first: Sequence): void {
  const pull = pulls.get(to) ?? { kind: 'pull', partition: [], epoch: [], from: [] };
  pull.partition.push(partition);
  pull.epoch.push(epoch);
  pull.from.push(first);
  pulls.set(to, pull);
}
