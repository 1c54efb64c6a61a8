/**
 * Keys back from their canonical bytes (see key-format.ts), and what can be said of a key without decoding it.
 *
 * key-reader R1  No function reads outside [start, end), whatever the bytes are.
 */
import { isUtf8 } from 'node:buffer';
import { GridError } from '@ashlar/core';
import {
  ESCAPE,
  FRACTION_LIMIT,
  invalidKey,
  KEY_BYTES_MAX,
  KEY_TAG,
  type Key,
  type KeyElement,
  keyTooLarge,
  SHORT_DIGITS_MAX,
} from './key-format.ts';
import { readText } from './text.ts';

const TWO_32 = 2 ** 32;
const MALFORMED = -1;

const fractionView = new DataView(new ArrayBuffer(8));

function corruptKey(): GridError {
  return new GridError('CORRUPT_DATA', 'the bytes are not a key');
}

function isNumberTag(tag: number): boolean {
  return tag >= KEY_TAG.NEGATIVE_INFINITY && tag <= KEY_TAG.POSITIVE_INFINITY;
}

/** Where the digits of the number at `at` begin; their count is `digitsEnd` less this. */
function digitsStart(tag: number, at: number): number {
  return tag === KEY_TAG.NEGATIVE_LONG || tag === KEY_TAG.POSITIVE_LONG ? at + 3 : at + 1;
}

/** The offset after the digits of the number at `at`, before its fraction; MALFORMED if they pass `end`. */
function digitsEnd(bytes: Uint8Array, at: number, end: number): number {
  const tag = bytes[at]!;
  if (tag === KEY_TAG.NEGATIVE_INFINITY || tag === KEY_TAG.POSITIVE_INFINITY) return at + 1;
  let after = at + 1 + Math.abs(tag - KEY_TAG.ZERO);
  if (tag === KEY_TAG.NEGATIVE_LONG || tag === KEY_TAG.POSITIVE_LONG) {
    if (at + 3 > end) return MALFORMED;
    const mask = tag < KEY_TAG.ZERO ? 0xff : 0;
    after = at + 3 + (((bytes[at + 1]! ^ mask) << 8) | (bytes[at + 2]! ^ mask));
  }
  return after > end ? MALFORMED : after;
}

function hasFraction(bytes: Uint8Array, at: number, afterDigits: number): boolean {
  if (afterDigits <= digitsStart(bytes[at]!, at)) return false;
  const odd = (bytes[afterDigits - 1]! & 1) === 1;
  return bytes[at]! < KEY_TAG.ZERO ? !odd : odd;
}

/** The offset after the element at `at`, or MALFORMED. Looks at its extent only, not at its form. */
function elementEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return MALFORMED;
  const tag = bytes[at]!;
  if (tag === KEY_TAG.STRING || tag === KEY_TAG.BYTES) {
    for (let next = at + 1; next < end; next++) {
      if (bytes[next] !== 0) continue;
      if (next + 1 >= end || bytes[next + 1] !== ESCAPE) return next + 1;
      next++;
    }
    return MALFORMED;
  }
  if (!isNumberTag(tag)) return MALFORMED;
  const after = digitsEnd(bytes, at, end);
  if (after < 0 || !hasFraction(bytes, at, after)) return after;
  return after + 8 > end ? MALFORMED : after + 8;
}

/**
 * Where the affinity part of a key ends: the offset after its first `parts` elements (0: after all).
 *
 * @throws GridError CORRUPT_DATA when the bytes are no key
 */
export function affinityEnd(bytes: Uint8Array, start: number, end: number, parts: number): number {
  if (start >= end) throw corruptKey();
  if (parts === 0 || bytes[start] !== KEY_TAG.ARRAY) return end;
  let at = start + 1;
  for (let part = 0; part < parts && at < end; part++) {
    at = elementEnd(bytes, at, end);
    if (at < 0) throw corruptKey();
  }
  return at;
}

/** Where the elements of a key begin: after the tag of an array, at the start of a single element. */
export function elementsStart(bytes: Uint8Array, start: number): number {
  return bytes[start] === KEY_TAG.ARRAY ? start + 1 : start;
}

/**
 * The key whose canonical bytes lie in [start, end). Integers come back as numbers while they are safe integers, beyond
 * as bigints, however they were written: they are the same key.
 *
 * @throws GridError CORRUPT_DATA when the bytes are no key
 */
export function decodeKey(bytes: Uint8Array, start = 0, end: number = bytes.length): Key {
  if (start < 0 || end > bytes.length || start >= end) throw corruptKey();
  if (bytes[start] !== KEY_TAG.ARRAY) {
    if (elementEnd(bytes, start, end) !== end) throw corruptKey();
    return decodeElement(bytes, start, end);
  }
  const elements: KeyElement[] = [];
  for (let at = start + 1; at < end; ) {
    const after = elementEnd(bytes, at, end);
    if (after < 0) throw corruptKey();
    elements.push(decodeElement(bytes, at, after));
    at = after;
  }
  if (elements.length === 0) throw corruptKey();
  return elements;
}

function decodeElement(bytes: Uint8Array, at: number, end: number): KeyElement {
  const tag = bytes[at]!;
  if (tag === KEY_TAG.STRING) {
    return bytes.indexOf(0, at + 1) === end - 1 ? readText(bytes, at + 1, end - 1) : unescapedText(bytes, at, end);
  }
  return tag === KEY_TAG.BYTES ? unescaped(bytes, at + 1, end - 1) : decodeNumber(bytes, at, end);
}

function unescapedText(bytes: Uint8Array, at: number, end: number): string {
  const data = unescaped(bytes, at + 1, end - 1);
  return readText(data, 0, data.length);
}

/** A copy of [start, end) without the bytes that escape 0x00. */
function unescaped(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const data = new Uint8Array(end - start);
  let count = 0;
  for (let at = start; at < end; at++) {
    data[count++] = bytes[at]!;
    if (bytes[at] === 0) at++;
  }
  return count === data.length ? data : data.slice(0, count);
}

function decodeNumber(bytes: Uint8Array, at: number, end: number): number | bigint {
  const tag = bytes[at]!;
  if (tag === KEY_TAG.POSITIVE_INFINITY) return Infinity;
  if (tag === KEY_TAG.NEGATIVE_INFINITY) return -Infinity;
  const negative = tag < KEY_TAG.ZERO;
  const mask = negative ? 0xff : 0;
  const first = digitsStart(tag, at);
  const afterDigits = digitsEnd(bytes, at, end);
  const doubled = digitsValue(bytes, first, afterDigits, mask);
  if (typeof doubled === 'bigint') {
    const whole = doubled / 2n;
    const value = whole <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(whole) : whole;
    return negative ? -value : value;
  }
  let value = Math.floor(doubled / 2);
  if (afterDigits < end) {
    for (let index = 0; index < 8; index++) fractionView.setUint8(index, bytes[afterDigits + index]! ^ mask);
    value += fractionView.getFloat64(0);
  }
  return negative ? -value : value;
}

/** The digits as a number while that is exact, else as a bigint. */
function digitsValue(bytes: Uint8Array, first: number, after: number, mask: number): number | bigint {
  if (after - first <= 6) {
    let value = 0;
    for (let at = first; at < after; at++) value = value * 256 + (bytes[at]! ^ mask);
    return value;
  }
  if (after - first <= SHORT_DIGITS_MAX) {
    let high = 0;
    let low = 0;
    for (let at = first; at < after - 4; at++) high = high * 256 + (bytes[at]! ^ mask);
    for (let at = after - 4; at < after; at++) low = low * 256 + (bytes[at]! ^ mask);
    const value = high * TWO_32 + low;
    return value <= Number.MAX_SAFE_INTEGER ? value : BigInt(high) * BigInt(TWO_32) + BigInt(low);
  }
  const digits = Buffer.alloc(after - first);
  for (let at = first; at < after; at++) digits[at - first] = bytes[at]! ^ mask;
  return BigInt(`0x${digits.toString('hex')}`);
}

/**
 * Refuses bytes that are not the canonical encoding of a key (key-format K4). For keys that come from outside.
 *
 * @throws GridError INVALID_KEY or KEY_TOO_LARGE
 */
export function checkKey(bytes: Uint8Array, start: number, end: number): void {
  if (start < 0 || end > bytes.length || start >= end) throw invalidKey('no bytes');
  if (end - start > KEY_BYTES_MAX) throw keyTooLarge();
  const isArray = bytes[start] === KEY_TAG.ARRAY;
  let at = isArray ? start + 1 : start;
  let count = 0;
  while (at < end) {
    const after = elementEnd(bytes, at, end);
    if (after < 0 || !isCanonicalElement(bytes, at, after)) throw invalidKey('its bytes are not in canonical form');
    at = after;
    count++;
  }
  if (count === 0 || (!isArray && count > 1)) throw invalidKey('its bytes are not in canonical form');
}

function isCanonicalElement(bytes: Uint8Array, at: number, end: number): boolean {
  const tag = bytes[at]!;
  if (tag === KEY_TAG.BYTES) return true;
  if (tag === KEY_TAG.STRING) return isWellFormedText(bytes, at + 1, end - 1);
  return isCanonicalNumber(bytes, at, end);
}

function isWellFormedText(bytes: Uint8Array, start: number, end: number): boolean {
  let seen = 0;
  for (let at = start; at < end; at++) {
    seen |= bytes[at]!;
    if (bytes[at] === 0) at++;
  }
  return seen < 0x80 || isUtf8(unescaped(bytes, start, end));
}

function isCanonicalNumber(bytes: Uint8Array, at: number, end: number): boolean {
  const tag = bytes[at]!;
  if (tag === KEY_TAG.POSITIVE_INFINITY || tag === KEY_TAG.NEGATIVE_INFINITY || tag === KEY_TAG.ZERO) return true;
  const mask = tag < KEY_TAG.ZERO ? 0xff : 0;
  const first = digitsStart(tag, at);
  const afterDigits = digitsEnd(bytes, at, end);
  const isLong = first === at + 3;
  if (afterDigits === first || (isLong && afterDigits - first <= SHORT_DIGITS_MAX)) return false;
  if (bytes[first] === mask) return false;
  if (afterDigits === end) return true;
  const doubled = digitsValue(bytes, first, afterDigits, mask);
  if (typeof doubled === 'bigint' || doubled >= FRACTION_LIMIT * 2) return false;
  for (let index = 0; index < 8; index++) fractionView.setUint8(index, bytes[afterDigits + index]! ^ mask);
  const fraction = fractionView.getFloat64(0);
  const whole = Math.floor(doubled / 2);
  return fraction > 0 && fraction < 1 && whole + fraction - whole === fraction;
}

/** Negative, 0 or positive as key `a` sorts before, with or after key `b` (key-format K2). */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length);
}

/** The same for keys that lie somewhere in larger memory. */
export function compareBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const common = Math.min(aEnd - aStart, bEnd - bStart);
  for (let index = 0; index < common; index++) {
    const difference = a[aStart + index]! - b[bStart + index]!;
    if (difference !== 0) return difference;
  }
  return aEnd - aStart - (bEnd - bStart);
}
