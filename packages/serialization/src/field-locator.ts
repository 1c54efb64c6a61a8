/**
 * Where some fields of a document lie, all found in one pass: the n-th document mostly has its fields where the one before had them.
 *
 * field-locator L1  As ValueReader.find() with paths of one name: of equal names the first counts, and what is no object has no
 *                   fields.
 * field-locator L2  Elements lie within the document; a bad byte before the last field that is asked for is CORRUPT_DATA.
 */
import { corruptValue, SIZE_OF } from './value-format.ts';
import { containerCount, containerHeaderBytes, elementEnd, isMapToken } from './value-scan.ts';

export class FieldLocator {
  /** By name: where the element begins; -1: there is none. Good until the next document. */
  readonly starts: Int32Array;
  /** By name: where it ends. */
  readonly ends: Int32Array;
  readonly #names: readonly Uint8Array[];

  constructor(names: readonly string[]) {
    this.#names = names.map((name) => Uint8Array.from(Buffer.from(name, 'utf8')));
    this.starts = new Int32Array(names.length);
    this.ends = new Int32Array(names.length);
  }

  /** @throws GridError CORRUPT_DATA */
  locate(bytes: Uint8Array, start: number, end: number): void {
    this.starts.fill(-1);
    if (start >= end) throw corruptValue('it ends too early', start);
    const token = bytes[start]!;
    if (!isMapToken(token)) return;
    const headerBytes = containerHeaderBytes(token);
    if (start + headerBytes > end) throw corruptValue('it ends too early', start);
    let wanted = this.#names.length;
    let next = 0;
    let at = start + headerBytes;
    for (let left = containerCount(bytes, start, headerBytes); left > 0 && wanted > 0; left--) {
      const nameAt = at;
      at = endOf(bytes, at, end);
      const elementAt = at;
      if (at >= end) throw corruptValue('it ends too early', nameAt);
      at = endOf(bytes, at, end);
      const index = this.#indexOf(bytes, nameAt, elementAt, next);
      if (index < 0 || this.starts[index]! >= 0) continue;
      this.starts[index] = elementAt;
      this.ends[index] = at;
      next = index + 1;
      wanted--;
    }
  }

  /** @param guess  looked at first */
  #indexOf(bytes: Uint8Array, at: number, end: number, guess: number): number {
    const start = textStart(bytes, at);
    const names = this.#names;
    if (guess < names.length && isName(names[guess]!, bytes, start, end)) return guess;
    for (let index = 0; index < names.length; index++) if (isName(names[index]!, bytes, start, end)) return index;
    return -1;
  }
}

function endOf(bytes: Uint8Array, at: number, end: number): number {
  const size = at < end ? SIZE_OF[bytes[at]!]! : 0;
  const after = size === 0 ? elementEnd(bytes, at, end) : at + size;
  if (after > end) throw corruptValue('it ends too early', at);
  return after;
}

/** Where the text of a name begins. */
function textStart(bytes: Uint8Array, at: number): number {
  const token = bytes[at]!;
  if ((token & 0xe0) === 0xa0) return at + 1;
  if (token === 0xd9) return at + 2;
  if (token === 0xda) return at + 3;
  if (token === 0xdb) return at + 5;
  throw corruptValue('the name of a field is not a string', at);
}

function isName(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  const { length } = name;
  if (length !== end - start) return false;
  for (let index = 0; index < length; index++) if (bytes[start + index] !== name[index]) return false;
  return true;
}
