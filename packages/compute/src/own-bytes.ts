import { copyBytes } from '@ashlar/serialization';

/** A copy of from[start, end) in memory that is not shared: what may be kept, sent, or shown to user code. */
export function ownBytes(from: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start);
  copyBytes(from, start, end, copy, 0);
  return copy;
}
