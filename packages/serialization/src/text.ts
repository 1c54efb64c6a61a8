/**
 * Text to UTF-8 and back, for short texts without leaving JavaScript: a call into Node costs more than 16 characters.
 *
 * `utf8Slice` and `latin1Slice` of Buffer take any Uint8Array as receiver, also one over a SharedArrayBuffer, which
 * TextDecoder refuses.
 */

type Slice = (this: Uint8Array, start: number, end: number) => string;
const { utf8Slice } = Buffer.prototype as unknown as { utf8Slice: Slice };
const { fromCharCode } = String;

/** Texts up to this length are written and read character by character. */
export const SHORT_TEXT = 16;

/** Reads UTF-8; ill-formed sequences read as U+FFFD. */
export function readText(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length > SHORT_TEXT) return utf8Slice.call(bytes, start, end);
  let text = '';
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const a = bytes[at]!;
    const b = bytes[at + 1]!;
    const c = bytes[at + 2]!;
    const d = bytes[at + 3]!;
    if ((a | b | c | d) > 0x7f) return utf8Slice.call(bytes, start, end);
    text += fromCharCode(a, b, c, d);
  }
  for (; at < end; at++) {
    const a = bytes[at]!;
    if (a > 0x7f) return utf8Slice.call(bytes, start, end);
    text += fromCharCode(a);
  }
  return text;
}

/** Writes `text` if it is ASCII; returns the offset after it, or -1 (with some bytes written) if it is not. */
export function writeAscii(text: string, bytes: Uint8Array, offset: number): number {
  const { length } = text;
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return -1;
    bytes[offset + index] = code;
  }
  return offset + length;
}
