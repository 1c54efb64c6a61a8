/**
 * In which partition a key lies. Fixed for ever: clients in other languages compute it too
 * (test vectors: protos/vectors/keys.json).
 *
 *   partition = murmur3_x86_32(canonical bytes of the affinity part, seed 0) mod partitionCount
 *
 * The affinity part of an array key is its first `affinityParts` elements (0: all), without the array's tag; a single
 * element counts as an array of one. So k, [k] and, with affinityParts 1, [k, x] lie in one partition.
 */
import { murmur3 } from './hash.ts';
import { affinityEnd, elementsStart } from './key-reader.ts';

const SEED = 0;

/**
 * The hash of the affinity part of the key whose canonical bytes lie in [start, end).
 *
 * @returns an unsigned 32-bit number
 * @throws GridError CORRUPT_DATA when the bytes are no key
 */
export function partitionHash(bytes: Uint8Array, start: number, end: number, affinityParts: number): number {
  return murmur3(bytes, elementsStart(bytes, start), affinityEnd(bytes, start, end, affinityParts), SEED);
}

/** The partition, 0 .. partitionCount - 1, of the key whose canonical bytes lie in [start, end). */
export function partitionOf(
  bytes: Uint8Array,
  start: number,
  end: number,
  affinityParts: number,
  partitionCount: number,
): number {
  return partitionHash(bytes, start, end, affinityParts) % partitionCount;
}
