/** Lanes in the worker's own memory, lent until the next chunk. */
import { CHUNK_SLOTS_MAX } from '../layout.ts';

/** Arrays of one kind: handed out one after the other, all taken back by reset(). */
class Pool<Lane> {
  readonly #make: () => Lane;
  readonly #lanes: Lane[] = [];
  #used = 0;

  constructor(make: () => Lane) {
    this.#make = make;
  }

  take(): Lane {
    const lane = this.#lanes[this.#used] ?? this.#make();
    this.#lanes[this.#used] = lane;
    this.#used += 1;
    return lane;
  }

  reset(): void {
    this.#used = 0;
  }
}

export class Scratch {
  readonly #tags = new Pool(() => new Uint8Array(CHUNK_SLOTS_MAX));
  readonly #numbers = new Pool(() => new Float64Array(CHUNK_SLOTS_MAX));
  readonly #codes = new Pool(() => new Uint16Array(CHUNK_SLOTS_MAX));

  tags(): Uint8Array {
    return this.#tags.take();
  }

  numbers(): Float64Array {
    return this.#numbers.take();
  }

  codes(): Uint16Array {
    return this.#codes.take();
  }

  reset(): void {
    this.#tags.reset();
    this.#numbers.reset();
    this.#codes.reset();
  }
}
