/**
 * What is held at the key gate, named by a number, so that a call costs no string. A key's lock id is a hash of map and
 * key, which two keys may share: then one waits for the other without need, and whoever asks for the same key compares
 * its bytes.
 */
import { randomInt } from 'node:crypto';
import { hashBytes } from '@ashlar/serialization';

/** Id of a lock: a key is 0 .. 2^31 - 1, a partition is negative. */
export type LockId = number;

/** Secret, so that nobody outside can choose keys that share a lock id. */
const SEED = randomInt(2 ** 32);
const MAP_STEP = 0x9e37_79b9;

/** The lock id of the key whose canonical bytes are bytes[start, end). */
export function keyLockId(mapId: number, bytes: Uint8Array, start: number, end: number): LockId {
  return hashBytes(bytes, start, end, (SEED + Math.imul(mapId, MAP_STEP)) | 0) >>> 1;
}

/** The lock id of a whole partition, which is held while a statement stages in it. */
export function partitionLockId(partition: number): LockId {
  return -1 - partition;
}
