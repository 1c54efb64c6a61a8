/**
 * Takes away what listeners that are no longer deployed left in this member's partitions: marks of what was taken from
 * them, and checkpoints that nobody was there to take away.
 *
 *   expect() -> waitMs -> sweep: whose records lie here, and who is not known? -- for waitMs --> taken away
 *                          ^                                                  '-- not yet ----> again when it is due
 *
 * forgotten-listeners F1  A mark outlives the time in which its listener may still deliver (running-listener.ts, RETIRE_MS), so
 *                         no late copy of a delivery is taken for a new one: each listener has its own time, from when it was
 *                         first missed.
 * forgotten-listeners F2  A sweep that is expected comes, however often others are expected meanwhile: marks do not gather.
 * forgotten-listeners F3  A listener that is deployed again while its records wait to be taken away keeps them.
 */
import type { GridView } from '@ashlar/cluster';
import type { Epoch, MapId, PartitionId } from '@ashlar/core';
import { type KeyGate, partitionLockId, type WritePath } from '@ashlar/partitions';
import { type MemberStore, RecordCause } from '@ashlar/storage';
import { GatedWrites } from './gated-writes.ts';
import { LISTENER_MAP, listenerOfKey, listenerText } from './listener-records.ts';

/** Time, handed in. */
export interface ForgetTimes {
  /** How long a listener is missed before its records go. */
  readonly waitMs: number;
  readonly nowMs: () => number;
  /** Calls back after `ms`; answers how to call that off. */
  readonly later: (ms: number, run: () => void) => () => void;
}

export interface ForgottenListenersOptions {
  readonly parts: { readonly store: MemberStore; readonly control: GridView; readonly writes: WritePath };
  readonly gate: KeyGate;
  /** Whether a listener of this id is deployed, or still delivers. */
  readonly isKnown: (id: string) => boolean;
  readonly times?: ForgetTimes | undefined;
}

const TIMES: ForgetTimes = {
  waitMs: 15 * 60_000,
  nowMs: () => performance.now(),
  later: (ms, run) => {
    const timer = setTimeout(run, ms).unref();
    return () => clearTimeout(timer);
  },
};
/** Slots looked at in one go. */
const SLICE_SLOTS = 1000;
/** Records that could not be taken away are tried again after this share of the wait. */
const RETRY_SHARE = 1 / 15;
/** Owner of records that are not ours: nobody who could come back. */
const NOBODY = '';

export class ForgottenListeners {
  readonly #options: ForgottenListenersOptions;
  readonly #times: ForgetTimes;
  readonly #writes: GatedWrites;
  readonly #closing = new AbortController();
  /** By id: when a listener was first missed. */
  readonly #missedMs = new Map<string, number>();
  #cancel: (() => void) | undefined;
  #dueMs = Infinity;
  #isSweeping = false;

  constructor(options: ForgottenListenersOptions) {
    this.#options = options;
    this.#times = options.times ?? TIMES;
    this.#writes = new GatedWrites({ gate: options.gate, writes: options.parts.writes });
  }

  /**
   * There may be something to take away: it is looked for when the time is over in which it may still be needed.
   *
   * @param id  the listener that has gone; undefined: records came with a partition, of whomever
   */
  expect(id?: string): void {
    const nowMs = this.#times.nowMs();
    if (id !== undefined) this.#missedMs.set(id, nowMs);
    this.#arm(nowMs + this.#times.waitMs);
  }

  close(): void {
    this.#cancel?.();
    this.#closing.abort();
  }

  /** The sooner of what is expected already and of this (forgotten-listeners F2). */
  #arm(dueMs: number): void {
    if (this.#closing.signal.aborted || dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    if (this.#isSweeping) return;
    this.#cancel?.();
    this.#cancel = this.#times.later(Math.max(0, dueMs - this.#times.nowMs()), () => void this.#sweepWhenDue());
  }

  async #sweepWhenDue(): Promise<void> {
    this.#cancel = undefined;
    this.#dueMs = Infinity;
    this.#isSweeping = true;
    try {
      await this.sweep();
    } finally {
      this.#isSweeping = false;
      const dueMs = this.#dueMs;
      this.#dueMs = Infinity;
      this.#arm(dueMs);
    }
  }

  /** @returns how many records it took away */
  async sweep(): Promise<number> {
    const { control, store } = this.#options.parts;
    const mapId = control.maps.get(LISTENER_MAP)?.id;
    if (mapId === undefined) return 0;
    const startedMs = this.#times.nowMs();
    const left = new Set<string>();
    let count = 0;
    for (const partition of control.ownPartitions) {
      for (let slot = 0; slot >= 0; ) {
        if (this.#closing.signal.aborted || !store.hasMap(mapId)) return count;
        const due: (readonly [string, Uint8Array])[] = [];
        const epoch = control.epochOf(partition);
        slot = store.visitKeys(mapId, partition, slot, SLICE_SLOTS, (bytes, start, end) => {
          const key = bytes.slice(start, end);
          const id = this.#idOf(key);
          if (this.#options.isKnown(id)) return;
          if (this.#isDue(id)) due.push([id, key]);
          else left.add(id);
        });
        const removed = due.length === 0 ? 0 : await this.#remove(mapId, partition, epoch, due);
        if (removed === undefined) for (const [id] of due) left.add(id);
        else count += removed;
        // Other work has its turn between slices.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    this.#lookAhead(left, startedMs);
    return count;
  }

  #idOf(key: Uint8Array): string {
    const listener = listenerOfKey(key);
    return listener === undefined ? NOBODY : listenerText(listener);
  }

  #isDue(id: string): boolean {
    const nowMs = this.#times.nowMs();
    const missedMs = this.#missedMs.get(id);
    if (missedMs === undefined) this.#missedMs.set(id, nowMs);
    return missedMs !== undefined && nowMs - missedMs >= this.#times.waitMs;
  }

  /** @returns how many; undefined: they could not be taken away now, and are tried again */
  async #remove(
    mapId: MapId,
    partition: PartitionId,
    epoch: Epoch,
    due: readonly (readonly [string, Uint8Array])[],
  ): Promise<number | undefined> {
    const names = [partitionLockId(partition)];
    const { signal } = this.#closing;
    let count = 0;
    const removing = this.#writes.commit(names, { isProgress: true, epoch }, signal, (batch) => {
      count = 0;
      for (const [id, key] of due) {
        // It may have been deployed again while the partition was waited for (forgotten-listeners F3).
        if (this.#options.isKnown(id) || !this.#isDue(id)) continue;
        if (batch.remove(mapId, partition, key, 0, key.length, RecordCause.listener)) count += 1;
      }
      return undefined;
    });
    const isRemoved = await removing.catch(() => false);
    if (isRemoved) return count;
    this.#arm(this.#times.nowMs() + this.#times.waitMs * RETRY_SHARE);
    return undefined;
  }

  /** Forgets listeners of which nothing is left, and looks again when the next one is due. */
  #lookAhead(left: ReadonlySet<string>, startedMs: number): void {
    const { nowMs, waitMs } = this.#times;
    for (const [id, missedMs] of this.#missedMs) {
      if (this.#options.isKnown(id) || (!left.has(id) && missedMs < startedMs)) this.#missedMs.delete(id);
      else if (missedMs + waitMs > nowMs()) this.#arm(missedMs + waitMs);
    }
  }
}
