/**
 * Takes away what listeners left in this member's partitions that are deployed no more: marks of what was taken from them,
 * and checkpoints that nobody was there to take away.
 *
 * forgotten-listeners F1  A mark outlives its listener by longer than that still delivers (running-listener.ts, RETIRE_MS),
 *                         so no late copy of a delivery is taken for a new one.
 */
import type { GridView } from '@ashlar/cluster';
import type { PartitionId } from '@ashlar/core';
import { type KeyGate, partitionLockId, type WritePath } from '@ashlar/partitions';
import { type MemberStore, RecordCause } from '@ashlar/storage';
import { GatedWrites } from './gated-writes.ts';
import { LISTENER_MAP, listenerOfKey, listenerText } from './listener-records.ts';

export interface ForgottenListenersOptions {
  readonly parts: { readonly store: MemberStore; readonly control: GridView; readonly writes: WritePath };
  readonly gate: KeyGate;
  /** Whether a listener of this id is deployed, or still delivers. */
  readonly isKnown: (id: string) => boolean;
  readonly waitMs?: number;
}

const WAIT_MS = 15 * 60_000;
/** Slots looked at in one go. */
const SLICE_SLOTS = 1000;

export class ForgottenListeners {
  readonly #options: ForgottenListenersOptions;
  readonly #writes: GatedWrites;
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ForgottenListenersOptions) {
    this.#options = options;
    this.#writes = new GatedWrites({ gate: options.gate, writes: options.parts.writes });
  }

  /** There may be something to take away: it is looked for when the time is over in which it may still be needed. */
  expect(): void {
    const { waitMs = WAIT_MS } = this.#options;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.sweep(), waitMs);
    this.#timer.unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#closing.abort();
  }

  /** @returns how many records it took away */
  async sweep(): Promise<number> {
    const { control, store } = this.#options.parts;
    const mapId = control.maps.get(LISTENER_MAP)?.id;
    if (mapId === undefined || !store.hasMap(mapId)) return 0;
    let count = 0;
    for (const partition of control.ownPartitions) {
      for (let slot = 0; slot >= 0 && !this.#closing.signal.aborted; ) {
        const keys: Uint8Array[] = [];
        slot = store.visitKeys(mapId, partition, slot, SLICE_SLOTS, (bytes, start, end) => {
          const key = bytes.slice(start, end);
          const listener = listenerOfKey(key);
          if (listener === undefined || !this.#options.isKnown(listenerText(listener))) keys.push(key);
        });
        if (keys.length > 0 && (await this.#remove(mapId, partition, keys))) count += keys.length;
        // Between slices others have their turn.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    return count;
  }

  async #remove(
    mapId: Parameters<MemberStore['visitKeys']>[0],
    partition: PartitionId,
    keys: readonly Uint8Array[],
  ): Promise<boolean> {
    const names = [partitionLockId(partition)];
    const { signal } = this.#closing;
    const removing = this.#writes.commit(names, { isProgress: true }, signal, (batch) => {
      for (const key of keys) batch.remove(mapId, partition, key, 0, key.length, RecordCause.listener);
      return undefined;
    });
    // What could not be taken away now is found the next time.
    return removing.catch(() => false);
  }
}
