/** The write batches of one task: one for each group of partitions whose commits come together (write-path P3). */
import type { PartitionId } from '@ashlar/core';
import type { WritePath } from '@ashlar/partitions';
import type { BatchHeader, WriteBatch } from '@ashlar/storage';

export class TaskBatches {
  readonly #writes: WritePath;
  readonly #header: BatchHeader;
  /** Those that are open, by group. */
  readonly #open = new Map<number, WriteBatch>();

  constructor(writes: WritePath, header: BatchHeader) {
    this.#writes = writes;
    this.#header = header;
  }

  /** The open batch for a partition. @throws GridError OVERLOADED when too many batches are under way */
  of(partition: PartitionId): WriteBatch {
    const group = this.#writes.groupOf(partition);
    let batch = this.#open.get(group);
    if (batch === undefined) {
      batch = this.#writes.begin(this.#header);
      this.#open.set(group, batch);
    }
    return batch;
  }

  /** Submits the batch of a partition, with all else that it has: the next of() begins another. */
  cut(partition: PartitionId): void {
    const batch = this.of(partition);
    this.#open.delete(this.#writes.groupOf(partition));
    this.#writes.submit(batch);
  }

  /** Submits whatever is open. */
  submit(): void {
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const batch of open) this.#writes.submit(batch);
  }

  /** Takes back whatever is open. */
  abort(): void {
    for (const batch of this.#open.values()) if (batch.state === 'open') batch.abort();
    this.#open.clear();
  }
}
