/**
 * How long an encoded key and a value may be (`limits.keyBytes`, `limits.valueBytes`), for every way by which an entry is
 * written. Values that callers send themselves are measured as they are read.
 */
import { GridError } from '@ashlar/core';

export class EntryLimits {
  readonly #keyBytesMax: number;
  readonly #valueBytesMax: number;

  constructor(limits: { readonly keyBytesMax: number; readonly valueBytesMax: number }) {
    this.#keyBytesMax = limits.keyBytesMax;
    this.#valueBytesMax = limits.valueBytesMax;
  }

  /** @throws GridError KEY_TOO_LARGE, VALUE_TOO_LARGE */
  check(keyBytes: number, valueBytes: number): void {
    this.checkKey(keyBytes);
    this.checkValue(valueBytes);
  }

  /** @throws GridError KEY_TOO_LARGE */
  checkKey(keyBytes: number): void {
    const limitBytes = this.#keyBytesMax;
    if (keyBytes <= limitBytes) return;
    throw new GridError('KEY_TOO_LARGE', `the key has ${keyBytes} bytes, this grid takes at most ${limitBytes}`, {
      hint: 'limits.keyBytes of the members',
      details: { limitBytes },
    });
  }

  /** @throws GridError VALUE_TOO_LARGE */
  checkValue(valueBytes: number): void {
    const limitBytes = this.#valueBytesMax;
    if (valueBytes <= limitBytes) return;
    throw new GridError('VALUE_TOO_LARGE', `the value has ${valueBytes} bytes, this grid takes at most ${limitBytes}`, {
      hint: 'limits.valueBytes of the members',
      details: { limitBytes },
    });
  }
}
