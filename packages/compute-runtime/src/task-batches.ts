/**
 * The write batches of one task. Where commits are prompt one serves all of its partitions; else each partition has its
 * own, so that a slow one holds up no other (write-path P3).
 */
import type { PartitionId } from '@ashlar/core';
import type { WritePath } from '@ashlar/partitions';
import type { BatchHeader, WriteBatch } from '@ashlar/storage';

export class TaskBatches {
  readonly #writes: WritePath;
  readonly #header: BatchHeader;
  #shared: WriteBatch | undefined;
  #own: Map<PartitionId, WriteBatch> | undefined;

  constructor(writes: WritePath, header: BatchHeader) {
    this.#writes = writes;
    this.#header = header;
  }

  /** The open batch for a partition. @throws GridError OVERLOADED when too many batches are under way */
  of(partition: PartitionId): WriteBatch {
    if (this.#writes.isPrompt) {
      this.#shared ??= this.#writes.begin(this.#header);
      return this.#shared;
    }
    this.#own ??= new Map();
    let batch = this.#own.get(partition);
    if (batch === undefined) {
      batch = this.#writes.begin(this.#header);
      this.#own.set(partition, batch);
    }
    return batch;
  }

  /** Submits the batch of a partition: the next of() begins another. */
  cut(partition: PartitionId): void {
    const batch = this.of(partition);
    this.#shared = undefined;
    this.#own?.delete(partition);
    this.#writes.submit(batch);
  }

  /** Submits whatever is open. */
  submit(): void {
    const { own, shared } = { own: this.#own, shared: this.#shared };
    this.#own = undefined;
    this.#shared = undefined;
    if (shared !== undefined) this.#writes.submit(shared);
    if (own !== undefined) for (const batch of own.values()) this.#writes.submit(batch);
  }

  /** Takes back whatever is open. */
  abort(): void {
    if (this.#shared?.state === 'open') this.#shared.abort();
    if (this.#own !== undefined) for (const batch of this.#own.values()) if (batch.state === 'open') batch.abort();
    this.#own = undefined;
    this.#shared = undefined;
  }
}
