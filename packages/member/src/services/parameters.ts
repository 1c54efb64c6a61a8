/** Parameters of statements and conditions as they come over the wire. */
import { GridError } from '@ashlar/core';
import { decodeValue } from '@ashlar/serialization';

/** @param bytes  MessagePack of an array; empty: none */
export function parametersOf(bytes: Uint8Array): readonly unknown[] {
  if (bytes.length === 0) return [];
  const decoded = decodeValue(bytes);
  if (Array.isArray(decoded)) return decoded;
  throw new GridError('INVALID_PARAMETER', 'parameters are an array');
}
