/**
 * Pressure of logs that durable consumers hold: where what they have not read takes 80 % of the room of all logs, the answers
 * of those who write beyond a log's floor are delayed, long before it has to refuse them (LOG_FULL, when nothing of the room
 * can be given up). Looked at only while somebody holds logs at all: what is undecided holds up its callers by itself.
 */
import type { PartitionId } from '@ashlar/core';
import type { MemberStore } from '@ashlar/storage';

/** A writer that waits for each answer is slowed to some hundred batches a second. */
const DELAY_MIN_MS = 5;
/** And to a handful, where hardly any room is left. */
const DELAY_MAX_MS = 200;
/** Share of the logs' room up to which held records leave enough; beyond it delays grow. */
const HELD_FREE = 0.5;

export class LogPressure {
  readonly #store: MemberStore;
  #holders = 0;

  constructor(store: MemberStore) {
    this.#store = store;
  }

  /** A durable consumer of logs comes (1) or goes (-1). */
  hold(change: 1 | -1): void {
    this.#holders += change;
  }

  /**
   * How long an answer waits under pressure: the longer the less room is left by what durable consumers have not read. What
   * they are done with counts nothing, so that writers come to the pace of their readers and not to a halt. O(partitions).
   */
  get delayMs(): number {
    const { heldBytes, bytesMax } = this.#store.logRoom();
    const pressed = Math.min(1, Math.max(0, (heldBytes / bytesMax - HELD_FREE) / (1 - HELD_FREE)));
    return DELAY_MIN_MS + (DELAY_MAX_MS - DELAY_MIN_MS) * pressed ** 2;
  }

  /** Whether isHigh() can be true of any partition: somebody holds logs. */
  get mayBeHigh(): boolean {
    return this.#holders > 0;
  }

  /** Whether an answer to a batch that wrote to these partitions should wait. */
  isHigh(partitions: ArrayLike<number>): boolean {
    if (this.#holders === 0) return false;
    let last = -1;
    for (let index = 0; index < partitions.length; index++) {
      const partition = partitions[index]!;
      if (partition === last) continue;
      last = partition;
      const isOpen = this.#store.isPartitionOpen(partition as PartitionId);
      if (isOpen && this.#store.logInfo(partition as PartitionId).state !== 'ok') return true;
    }
    return false;
  }
}
