/**
 * Whether a value can be stored, told without encoding it: for callers of which nothing may leave before all of it is known
 * to be good.
 *
 *   value -> certain -> about so many bytes: a third at least, three times at most
 *         \-> not certain (rare kinds, deep nesting, nearly too long) -> UNCERTAIN: encoding it tells
 *
 * storable S1  What is called storable is what ValueWriter takes, as long as nobody changes it in between.
 */
import { types } from 'node:util';

/** Only encoding tells whether the value can be stored, and how long it is. */
export const UNCERTAIN = -1;
/** A character has three bytes at most, a scalar nine: three times what either is counted with. */
const LONGEST_RATIO = 3;
/** What a header, or a scalar, is counted with. */
const ELEMENT_BYTES = 3;
/** Deeper values are encoded to be sure. */
const DEPTH_MAX = 8;

/**
 * About the bytes of a value: the exact number is between a third of and three times the answer.
 *
 * @param bytesMax  bytes of one value, at most
 * @returns UNCERTAIN where only ValueWriter can tell
 */
export function storableBytes(value: unknown, bytesMax: number): number {
  const bytes = bytesOf(value, 0);
  return bytes * LONGEST_RATIO <= bytesMax ? bytes : UNCERTAIN;
}

/** @returns as bytesOfObject() */
function bytesOf(value: unknown, depth: number): number {
  switch (typeof value) {
    case 'string':
      return ELEMENT_BYTES + value.length;
    case 'number':
    case 'boolean':
      return ELEMENT_BYTES;
    case 'bigint':
      return value === BigInt.asIntN(64, value) ? ELEMENT_BYTES : Number.NaN;
    case 'object':
      return value === null ? ELEMENT_BYTES : bytesOfObject(value, depth);
    default:
      return Number.NaN;
  }
}

/** @returns NaN where it is not certain: a sum with it is NaN too, which is within no limit */
function bytesOfObject(value: object, depth: number): number {
  if (depth >= DEPTH_MAX) return Number.NaN;
  if (Array.isArray(value)) return bytesOfElements(value, depth);
  const prototype = Object.getPrototypeOf(value) as unknown;
  if (prototype === Object.prototype || prototype === null) {
    return bytesOfFields(value as Readonly<Record<string, unknown>>, depth);
  }
  if (types.isUint8Array(value)) return ELEMENT_BYTES + value.length;
  if (types.isDate(value)) return ELEMENT_BYTES * 2 + 0 * Date.prototype.getTime.call(value);
  return Number.NaN;
}

function bytesOfElements(elements: readonly unknown[], depth: number): number {
  let sum = ELEMENT_BYTES;
  for (let index = 0; index < elements.length; index++) {
    const element = elements[index];
    sum += element === undefined ? ELEMENT_BYTES : bytesOf(element, depth + 1);
  }
  return sum;
}

function bytesOfFields(value: Readonly<Record<string, unknown>>, depth: number): number {
  let sum = ELEMENT_BYTES;
  for (const name of Object.keys(value)) {
    const field = value[name];
    if (field === undefined) continue;
    if (!isWellFormed(name)) return Number.NaN;
    sum += ELEMENT_BYTES + name.length + bytesOf(field, depth + 1);
  }
  return sum;
}

/** Names that were looked at: records of one shape have the same ones over and over. */
const known = new Set<string>();
const KNOWN_MAX = 4096;

function isWellFormed(name: string): boolean {
  if (known.has(name)) return true;
  if (!name.isWellFormed()) return false;
  if (known.size < KNOWN_MAX && name.length < 64) known.add(name);
  return true;
}
