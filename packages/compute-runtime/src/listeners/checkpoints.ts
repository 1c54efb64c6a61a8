/**
 * The checkpoints of one listener in the partitions of this member: read back, written with what commits with them, taken
 * away.
 *
 * checkpoints C1  A checkpoint that was read is committed: reading waits for what is undecided.
 * checkpoints C2  Writes of the source's own partition, the checkpoint and the outbox of a step commit in one batch.
 * checkpoints C3  Only who serves the partition, in the epoch that is meant, goes by what its records say: a copy may hold what was
 *                 never committed, and whoever serves next would do it again, in other steps.
 */
import type { CatalogedMap, GridView } from '@ashlar/cluster';
import { assert, type Epoch, GridError, type PartitionId, StaleEpochError } from '@ashlar/core';
import { decided, openHere, partitionLockId } from '@ashlar/partitions';
import { type MemberStore, RecordCause } from '@ashlar/storage';
import { type GatedWrites, lockIdsOf, stageRecord, stageWrites } from './gated-writes.ts';
import {
  type Checkpoint,
  checkpointKey,
  decodeCheckpoint,
  encodeCheckpoint,
  LISTENER_MAP,
  type ListenerId,
  type PlacedWrite,
} from './listener-records.ts';

export interface CheckpointParts {
  readonly store: MemberStore;
  readonly control: GridView;
  readonly clock: { now(): number };
}

/** Where a checkpoint lies, and in which epoch its partition is expected to be. */
export interface CheckpointPlace {
  readonly partition: PartitionId;
  readonly epoch: Epoch;
}

/** Whether the partition is served here, in that epoch, at this moment (checkpoints C3). */
export function isServedHere(control: GridView, { partition, epoch }: CheckpointPlace): boolean {
  const { serving } = control;
  if (serving !== undefined) return serving.epochOf(partition) === epoch;
  return control.isMine(partition) && control.epochOf(partition) === epoch;
}

/** @throws GridError STALE_EPOCH (checkpoints C3) */
export function checkServedHere(control: GridView, place: CheckpointPlace): void {
  if (isServedHere(control, place)) return;
  throw new StaleEpochError(place.partition, place.epoch, control.epochOf(place.partition));
}

/** The map of checkpoints and marks, made where it is not there. @throws what asking the coordinator fails with */
export async function listenerMap({ store, control }: Omit<CheckpointParts, 'clock'>): Promise<CatalogedMap> {
  const map = await control.systemMap(LISTENER_MAP);
  if (!store.hasMap(map.id)) openHere(map, { control, store });
  return map;
}

export class Checkpoints {
  readonly #parts: CheckpointParts;
  readonly #writes: GatedWrites;
  readonly #key: Uint8Array;

  constructor(listener: ListenerId, parts: CheckpointParts, writes: GatedWrites) {
    this.#parts = parts;
    this.#writes = writes;
    this.#key = checkpointKey(listener);
  }

  /** @returns undefined: there is none */
  async read(partition: PartitionId): Promise<Checkpoint | undefined> {
    const { store, control } = this.#parts;
    for (;;) {
      const map = control.maps.get(LISTENER_MAP);
      if (map === undefined) return undefined;
      const isThere = store.findNewest(map.id, partition, this.#key, 0, this.#key.length);
      const { found } = store;
      if (found.undecided !== undefined) {
        await decided(found.undecided);
        continue;
      }
      return isThere ? decodeCheckpoint(found.valueBytes.slice(found.valueStart, found.valueEnd)) : undefined;
    }
  }

  /**
   * Commits a checkpoint, and `own` writes of its partition with it. Where the batch was lost the checkpoint is looked at
   * again.
   *
   * @throws GridError OUTCOME_UNKNOWN: it is not there, everything is to be done again; STALE_EPOCH, CANCELLED, or what the
   *   writes fail with: nothing was sealed
   */
  async write(
    { partition, epoch }: CheckpointPlace,
    checkpoint: Checkpoint,
    own: readonly PlacedWrite[],
    signal: AbortSignal,
  ): Promise<void> {
    const { id } = await listenerMap(this.#parts);
    const record = encodeCheckpoint(checkpoint);
    // Another log may be full of what the listener still has to read.
    const header = { isProgress: true, epoch };
    const isCommitted = await this.#writes.commit(lockIdsOf(partition, own), header, signal, (batch) => {
      stageWrites(batch, partition, own, this.#parts);
      stageRecord(batch, id, partition, this.#key, record);
      return undefined;
    });
    if (isCommitted) return;
    const now = await this.read(partition);
    const { incarnation, sequence } = checkpoint;
    const isKnown = isServedHere(this.#parts.control, { partition, epoch });
    if (isKnown && now !== undefined && now.incarnation === incarnation && now.sequence >= sequence) return;
    throw new GridError('OUTCOME_UNKNOWN', `partition ${partition} was lost while a listener's step was committed`);
  }

  /** Takes the checkpoint away: no listener will go on from it. */
  async remove({ partition, epoch }: CheckpointPlace, signal: AbortSignal): Promise<void> {
    const { control } = this.#parts;
    const map = control.maps.get(LISTENER_MAP);
    if (map === undefined) return;
    const names = [partitionLockId(partition)];
    await this.#writes.commit(names, { isProgress: true, epoch }, signal, (batch) => {
      const { length } = this.#key;
      batch.remove(map.id, partition, this.#key, 0, length, RecordCause.listener);
      return undefined;
    });
  }
}

/** The checkpoint after a step. @throws AssertionError where steps do not rise (listener-records R1) */
export function stepFrom(before: Checkpoint, after: Checkpoint): Checkpoint {
  assert(
    after.incarnation > before.incarnation ||
      (after.incarnation === before.incarnation && after.sequence >= before.sequence),
    'listener-records R1: the steps of a source rise',
  );
  return after;
}
