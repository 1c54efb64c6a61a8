/**
 * Copies that this member keeps for others, and those that come to it: the store's half of what the core asks of a backup.
 *
 *   apply -> frame -> store --ahead of the catalog--> kept here -> catalogChanged: the rest
 *   installPage ... finishInstall --ahead of the catalog--> tried again with catalogChanged
 *
 * backup-copies B1  What the core is told of as held lies in the store.
 * backup-copies B2  Records ahead of the catalog are kept for it, WAITING_MAX frames a partition: more of them are given up, and
 *                   sent again by the primary.
 * backup-copies B3  A copy for which memory does not suffice is given up as a whole: the core hears that it is lost.
 */
import { type Epoch, GridError, type PartitionId, type Sequence } from '@ashlar/core';
import type { Effect, ReplicationCore, TransferStart } from '@ashlar/replication';
import { type RecordFrame, readRecordFrame } from '@ashlar/storage';
import type { ReplicaStore } from './replica-store.ts';

const WAITING_MAX = 16;
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
  /** By partition: frames of which something is ahead of the catalog. */
  readonly #waiting = new Map<number, RecordFrame[]>();
  readonly #unfinished = new Map<number, Unfinished>();

  constructor(ports: CopyPorts) {
    this.#ports = ports;
  }

  open({ partition, logEpoch }: Of<'openCopy'>): void {
    this.drop(partition);
    this.#ports.store.openPartition(partition as PartitionId, NO_EPOCH, { role: 'backup', incarnation: logEpoch });
  }

  drop(partition: number): void {
    this.#waiting.delete(partition);
    this.#unfinished.delete(partition);
    this.#ports.store.closePartition(partition as PartitionId);
  }

  apply({ partition, payload }: Of<'apply'>): void {
    this.#guard(partition, () => {
      const frame = readRecordFrame(payload as Uint8Array);
      const held = this.#take(partition, frame);
      if (held < frame.lastSequence) this.#wait(partition, frame);
      this.#ports.core.applied(partition, held);
    });
  }

  commit({ partition, commit, heldFrom }: Of<'commitBackup'>): void {
    const { store } = this.#ports;
    store.commitBackup(partition as PartitionId, commit);
    store.holdLog(partition as PartitionId, heldFrom);
  }

  /** The catalog has more maps than before (backup-copies B2). */
  catalogChanged(): void {
    for (const [partition, frames] of [...this.#waiting]) {
      this.#waiting.delete(partition);
      this.#guard(partition, () => {
        const held = this.#takeAll(partition, frames);
        if (held !== undefined) this.#ports.core.applied(partition, held);
      });
    }
    for (const [partition, { copy, start }] of [...this.#unfinished]) this.#finish(partition, copy, start);
  }

  installPage({ partition, page, payload }: Of<'installPage'>): void {
    this.#guard(partition, () => this.#ports.store.installPage(partition as PartitionId, page, payload as Uint8Array));
  }

  finishInstall({ partition, copy, start }: Of<'finishInstall'>): void {
    this.#finish(partition, copy, start);
  }

  #finish(partition: number, copy: number, start: TransferStart): void {
    this.#guard(partition, () => {
      if (this.#ports.store.finishInstall(partition as PartitionId, start) === 'later') {
        this.#unfinished.set(partition, { copy, start });
        return;
      }
      this.#unfinished.delete(partition);
      this.#ports.core.installed(partition, copy);
    });
  }

  #take(partition: number, frame: RecordFrame): Sequence {
    const { store } = this.#ports;
    // A frame behind a gap is of the time before the rest was given up (backup-copies B2).
    if (frame.firstSequence > store.heldSequence(partition as PartitionId) + 1) {
      return store.heldSequence(partition as PartitionId);
    }
    return (store.applyFrame(frame) - 1) as Sequence;
  }

  /** @returns what is held then; undefined: nothing came of it */
  #takeAll(partition: number, frames: readonly RecordFrame[]): Sequence | undefined {
    let held: Sequence | undefined;
    for (const [at, frame] of frames.entries()) {
      held = this.#take(partition, frame);
      if (held >= frame.lastSequence) continue;
      this.#waiting.set(partition, frames.slice(at));
      return held;
    }
    return held;
  }

  #wait(partition: number, frame: RecordFrame): void {
    const frames = this.#waiting.get(partition);
    if (frames === undefined) this.#waiting.set(partition, [frame]);
    else if (frames.length < WAITING_MAX) frames.push(frame);
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
