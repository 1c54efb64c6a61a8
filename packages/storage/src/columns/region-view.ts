/**
 * Regions as the reader's lanes: views over the pages, the dictionary decoded. Kept by serial number, so that a warm
 * scan makes neither views nor strings.
 *
 * region-view R1  A view may be kept longer than its region lives, and is used only after the chunk named the region again
 *                 under the reader epoch, with the same serial number.
 */
import { ValueTag } from '@ashlar/serialization';
import { SEGMENT_MASK, SEGMENT_SHIFT } from '../layout.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import {
  REGION_BIGINTS,
  REGION_CHUNK_REF,
  REGION_CODE_BYTES,
  REGION_CODES,
  REGION_COVERED,
  REGION_DICTIONARY_COUNT,
  REGION_DICTIONARY_STARTS,
  REGION_FILLED,
  REGION_FILLED_AT_F64,
  REGION_HAS_NAN,
  REGION_MAX_F64,
  REGION_MIN_F64,
  REGION_NULLS,
  REGION_NUMBERS,
  REGION_OFFSETS,
  REGION_SERIAL_F64,
  REGION_TAG_MASK,
  REGION_TAGS,
} from './region-layout.ts';

export interface RegionView {
  readonly chunkRef: Ref;
  readonly filledAt: number;
  readonly covered: number;
  readonly filled: number;
  readonly nulls: number;
  readonly tagMask: number;
  /** The tag of all filled slots, unless they differ or some are NULL. */
  readonly uniform: ValueTag | undefined;
  readonly hasNaN: boolean;
  readonly min: number;
  readonly max: number;
  readonly numbers: Float64Array | undefined;
  readonly bigints: BigInt64Array | undefined;
  readonly offsets: Uint32Array | undefined;
  readonly codes: Uint8Array | Uint16Array | undefined;
  readonly tags: Uint8Array | undefined;
  readonly dictionary: readonly string[] | undefined;
}

const REGIONS_MAX = 16_384;
const TEXTS_MAX = 1_000_000;

/** The tag that a mask of one tag stands for; undefined when there are several, none, or NULLs. */
export function uniformOf(tagMask: number): ValueTag | undefined {
  if (tagMask === 0 || (tagMask & (tagMask - 1)) !== 0) return undefined;
  const tag = 31 - Math.clz32(tagMask);
  return tag <= ValueTag.NULL ? undefined : (tag as ValueTag);
}

export class RegionViews {
  readonly #arena: Arena;
  readonly #views = new Map<number, RegionView>();
  #texts = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** The lanes of a region; made once a serial number. */
  of(region: Ref): RegionView {
    const segment = this.#arena.segments[region >>> SEGMENT_SHIFT]!;
    const serial = segment.f64[(region & SEGMENT_MASK) + REGION_SERIAL_F64]!;
    const known = this.#views.get(serial);
    if (known !== undefined) return known;
    const made = viewOf(this.#arena, region);
    this.#texts += made.dictionary?.length ?? 0;
    if (this.#views.size === REGIONS_MAX || this.#texts > TEXTS_MAX) {
      this.#views.clear();
      this.#texts = made.dictionary?.length ?? 0;
    }
    this.#views.set(serial, made);
    return made;
  }
}

function viewOf(arena: Arena, region: Ref): RegionView {
  const { i32, u32, f64, i64, u8, buffer } = arena.segments[region >>> SEGMENT_SHIFT]!;
  const granule = region & SEGMENT_MASK;
  const at = granule << 1;
  const base = granule * 8;
  const covered = i32[at + REGION_COVERED]!;
  const tagMask = i32[at + REGION_TAG_MASK]!;
  const start = (word: number) => i32[at + word]!;
  const lane = <Lane>(word: number, make: (start: number) => Lane): Lane | undefined =>
    start(word) === 0 ? undefined : make(base + start(word));
  const isShort = start(REGION_CODE_BYTES) === 1;
  return {
    chunkRef: u32[at + REGION_CHUNK_REF]!,
    filledAt: f64[granule + REGION_FILLED_AT_F64]!,
    covered,
    filled: start(REGION_FILLED),
    nulls: start(REGION_NULLS),
    tagMask,
    uniform: uniformOf(tagMask),
    hasNaN: start(REGION_HAS_NAN) === 1,
    min: f64[granule + REGION_MIN_F64]!,
    max: f64[granule + REGION_MAX_F64]!,
    numbers: lane(REGION_NUMBERS, (from) => f64.subarray(from / 8, from / 8 + covered)),
    bigints: lane(REGION_BIGINTS, (from) => i64.subarray(from / 8, from / 8 + covered)),
    offsets: lane(REGION_OFFSETS, (from) => u32.subarray(from / 4, from / 4 + covered)),
    codes: lane(REGION_CODES, (from) =>
      isShort ? u8.subarray(from, from + covered) : new Uint16Array(buffer, from, covered),
    ),
    tags: lane(REGION_TAGS, (from) => u8.subarray(from, from + covered)),
    dictionary: lane(REGION_DICTIONARY_STARTS, (from) => textsOf(u8, u32, from, start(REGION_DICTIONARY_COUNT))),
  };
}

/** `utf8Slice` takes memory over a SharedArrayBuffer too, which TextDecoder refuses. */
const { utf8Slice } = Buffer.prototype as unknown as {
  utf8Slice: (this: Uint8Array, start: number, end: number) => string;
};

function textsOf(u8: Uint8Array, u32: Uint32Array, from: number, count: number): readonly string[] {
  const texts = from + (count + 1) * 4;
  return Array.from({ length: count }, (_, code) => {
    const start = u32[from / 4 + code]!;
    return utf8Slice.call(u8, texts + start, texts + u32[from / 4 + code + 1]!);
  });
}
