/** Keys as the grid takes them. */
import { GridError } from '@ashlar/core';
import type { KeyWriter } from '@ashlar/serialization';

/** Of the key that was written last. @throws GridError KEY_TOO_LARGE */
export function checkKeyLength({ start, end }: KeyWriter, keyBytesMax: number): void {
  if (end - start <= keyBytesMax) return;
  throw new GridError('KEY_TOO_LARGE', `the key has ${end - start} bytes, this grid takes at most ${keyBytesMax}`, {
    hint: 'limits.keyBytes of the members',
    details: { limitBytes: keyBytesMax },
  });
}
