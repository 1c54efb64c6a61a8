/**
 * The two hashes of keys.
 *
 *   murmur3     says in which partition a key lies: fixed for ever, the same in every language, not keyed
 *   hashBytes   finds a key inside one member: keyed per process, so that nobody outside can choose keys that collide
 *
 * The second is no seeded murmur: murmur has sets of inputs that collide under every seed.
 */
const { imul } = Math;

/**
 * MurmurHash3_x86_32 (Austin Appleby, public domain) of bytes[start, end).
 *
 * @returns an unsigned 32-bit number
 */
export function murmur3(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed | 0;
  const tail = start + ((end - start) & ~3);
  for (let at = start; at < tail; at += 4) {
    const block = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    hash ^= scrambled(block);
    hash = (imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  for (let at = end - 1; at >= tail; at--) rest = (rest << 8) | bytes[at]!;
  if (tail < end) hash ^= scrambled(rest);
  hash ^= end - start;
  hash = imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scrambled(block: number): number {
  const mixed = imul(block, 0xcc9e2d51);
  return imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

/**
 * HalfSipHash-1-3 (Aumasson and Bernstein's SipHash on 32-bit words, as Linux keys its hash tables) of bytes[start, end),
 * under a key spread from `seed`. Take the seed from a secure random source at start, and never send or store a hash.
 *
 * @param seed  32 bits; the same seed gives the same hashes
 * @returns an unsigned 32-bit number
 */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed: number): number {
  const spread = imul((seed ^ (seed >>> 16)) + 0x9e3779b9, 0x85ebca6b);
  return halfSipHash(bytes, start, end, seed | 0, imul(spread ^ (spread >>> 13), 0xc2b2ae35));
}

/** HalfSipHash-1-3 with the 64-bit key (key0, key1), 32 bits of output. One loop, unrolled by hand: it is hot. */
export function halfSipHash(bytes: Uint8Array, start: number, end: number, key0: number, key1: number): number {
  let v0 = key0;
  let v1 = key1;
  let v2 = key0 ^ 0x6c796765;
  let v3 = key1 ^ 0x74656462;
  const length = end - start;
  const tail = start + (length & ~3);
  let word = 0;
  // Every word gets one round; then 0xff goes into v2 and three more rounds finish.
  for (let at = start, finish = 0; finish < 4; ) {
    if (at < tail) {
      word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      at += 4;
    } else if (finish === 0) {
      word = length << 24;
      for (let shift = 0; at + (shift >>> 3) < end; shift += 8) word |= bytes[at + (shift >>> 3)]! << shift;
      finish = 1;
    } else {
      if (finish === 1) v2 ^= 0xff;
      word = 0;
      finish += 1;
    }
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return (v1 ^ v3) >>> 0;
}
