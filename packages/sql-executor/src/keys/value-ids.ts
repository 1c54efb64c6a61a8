/**
 * Values of one column to dense ids: 0, 1, 2 ... as they are met. The ids of group keys, of distinct values, of
 * join keys.
 *
 *   text by code -> codeIds[code], once a dictionary     number -> NumberIds     text -> Map     rest -> Map by valueKey
 *
 * value-ids V1  `stored` holds the first value seen of each id, so that ids turn back into values; of equal numbers of
 *               several kinds the plainest: a number before a bigint before a decimal, whatever the order in which they
 *               came.
 * value-ids V2  Equal values (valueKey) share an id; NULL and MISSING share one, unless nulls are left out (-1).
 */
import { assert } from '@ashlar/core';
import { type SqlType, Tag, type Vector } from '@ashlar/expressions';
import { ColumnBuilder, valueIn } from '../column-builder.ts';
import { NumberIds } from './number-ids.ts';
import { valueKey } from './value-key.ts';

/** What a lookup does with a value it does not know. */
export type Unknown = 'add' | 'leave';

const NOT_FOUND = -1;
const UNSEEN = -2;
const MAP_ENTRY_BYTES = 48;
/** See PairIds: a pair of ids is one whole number. */
const IDS_MAX = 2 ** 26;

export class ValueIds {
  readonly numbers = new NumberIds();
  readonly stored: ColumnBuilder;
  readonly #times = new NumberIds();
  readonly #texts = new Map<string, number>();
  readonly #others = new Map<string, number>();
  readonly #booleans = [NOT_FOUND, NOT_FOUND];
  #nullId = NOT_FOUND;
  /** Ids of numbers whose stored value is a bigint or decimal: a number may still take its place (value-ids V1). */
  #exactNumbers = 0;
  #dictionary: readonly string[] | undefined;
  #codeIds = new Int32Array(0);

  constructor(type: SqlType) {
    this.stored = new ColumnBuilder(type);
  }

  get size(): number {
    return this.stored.length;
  }

  get bytes(): number {
    const mapped = this.#texts.size + this.#others.size;
    return this.stored.bytes + this.numbers.bytes + this.#times.bytes + mapped * MAP_ENTRY_BYTES;
  }

  /** ids by code of a dictionary: -2 where not looked up yet. The array lives as long as the dictionary is the last one. */
  codeIds(dictionary: readonly string[]): Int32Array {
    if (this.#dictionary !== dictionary) {
      this.#dictionary = dictionary;
      if (this.#codeIds.length < dictionary.length) this.#codeIds = new Int32Array(dictionary.length);
      this.#codeIds.fill(UNSEEN);
    }
    return this.#codeIds;
  }

  /**
   * Writes the id of each selected row to `out`; -1 for a value that is not known and not added.
   *
   * @param nulls 'value': NULL is a value like others (GROUP BY); 'never': it reads -1 (joins)
   */
  encode(
    vector: Vector,
    selection: Uint16Array | undefined,
    count: number,
    out: Int32Array,
    unknown: Unknown = 'add',
    nulls: 'value' | 'never' = 'value',
  ): void {
    if (vector.uniform === Tag.TEXT && vector.dictionary !== undefined) {
      this.#encodeCodes(vector, selection, count, out, unknown);
    } else if (vector.uniform === Tag.NUMBER || vector.uniform === Tag.INT) {
      this.#encodeNumbers(vector, selection, count, out, unknown);
    } else {
      for (let index = 0; index < count; index++) {
        const row = selection === undefined ? index : selection[index]!;
        const tag = vector.uniform ?? vector.tags![row]!;
        out[index] = tag <= Tag.NULL && nulls === 'never' ? NOT_FOUND : this.idAt(vector, row, tag, unknown);
      }
    }
  }

  /** The id of one row's value. */
  idAt(vector: Vector, row: number, tag: number, unknown: Unknown = 'add'): number {
    if (tag === Tag.TEXT && vector.dictionary !== undefined) {
      const ids = this.codeIds(vector.dictionary);
      const code = vector.codes![row]!;
      return this.#idOfCode(ids, code, vector.dictionary[code]!, unknown);
    }
    if (tag >= Tag.BIGINT) return this.idOf(tag, 0, valueIn(vector, row, tag), unknown);
    return this.idOf(tag, tag > Tag.NULL ? vector.numbers![row]! : 0, undefined, unknown);
  }

  /** The id of a value by tag and lane. */
  idOf(tag: number, number: number, value: unknown, unknown: Unknown = 'add'): number {
    switch (tag) {
      case Tag.MISSING:
      case Tag.NULL:
        if (this.#nullId === NOT_FOUND && unknown === 'add') this.#nullId = this.#store(Tag.NULL, 0, undefined);
        return this.#nullId;
      case Tag.BOOLEAN:
        if (this.#booleans[number] === NOT_FOUND && unknown === 'add') {
          this.#booleans[number] = this.#store(tag, number, undefined);
        }
        return this.#booleans[number]!;
      case Tag.NUMBER:
      case Tag.INT:
        return this.#idOfNumber(this.numbers, tag, number, undefined, number, unknown);
      case Tag.TIMESTAMP:
      case Tag.DATE:
        return this.#idOfNumber(this.#times, tag, number, undefined, number, unknown);
      case Tag.TEXT:
        return this.#idOfText(this.#texts, tag, value as string, value, unknown);
      default: {
        const key = valueKey(tag, value);
        if (typeof key === 'number') return this.#idOfNumber(this.numbers, tag, 0, value, key, unknown);
        return this.#idOfOther(tag, key, value, unknown);
      }
    }
  }

  /** Two passes, so that the first one calls nothing: V8 then keeps the lanes' addresses in registers. */
  #encodeCodes(
    vector: Vector,
    selection: Uint16Array | undefined,
    count: number,
    out: Int32Array,
    unknown: Unknown,
  ): void {
    const dictionary = vector.dictionary!;
    const codes = vector.codes!;
    const isNew = this.#dictionary !== dictionary;
    const ids = this.codeIds(dictionary);
    // A new dictionary's codes are looked up first, those that occur: then the rows are one pass without misses.
    if (isNew && dictionary.length < count) this.#lookUpDictionary(codes, selection, count, dictionary, ids, unknown);
    if (lookUpCodes(codes, selection, count, ids, out) >= 0) return;
    for (let index = 0; index < count; index++) {
      if (out[index] !== UNSEEN) continue; // -1: looked up, not known
      const code = codes[selection === undefined ? index : selection[index]!]!;
      out[index] = this.#idOfCode(ids, code, dictionary[code]!, unknown);
    }
  }

  #lookUpDictionary(
    codes: Uint8Array | Uint16Array,
    selection: Uint16Array | undefined,
    count: number,
    dictionary: readonly string[],
    ids: Int32Array,
    unknown: Unknown,
  ): void {
    const seen = new Uint8Array(dictionary.length);
    noteCodes(codes, selection, count, seen);
    for (let code = 0; code < seen.length; code++) {
      if (seen[code] === 1) this.#idOfCode(ids, code, dictionary[code]!, unknown);
    }
  }

  #idOfCode(ids: Int32Array, code: number, text: string, unknown: Unknown): number {
    const known = ids[code]!;
    if (known >= 0 || (known === NOT_FOUND && unknown === 'leave')) return known;
    const id = this.#idOfText(this.#texts, Tag.TEXT, text, text, unknown);
    ids[code] = id;
    return id;
  }

  #encodeNumbers(
    vector: Vector,
    selection: Uint16Array | undefined,
    count: number,
    out: Int32Array,
    unknown: Unknown,
  ): void {
    const lane = vector.numbers!;
    const tag = vector.uniform!;
    if (lookUpNumbers(lane, selection, count, this.numbers.direct, out) < 0) {
      this.#encodeOtherNumbers(lane, tag, selection, count, out, unknown);
    }
    if (this.#exactNumbers === 0 || unknown === 'leave') return;
    for (let index = 0; index < count; index++) {
      const id = out[index]!;
      if (this.stored.tags[id]! >= Tag.BIGINT)
        this.#preferPlainer(id, tag, lane[selection?.[index] ?? index]!, undefined);
    }
  }

  #encodeOtherNumbers(
    lane: Float64Array,
    tag: number,
    selection: Uint16Array | undefined,
    count: number,
    out: Int32Array,
    unknown: Unknown,
  ): void {
    for (let index = 0; index < count; index++) {
      if (out[index]! >= 0) continue;
      const value = lane[selection === undefined ? index : selection[index]!]!;
      const id = this.numbers.find(value);
      out[index] = id === NOT_FOUND && unknown === 'add' ? this.#add(this.numbers, tag, value, undefined, value) : id;
    }
  }

  #idOfNumber(ids: NumberIds, tag: number, number: number, value: unknown, key: number, unknown: Unknown): number {
    const id = ids.find(key);
    if (id === NOT_FOUND) return unknown === 'add' ? this.#add(ids, tag, number, value, key) : id;
    if (this.#exactNumbers > 0 && unknown === 'add') this.#preferPlainer(id, tag, number, value);
    return id;
  }

  /** Keeps the plainer of two equal numbers (value-ids V1). */
  #preferPlainer(id: number, tag: number, number: number, value: unknown): void {
    const held = this.stored.tags[id]!;
    if (held < Tag.BIGINT || tag >= held) return;
    this.stored.replaceValue(id, tag, number, value);
    if (tag < Tag.BIGINT) this.#exactNumbers--;
  }

  #add(ids: NumberIds, tag: number, number: number, value: unknown, key: number): number {
    const id = this.#store(tag, number, value);
    if (tag >= Tag.BIGINT) this.#exactNumbers++;
    ids.add(key, id);
    return id;
  }

  #idOfText(ids: Map<string, number>, tag: number, key: string, value: unknown, unknown: Unknown): number {
    const known = ids.get(key);
    if (known !== undefined) return known;
    if (unknown === 'leave') return NOT_FOUND;
    const id = this.#store(tag, 0, value);
    ids.set(key, id);
    return id;
  }

  /** A number that no double equals is a bigint before a decimal (value-ids V1). */
  #idOfOther(tag: number, key: string, value: unknown, unknown: Unknown): number {
    const id = this.#idOfText(this.#others, tag, key, value, unknown);
    if (tag === Tag.BIGINT && unknown === 'add' && this.stored.tags[id] === Tag.DECIMAL) {
      this.stored.replaceValue(id, tag, 0, value);
    }
    return id;
  }

  #store(tag: number, number: number, value: unknown): number {
    assert(this.stored.length < IDS_MAX, 'the memory budget ends a query before its ids do');
    this.stored.appendValue(tag, number, value);
    return this.stored.length - 1;
  }
}

function noteCodes(
  codes: Uint8Array | Uint16Array,
  selection: Uint16Array | undefined,
  count: number,
  seen: Uint8Array,
): void {
  if (selection === undefined) for (let index = 0; index < count; index++) seen[codes[index]!] = 1;
  else for (let index = 0; index < count; index++) seen[codes[selection[index]!]!] = 1;
}

/** ids[code] of each row to `out`; negative when one of them is. */
function lookUpCodes(
  codes: Uint8Array | Uint16Array,
  selection: Uint16Array | undefined,
  count: number,
  ids: Int32Array,
  out: Int32Array,
): number {
  let unseen = 0;
  if (selection === undefined) {
    for (let index = 0; index < count; index++) {
      const id = ids[codes[index]!]!;
      out[index] = id;
      unseen |= id;
    }
    return unseen;
  }
  for (let index = 0; index < count; index++) {
    const id = ids[codes[selection[index]!]!]!;
    out[index] = id;
    unseen |= id;
  }
  return unseen;
}

/** direct[number] of each row to `out`, -1 for all but the numbers it covers; negative when there is such a row. */
function lookUpNumbers(
  lane: Float64Array,
  selection: Uint16Array | undefined,
  count: number,
  direct: Int32Array,
  out: Int32Array,
): number {
  // The length is a power of two: masked, every index is in bounds.
  const mask = direct.length - 1;
  let unseen = 0;
  if (selection === undefined) {
    for (let index = 0; index < count; index++) {
      const value = lane[index]!;
      const whole = value & mask;
      const id = whole === value ? direct[whole]! : -1;
      out[index] = id;
      unseen |= id;
    }
    return unseen;
  }
  for (let index = 0; index < count; index++) {
    const value = lane[selection[index]!]!;
    const whole = value & mask;
    const id = whole === value ? direct[whole]! : -1;
    out[index] = id;
    unseen |= id;
  }
  return unseen;
}
