/**
 * Parameters of a statement on their way over threads and members: MessagePack of an array, encoded once by the client and
 * decoded where they are used. (What structuredClone makes of a Decimal is a plain object.)
 */
import { GridError } from '@ashlar/core';
import { decodeValue } from './value-decoder.ts';
import { encodeValue } from './value-writer.ts';

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
  const decoded = decodeValue(bytes);
  if (Array.isArray(decoded)) return decoded;
  throw new GridError('INVALID_PARAMETER', 'parameters are an array');
}
