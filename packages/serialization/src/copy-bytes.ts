/** Copies between byte arrays, also shared ones, without making a view for the short runs. */

/** Up to here a loop is faster than a view and a call into the engine, and leaves nothing to collect. */
const LOOP_BYTES_MAX = 256;

/** Copies from[start, end) to to[at, ...). The two do not overlap. */
export function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  const length = end - start;
  if (length <= LOOP_BYTES_MAX) {
    for (let index = 0; index < length; index++) to[at + index] = from[start + index]!;
  } else {
    to.set(start === 0 && end === from.length ? from : from.subarray(start, end), at);
  }
}
