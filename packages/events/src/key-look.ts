/**
 * For conditions that begin with `__key = 'text'` or `__key IN ('text', ...)`: a look at the bytes of a record's key that says
 * that the record is not wanted. To watch a few keys is what most subscriptions are for, and decoding every key that is written,
 * for each of them, was most of their cost.
 *
 * key-look K1  It says nothing but "not wanted", only of keys that are texts, and only where the condition says the same
 *              (equality E1).
 */
import { encodeKey } from '@ashlar/serialization';
import type { Equality } from './equality.ts';

/** Texts beyond which the condition is asked itself. */
const TEXTS_MAX = 16;

export class KeyLook {
  readonly #keys: readonly Uint8Array[];

  private constructor(keys: readonly Uint8Array[]) {
    this.#keys = keys;
  }

  /** @param equality  what the condition begins with; answers undefined where that is not the key, or not a few texts */
  static of({ column, constants, kind }: Equality): KeyLook | undefined {
    if (column.source !== 'key' || kind !== 'string' || constants.length > TEXTS_MAX) return undefined;
    return new KeyLook(constants.map((text) => encodeKey(text)));
  }

  /** Whether the key in bytes[start, end) does not meet the condition; false: it may, or it is for the condition to say. */
  excludes(bytes: Uint8Array, start: number, end: number): boolean {
    if (bytes[start] !== this.#keys[0]![0]) return false;
    for (const key of this.#keys) if (isSame(key, bytes, start, end)) return false;
    return true;
  }
}

function isSame(key: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false;
  for (let at = key.length - 1; at >= 0; at--) if (bytes[start + at] !== key[at]) return false;
  return true;
}
