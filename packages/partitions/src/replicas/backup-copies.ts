/**
 * Copies that this member keeps for others, and those that come to it: the store's half of what the core asks of a backup.
 *
 *   apply -> frame -> run by run: store --ahead of the catalog--> given up: its primary sends it again
 *   installPage ... finishInstall --ahead of the catalog--> tried again with catalogChanged
 *
 * backup-copies B1  What the core is told of as held lies in the store.
 * backup-copies B2  Records ahead of the catalog are given up, and sent again by the primary. None is kept here: by the time the
 *                   catalog has come the partition may be led by a member that never had them.
 * backup-copies B3  A copy for which memory does not suffice is given up as a whole: the core hears that it is lost. What was asked for
 *                   it in the same turn, behind that, is passed over.
 * backup-copies B4  A payload that is not whole, or not of the partitions that its message names, is not taken: what the store has is
 *                   what the core is told of, and it is sent again.
 * backup-copies B5  Nothing of a payload is read behind the turn in which it was applied, or installed: its memory is given back
 *                   then, once, whichever effects had a part of it.
 */
import { type Epoch, GridError, type PartitionId, type Sequence } from '@ashlar/core';
import type { Effect, ReplicationCore, TransferStart } from '@ashlar/replication';
import { type RecordFrame, readRecordFrame } from '@ashlar/storage';
import type { ReplicaStore } from './replica-store.ts';

const NO_EPOCH = 0 as Epoch;

type Of<Kind extends Effect['kind']> = Extract<Effect, { kind: Kind }>;

export interface CopyPorts {
  readonly store: ReplicaStore;
  readonly core: Pick<ReplicationCore, 'applied' | 'installed'>;
  /** The store has no copy any more. */
  copyLost(partition: number): void;
  /** Whether that was told while effects of this turn were done: what was asked for it before is passed over. */
  isLost(partition: number): boolean;
  /** What was asked for was not done, by a fault of ours or another member's. */
  failed(error: unknown): void;
  /** A payload is not read any more. */
  payloadDone(payload: Uint8Array): void;
}

interface Unfinished {
  readonly copy: number;
  readonly start: TransferStart;
}

export class BackupCopies {
  readonly #ports: CopyPorts;
  /** By partition: copies that are ahead of the catalog. */
  readonly #unfinished = new Map<number, Unfinished>();
  /** Payloads that were read in this turn (backup-copies B5). */
  readonly #read = new Set<Uint8Array>();

  constructor(ports: CopyPorts) {
    this.#ports = ports;
  }

  open({ partition, logEpoch }: Of<'openCopy'>): void {
    this.drop(partition);
    this.#ports.store.openPartition(partition as PartitionId, NO_EPOCH, { role: 'backup', incarnation: logEpoch });
  }

  drop(partition: number): void {
    this.#unfinished.delete(partition);
    this.#ports.store.closePartition(partition as PartitionId);
  }

  apply({ payload, run, partition }: Of<'apply'>): void {
    const frame = this.#frameOf(payload as Uint8Array);
    if (frame !== undefined) this.#ports.store.prefetchFrame(frame);
    for (let row = 0; row < partition.length; row++) this.#applyRun(partition[row]!, frame, run[row]!);
  }

  /** undefined: it is not whole (backup-copies B4). */
  #frameOf(payload: Uint8Array): RecordFrame | undefined {
    this.#read.add(payload);
    try {
      return readRecordFrame(payload);
    } catch (error) {
      this.#ports.failed(error);
      return undefined;
    }
  }

  #applyRun(partition: number, frame: RecordFrame | undefined, run: number): void {
    if (this.#ports.isLost(partition) || !this.#isHere(partition)) return;
    try {
      this.#ports.core.applied(partition, this.#heldBehind(partition, frame, run));
    } catch (error) {
      this.#lose(partition, error);
    }
  }

  /** @returns the last sequence that the store has, having taken the run as far as it can */
  #heldBehind(partition: number, frame: RecordFrame | undefined, run: number): Sequence {
    const { store } = this.#ports;
    const held = store.heldSequence(partition as PartitionId);
    // backup-copies B4
    if (frame === undefined || run >= frame.runs || frame.at(run).partition !== partition) return held;
    // The one before it in this turn was given up in part (backup-copies B2).
    return frame.firstSequence > held + 1 ? held : ((store.applyFrame(frame) - 1) as Sequence);
  }

  commit({ partition, commit, heldFrom }: Of<'commitBackup'>): void {
    for (let row = 0; row < partition.length; row++) this.#commit(partition[row]!, commit[row]!, heldFrom[row]!);
    this.#ports.store.collectGarbage();
  }

  #commit(partition: number, commit: Sequence, heldFrom: number): void {
    if (this.#ports.isLost(partition) || !this.#isHere(partition)) return;
    const { store } = this.#ports;
    try {
      store.commitNextBackup(partition as PartitionId, commit);
      store.holdLog(partition as PartitionId, heldFrom);
    } catch (error) {
      this.#lose(partition, error);
    }
  }

  /** The rest of a batch that came in part comes no more. */
  endBatch({ partition }: Of<'endBatch'>): void {
    const { store, core } = this.#ports;
    const id = partition as PartitionId;
    if (this.#ports.isLost(partition) || !this.#isHere(partition)) return;
    const before = store.heldSequence(id);
    const held = store.endOpenBatch(id);
    if (held !== before) core.applied(partition, held);
  }

  /** The effects of the turn are done (backup-copies B5). */
  endTurn(): void {
    if (this.#read.size === 0) return;
    for (const payload of this.#read) this.#ports.payloadDone(payload);
    this.#read.clear();
  }

  /** The catalog has more maps than before. */
  catalogChanged(): void {
    for (const [partition, { copy, start }] of [...this.#unfinished]) this.#finish(partition, copy, start);
  }

  installPage({ partition, page, payload }: Of<'installPage'>): void {
    const bytes = payload as Uint8Array;
    this.#read.add(bytes);
    if (page > 0 && !this.#isHere(partition)) return;
    this.#guard(partition, () => this.#ports.store.installPage(partition as PartitionId, page, bytes));
  }

  finishInstall({ partition, copy, start }: Of<'finishInstall'>): void {
    this.#finish(partition, copy, start);
  }

  #finish(partition: number, copy: number, start: TransferStart): void {
    if (!this.#isHere(partition)) return;
    this.#guard(partition, () => {
      if (this.#ports.store.finishInstall(partition as PartitionId, start) === 'later') {
        this.#unfinished.set(partition, { copy, start });
        return;
      }
      this.#unfinished.delete(partition);
      this.#ports.core.installed(partition, copy);
    });
  }

  /** backup-copies B3 */
  #isHere(partition: number): boolean {
    return this.#ports.store.roleOf(partition as PartitionId) !== undefined;
  }

  #guard(partition: number, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#lose(partition, error);
    }
  }

  /** What the store has of a partition is not what the core asked for (backup-copies B3). */
  #lose(partition: number, error: unknown): void {
    const isShort = GridError.is(error, 'OUT_OF_MEMORY') || GridError.is(error, 'OVERLOADED');
    if (!isShort) this.#ports.failed(error);
    this.#ports.copyLost(partition);
  }
}
