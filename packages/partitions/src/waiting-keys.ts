/**
 * The keys on which mutations of one stream wait at the gate: its later reads of them wait as well, so that a caller
 * who does not await each answer still sees its own writes in their order.
 */
import type { LockId } from './lock-ids.ts';

export class WaitingKeys {
  readonly #counts = new Map<LockId, number>();

  get isEmpty(): boolean {
    return this.#counts.size === 0;
  }

  /** @param id  the key's lock id */
  has(id: LockId): boolean {
    return this.#counts.has(id);
  }

  begin(id: LockId): void {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
  }

  end(id: LockId): void {
    const left = this.#counts.get(id)! - 1;
    if (left === 0) this.#counts.delete(id);
    else this.#counts.set(id, left);
  }
}
