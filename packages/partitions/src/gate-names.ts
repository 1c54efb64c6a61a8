/**
 * Names at the gate: a number, so that a call costs no string. A key's name is a hash of map and key, which two keys may
 * share: then one waits for the other without need, and whoever asks for the same key compares its bytes.
 */
import { randomInt } from 'node:crypto';
import { hashBytes } from '@ashlar/serialization';

/** What is held at the gate: a key is 0 .. 2^31 - 1, a partition is negative. */
export type GateName = number;

/** Nobody outside can choose keys that share a name. */
const SEED = randomInt(2 ** 32);
const MAP_STEP = 0x9e37_79b9;

/** The name of the key whose canonical bytes are bytes[start, end). */
export function keyGateName(mapId: number, bytes: Uint8Array, start: number, end: number): GateName {
  return hashBytes(bytes, start, end, (SEED + Math.imul(mapId, MAP_STEP)) | 0) >>> 1;
}

/** A whole partition is held while a statement stages in it. */
export function partitionGateName(partition: number): GateName {
  return -1 - partition;
}
