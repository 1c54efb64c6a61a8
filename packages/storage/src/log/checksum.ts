/** The checksum of log records: MurmurHash3_x86_32 over key and value, with the record's numbers mixed in. */

import { SEGMENT_MASK, SEGMENT_SHIFT } from '../layout.ts';
import type { Arena, Ref } from '../memory/arena.ts';

const { imul } = Math;

/**
 * murmur3 (serialization) of `length` bytes that begin at a word boundary, a word at a time.
 *
 * @param offset  bytes from the start of the block, a multiple of 4
 * @returns 32 bits, signed
 */
export function murmurOfBlock(arena: Arena, block: Ref, offset: number, length: number, seed: number): number {
  const i32 = arena.segments[block >>> SEGMENT_SHIFT]!.i32;
  const first = ((block & SEGMENT_MASK) << 1) + (offset >> 2);
  return finishMurmur(i32, first + (length >> 2), length, mixWords(i32, first, length >> 2, seed));
}

/** The first part of murmur3: mixes whole words into the hash. */
export function mixWords(i32: Int32Array, first: number, words: number, seed: number): number {
  let hash = seed | 0;
  for (let word = 0; word < words; word++) {
    const mixed = imul(i32[first + word]!, 0xcc9e2d51);
    hash ^= imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
    hash = (imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  return hash;
}

/**
 * The second part: the bytes that fill no word, and the length.
 *
 * @param tail    the word in which they lie
 * @param length  bytes of all
 */
export function finishMurmur(i32: Int32Array, tail: number, length: number, hash: number): number {
  const tailBytes = length & 3;
  if (tailBytes === 0) return finish(hash ^ length);
  const mixed = imul(i32[tail]! & ((1 << (tailBytes * 8)) - 1), 0xcc9e2d51);
  return finish(hash ^ imul((mixed << 15) | (mixed >>> 17), 0x1b873593) ^ length);
}

/** Mixes an integer of up to 53 bits into a checksum. */
export function mixNumber(checksum: number, value: number): number {
  let hash = checksum;
  hash = imul(hash ^ (value | 0), 0x9e3779b1);
  hash ^= hash >>> 15;
  hash = imul(hash ^ Math.floor(value / 4294967296), 0x85ebca77);
  return hash ^ (hash >>> 13);
}

function finish(value: number): number {
  let hash = imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
