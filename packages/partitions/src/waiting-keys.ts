/**
 * The keys on which mutations of one stream wait at the gate: its later reads of them wait as well, so that a caller
 * who does not await each answer still sees its own writes in their order.
 */
import type { GateName } from './gate-names.ts';

export class WaitingKeys {
  readonly #counts = new Map<GateName, number>();

  get isEmpty(): boolean {
    return this.#counts.size === 0;
  }

  /** @param name  the key's name at the gate */
  has(name: GateName): boolean {
    return this.#counts.has(name);
  }

  begin(name: GateName): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  end(name: GateName): void {
    const left = this.#counts.get(name)! - 1;
    if (left === 0) this.#counts.delete(name);
    else this.#counts.set(name, left);
  }
}
