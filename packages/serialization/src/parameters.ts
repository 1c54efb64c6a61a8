/**
 * Parameters of a statement on their way over threads and members: MessagePack of an array, encoded once by the client and
 * decoded where they are used. (What structuredClone makes of a Decimal is a plain object.)
 */
import { GridError } from '@ashlar/core';
import { decodeValue } from './value-decoder.ts';
import { elementsUpTo } from './value-scan.ts';
import { encodeValue } from './value-writer.ts';

/** Most elements of all parameters of a statement together: they are decoded in one go. */
const ELEMENTS_MAX = 1_000_000;
const NONE = new Uint8Array(0);

/** @returns no bytes for no parameters */
export function encodeParameters(parameters: readonly unknown[]): Uint8Array {
  return parameters.length === 0 ? NONE : encodeValue(parameters);
}

/**
 * @param bytes  MessagePack of an array; empty: none
 * @throws GridError INVALID_PARAMETER for another value, CORRUPT_DATA
 */
export function decodeParameters(bytes: Uint8Array): readonly unknown[] {
  if (bytes.length === 0) return [];
  if (elementsUpTo(bytes, 0, bytes.length, ELEMENTS_MAX) >= ELEMENTS_MAX) {
    throw new GridError('INVALID_PARAMETER', `the parameters have ${ELEMENTS_MAX} elements or more`, {
      hint: 'put large data into a map and name it',
      details: { limit: ELEMENTS_MAX },
    });
  }
  const decoded = decodeValue(bytes);
  if (Array.isArray(decoded)) return decoded;
  throw new GridError('INVALID_PARAMETER', 'parameters are an array');
}
