/** Copies between byte arrays, also shared ones; short runs without a call into the engine. */

const SHORT_BYTES = 48;

export function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start <= SHORT_BYTES) {
    for (let index = start; index < end; index++) to[at++] = from[index]!;
  } else {
    to.set(start === 0 && end === from.length ? from : from.subarray(start, end), at);
  }
}

/** A copy in memory that is not shared: what may be kept, sent, or shown to user code. */
export function ownBytes(from: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start);
  copyBytes(from, start, end, copy, 0);
  return copy;
}
