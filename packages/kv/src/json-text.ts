/** Values as JSON for people: dates as ISO text, bytes as base64, bigints and decimals as text; and back. */
import { GridError } from '@ashlar/core';
import { VALUE_DEPTH_MAX } from '@ashlar/serialization';

/** It is parsed in one go on the main thread. */
const JSON_BYTES_MAX = 2 << 20;

export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_key, element: unknown) => {
    if (typeof element === 'bigint') return String(element);
    if (element instanceof Uint8Array) return Buffer.from(element).toString('base64');
    return element;
  });
}

/**
 * The value of a JSON text whose length and depth are looked at before anything is made of it.
 *
 * @throws GridError VALUE_TOO_LARGE, INVALID_VALUE
 */
export function valueOfJson(text: string, bytesMax: number): unknown {
  const bytes = Buffer.byteLength(text);
  const limitBytes = Math.min(bytesMax, JSON_BYTES_MAX);
  if (bytes > limitBytes) {
    throw new GridError('VALUE_TOO_LARGE', `the JSON text has ${bytes} bytes, this grid takes at most ${limitBytes}`, {
      hint:
        limitBytes < bytesMax
          ? 'put long values with a client, or as message_pack'
          : 'limits.valueBytes of the members',
      details: { limitBytes },
    });
  }
  if (depthOf(text) > VALUE_DEPTH_MAX) {
    throw new GridError(
      'INVALID_VALUE',
      `the value has more than ${VALUE_DEPTH_MAX} objects or arrays within one another`,
    );
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GridError('INVALID_VALUE', `the value is not JSON: ${(error as Error).message}`);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** '[' and '{', ']' and '}' differ in this bit only. */
const BRACE_BIT = 0x20;
const OPENING = 0x7b;
const CLOSING = 0x7d;

/** The most brackets that are open at once, outside of strings; some number for a text that is not JSON. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) at = textEnd(text, at + 1);
    else if ((character | BRACE_BIT) === OPENING) deepest = Math.max(deepest, ++depth);
    else if ((character | BRACE_BIT) === CLOSING) depth--;
  }
  return deepest;
}

/** Where the string that begins at `at` ends: its closing quote, or the end of everything. */
function textEnd(text: string, at: number): number {
  let end = at;
  while (end < text.length && text.charCodeAt(end) !== QUOTE) end += text.charCodeAt(end) === BACKSLASH ? 2 : 1;
  return end;
}
