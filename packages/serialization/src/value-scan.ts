/**
 * The extent and the well-formedness of encoded values, without decoding them.
 *
 * value-scan S1  No function reads outside [at, end), whatever the bytes are; each terminates after at most end - at steps.
 */
import { GridError } from '@ashlar/core';
import { uint16, uint32 } from './big-endian.ts';
import { checkDecimal, timestampMs } from './value-extensions.ts';
import { corruptValue, EXTENSION, SIZE_OF, VALUE_BYTES_MAX, VALUE_DEPTH_MAX } from './value-format.ts';

const TOO_SHORT = -1;

/** Bytes of length behind the token of a str, bin or ext of variable size; 0 for other tokens. */
function lengthBytes(token: number): number {
  if (token === 0xd9 || token === 0xc4 || token === 0xc7) return 1;
  if (token === 0xda || token === 0xc5 || token === 0xc8) return 2;
  return token === 0xdb || token === 0xc6 || token === 0xc9 ? 4 : 0;
}

/** The offset after a str, bin or ext of variable size at `at`; TOO_SHORT if it passes `end`, throws for any other token. */
function variableEnd(bytes: Uint8Array, at: number, end: number): number {
  const token = bytes[at]!;
  const width = lengthBytes(token);
  if (width === 0) throw corruptValue(`0x${token.toString(16)} is no MessagePack`, at);
  if (at + 1 + width > end) return TOO_SHORT;
  const length = width === 1 ? bytes[at + 1]! : width === 2 ? uint16(bytes, at + 1) : uint32(bytes, at + 1);
  return at + 1 + width + length + (token >= 0xc7 && token <= 0xc9 ? 1 : 0);
}

/** Bytes of the header of the map or array whose token this is; 0 for other tokens. */
export function containerHeaderBytes(token: number): number {
  if (token >= 0x80 && token < 0xa0) return 1;
  if (token === 0xdc || token === 0xde) return 3;
  return token === 0xdd || token === 0xdf ? 5 : 0;
}

export function isMapToken(token: number): boolean {
  return (token & 0xf0) === 0x80 || token === 0xde || token === 0xdf;
}

/** Elements of the array, or pairs of the map, whose header of `headerBytes` lies at `at`. */
export function containerCount(bytes: Uint8Array, at: number, headerBytes: number): number {
  if (headerBytes === 1) return bytes[at]! & 0x0f;
  return headerBytes === 3 ? uint16(bytes, at + 1) : uint32(bytes, at + 1);
}

/**
 * The offset after the element at `at`. Containers are walked without recursion.
 *
 * @throws GridError CORRUPT_DATA when the element passes `end` or is no MessagePack
 */
export function elementEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  for (let pending = 1; pending > 0; pending--) {
    if (at >= end) throw corruptValue('it ends too early', at);
    const token = bytes[at]!;
    const size = SIZE_OF[token]!;
    const headerBytes = size === 0 ? containerHeaderBytes(token) : 0;
    if (size !== 0) {
      at += size;
    } else if (headerBytes === 0) {
      at = variableEnd(bytes, at, end);
    } else if (at + headerBytes <= end) {
      const count = containerCount(bytes, at, headerBytes);
      pending += isMapToken(token) ? count * 2 : count;
      at += headerBytes;
    } else {
      at = TOO_SHORT;
    }
    if (at < 0 || at > end) throw corruptValue('it ends too early', start);
  }
  return at;
}

/**
 * At least the elements of the value in [start, end), those within others too; exact only about whether they are fewer
 * than `countMax`.
 *
 * @throws GridError CORRUPT_DATA
 */
export function elementsUpTo(bytes: Uint8Array, start: number, end: number, countMax: number): number {
  // Each has a byte at least.
  if (end - start < countMax) return end - start;
  let at = start;
  let count = 0;
  while (at < end && count < countMax) {
    const headerBytes = containerHeaderBytes(bytes[at]!);
    at = headerBytes === 0 ? elementEnd(bytes, at, end) : at + headerBytes;
    count++;
  }
  return count;
}

/**
 * Whether the bytes in [start, end) are one whole value as ValueWriter could have written it: nothing missing, nothing
 * behind it, no unknown extension, names that are strings, at most VALUE_DEPTH_MAX deep. For values from outside.
 *
 * @throws GridError INVALID_VALUE, with the place as cause; VALUE_TOO_LARGE
 */
export function checkValue(bytes: Uint8Array, start: number, end: number, bytesMax: number = VALUE_BYTES_MAX): void {
  if (end - start > bytesMax) {
    throw new GridError('VALUE_TOO_LARGE', `a value has at most ${bytesMax} bytes, not ${end - start}`);
  }
  try {
    if (start < 0 || end > bytes.length) throw corruptValue('it lies outside its memory', start);
    const after = checkElement(bytes, start, end, 0);
    if (after !== end) throw corruptValue('something follows it', after);
  } catch (cause) {
    throw new GridError('INVALID_VALUE', cause instanceof Error ? cause.message : 'not a value', { cause });
  }
}

function checkElement(bytes: Uint8Array, at: number, end: number, depth: number): number {
  if (at >= end) throw corruptValue('it ends too early', at);
  const token = bytes[at]!;
  const headerBytes = containerHeaderBytes(token);
  if (headerBytes === 0) {
    const after = elementEnd(bytes, at, end);
    if (isExtensionToken(token)) checkExtension(bytes, at, after);
    return after;
  }
  if (at + headerBytes > end) throw corruptValue('it ends too early', at);
  if (depth >= VALUE_DEPTH_MAX) throw corruptValue(`more than ${VALUE_DEPTH_MAX} containers within one another`, at);
  const count = containerCount(bytes, at, headerBytes);
  const isMap = isMapToken(token);
  let next = at + headerBytes;
  for (let index = 0; index < count; index++) {
    if (isMap) {
      if (next >= end || !isStringToken(bytes[next]!)) throw corruptValue('the name of a field is not a string', next);
      next = elementEnd(bytes, next, end);
    }
    next = checkElement(bytes, next, end, depth + 1);
  }
  return next;
}

export function isStringToken(token: number): boolean {
  return (token >= 0xa0 && token < 0xc0) || (token >= 0xd9 && token <= 0xdb);
}

export function isExtensionToken(token: number): boolean {
  return (token >= 0xd4 && token <= 0xd8) || (token >= 0xc7 && token <= 0xc9);
}

/** The offset of the type byte of the extension at `at`; its payload follows. */
export function extensionTypeAt(token: number, at: number): number {
  return at + 1 + lengthBytes(token);
}

/** Refuses unknown extensions and payloads of a wrong size; the element must lie within [at, end). */
export function checkExtension(bytes: Uint8Array, at: number, end: number): void {
  const typeAt = extensionTypeAt(bytes[at]!, at);
  const type = (bytes[typeAt]! << 24) >> 24;
  const size = end - typeAt - 1;
  if (type === EXTENSION.TIMESTAMP) {
    timestampMs(bytes, typeAt + 1, size);
  } else if (type === EXTENSION.BIGINT) {
    if (size < 1) throw corruptValue('a bigint without digits', at);
  } else if (type === EXTENSION.DECIMAL) {
    checkDecimal(bytes, typeAt + 1, end);
  } else {
    throw corruptValue(`extension ${type} is unknown`, at);
  }
}
