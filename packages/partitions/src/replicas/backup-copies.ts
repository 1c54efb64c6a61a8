/**
 * Copies that this member keeps for others, and those that come to it: the store's half of what the core asks of a backup.
 *
 *   apply -> frame -> store --ahead of the catalog--> given up: its primary sends it again
 *   installPage ... finishInstall --ahead of the catalog--> tried again with catalogChanged
 *
 * backup-copies B1  What the core is told of as held lies in the store.
 * backup-copies B2  Records ahead of the catalog are given up, and sent again by the primary. None is kept here: by the time the
 *                   catalog has come the partition may be led by a member that never had them.
 * backup-copies B3  A copy for which memory does not suffice is given up as a whole: the core hears that it is lost. What was asked for
 *                   it in the same turn, behind that, is passed over.
 */
import { type Epoch, GridError, type PartitionId, type Sequence } from '@ashlar/core';
import type { Effect, ReplicationCore, TransferStart } from '@ashlar/replication';
import { readRecordFrame } from '@ashlar/storage';
import type { ReplicaStore } from './replica-store.ts';

const NO_EPOCH = 0 as Epoch;

type Of<Kind extends Effect['kind']> = Extract<Effect, { kind: Kind }>;

export interface CopyPorts {
  readonly store: ReplicaStore;
  readonly core: Pick<ReplicationCore, 'applied' | 'installed'>;
  /** The store has no copy any more. */
  copyLost(partition: number): void;
}

interface Unfinished {
  readonly copy: number;
  readonly start: TransferStart;
}

export class BackupCopies {
  readonly #ports: CopyPorts;
  /** By partition: copies that are ahead of the catalog. */
  readonly #unfinished = new Map<number, Unfinished>();

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

  apply({ partition, payload }: Of<'apply'>): void {
    if (!this.#isHere(partition)) return;
    this.#guard(partition, () => {
      const { store, core } = this.#ports;
      const frame = readRecordFrame(payload as Uint8Array);
      const held = store.heldSequence(partition as PartitionId);
      // The one before it in this turn was given up in part (backup-copies B2).
      const isBehindGap = frame.firstSequence > held + 1;
      core.applied(partition, isBehindGap ? held : ((store.applyFrame(frame) - 1) as Sequence));
    });
  }

  commit({ partition, commit, heldFrom }: Of<'commitBackup'>): void {
    const { store } = this.#ports;
    if (!this.#isHere(partition)) return;
    store.commitBackup(partition as PartitionId, commit);
    store.holdLog(partition as PartitionId, heldFrom);
  }

  /** The catalog has more maps than before. */
  catalogChanged(): void {
    for (const [partition, { copy, start }] of [...this.#unfinished]) this.#finish(partition, copy, start);
  }

  installPage({ partition, page, payload }: Of<'installPage'>): void {
    if (page > 0 && !this.#isHere(partition)) return;
    this.#guard(partition, () => this.#ports.store.installPage(partition as PartitionId, page, payload as Uint8Array));
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

  /** backup-copies B3 */
  #guard(partition: number, run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!GridError.is(error, 'OUT_OF_MEMORY') && !GridError.is(error, 'OVERLOADED')) throw error;
      this.drop(partition);
      this.#ports.copyLost(partition);
    }
  }
}
