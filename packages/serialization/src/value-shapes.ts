/**
 * Objects of one shape, the same names in the same order, are decoded by a function that was made for the shape: it compares
 * names by words and makes the object at once, not field by field.
 *
 *   count, first name -> slot: --learning--> the names that came LEARN_SEEN times in a row -> function
 *                              --made------> function --a name differs--> the decoder goes on, field by field
 *
 * value-shapes P1  The result is what the decoder makes field by field. A name that differs ends the function, and the decoder
 *                  goes on at that field: nothing is decoded twice.
 * value-shapes P2  Nothing outside of the value is read, nor a name compared beyond its end.
 * value-shapes P3  Bounded: SLOTS slots, FUNCTIONS_MAX functions of at most SHAPE_FIELDS_MAX fields in each thread. A slot whose
 *                  objects have no shape in common learns TRIES_MAX times; a function that mostly misses is let go.
 * value-shapes P4  Where code may not be generated nothing is learnt: the decoder does all of it.
 * value-shapes P5  A name that is no plain field of an object literal in its place ("__proto__", indexes, doubled ones) makes
 *                  no shape.
 */
import { isCodeGenerationAllowed } from '@ashlar/core';
import type { ValueDecoder } from './value-decoder.ts';

const { imul } = Math;

/** Objects of more fields are read field by field. */
export const SHAPE_FIELDS_MAX = 32;
/** Bytes of a name that is compared: those whose length fits the token. */
const NAME_BYTES_MAX = 31;
const SLOTS = 256;
const FUNCTIONS_MAX = 256;
/** Objects of the same names, one after another, that are worth a function. */
const LEARN_SEEN = 32;
const TRIES_MAX = 64;
/** After so many misses it is looked whether there were at least HITS_LEAST hits beside them. */
const MISSES_LOOKED = 256;
const HITS_LEAST = 1024;

/**
 * Reads the fields of an object from `at` on, where its header ends.
 *
 * @param depth  of its fields
 */
type ShapeReader = (
  decoder: ValueDecoder,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  depth: number,
) => Record<string, unknown>;

/** Those that are in use. */
let functionsMade = 0;

/** What is known of the objects that begin alike. */
export class ShapeSlot {
  /** For objects of so many fields. */
  count = 0;
  names: readonly string[] = [];
  read: ShapeReader | undefined;
  /** Counted by the function. */
  hits = 0;
  #misses = 0;
  #seen = 0;
  #tries = 0;

  get isLearning(): boolean {
    return this.read === undefined && this.#tries < TRIES_MAX;
  }

  /** An object that was read field by field. */
  learn(fields: Record<string, unknown>, count: number): void {
    const names = Object.keys(fields);
    if (count === this.count && names.length === count && isSame(names, this.names)) {
      if (++this.#seen >= LEARN_SEEN) this.#make();
      return;
    }
    this.#tries++;
    this.#seen = 1;
    this.count = count;
    this.names = names;
  }

  #make(): void {
    this.#tries++;
    this.#seen = 0;
    if (functionsMade >= FUNCTIONS_MAX || !isCodeGenerationAllowed()) this.#tries = TRIES_MAX;
    else if (this.names.every(isPlainName)) {
      functionsMade++;
      this.hits = 0;
      this.#misses = 0;
      this.read = makeReader(this);
    }
  }

  /** A name differed. */
  missed(): void {
    if (++this.#misses < MISSES_LOOKED) return;
    if (this.hits < HITS_LEAST) {
      this.read = undefined;
      functionsMade--;
    }
    this.hits = 0;
    this.#misses = 0;
  }
}

const slots: (ShapeSlot | undefined)[] = new Array(SLOTS).fill(undefined);

/** The slot of an object with `count` fields, the first of which begins at `at`; undefined: it has none. */
export function shapeSlot(bytes: Uint8Array, at: number, end: number, count: number): ShapeSlot | undefined {
  if (at >= end) return undefined;
  const token = bytes[at]!;
  const length = token & 0x1f;
  if ((token & 0xe0) !== 0xa0 || length === 0 || at + length >= end) return undefined;
  const hash = imul(
    imul(imul(token ^ (count << 8), 0x01000193) ^ bytes[at + 1]!, 0x01000193) ^ bytes[at + length]!,
    0x01000193,
  );
  const place = (hash ^ (hash >>> 15)) & (SLOTS - 1);
  return (slots[place] ??= new ShapeSlot());
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

/** Whether an object literal with it has the field, and in its place (value-shapes P5). */
function isPlainName(name: string): boolean {
  return name !== '__proto__' && !/^\d+$/.test(name) && Buffer.byteLength(name) <= NAME_BYTES_MAX;
}

function makeReader(slot: ShapeSlot): ShapeReader {
  const { names } = slot;
  const values = names.map((_, index) => `f${index}`);
  const literal = names.map((name, index) => `${JSON.stringify(name)}: f${index}`);
  const source = `"use strict";
return function readShape(decoder, bytes, view, start, end, depth) {
  let at = start, token = 0, known = 0, ${values.join(', ')};
  read: {
${names.map(fieldSource).join('\n')}
    decoder.at = at;
    slot.hits++;
    return { ${literal.join(', ')} };
  }
  decoder.at = at;
  slot.missed();
  return decoder.goOn(slot.names, [${values.join(', ')}], known, depth);
};`;
  return new Function('slot', source)(slot) as ShapeReader;
}

/** Small integers and doubles are read in place, all else by the decoder. */
function fieldSource(name: string, index: number): string {
  const bytes = [0xa0 | Buffer.byteLength(name), ...Buffer.from(name)];
  return `    if (at + ${bytes.length} >= end || ${differs(bytes)}) break read;
    at += ${bytes.length};
    token = bytes[at];
    if (token < 0x80) { f${index} = token; at++; }
    else if (token === 0xcb && at + 9 <= end) { f${index} = view.getFloat64(at + 1); at += 9; }
    else { decoder.at = at; f${index} = decoder.element(depth); at = decoder.at; }
    known = ${index + 1};`;
}

/** A condition: the bytes at \`at\` are others. By words of four and two. */
function differs(bytes: readonly number[]): string {
  const parts: string[] = [];
  let at = 0;
  const word = (width: number): number => bytes.slice(at, at + width).reduce((sum, byte) => sum * 256 + byte, 0);
  for (; bytes.length - at >= 4; at += 4) parts.push(`view.getUint32(at + ${at}) !== ${word(4)}`);
  if (bytes.length - at >= 2) {
    parts.push(`view.getUint16(at + ${at}) !== ${word(2)}`);
    at += 2;
  }
  if (at < bytes.length) parts.push(`bytes[at + ${at}] !== ${bytes[at]}`);
  return parts.join(' || ');
}
