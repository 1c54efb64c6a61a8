/**
 * The chunk that a reader is at: which slots the snapshot sees, and which of them a region holds.
 *
 * See region-layout F1 to F5 for the rule that the methods here apply.
 */

import { resolveLane } from '../batch/pending-words.ts';
import { CHUNK_SLOTS_MAX, PENDING_BASE, PENDING_END, TALLY_PENDING } from '../layout.ts';
import { type SlotChunkView, visibleSlots } from '../slots/slot-chunk.ts';
import type { RegionView } from './region-view.ts';
import type { SlotSelection } from './types.ts';

export class ChunkScope {
  chunk: SlotChunkView;
  version = 0;
  /** Slots that the snapshot sees: visible[0, visibleCount), or all of [0, visibleCount) when `selection` is undefined. */
  visibleCount = 0;
  readonly #visible = new Uint16Array(CHUNK_SLOTS_MAX);
  #isWhole = false;
  #tally = 0;
  #maxBegin = 0;

  constructor(chunk: SlotChunkView) {
    this.chunk = chunk;
  }

  /** Moves to a chunk. @returns how many slots a snapshot at `version` sees */
  enter(chunk: SlotChunkView, version: number): number {
    this.chunk = chunk;
    this.version = version;
    // In this order: what is committed between the reads has a version above all that are asked for
    const { used } = chunk;
    this.#tally = chunk.tally;
    this.#maxBegin = chunk.maxBegin;
    this.#isWhole = this.#tally === 0 && this.#maxBegin <= version;
    this.visibleCount = this.#isWhole ? used : visibleSlots(chunk, version, this.#visible);
    return this.visibleCount;
  }

  get selection(): SlotSelection {
    return this.#isWhole ? undefined : this.#visible;
  }

  /** Slots from here on are not visible. */
  get length(): number {
    return this.#isWhole || this.visibleCount === 0 ? this.visibleCount : this.#visible[this.visibleCount - 1]! + 1;
  }

  /** Whether every visible slot is in the region, as far as the chunk's counters show. */
  isFilled(region: RegionView): boolean {
    if (this.length > region.covered) return false;
    if (this.version < region.filledAt) return this.#tally === 0;
    return this.#maxBegin <= region.filledAt && this.#tally < TALLY_PENDING;
  }

  /**
   * Lists those of some visible slots that are not in the region.
   *
   * @param out  room for `count`
   * @returns how many
   */
  unfilled(region: RegionView, selection: SlotSelection, count: number, out: Uint16Array): number {
    const { chunk, version } = this;
    const { f64 } = chunk;
    const { filledAt, covered } = region;
    const isOlder = version < filledAt;
    const lane = isOlder ? chunk.end : chunk.begin;
    let found = 0;
    for (let index = 0; index < count; index++) {
      const slot = selection === undefined ? index : selection[index]!;
      let at = f64[lane + slot]!;
      if (at >= PENDING_BASE && at < PENDING_END) at = resolveLane(chunk.arena, at);
      const isIn = slot < covered && (isOlder ? at > filledAt : at <= filledAt);
      if (!isIn) {
        out[found] = slot;
        found += 1;
      }
    }
    return found;
  }
}
