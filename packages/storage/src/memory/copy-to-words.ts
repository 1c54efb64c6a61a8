/** Copies bytes into the arena a word at a time. */

/** Up to here a loop is faster than a view and a native call. */
const LOOP_BYTES_MAX = 256;

/** A view of the buffer that was copied from last: a batch's keys and values mostly lie in one. */
let sourceView: DataView = new DataView(new ArrayBuffer(0));

/**
 * Copies source[start, end) to a word boundary of the arena, a word at a time.
 *
 * @param words  the segment's words
 * @param at     word to copy to
 * @param bytes  the same segment's bytes, for the rest
 */
export function copyToWords(
  words: Int32Array,
  at: number,
  bytes: Uint8Array,
  source: Uint8Array,
  start: number,
  end: number,
): void {
  const length = end - start;
  if (length > LOOP_BYTES_MAX) {
    bytes.set(source.subarray(start, end), at * 4);
    return;
  }
  if (sourceView.buffer !== source.buffer) sourceView = new DataView(source.buffer);
  const view = sourceView;
  const wordCount = length >> 2;
  let from = source.byteOffset + start;
  for (let index = 0; index < wordCount; index++, from += 4) words[at + index] = view.getInt32(from, true);
  for (let index = wordCount << 2; index < length; index++) bytes[at * 4 + index] = source[start + index]!;
}
