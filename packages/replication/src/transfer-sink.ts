/**
 * Transfers into this member: it asks the primary of each partition of which it ought to hold a copy, page by page.
 *
 *   wanted -> ask(0) -> page 0, ask(1) -> ... -> last page -> installed -> acknowledged until appends come -> in the set
 *
 * transfer-sink K1  A copy in the making belongs to one epoch: it is dropped when the partition gets another primary.
 * transfer-sink K2  A copy that was installed and is not in the set is kept until its primary says that it does not follow, or the
 *                  row has another epoch: however long the primary is silent, it may have been asked into the set.
 * transfer-sink K3  What is cut is dropped, and asked for again after a pause. A page that is lost is asked for again.
 * transfer-sink K4  At most transfersMax at a time.
 * transfer-sink K5  A copy that the store loses is asked for again at once, the one after it behind a pause that doubles, up to
 *                  transferTimeoutMs, until one has come into the set: where there is no room for it, making it again and again
 *                  would cost both members all their time.
 */
import type { Epoch, PartitionReplicas, ReplicaId } from '@ashlar/core';
import { memberOfReplica } from '@ashlar/core';
import type { Context } from './context.ts';
import { Copy } from './copy.ts';
import type { TransferCut, TransferPage, TransferStart } from './messages.ts';
import type { Replica, Replicas } from './replica.ts';

/** A copy in the making. */
export interface Install {
  readonly copy: number;
  readonly epoch: Epoch;
  readonly from: ReplicaId;
  /** The page that is wanted next. */
  page: number;
  start: TransferStart | undefined;
  hasPages: boolean;
  isComplete: boolean;
  askedAtMs: number;
  progressAtMs: number;
}

export class TransferSink {
  readonly #context: Context;
  readonly #replicas: Replicas;
  /** Partitions of which a copy ought to be here, and is not. */
  readonly #wanted = new Set<number>();
  /** Those that are asked for, and copies that are not in the set yet. */
  readonly #active = new Set<number>();
  /** Not before. */
  readonly #pausedUntilMs = new Map<number, number>();
  /** The pause behind the last copy that the store lost (transfer-sink K5). */
  readonly #lossPauseMs = new Map<number, number>();

  constructor(context: Context, replicas: Replicas) {
    this.#context = context;
    this.#replicas = replicas;
  }

  /** The row of a partition has changed. */
  onRow(partition: number, row: PartitionReplicas): void {
    const replica = this.#replicas.get(partition);
    const { install } = replica ?? {};
    if (install !== undefined && (install.epoch !== row.epoch || row.phase !== 'serving'))
      this.#replicas.drop(replica!);
    const isWanted = row.wanted.includes(memberOfReplica(this.#context.self));
    const isInSet = this.#isInSet(row);
    if (isInSet) this.#lossPauseMs.delete(partition);
    if (row.phase === 'serving' && isWanted && !isInSet) this.#wanted.add(partition);
    else this.#wanted.delete(partition);
  }

  page(from: ReplicaId, message: TransferPage): void {
    const { partition, copy, page, start, payload } = message;
    const replica = this.#replicas.get(partition);
    const install = replica?.install;
    if (install?.copy !== copy || install.from !== from || install.page !== page || install.isComplete) return;
    install.start ??= start;
    install.hasPages = true;
    install.page = page + 1;
    install.progressAtMs = this.#context.nowMs;
    this.#context.emit({ kind: 'installPage', partition, page, start: install.start, payload });
    if (message.isLast) {
      install.isComplete = true;
      this.#context.emit({ kind: 'finishInstall', partition, copy, start: install.start });
    } else this.#ask(partition, install);
  }

  /** The store has made the pages a backup's copy. */
  installed(partition: number, copy: number): void {
    const replica = this.#replicas.get(partition);
    const install = replica?.install;
    if (replica === undefined || install?.copy !== copy || install.start === undefined) return;
    const { epoch, from, start } = install;
    replica.install = undefined;
    replica.copy = new Copy(this.#context, {
      ...{ number: copy, epoch, leader: from, sequence: start.sequence, isJoining: true, lineage: start.lineage },
      sinceRevision: start.revision,
    });
    this.#announce(replica, replica.copy);
  }

  /** The store has lost the copy, or what there was of it (transfer-sink K5). */
  lost(partition: number): void {
    const { nowMs, options } = this.#context;
    const { transferPauseMs, transferTimeoutMs } = options.timings;
    const before = this.#lossPauseMs.get(partition);
    const pauseMs = before === undefined ? 0 : Math.min(transferTimeoutMs, Math.max(transferPauseMs, 2 * before));
    this.#lossPauseMs.set(partition, pauseMs);
    this.#pausedUntilMs.set(partition, nowMs + pauseMs);
    this.#active.delete(partition);
  }

  cut({ partition, copy }: TransferCut): void {
    const replica = this.#replicas.get(partition);
    const isInstall = replica?.install?.copy === copy;
    const isJoining = replica?.copy?.number === copy && replica.copy.isJoining;
    if (replica === undefined || (!isInstall && !isJoining)) return;
    this.#giveUp(replica);
  }

  /** A way to a primary has opened: what was asked of it may be lost. */
  linked(replica: ReplicaId): void {
    for (const partition of this.#active) {
      const install = this.#replicas.get(partition)?.install;
      if (install?.from === replica && !install.isComplete) this.#ask(partition, install);
    }
  }

  tick(): void {
    const { nowMs } = this.#context;
    for (const partition of [...this.#active]) this.#lookAfter(partition);
    for (const partition of this.#wanted) {
      if (this.#active.size >= this.#context.options.transfersMax) return; // transfer-sink K4
      if (this.#active.has(partition) || nowMs < (this.#pausedUntilMs.get(partition) ?? 0)) continue;
      this.#begin(partition);
    }
  }

  #begin(partition: number): void {
    const row = this.#context.row(partition);
    const replica = this.#replicas.of(partition);
    if (row?.primary === undefined || replica.copy !== undefined || replica.install !== undefined) return;
    // A process that nobody knows of is not heard, and neither is one that a later one has replaced.
    if (!this.#isRegistered(this.#context.self) || !this.#isRegistered(row.primary)) return;
    // Another primary has been heard of: the one that the table still names would make a copy of no use.
    if (this.#context.refuses(partition, row.epoch)) return;
    const { nowMs } = this.#context;
    const install: Install = {
      ...{ copy: this.#context.nextCopy(), epoch: row.epoch, from: row.primary, page: 0, start: undefined },
      ...{ hasPages: false, isComplete: false, askedAtMs: nowMs, progressAtMs: nowMs },
    };
    replica.install = install;
    this.#active.add(partition);
    this.#ask(partition, install);
  }

  #lookAfter(partition: number): void {
    const replica = this.#replicas.get(partition);
    const { nowMs, options } = this.#context;
    const { transferTimeoutMs, resendMs } = options.timings;
    const install = replica?.install;
    const copy = replica?.copy;
    if (replica !== undefined && install !== undefined) {
      if (nowMs - install.progressAtMs > transferTimeoutMs) this.#giveUp(replica);
      else if (!install.isComplete && nowMs - install.askedAtMs >= 2 * resendMs) this.#ask(partition, install);
    } else if (replica !== undefined && copy?.isJoining === true) {
      if (nowMs - copy.announcedAtMs >= resendMs) this.#announce(replica, copy); // transfer-sink K2
    } else this.#active.delete(partition);
  }

  #ask(partition: number, install: Install): void {
    install.askedAtMs = this.#context.nowMs;
    const { copy, epoch, page } = install;
    this.#context.send(install.from, { kind: 'transferAsk', partition, epoch, copy, page });
  }

  /** Until the primary writes to the copy it may not know of it. */
  #announce(replica: Replica, copy: Copy): void {
    copy.announcedAtMs = this.#context.nowMs;
    if (copy.leader === undefined) return;
    const { acknowledge } = this.#context.peer(copy.leader);
    if (!acknowledge.has(replica.partition)) acknowledge.set(replica.partition, copy.epoch);
  }

  #giveUp(replica: Replica): void {
    this.#replicas.drop(replica);
    this.#active.delete(replica.partition);
    const { nowMs, options } = this.#context;
    this.#pausedUntilMs.set(replica.partition, nowMs + options.timings.transferPauseMs);
  }

  #isRegistered(replica: ReplicaId): boolean {
    return this.#context.table?.members.some((one) => one.replica === replica) ?? false;
  }

  #isInSet({ inSync }: PartitionReplicas): boolean {
    return inSync.some((one) => this.#context.isSelf(one));
  }
}
