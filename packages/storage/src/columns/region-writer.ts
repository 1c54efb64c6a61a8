/** Writes the rows of a buffer into leased pages: the lanes they need, in the order of region-layout.ts. */
import { ValueTag } from '@ashlar/serialization';
import { SEGMENT_MASK, SEGMENT_SHIFT } from '../layout.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { type PageRuns, runRef } from './page-runs.ts';
import {
  REGION_BIGINTS,
  REGION_BYTES,
  REGION_CHUNK_REF,
  REGION_CODE_BYTES,
  REGION_CODES,
  REGION_COVERED,
  REGION_DICTIONARY_COUNT,
  REGION_DICTIONARY_STARTS,
  REGION_FILLED,
  REGION_FILLED_AT_F64,
  REGION_HAS_NAN,
  REGION_HEAD_BYTES,
  REGION_MAX_F64,
  REGION_MIN_F64,
  REGION_NULLS,
  REGION_NUMBERS,
  REGION_OFFSETS,
  REGION_SERIAL_F64,
  REGION_TAG_MASK,
  REGION_TAGS,
} from './region-layout.ts';
import type { RowBuffer } from './row-buffer.ts';

const NUMBER_TAGS = (1 << ValueTag.BOOLEAN) | (1 << ValueTag.NUMBER) | (1 << ValueTag.TIMESTAMP);
const NULL_TAGS = (1 << ValueTag.MISSING) | (1 << ValueTag.NULL);
const BIGINT_TAG = 1 << ValueTag.BIGINT;
const TEXT_TAG = 1 << ValueTag.TEXT;
/** A dictionary of more texts needs codes of two bytes. */
const SHORT_CODES_MAX = 256;

/** Byte offsets of the lanes; 0: absent. */
interface Plan {
  readonly numbers: number;
  readonly bigints: number;
  readonly offsets: number;
  readonly codes: number;
  readonly codeBytes: number;
  readonly tags: number;
  readonly dictionary: number;
  readonly bytes: number;
}

/** Lays out the lanes that the rows need. */
function planOf(rows: RowBuffer): Plan {
  const { tagMask, covered, dictionary } = rows;
  const values = tagMask & ~NULL_TAGS;
  const hasCodes = (values & TEXT_TAG) !== 0 && dictionary.isUseful;
  const hasBigints = (values & BIGINT_TAG) !== 0 && !rows.hasWideBigint;
  const byOffset = values & ~NUMBER_TAGS & ~(hasCodes ? TEXT_TAG : 0) & ~(hasBigints ? BIGINT_TAG : 0);
  const codeBytes = hasCodes ? (dictionary.count <= SHORT_CODES_MAX ? 1 : 2) : 0;
  const isUniform = tagMask === values && (values & (values - 1)) === 0;
  let at = REGION_HEAD_BYTES;
  const lane = (isNeeded: boolean, bytes: number): number => {
    if (!isNeeded) return 0;
    const start = at;
    at = (at + bytes + 7) & ~7;
    return start;
  };
  const numbers = lane((values & NUMBER_TAGS) !== 0, covered * 8);
  const bigints = lane(hasBigints, covered * 8);
  const offsets = lane(byOffset !== 0, covered * 4);
  const codes = lane(hasCodes, covered * codeBytes);
  const tags = lane(!isUniform, covered);
  const starts = (dictionary.count + 1) * 4;
  const texts = hasCodes ? dictionary.starts[dictionary.count]! : 0;
  const dictionaryAt = lane(hasCodes, starts + texts);
  return { numbers, bigints, offsets, codes, codeBytes, tags, dictionary: dictionaryAt, bytes: at };
}

export interface WrittenRegion {
  readonly region: Ref;
  readonly pages: Int32Array;
}

/**
 * Fills a run of leased pages with the rows.
 *
 * @param filledAt  version of the snapshot that they were read under
 * @param serial    distinguishes the region from all others
 * @returns undefined when no run is large enough
 */
export function writeRegion(
  arena: Arena,
  runs: PageRuns,
  rows: RowBuffer,
  chunkRef: Ref,
  filledAt: number,
  serial: number,
): WrittenRegion | undefined {
  const plan = planOf(rows);
  const pages = runs.take(plan.bytes);
  if (pages === undefined) return undefined;
  const region = runRef(pages);
  writeHead(arena, region, plan, rows, chunkRef, filledAt, serial);
  writeLanes(arena, region, plan, rows);
  return { region, pages };
}

function writeHead(
  arena: Arena,
  region: Ref,
  plan: Plan,
  rows: RowBuffer,
  chunkRef: Ref,
  filledAt: number,
  serial: number,
): void {
  const { i32, u32, f64 } = arena.segments[region >>> SEGMENT_SHIFT]!;
  const granule = region & SEGMENT_MASK;
  const at = granule << 1;
  i32.fill(0, at, at + REGION_HEAD_BYTES / 4);
  f64[granule + REGION_FILLED_AT_F64] = filledAt;
  i32[at + REGION_COVERED] = rows.covered;
  i32[at + REGION_TAG_MASK] = rows.tagMask;
  i32[at + REGION_NULLS] = rows.nulls;
  i32[at + REGION_FILLED] = rows.filled;
  u32[at + REGION_CHUNK_REF] = chunkRef;
  i32[at + REGION_NUMBERS] = plan.numbers;
  i32[at + REGION_BIGINTS] = plan.bigints;
  i32[at + REGION_OFFSETS] = plan.offsets;
  i32[at + REGION_CODES] = plan.codes;
  i32[at + REGION_CODE_BYTES] = plan.codeBytes;
  i32[at + REGION_TAGS] = plan.tags;
  i32[at + REGION_DICTIONARY_STARTS] = plan.dictionary;
  i32[at + REGION_DICTIONARY_COUNT] = plan.codes === 0 ? 0 : rows.dictionary.count;
  i32[at + REGION_HAS_NAN] = rows.hasNaN ? 1 : 0;
  i32[at + REGION_BYTES] = plan.bytes;
  f64[granule + REGION_SERIAL_F64] = serial;
  f64[granule + REGION_MIN_F64] = rows.min;
  f64[granule + REGION_MAX_F64] = rows.max;
}

function writeLanes(arena: Arena, region: Ref, plan: Plan, rows: RowBuffer): void {
  const { u8, u32, f64, i64, buffer } = arena.segments[region >>> SEGMENT_SHIFT]!;
  const granule = region & SEGMENT_MASK;
  const base = granule * 8;
  const { covered, dictionary } = rows;
  if (plan.numbers !== 0) f64.set(rows.numbers.subarray(0, covered), granule + plan.numbers / 8);
  if (plan.bigints !== 0) i64.set(rows.bigints.subarray(0, covered), granule + plan.bigints / 8);
  if (plan.offsets !== 0) u32.set(rows.offsets.subarray(0, covered), (base + plan.offsets) / 4);
  if (plan.tags !== 0) u8.set(rows.tags.subarray(0, covered), base + plan.tags);
  if (plan.codes === 0) return;
  if (plan.codeBytes === 2) new Uint16Array(buffer, base + plan.codes, covered).set(rows.codes.subarray(0, covered));
  else for (let slot = 0; slot < covered; slot++) u8[base + plan.codes + slot] = rows.codes[slot]!;
  const starts = (base + plan.dictionary) / 4;
  u32.set(dictionary.starts.subarray(0, dictionary.count + 1), starts);
  u8.set(
    dictionary.bytes.subarray(0, dictionary.starts[dictionary.count]),
    base + plan.dictionary + (dictionary.count + 1) * 4,
  );
}
