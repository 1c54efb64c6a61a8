/** Date, wide bigint and Decimal as MessagePack extensions (see value-format.ts): bytes and back. */
import { Decimal } from '@ashlar/api';
import { GridError } from '@ashlar/core';
import { uint16, uint32 } from './big-endian.ts';
import { corruptValue, DECIMAL_BYTES_MAX, EXTENSION } from './value-format.ts';

const { abs, floor } = Math;
const TWO_32 = 2 ** 32;
const NS_PER_MS = 1_000_000;
/** The range of Date, either way from 1970. */
const DATE_MS_MAX = 8.64e15;

/** Writes extension header and type; returns the offset of the payload. */
function writeHeader(type: number, size: number, bytes: Uint8Array, offset: number): number {
  let at = offset;
  if (size === 1 || size === 2 || size === 4 || size === 8 || size === 16) {
    bytes[at++] = 0xd4 + 31 - Math.clz32(size);
  } else if (size < 0x100) {
    bytes[at++] = 0xc7;
    bytes[at++] = size;
  } else {
    const isShort = size < 0x10000;
    bytes[at++] = isShort ? 0xc8 : 0xc9;
    for (let shift = isShort ? 8 : 24; shift >= 0; shift -= 8) bytes[at++] = (size >>> shift) & 0xff;
  }
  bytes[at++] = type & 0xff;
  return at;
}

/** MessagePack's timestamp, in the shortest of its three forms. Needs 15 bytes of room. */
export function writeDate(ms: number, view: DataView, offset: number): number {
  const seconds = floor(ms / 1000);
  const nanoseconds = (ms - seconds * 1000) * NS_PER_MS;
  if (seconds < 0 || seconds >= 2 ** 34) {
    view.setUint32(offset, 0xc70cff00);
    view.setUint32(offset + 3, nanoseconds);
    view.setInt32(offset + 7, floor(seconds / TWO_32));
    view.setUint32(offset + 11, seconds % TWO_32 < 0 ? (seconds % TWO_32) + TWO_32 : seconds % TWO_32);
    return offset + 15;
  }
  if (nanoseconds === 0 && seconds < TWO_32) {
    view.setUint16(offset, 0xd6ff);
    view.setUint32(offset + 2, seconds);
    return offset + 6;
  }
  view.setUint16(offset, 0xd7ff);
  view.setUint32(offset + 2, nanoseconds * 4 + floor(seconds / TWO_32));
  view.setUint32(offset + 6, seconds % TWO_32);
  return offset + 10;
}

/**
 * Milliseconds since 1970 of a timestamp's payload; parts of a millisecond are cut off.
 *
 * @throws GridError CORRUPT_DATA for a payload of another size than 4, 8 or 12, a second of more than 10^9 nanoseconds,
 *   or a time that Date cannot hold
 */
export function timestampMs(bytes: Uint8Array, payload: number, size: number): number {
  if (size === 4) return uint32(bytes, payload) * 1000;
  if (size !== 8 && size !== 12) throw corruptValue('a timestamp of a wrong size', payload);
  const first = uint32(bytes, payload);
  const nanoseconds = size === 8 ? first >>> 2 : first;
  const high = size === 8 ? first & 3 : uint32(bytes, payload + 4) | 0;
  const seconds = high * TWO_32 + uint32(bytes, payload + size - 4);
  const ms = seconds * 1000 + floor(nanoseconds / NS_PER_MS);
  if (nanoseconds >= 1e9 || abs(ms) > DATE_MS_MAX) throw corruptValue('a timestamp out of range', payload);
  return ms;
}

/** Two's complement, big-endian, shortest, as hexadecimal digits. */
function hexOf(value: bigint): string {
  const magnitude = (value < 0n ? -value - 1n : value).toString(16);
  const isEven = magnitude.length % 2 === 0;
  // The sign needs a bit of its own in front.
  const digits = isEven
    ? magnitude.charCodeAt(0) >= 0x38
      ? magnitude.length + 2
      : magnitude.length
    : magnitude.length + 1;
  if (value >= 0n) return magnitude.padStart(digits, '0');
  return BigInt.asUintN(digits * 4, value)
    .toString(16)
    .padStart(digits, 'f');
}

/** Needs room for the bytes of the number and 7 more. */
export function writeWideBigint(value: bigint, bytes: Buffer, offset: number): number {
  const hex = hexOf(value);
  const size = hex.length / 2;
  const payload = writeHeader(EXTENSION.BIGINT, size, bytes, offset);
  bytes.write(hex, payload, size, 'hex');
  return payload + size;
}

/** Needs room for DECIMAL_BYTES_MAX + 9 bytes. */
export function writeDecimal(value: Decimal, bytes: Buffer, offset: number): number {
  const hex = hexOf(value.unscaled);
  const size = hex.length / 2 + 2;
  const payload = writeHeader(EXTENSION.DECIMAL, size, bytes, offset);
  bytes[payload] = value.scale >> 8;
  bytes[payload + 1] = value.scale & 0xff;
  bytes.write(hex, payload + 2, size - 2, 'hex');
  return payload + size;
}

/** The integer whose two's complement lies in [start, end); start < end. */
export function readInteger(bytes: Uint8Array, start: number, end: number): bigint {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('hex');
  return BigInt.asIntN((end - start) * 8, BigInt(`0x${hex}`));
}

/** As readInteger, without a bigint: NaN if the integer is not a safe one. */
export function readSafeInteger(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > 8) return Number.NaN;
  let value = bytes[start]! >= 0x80 ? -1 : 0;
  for (let at = start; at < end; at++) value = value * 256 + bytes[at]!;
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

/** The Decimal whose payload (scale, digits) lies in [start, end). */
export function readDecimal(bytes: Uint8Array, start: number, end: number): Decimal {
  checkDecimal(bytes, start, end);
  try {
    return Decimal.of(readInteger(bytes, start + 2, end), uint16(bytes, start));
  } catch (error) {
    throw new GridError('CORRUPT_DATA', 'the bytes are not a value: a decimal beyond its limits', { cause: error });
  }
}

export function checkDecimal(bytes: Uint8Array, start: number, end: number): void {
  const digits = end - start - 2;
  if (digits < 1 || digits > DECIMAL_BYTES_MAX) throw corruptValue('a decimal of a wrong size', start);
  if (uint16(bytes, start) > Decimal.SCALE_MAX) throw corruptValue('a decimal of a wrong scale', start);
}
