/**
 * Transfers out of this member: copies of its partitions for members that ought to hold them, a page at a time as they are asked
 * for, beside the writers, whom they never stop.
 *
 *   ask(0) -> open: (version, sequence) in one step -> page 0 ... last -> installed, acknowledged -> follows by appends
 *
 * transfer-source O1  One transfer a joiner and partition: a later copy of it takes the place of an earlier one.
 * transfer-source O2  At most transfersMax at a time, each with at most one page being read; who comes beyond is told `busy`.
 * transfer-source O3  The log is kept from the transfer's sequence on, as a cuttable consumer: a writer that needs the room cuts
 *                     the transfer, never the other way round.
 * transfer-source O4  One that is not asked on within transferTimeoutMs ends, and so does a follower that does not catch up.
 * transfer-source O5  A copy is transferred once: an ask for one that has come to its end is late, and so may be what says that it
 *                     was installed; a joiner that wants one still begins another.
 */
import { assert, type Epoch, type ReplicaId, type Sequence } from '@ashlar/core';
import type { Context } from './context.ts';
import type { TransferRef } from './core-contract.ts';
import type { Follower } from './follower.ts';
import type { CutReason, Payload, TransferAsk, TransferStart } from './messages.ts';
import type { PrimaryRole } from './primary-role.ts';
import type { Replicas } from './replica.ts';

interface Transfer {
  readonly ref: TransferRef;
  readonly epoch: Epoch;
  start: TransferStart | undefined;
  /** The page that was asked for last. */
  page: number;
  isReading: boolean;
  askedAtMs: number;
}

interface Page {
  readonly page: number;
  readonly isLast: boolean;
  readonly bytes: number;
  readonly payload: Payload;
}

export class TransferSource {
  readonly #context: Context;
  readonly #replicas: Replicas;
  readonly #transfers = new Map<string, Transfer>();

  constructor(context: Context, replicas: Replicas) {
    this.#context = context;
    this.#replicas = replicas;
  }

  /** A joiner asks for a page: the first one of a copy, the next one, or the same again. */
  asked(from: ReplicaId, { partition, epoch, copy, page }: TransferAsk): void {
    const role = this.#replicas.get(partition)?.role;
    const ref = { partition, to: from, copy };
    // Asked before that copy was installed, and late, or twice: it follows by now, and may be in the set, or come into it by a change
    // that is under way: also where this member is about to leave.
    const follower = role?.epoch === epoch ? role.followers.get(from) : undefined;
    if (follower !== undefined && copy <= follower.copy) return;
    if (role?.stage !== 'serving' || role.epoch !== epoch) {
      this.#cut(ref, epoch, 'notPrimary');
      return;
    }
    if (copy <= this.#lastOf(role, from)) {
      if (copy === this.#lastOf(role, from)) this.#cut(ref, epoch, 'timeout'); // transfer-source O5
      return;
    }
    const known = this.#of(partition, from);
    if (known === undefined || known.ref.copy < copy) {
      const refusal = this.#open(role, ref, page);
      if (refusal !== undefined) this.#cut(ref, epoch, refusal);
      return;
    }
    if (known.ref.copy > copy || known.start === undefined) return;
    known.askedAtMs = this.#context.nowMs;
    if (page !== known.page && page !== known.page + 1) return;
    known.page = page;
    this.#read(known);
  }

  /** The highest number of a copy of that replica that has come to its end in this epoch. */
  #lastOf({ partition, epoch }: PrimaryRole, from: ReplicaId): number {
    const ended = this.#context.peer(from).endedCopies.get(partition);
    return ended?.epoch === epoch ? ended.copy : 0;
  }

  /** The store has captured the partition. */
  opened(ref: TransferRef, start: TransferStart): void {
    const transfer = this.#known(ref);
    const role = this.#replicas.get(ref.partition)?.role;
    if (transfer === undefined || role === undefined) return;
    assert(start.sequence <= role.copy.held, 'transfer-source: captured beyond the log');
    const behind = (start.sequence + 1) as Sequence;
    const logFrom = this.#context.rules.carriesLogFrom(start.logFrom, behind);
    transfer.start = {
      ...start,
      logFrom,
      revision: role.set.revision,
      lineage: [...role.copy.lineage.entries].filter(([, first]) => first < behind),
    };
    this.#context.emit({ kind: 'holdLog', partition: ref.partition, to: ref.to, from: behind });
    this.#read(transfer);
  }

  failed(ref: TransferRef): void {
    const transfer = this.#known(ref);
    if (transfer !== undefined) this.#end(transfer, 'busy');
  }

  pageRead(ref: TransferRef, page: Page): void {
    const transfer = this.#known(ref);
    if (transfer?.start === undefined) return;
    transfer.isReading = false;
    if (page.page !== transfer.page) return;
    const { partition, to, copy } = ref;
    this.#context.send(to, {
      ...{ kind: 'transferPage', partition, epoch: transfer.epoch, copy, start: transfer.start },
      ...{ page: page.page, isLast: page.isLast, bytes: page.bytes, payload: page.payload },
    });
  }

  /** The first acknowledgement of a copy: it is installed, and follows by appends from now on. */
  installed(role: PrimaryRole, from: ReplicaId, copy: number, held: Sequence): Follower | undefined {
    const transfer = this.#of(role.partition, from);
    if (transfer?.start === undefined || held < transfer.start.sequence) return undefined;
    if (!this.#context.rules.isOfCopy(copy, transfer.ref.copy) || held > role.copy.held) return undefined;
    this.#close(transfer);
    this.#replicas.busy.add(role.partition);
    return role.addFollower(from, copy, held, false);
  }

  /** Somebody says what a copy holds that does not follow, and that no change under way may take into the set: it is of no use. */
  unknown(role: PrimaryRole, from: ReplicaId, copy: number): void {
    if (role.stage !== 'serving' || role.set.others.includes(from) || this.#of(role.partition, from) !== undefined)
      return;
    this.#cut({ partition: role.partition, to: from, copy }, role.epoch, 'timeout');
  }

  /** A follower cannot go on from the log. */
  logGone(role: PrimaryRole, follower: Follower): void {
    this.#dropFollower(role, follower, 'logGone');
  }

  /** The partition is served here no more. */
  close(partition: number): void {
    for (const transfer of [...this.#transfers.values()]) {
      if (transfer.ref.partition === partition) this.#end(transfer, 'notPrimary');
    }
    for (const { endedCopies } of this.#context.peers.values()) endedCopies.delete(partition);
  }

  tick(): void {
    const { nowMs, options } = this.#context;
    for (const transfer of [...this.#transfers.values()]) {
      if (nowMs - transfer.askedAtMs > options.timings.transferTimeoutMs) this.#end(transfer, 'timeout');
    }
  }

  /** transfer-source O4 */
  lookAfter(role: PrimaryRole): void {
    const { nowMs, options } = this.#context;
    for (const follower of [...role.followers.values()]) {
      if (follower.isInSync) continue;
      const isSilent = nowMs - follower.peer.heardAtMs > options.timings.transferTimeoutMs;
      const isStuck =
        follower.held < role.copy.held && follower.lagMs(role.copy.held, nowMs) > options.timings.transferTimeoutMs;
      // One that a change under way may take into the set is waited for, and cannot be dropped.
      if ((isSilent || isStuck || follower.isLost) && !role.set.others.includes(follower.peer.replica))
        this.#dropFollower(role, follower, 'timeout');
    }
  }

  #dropFollower(role: PrimaryRole, follower: Follower, reason: CutReason): void {
    const to = follower.peer.replica;
    if (follower.isInSync || role.set.others.includes(to)) {
      // Records that it lacks are gone from the log of its primary: that copy is of no use (and ours was kept badly).
      follower.isLost = true;
      return;
    }
    role.removeFollower(to);
    this.#cut({ partition: role.partition, to, copy: follower.copy }, role.epoch, reason);
  }

  /** Begins a transfer. @returns why it does not */
  #open(role: PrimaryRole, ref: TransferRef, page: number): CutReason | undefined {
    const before = this.#of(ref.partition, ref.to);
    if (before !== undefined) this.#close(before);
    const follower = role.followers.get(ref.to);
    // It has begun anew, so the copy that followed is gone; one that may be in the set leaves it first.
    if (follower !== undefined && role.set.others.includes(ref.to)) {
      follower.isLost = true;
      return 'busy';
    }
    if (follower !== undefined) role.removeFollower(ref.to);
    if (page !== 0) return 'timeout';
    if (this.#transfers.size >= this.#context.options.transfersMax) return 'busy';
    const { nowMs } = this.#context;
    this.#transfers.set(keyOf(ref.partition, ref.to), {
      ...{ ref, epoch: role.epoch, start: undefined, page: 0, isReading: false, askedAtMs: nowMs },
    });
    this.#context.emit({ kind: 'openTransfer', ...ref });
    return undefined;
  }

  /** transfer-source O2 */
  #read(transfer: Transfer): void {
    if (transfer.isReading) return;
    transfer.isReading = true;
    this.#context.emit({ kind: 'readPage', ...transfer.ref, page: transfer.page });
  }

  #end(transfer: Transfer, reason: CutReason): void {
    this.#close(transfer);
    const { partition, to } = transfer.ref;
    this.#context.emit({ kind: 'holdLog', partition, to, from: Number.POSITIVE_INFINITY });
    this.#cut(transfer.ref, transfer.epoch, reason);
  }

  #close(transfer: Transfer): void {
    const { partition, to, copy } = transfer.ref;
    this.#transfers.delete(keyOf(partition, to));
    this.#context.peer(to).endedCopies.set(partition, { epoch: transfer.epoch, copy });
    this.#context.emit({ kind: 'closeTransfer', ...transfer.ref });
  }

  /** transfer-source O5: the cut may come late, and end what is made of that copy by then; so nothing is made of it any more. */
  #cut({ partition, to, copy }: TransferRef, epoch: Epoch, reason: CutReason): void {
    if (this.#replicas.get(partition)?.role?.epoch === epoch)
      this.#context.peer(to).endedCopies.set(partition, { epoch, copy });
    this.#context.send(to, { kind: 'transferCut', partition, epoch, copy, reason });
    this.#context.note({ kind: 'transferCut', partition, to, reason });
  }

  #of(partition: number, to: ReplicaId): Transfer | undefined {
    return this.#transfers.get(keyOf(partition, to));
  }

  #known(ref: TransferRef): Transfer | undefined {
    const transfer = this.#of(ref.partition, ref.to);
    return transfer?.ref.copy === ref.copy ? transfer : undefined;
  }
}

function keyOf(partition: number, to: ReplicaId): string {
  return `${partition} ${to}`;
}
