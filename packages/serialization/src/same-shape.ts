/**
 * Whether two documents have the same fields in the same order, with values of the same kinds: whatever one of them adds to the paths
 * of a map, and to the kinds of values there, the other adds too.
 *
 * same-shape H1  Kinds are told apart as finely as anybody asks (VALUE_KIND of sql-plan): null, boolean, number, integer of 64 bits, text,
 *                bytes, array, object, and extensions by type. Objects are compared down to `depth`; below, and within arrays, nothing
 *                is.
 * same-shape H2  Values that are no objects have no fields: they are alike.
 */
import { SIZE_OF } from './value-format.ts';
import { containerCount, containerHeaderBytes, elementEnd, isMapToken } from './value-scan.ts';

const [NONE, BOOLEAN, NUMBER, INTEGER, TEXT, BYTES, ARRAY, OBJECT] = [1, 2, 3, 4, 5, 6, 7, 8];
/** Plus the type of the extension, from -128. */
const EXTENSION_BASE = 256;
const EXTENSION = 9;

/** By first byte. */
const KIND_OF: Uint8Array = Uint8Array.from({ length: 256 }, (_, token) => {
  if (token < 0x80 || token >= 0xe0) return NUMBER;
  if (isMapToken(token)) return OBJECT;
  if (token < 0xa0 || token === 0xdc || token === 0xdd) return ARRAY;
  if (token < 0xc0 || (token >= 0xd9 && token <= 0xdb)) return TEXT;
  if (token === 0xc0) return NONE;
  if (token === 0xc2 || token === 0xc3) return BOOLEAN;
  if (token >= 0xc4 && token <= 0xc6) return BYTES;
  if (token === 0xcf || token === 0xd3) return INTEGER;
  return token >= 0xca && token <= 0xd2 ? NUMBER : EXTENSION;
});

/** Where the comparison stands in either document; there is one at a time. */
let atA = 0;
let atB = 0;

/**
 * @param depth  objects within one another that are looked into
 * @throws GridError CORRUPT_DATA
 */
export function haveSameShape(
  a: Uint8Array,
  startA: number,
  endA: number,
  b: Uint8Array,
  startB: number,
  endB: number,
  depth: number,
): boolean {
  const isObject = isMapToken(a[startA]!);
  if (isObject !== isMapToken(b[startB]!)) return false;
  if (!isObject) return true;
  atA = startA;
  atB = startB;
  return haveSameFields(a, endA, b, endB, depth);
}

/** Both stand at an object; they are behind it afterwards, where it is the same. */
function haveSameFields(a: Uint8Array, endA: number, b: Uint8Array, endB: number, depth: number): boolean {
  const headerA = containerHeaderBytes(a[atA]!);
  const headerB = containerHeaderBytes(b[atB]!);
  const count = containerCount(a, atA, headerA);
  if (count !== containerCount(b, atB, headerB)) return false;
  atA += headerA;
  atB += headerB;
  for (let field = 0; field < count; field++) {
    if (!haveSameName(a, endA, b)) return false;
    const kind = kindAt(a, atA);
    if (kind !== kindAt(b, atB)) return false;
    if (kind === OBJECT && depth > 1) {
      if (!haveSameFields(a, endA, b, endB, depth - 1)) return false;
    } else {
      atA = endOf(a, atA, endA);
      atB = endOf(b, atB, endB);
    }
  }
  return true;
}

function haveSameName(a: Uint8Array, endA: number, b: Uint8Array): boolean {
  const end = endOf(a, atA, endA);
  while (atA < end) if (a[atA++] !== b[atB++]) return false;
  return true;
}

function kindAt(bytes: Uint8Array, at: number): number {
  const token = bytes[at]!;
  const kind = KIND_OF[token]!;
  if (kind !== EXTENSION) return kind;
  // The type follows the length, which fixext has not.
  return EXTENSION_BASE + bytes[token >= 0xd4 ? at + 1 : at + 1 + (1 << (token - 0xc7))]!;
}

function endOf(bytes: Uint8Array, at: number, end: number): number {
  const size = SIZE_OF[bytes[at]!]!;
  return size === 0 ? elementEnd(bytes, at, end) : at + size;
}
