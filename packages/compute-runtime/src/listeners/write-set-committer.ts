/**
 * Commits the write-sets of one listener, each with the listener's place in the source partition's log.
 *
 * O1  Writes for this member, the checkpoint, and the writes that other members still have to take (the outbox) become
 *     visible by one commit; the outbox lies in the source partition, where the events are.
 * O2  The next write-set of the partition is committed only when the outbox is empty: writes of a partition's events
 *     reach every key in the order of the events.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type CatalogedMap, DEFAULT_MAP_SETTINGS } from '@ashlar/cluster';
import { isTransient, type ListenerWrite } from '@ashlar/compute';
import { GridError, type PartitionId, TTL_DEFAULT, TTL_KEEP } from '@ashlar/core';
import {
  deadlineOf,
  type EntryLimits,
  type GateName,
  type KeyGate,
  keyGateName,
  partitionGateName,
} from '@ashlar/partitions';
import { NOTHING, type Router } from '@ashlar/routing';
import { decodeKey, decodeValue, encodeKey, encodeValue, partitionOf } from '@ashlar/serialization';
import { RecordCause } from '@ashlar/storage';
import { OPCODE } from '@ashlar/transport';
import type { ListenerParts } from './listener-parts.ts';

export interface CommitterDependencies {
  readonly parts: ListenerParts;
  readonly router: () => Promise<Router>;
  readonly gate: KeyGate;
  readonly limits: EntryLimits;
}

const RETRY_MS = 50;

interface PlacedWrite {
  readonly write: ListenerWrite;
  readonly map: CatalogedMap;
  readonly partition: PartitionId;
}

export class WriteSetCommitter {
  readonly #deps: CommitterDependencies;
  readonly #checkpoints: string;
  readonly #key: Uint8Array;

  constructor(listener: string, checkpoints: string, deps: CommitterDependencies) {
    this.#deps = deps;
    this.#checkpoints = checkpoints;
    this.#key = encodeKey(listener);
  }

  /**
   * @param onCommitted  everything is on this member, what others have to take in the outbox: the events may go
   * @throws GridError when the signal fired; everything else is tried again until it succeeds or cannot
   */
  async commit(
    partition: PartitionId,
    sequence: number,
    writes: readonly ListenerWrite[],
    signal: AbortSignal,
    onCommitted: () => void,
  ): Promise<void> {
    const { control } = this.#deps.parts;
    const checkpoints = await control.mapFor(this.#checkpoints, DEFAULT_MAP_SETTINGS, false);
    const placed = await Promise.all(writes.map((write) => this.#place(write)));
    const own = placed.filter((write) => control.isMine(write.partition));
    const others = placed.filter((write) => !control.isMine(write.partition));
    await this.#untilDone(signal, () => this.#commitWhenFree(checkpoints, partition, sequence, own, others));
    onCommitted();
    const sending = lastOfEachKey(others).map((write) => this.#untilDone(signal, () => this.#send(write)));
    await Promise.all(sending);
  }

  async #place(write: ListenerWrite): Promise<PlacedWrite> {
    const { limits, parts } = this.#deps;
    const { control } = parts;
    limits.check(write.key.length, write.value?.length ?? 0);
    const map = await control.mapFor(write.map, DEFAULT_MAP_SETTINGS, false);
    const partition = partitionOf(
      write.key,
      0,
      write.key.length,
      map.affinityParts,
      control.partitionCount,
    ) as PartitionId;
    return { write, map, partition };
  }

  #commitHere(
    checkpoints: CatalogedMap,
    partition: PartitionId,
    sequence: number,
    own: readonly PlacedWrite[],
    others: readonly PlacedWrite[],
  ): void {
    const { store, writes, clock } = this.#deps.parts;
    // Another log may be full of what this listener has still to read.
    const batch = writes.begin({ isProgress: true });
    try {
      for (const { write, map, partition: target } of own) {
        store.expireBefore(batch, map.id, target, write.key, 0, write.key.length);
      }
      for (const { write, map, partition: target } of own) {
        const { key, value, ttlMs } = write;
        if (value === undefined) batch.remove(map.id, target, key, 0, key.length, RecordCause.listener);
        else {
          const ttl = ttlMs ?? TTL_DEFAULT;
          const isThere = ttl === TTL_KEEP && store.find(map.id, target, key, 0, key.length, batch);
          const expiresAt = deadlineOf(ttl, clock.now(), isThere ? store.found.expiresAt : undefined);
          batch.put(map.id, target, key, 0, key.length, value, 0, value.length, expiresAt, RecordCause.listener);
        }
      }
      const outbox = others.map(({ write }) => write);
      const record = encodeValue({ sequence, outbox });
      batch.put(
        checkpoints.id,
        partition,
        this.#key,
        0,
        this.#key.length,
        record,
        0,
        record.length,
        0,
        RecordCause.listener,
      );
      writes.submit(batch);
    } catch (error) {
      batch.abort();
      throw error;
    }
  }

  async #send({ map, key, value, ttlMs }: ListenerWrite): Promise<void> {
    const router = await this.#deps.router();
    const handle = router.map(map, undefined);
    const name = decodeKey(key);
    const extras = ttlMs === undefined ? undefined : { ttlMs };
    if (value === undefined) await router.call(OPCODE.REMOVE, handle, name, NOTHING, undefined, undefined);
    else await router.call(OPCODE.PUT, handle, name, decodeValue(value), extras, undefined);
  }

  /** Commits once no processor and no statement holds what is to be written: in the turn in which the last one lets go. */
  #commitWhenFree(
    checkpoints: CatalogedMap,
    partition: PartitionId,
    sequence: number,
    own: readonly PlacedWrite[],
    others: readonly PlacedWrite[],
  ): Promise<void> {
    const { gate } = this.#deps;
    return new Promise((resolve, reject) => {
      const attempt = (): void => {
        try {
          const held = gate.heldCount === 0 ? undefined : namesOf(partition, own).find((name) => gate.isHeld(name));
          if (held !== undefined) {
            gate.wait(held, attempt);
            return;
          }
          this.#commitHere(checkpoints, partition, sequence, own, others);
          resolve();
        } catch (error) {
          reject(error);
        }
      };
      attempt();
    });
  }

  async #untilDone(signal: AbortSignal, run: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await run();
        return;
      } catch (error) {
        if (signal.aborted || !isTransient(GridError.wrap(error))) throw error;
        await sleep(RETRY_MS, undefined, { signal, ref: false });
      }
    }
  }
}

/** The gate's names of all that a commit touches. */
function namesOf(partition: PartitionId, own: readonly PlacedWrite[]): GateName[] {
  const names = own.flatMap(({ write, map, partition: target }) => [
    partitionGateName(target),
    keyGateName(map.id, write.key, 0, write.key.length),
  ]);
  return [partitionGateName(partition), ...names];
}

/** A write-set is one step: of writes to the same key the last one counts. */
function lastOfEachKey(writes: readonly PlacedWrite[]): readonly ListenerWrite[] {
  const last = new Map<string, ListenerWrite>();
  for (const { write, map } of writes) last.set(`${map.id}:${Buffer.from(write.key).toString('latin1')}`, write);
  return [...last.values()];
}
