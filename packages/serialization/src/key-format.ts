/**
 * The canonical bytes of a key: equal keys have equal bytes, and memcmp order of bytes is the order of keys.
 *
 *   number   tag, then the digits of 2 x |integer part| (+ 1 if a fraction follows), shortest big-endian, then the
 *            fraction as 8 bytes (the float64 bits of a number between 0 and 1, big-endian). A negative number has all
 *            bytes after its tag inverted.
 *              0x20       0
 *              0x20 + n   positive, n = 1..8 digits          0x20 - n   negative
 *              0x29       positive, 2 bytes of length n      0x17       negative (length inverted too)
 *              0x2a       +Infinity                          0x16       -Infinity
 *   string   0x40, UTF-8 with each 0x00 written as 0x00 0xff, then 0x00
 *   bytes    0x50, the bytes with each 0x00 written as 0x00 0xff, then 0x00
 *   array    0x60, then its elements, one after the other, to the end of the key
 *
 * key-format K1  Integral numbers and bigints of equal value have the same bytes; -0 has those of 0.
 * key-format K2  numbers < strings (in code point order) < bytes < arrays (element by element, a prefix first).
 * key-format K3  Every element ends by itself, so the first elements of an array are a prefix of its bytes after the tag,
 *                and the bytes of [k, x] after the tag start with the bytes of k: co-location hashes both alike.
 * key-format K4  A key has one encoding only: `checkKey` refuses every other form, so that two writers cannot make two
 *                entries of one key.
 *
 * The form follows the tuple layer of FoundationDB, but keeps one numeric order over integers and fractions.
 */
import { GridError } from '@ashlar/core';

/** A value that may be a key. Same shape as GridKey of `@ashlar/api`. */
export type Key = KeyElement | readonly KeyElement[];
export type KeyElement = string | number | bigint | Uint8Array;

/** Bytes of one encoded key, at most. */
export const KEY_BYTES_MAX = 65_536;

export const KEY_TAG = {
  NEGATIVE_INFINITY: 0x16,
  NEGATIVE_LONG: 0x17,
  ZERO: 0x20,
  POSITIVE_LONG: 0x29,
  POSITIVE_INFINITY: 0x2a,
  STRING: 0x40,
  BYTES: 0x50,
  ARRAY: 0x60,
} as const;

/** Digits a number's tag can count; longer ones have a length of their own. */
export const SHORT_DIGITS_MAX = 8;
/** From here on doubles have no fraction, and twice their value is no safe integer. */
export const FRACTION_LIMIT = 2 ** 52;
/** Follows a 0x00 that is data. */
export const ESCAPE = 0xff;

export function invalidKey(reason: string): GridError {
  return new GridError('INVALID_KEY', `invalid key: ${reason}`, {
    hint: 'a key is a string, number, bigint, Uint8Array, or an array of those',
  });
}

export function keyTooLarge(): GridError {
  return new GridError('KEY_TOO_LARGE', `an encoded key has at most ${KEY_BYTES_MAX} bytes`, {
    details: { limitBytes: KEY_BYTES_MAX },
  });
}
