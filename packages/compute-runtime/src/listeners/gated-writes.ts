/**
 * Batches of listeners: staged once no processor and no statement holds what they write, in the turn in which the last one
 * lets go; done once they are committed. Where too many batches are under way they wait for their turn.
 */
import { GridError, type PartitionId, TTL_DEFAULT, TTL_KEEP } from '@ashlar/core';
import {
  deadlineOf,
  decided,
  type KeyGate,
  keyLockId,
  type LockId,
  partitionLockId,
  type WritePath,
} from '@ashlar/partitions';
import { type BatchHeader, type MemberStore, RecordCause, type WriteBatch } from '@ashlar/storage';
import type { PlacedWrite } from './listener-records.ts';

/**
 * Stages into the batch.
 *
 * @returns where it staged nothing: the batch that what it saw hangs on
 */
export type Stage = (batch: WriteBatch) => WriteBatch | undefined;

export class GatedWrites {
  readonly #gate: KeyGate;
  readonly #writes: WritePath;

  constructor({ gate, writes }: { readonly gate: KeyGate; readonly writes: WritePath }) {
    this.#gate = gate;
    this.#writes = writes;
  }

  /**
   * @param names   lock ids of what is to be written
   * @param signal  until the batch is sealed it is given up when this fires
   * @returns whether it is committed; false: its partition was lost, and nobody here knows what became of it
   * @throws GridError as `stage` does; CANCELLED; OVERLOADED: nothing was sealed
   */
  commit(names: readonly LockId[], header: BatchHeader, signal: AbortSignal, stage: Stage): Promise<boolean> {
    const gate = this.#gate;
    return new Promise((resolve, reject) => {
      const attempt = (): void => {
        try {
          if (signal.aborted) throw new GridError('CANCELLED', 'the write was given up before it was made');
          const held = gate.heldCount === 0 ? undefined : names.find((name) => gate.isHeld(name));
          if (held !== undefined) gate.wait(held, attempt);
          else if (this.#writes.turns.isShort) this.#writes.turns.wait(attempt);
          else resolve(this.#write(header, stage));
        } catch (error) {
          reject(error);
        }
      };
      attempt();
    });
  }

  #write(header: BatchHeader, stage: Stage): boolean | Promise<boolean> {
    const batch = this.#writes.begin(header);
    let seen: WriteBatch | undefined;
    try {
      seen = stage(batch);
    } catch (error) {
      batch.abort();
      throw error;
    }
    if (batch.changeCount > 0) {
      if (!this.#writes.submit(batch)) this.#writes.held.note('write-set');
      return decided(batch);
    }
    batch.abort();
    return seen === undefined || decided(seen);
  }
}

/** The lock ids of a partition and of the keys that are written in it. */
export function lockIdsOf(partition: PartitionId, writes: readonly PlacedWrite[]): LockId[] {
  return [partitionLockId(partition), ...writes.map(({ mapId, key }) => keyLockId(mapId, key, 0, key.length))];
}

/** Stages writes of one partition, in their order. They come first in the batch: what is due ends before it. */
export function stageWrites(
  batch: WriteBatch,
  partition: PartitionId,
  writes: readonly PlacedWrite[],
  { store, clock }: { readonly store: MemberStore; readonly clock: { now(): number } },
): void {
  for (const { mapId, key } of writes) store.expireBefore(batch, mapId, partition, key, 0, key.length);
  for (const { mapId, key, value, ttlMs } of writes) {
    if (value === undefined) {
      batch.remove(mapId, partition, key, 0, key.length, RecordCause.listener);
      continue;
    }
    const ttl = ttlMs ?? TTL_DEFAULT;
    const isThere = ttl === TTL_KEEP && store.findNewest(mapId, partition, key, 0, key.length, batch);
    const expiresAt = deadlineOf(ttl, clock.now(), isThere ? store.found.expiresAt : undefined);
    const staged = batch.value(value, 0, value.length, expiresAt, RecordCause.listener);
    batch.put(mapId, partition, key, 0, key.length, staged);
  }
}

/** Stages a record of a listener in the partition it is about. */
export function stageRecord(
  batch: WriteBatch,
  mapId: PlacedWrite['mapId'],
  partition: PartitionId,
  key: Uint8Array,
  record: Uint8Array,
): void {
  batch.put(mapId, partition, key, 0, key.length, batch.value(record, 0, record.length, 0, RecordCause.listener));
}
