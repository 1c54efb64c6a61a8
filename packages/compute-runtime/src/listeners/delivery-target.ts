/**
 * Takes what listeners of any member write to partitions of this one: each step of a source once, in whatever order and
 * however often its deliveries arrive.
 *
 *   delivery -> key gate -> what does the mark say? -- taken already --> answered once that is committed
 *                                 '-- not taken: writes + mark in one batch --> answered once it is committed
 *
 * delivery-target T1  A mark commits with the writes that it stands for.
 * delivery-target T2  The next step of a source is sent only when the last one is answered, so what comes behind its mark
 *                     was taken: it is answered, and changes nothing.
 * delivery-target T3  A write for a map that was dropped is void, as it would have been a moment before the drop.
 * delivery-target T4  No delivery is waited for longer than `waitMs`: it is sent again, and the mark recognises it.
 */
import type { GridView } from '@ashlar/cluster';
import { GridError, type MapId, type PartitionId } from '@ashlar/core';
import type { EntryLimits, NeedMap } from '@ashlar/partitions';
import type { MemberStore } from '@ashlar/storage';
import { checkServedHere, listenerMap } from './checkpoints.ts';
import { type GatedWrites, lockIdsOf, stageRecord, stageWrites } from './gated-writes.ts';
import {
  type Delivery,
  decodeMark,
  encodeMark,
  type Mark,
  markKey,
  type PlacedWrite,
  takenOf,
} from './listener-records.ts';

export interface DeliveryTargetParts {
  readonly store: MemberStore;
  readonly control: GridView;
  readonly clock: { now(): number };
  readonly needMap: NeedMap;
  readonly limits: EntryLimits;
  readonly writes: GatedWrites;
  readonly waitMs?: number;
}

const WAIT_MS = 2000;

export class DeliveryTarget {
  readonly #parts: DeliveryTargetParts;
  readonly #waitMs: number;
  /** Deliveries that were taken before. */
  repeated = 0;

  constructor(parts: DeliveryTargetParts) {
    this.#parts = parts;
    this.#waitMs = parts.waitMs ?? WAIT_MS;
  }

  /** Answers aligned with the deliveries: undefined: taken; or why not (yet). Never rejects. */
  take(deliveries: readonly Delivery[]): Promise<readonly (GridError | undefined)[]> {
    return Promise.all(deliveries.map((delivery) => this.#takeOne(delivery).catch(GridError.wrap)));
  }

  async #takeOne(delivery: Delivery): Promise<undefined> {
    const { control, limits } = this.#parts;
    for (const { key, value } of delivery.writes) limits.check(key.length, value?.length ?? 0);
    const { partition } = delivery;
    if (!control.isMine(partition)) {
      throw new GridError('STALE_EPOCH', `partition ${partition} is not on this member`, { details: { partition } });
    }
    const giveUp = new AbortController();
    const waiting = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      giveUp.abort();
      waiting.reject(
        new GridError('OVERLOADED', `partition ${partition} did not take writes of a listener in ${this.#waitMs} ms`),
      );
    }, this.#waitMs);
    const isTaken = await Promise.race([this.#commit(delivery, giveUp.signal), waiting.promise]).finally(() =>
      clearTimeout(timer),
    );
    if (!isTaken) throw new GridError('OUTCOME_UNKNOWN', `partition ${partition} was lost while it took writes`);
    return undefined;
  }

  async #commit(delivery: Delivery, signal: AbortSignal): Promise<boolean> {
    const { control, store, writes } = this.#parts;
    const { listener, source, partition, incarnation, sequence, first } = delivery;
    const { id: mapId } = await listenerMap({ store, control });
    const dropped = await this.#droppedMaps(delivery.writes);
    const key = markKey(listener, source);
    const epoch = control.epochOf(partition);
    const names = lockIdsOf(partition, delivery.writes);
    return writes.commit(names, { isProgress: true, epoch }, signal, (batch) => {
      checkServedHere(control, { partition, epoch });
      const mark = this.#mark(mapId, partition, key);
      const { undecided } = store.found;
      const taken = takenOf(delivery, mark);
      if (taken === delivery.writes.length) {
        this.repeated += 1;
        return undecided;
      }
      const left = delivery.writes
        .slice(taken)
        .filter((write) => !dropped.has(write.mapId) && store.hasMap(write.mapId));
      stageWrites(batch, partition, left, this.#parts);
      stageRecord(
        batch,
        mapId,
        partition,
        key,
        encodeMark({ incarnation, sequence, taken: first + delivery.writes.length }),
      );
      return undefined;
    });
  }

  /** The newest, which may be undecided: `store.found` then says by which batch. */
  #mark(mapId: MapId, partition: PartitionId, key: Uint8Array): Mark | undefined {
    const { store } = this.#parts;
    if (!store.findNewest(mapId, partition, key, 0, key.length)) return undefined;
    const { valueBytes, valueStart, valueEnd } = store.found;
    return decodeMark(valueBytes.slice(valueStart, valueEnd));
  }

  /** Those of the maps written to that were dropped. All others are here when it resolves. */
  async #droppedMaps(writes: readonly PlacedWrite[]): Promise<ReadonlySet<MapId>> {
    const { needMap, store } = this.#parts;
    const dropped = new Set<MapId>();
    for (const { map, mapId } of writes) {
      if (store.hasMap(mapId) || dropped.has(mapId)) continue;
      try {
        await needMap(mapId, map);
      } catch (error) {
        if (!GridError.is(error, 'MAP_DROPPED')) throw error;
        dropped.add(mapId);
      }
    }
    return dropped;
  }
}
