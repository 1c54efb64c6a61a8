/**
 * A first-in first-out list of slots of one table, linked through their expiresAt lanes. Closed and limbo slots have no
 * deadline any more, and readers never look at that lane, so the list takes no memory. Writer's thread only.
 */
import { CHUNK_MASK, CHUNK_SHIFT } from '../layout.ts';
import type { SlotChunkView } from './slot-chunk.ts';

const END = -1;

export class SlotList {
  readonly #chunks: readonly SlotChunkView[];
  #head = END;
  #tail = END;

  /** @param chunks  the table's own array: it grows, and its last element is replaced */
  constructor(chunks: readonly SlotChunkView[]) {
    this.#chunks = chunks;
  }

  get isEmpty(): boolean {
    return this.#head === END;
  }

  /** The first slot; END (-1) when empty. */
  get head(): number {
    return this.#head;
  }

  push(slot: number): void {
    this.#link(slot, END);
    if (this.#head === END) this.#head = slot;
    else this.#link(this.#tail, slot);
    this.#tail = slot;
  }

  shift(): number {
    const slot = this.#head;
    this.#head = this.next(slot);
    return slot;
  }

  /** Takes over all slots of another list; this one is empty. */
  takeAll(other: SlotList): void {
    this.#head = other.#head;
    this.#tail = other.#tail;
    other.#head = END;
    other.#tail = END;
  }

  /** The slot after this one, or END (-1). */
  next(slot: number): number {
    const chunk = this.#chunks[slot >>> CHUNK_SHIFT]!;
    return chunk.f64[chunk.expiresAt + (slot & CHUNK_MASK)]!;
  }

  #link(slot: number, next: number): void {
    const chunk = this.#chunks[slot >>> CHUNK_SHIFT]!;
    chunk.f64[chunk.expiresAt + (slot & CHUNK_MASK)] = next;
  }
}
