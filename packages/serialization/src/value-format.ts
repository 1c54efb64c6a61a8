/**
 * The bytes of a value: standard MessagePack, with three extension types.
 *
 *   ext -1    Date: MessagePack's timestamp (32, 64 or 96 bits)
 *   ext 0x42  bigint beyond 64 bits: two's complement, big-endian, shortest
 *   ext 0x44  Decimal: scale (2 bytes, big-endian), then the unscaled digits as in 0x42
 *
 * value-format F1  The encoding distinguishes number from bigint: a number is a MessagePack integer of up to 32 bits or a
 *                  float; int64 and uint64 are bigints only.
 * value-format F2  Names of fields are strings. A value has at most VALUE_DEPTH_MAX containers within one another.
 */
import { GridError } from '@ashlar/core';

/** Containers within one another, at most. */
export const VALUE_DEPTH_MAX = 100;
/** The same of what members send each other: plans nest as deep as expressions do. */
export const MESSAGE_DEPTH_MAX = 2048;
/** Bytes of one encoded value, at most, unless a writer is made with another limit. */
export const VALUE_BYTES_MAX = 16 * 1024 * 1024;

/** A value as ValueReader found it. */
export const ValueType = {
  MISSING: 0,
  NULL: 1,
  BOOLEAN: 2,
  NUMBER: 3,
  /** A bigint within 64 bits, signed. */
  BIGINT: 4,
  /** A bigint in a wider encoding: uint64 beyond int64, or an extension. */
  WIDE_BIGINT: 5,
  STRING: 6,
  BYTES: 7,
  DATE: 8,
  DECIMAL: 9,
  ARRAY: 10,
  OBJECT: 11,
} as const;
export type ValueType = (typeof ValueType)[keyof typeof ValueType];

export const EXTENSION = { TIMESTAMP: -1, BIGINT: 0x42, DECIMAL: 0x44 } as const;

/** Bytes of unscaled digits that a Decimal's 1000 digits can need; longer ones are refused before any work on them. */
export const DECIMAL_BYTES_MAX = 416;

/** For SIZE_OF: the extent depends on what follows the token. */
const VARIABLE = 0;

/**
 * Bytes of an element by its first byte, that byte included; 0 where more must be read. Map and array are 0 too.
 * 0xc1 is no MessagePack: 0.
 */
export const SIZE_OF: Uint8Array = Uint8Array.from({ length: 256 }, (_, token) => {
  if (token < 0x80 || token >= 0xe0) return 1;
  if (token < 0xa0) return VARIABLE;
  if (token < 0xc0) return 1 + (token & 0x1f);
  const sizes: Readonly<Record<number, number>> = {
    192: 1, // nil
    194: 1, // false
    195: 1, // true
    202: 5, // float32
    203: 9, // float64
    204: 2, // uint8
    205: 3, // uint16
    206: 5, // uint32
    207: 9, // uint64
    208: 2, // int8
    209: 3, // int16
    210: 5, // int32
    211: 9, // int64
    212: 3, // fixext1
    213: 4, // fixext2
    214: 6, // fixext4
    215: 10, // fixext8
    216: 18, // fixext16
  };
  return sizes[token] ?? VARIABLE;
});

export function corruptValue(reason: string, at: number): GridError {
  return new GridError('CORRUPT_DATA', `the bytes are not a value: ${reason} at offset ${at}`);
}
