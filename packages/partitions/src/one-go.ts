/** What the main thread decodes in one go: all other values are read where they lie, or in worker threads. */
import { GridError } from '@ashlar/core';
import { elementsUpTo } from '@ashlar/serialization';

/** Some tens of milliseconds. */
const ELEMENTS_MAX = 1_000_000;

/** Whether a value, as MessagePack in bytes[start, end), is short enough. @throws GridError CORRUPT_DATA */
export function isOneGo(bytes: Uint8Array, start = 0, end: number = bytes.length): boolean {
  return elementsUpTo(bytes, start, end, ELEMENTS_MAX) < ELEMENTS_MAX;
}

/**
 * Looks at a value, as MessagePack in bytes[start, end), before it is decoded.
 *
 * @throws GridError VALUE_TOO_LARGE; CORRUPT_DATA
 */
export function checkOneGo(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
  if (isOneGo(bytes, start, end)) return;
  throw new GridError('VALUE_TOO_LARGE', `the value has ${ELEMENTS_MAX} elements or more: too many for this call`, {
    hint: 'put and get it with a client, change it in a processor of your own, or read parts of it with a statement',
    details: { limit: ELEMENTS_MAX },
  });
}
