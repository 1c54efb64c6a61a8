/**
 * Copies on their way to other members: opened, read page by page, closed as the core asks.
 *
 * outgoing-copies O1  A page is read in a turn of its own, one after the other, so that however many are asked for the main thread
 *                     does not stand still for longer than one takes.
 * outgoing-copies O2  One that had to give way to writers, or to a partition that left, ends: the joiner begins anew.
 */
import type { PartitionId, ReplicaId } from '@ashlar/core';
import { GridError } from '@ashlar/core';
import type { ReplicationCore, TransferRef } from '@ashlar/replication';
import type { PartitionTransfer } from '@ashlar/storage';
import type { ReplicaStore } from './replica-store.ts';

export interface OutgoingPorts {
  readonly store: Pick<ReplicaStore, 'openTransfer' | 'holdForReplica'>;
  readonly core: Pick<ReplicationCore, 'transferOpened' | 'transferFailed' | 'pageRead'>;
  /** Runs as an input of the core, in a turn of its own. */
  later(run: () => void): void;
}

interface Asked {
  readonly ref: TransferRef;
  readonly page: number;
}

export class OutgoingCopies {
  readonly #ports: OutgoingPorts;
  readonly #copies = new Map<string, PartitionTransfer>();
  readonly #asked: Asked[] = [];

  constructor(ports: OutgoingPorts) {
    this.#ports = ports;
  }

  open({ partition, to, copy }: TransferRef): void {
    const { store, core } = this.#ports;
    const ref: TransferRef = { partition, to, copy };
    this.close(ref);
    try {
      const opened = store.openTransfer(partition as PartitionId);
      this.#copies.set(nameOf(ref), opened);
      // Lineage and revision are the core's: it writes them in.
      core.transferOpened(ref, { ...opened.start, lineage: [], revision: 0 });
    } catch (error) {
      if (!GridError.is(error)) throw error;
      core.transferFailed(ref);
    }
  }

  readPage({ partition, to, copy }: TransferRef, page: number): void {
    this.#asked.push({ ref: { partition, to, copy }, page });
    if (this.#asked.length === 1) this.#ports.later(() => this.#readNext());
  }

  close(ref: TransferRef): void {
    const name = nameOf(ref);
    this.#copies.get(name)?.close();
    this.#copies.delete(name);
  }

  /** The partition is not served any more, or its copy goes. */
  closeAll(partition: number): void {
    for (const [name, copy] of this.#copies) {
      if (!name.startsWith(`${partition}/`)) continue;
      copy.close();
      this.#copies.delete(name);
    }
  }

  hold(partition: number, to: ReplicaId, from: number): void {
    this.#ports.store.holdForReplica(partition as PartitionId, to, from);
  }

  /** outgoing-copies O1 */
  #readNext(): void {
    const next = this.#asked.shift();
    if (this.#asked.length > 0) this.#ports.later(() => this.#readNext());
    if (next !== undefined) this.#read(next);
  }

  #read({ ref, page }: Asked): void {
    const { core } = this.#ports;
    const copy = this.#copies.get(nameOf(ref));
    if (copy === undefined) return;
    const read = copy.readPage(page);
    if (read === undefined) {
      this.#copies.delete(nameOf(ref));
      core.transferFailed(ref); // outgoing-copies O2
      return;
    }
    const { isLast, bytes } = read;
    core.pageRead(ref, { page, isLast, bytes: bytes.length, payload: bytes });
  }
}

function nameOf({ partition, to, copy }: TransferRef): string {
  return `${partition}/${to}/${copy}`;
}
