/**
 * The operations that every subject of `kv` gets, in the same order, and the answers that are right.
 *
 * Operation i reads or writes key[i]; a write stores a value that names its key and i. So the last value of a key is the
 * one of its last write in the sequence, and a read may only see a write that was asked for and not yet followed by an
 * answered one.
 */
import { seededRandom } from '@ashlar/core';

export const KEY_COUNT = 100_000;
/** As in YCSB. */
const ZIPF_EXPONENT = 0.99;
const KEY_DIGITS = 6;

export const KEYS: readonly string[] = Array.from({ length: KEY_COUNT }, (_, key) => `key:${digits(key, KEY_DIGITS)}`);

export interface Sequence {
  /** Index of the key of each operation. */
  readonly keys: Uint32Array;
  /** 1 for writes. */
  readonly writes: Uint8Array;
}

/**
 * @param writeShare  of 0..1
 * @param keyCount    the first so many of KEYS are used
 * @param lanes       operation i is for lane i % lanes, and so is its key: connections keep no order among each other
 */
export function makeSequence(seed: number, count: number, writeShare: number, keyCount: number, lanes = 1): Sequence {
  const random = seededRandom(seed);
  const used = keyCount - (keyCount % lanes);
  const cumulative = zipfTable(used);
  const ranked = shuffledKeys(random, used);
  const keys = new Uint32Array(count);
  const writes = new Uint8Array(count);
  for (let at = 0; at < count; at++) {
    const key = ranked[rankOf(cumulative, random.next())]!;
    keys[at] = key - (key % lanes) + (at % lanes);
    writes[at] = random.next() < writeShare ? 1 : 0;
  }
  return { keys, writes };
}

/** Sum over the keys of a sequence, `count` from `first` on, of a hash of what each should hold after it. */
export function expectedChecksum(
  { keys, writes }: Sequence,
  { count, first }: { readonly count: number; readonly first: number },
): number {
  const last = new Int32Array(count).fill(-1);
  for (let at = 0; at < keys.length; at++) if (writes[at] === 1) last[keys[at]!] = at;
  return last.reduce((sum, operation, key) => checksumStep(sum, first + key, operation), 0);
}

export function checksumStep(sum: number, key: number, operation: number): number {
  return (sum + Math.imul(key + 1, 0x9e37_79b1) + Math.imul(operation + 2, 0x85eb_ca6b)) >>> 0;
}

/** The decimal digits between two places of a text. */
export function numberIn(text: string, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 10 + text.charCodeAt(at) - 0x30;
  return value;
}

export function digits(value: number, length: number): string {
  return String(value).padStart(length, '0');
}

function zipfTable(keyCount: number): Float64Array {
  const cumulative = new Float64Array(keyCount);
  let sum = 0;
  for (let rank = 0; rank < keyCount; rank++) {
    sum += 1 / (rank + 1) ** ZIPF_EXPONENT;
    cumulative[rank] = sum;
  }
  return cumulative.map((value) => value / sum);
}

function rankOf(cumulative: Float64Array, share: number): number {
  let low = 0;
  let high = cumulative.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (cumulative[middle]! < share) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** So that the hot keys are not neighbours. */
function shuffledKeys(random: { next(): number }, keyCount: number): Uint32Array {
  const keys = Uint32Array.from({ length: keyCount }, (_, key) => key);
  for (let at = keyCount - 1; at > 0; at--) {
    const other = Math.floor(random.next() * (at + 1));
    [keys[at], keys[other]] = [keys[other]!, keys[at]!];
  }
  return keys;
}
