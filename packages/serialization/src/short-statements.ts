/**
 * A statement and its answer as they travel with key-value operations (OPCODE_STATEMENT of `protos/ashlar/v1/kv.proto`),
 * both MessagePack:
 *
 *   asked     [text, header, strict, parameters]          header: the number of the one that the caller has, 0: none
 *   answered  [header, what it says or null, notices or null, rows, cells of the rows one after the other]
 *
 * short-statements S1  Rows, columns and notices are those that Sql/Execute answers, value for value.
 * short-statements S2  What a header says goes only to callers that have another one. Its number is made of what it says, so
 *                      all members give it the same.
 */
import { types } from 'node:util';
import { Decimal } from '@ashlar/api';
import { GridError } from '@ashlar/core';
import { murmur3 } from './hash.ts';
import type { StatementColumn } from './statement-output.ts';
import { decodeValue } from './value-decoder.ts';
import { elementEnd } from './value-scan.ts';
import type { ValueWriter } from './value-writer.ts';

/** Texts of more characters go their own way: a text travels with each statement. */
export const SHORT_TEXT_MAX = 4096;

export interface ShortRequest {
  readonly text: string;
  /** Number of the header that the caller has; 0: none. */
  readonly header: number;
  readonly strict: boolean;
  readonly parameters: readonly unknown[];
}

/** What is known of a result before its rows. The type of a column is `any` or `null` where the rows decide it. */
export interface ShortHeader {
  readonly number: number;
  readonly columns: readonly StatementColumn[];
  readonly notices: readonly string[];
}

export interface ShortAnswer {
  /** Number of the header that belongs to it. */
  readonly number: number;
  /** Undefined: the caller has it. */
  readonly header: ShortHeader | undefined;
  /** What came up with the rows. */
  readonly notices: readonly string[];
  readonly rowCount: number;
  /** rowCount times as many as there are columns. */
  readonly cells: readonly unknown[];
}

/** @returns what is written as the operation's value */
export function shortRequestValue({ text, header, strict, parameters }: ShortRequest): readonly unknown[] {
  return [text, header, strict, parameters];
}

/** First byte of an array of four. */
const FOUR = 0x94;
const TRUE = 0xc3;

/** The text that was read last: mostly the next one is the same. */
let lastText = { bytes: new Uint8Array(0), text: '' };

/** @throws GridError INVALID_ARGUMENT, CORRUPT_DATA */
export function decodeShortRequest(bytes: Uint8Array, start: number, end: number): ShortRequest {
  if (bytes[start] === FOUR) {
    const textEnd = elementEnd(bytes, start + 1, end);
    const headerEnd = elementEnd(bytes, textEnd, end);
    const strictEnd = elementEnd(bytes, headerEnd, end);
    const text = textIn(bytes, start + 1, textEnd);
    const header = decodeValue(bytes, textEnd, headerEnd);
    const parameters = decodeValue(bytes, strictEnd, end);
    if (typeof text === 'string' && typeof header === 'number' && Array.isArray(parameters)) {
      return { text, header, strict: bytes[headerEnd] === TRUE, parameters };
    }
  }
  throw new GridError('INVALID_ARGUMENT', 'the value of a statement is [text, header, strict, parameters]');
}

function textIn(bytes: Uint8Array, start: number, end: number): unknown {
  if (isSame(lastText.bytes, bytes, start, end)) return lastText.text;
  const text = decodeValue(bytes, start, end);
  if (typeof text === 'string' && end - start <= SHORT_TEXT_MAX) lastText = { bytes: bytes.slice(start, end), text };
  return text;
}

function isSame(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  const { length } = known;
  if (length !== end - start) return false;
  for (let index = 0; index < length; index++) if (known[index] !== bytes[start + index]) return false;
  return true;
}

/** short-statements S2. */
export function shortHeader(columns: readonly StatementColumn[], notices: readonly string[]): ShortHeader {
  const said = Buffer.from(JSON.stringify([columns, notices]));
  const high = murmur3(said, 0, said.length, 0x51_0e_52_7f) & 0x1f_ffff;
  return { number: high * 2 ** 32 + murmur3(said, 0, said.length, 0x9b_05_68_8c) + 1, columns, notices };
}

/** @returns what is written as the answer's value */
export function shortAnswerValue(
  header: ShortHeader,
  isKnown: boolean,
  { notices, rowCount, cells }: Pick<ShortAnswer, 'notices' | 'rowCount' | 'cells'>,
): readonly unknown[] {
  const said = isKnown ? null : { columns: header.columns, notices: header.notices };
  return [header.number, said, notices.length === 0 ? null : notices, rowCount, cells];
}

/** Writes an answer of one row at most whose cells follow: as many as there are columns, where there is a row. */
export function beginShortAnswer(writer: ValueWriter, header: ShortHeader, isKnown: boolean, hasRow: boolean): void {
  writer.reset();
  writer.arrayHeader(5);
  writer.write(header.number);
  writer.write(isKnown ? null : { columns: header.columns, notices: header.notices });
  writer.write(null);
  writer.write(hasRow ? 1 : 0);
  writer.arrayHeader(hasRow ? header.columns.length : 0);
}

/** @param value  as shortAnswerValue() made it, come back @throws GridError CORRUPT_DATA */
export function shortAnswerOf(value: unknown): ShortAnswer {
  if (!Array.isArray(value) || value.length !== 5 || !Array.isArray(value[4])) {
    throw new GridError('CORRUPT_DATA', 'the answer of a statement is not one');
  }
  const [number, said, notices, rowCount, cells] = value as [
    number,
    Omit<ShortHeader, 'number'> | null,
    readonly string[] | null,
    number,
    readonly unknown[],
  ];
  return {
    number,
    header: said === null ? undefined : { number, columns: said.columns, notices: said.notices },
    notices: notices ?? [],
    rowCount,
    cells,
  };
}

/** The SQL type of a value in a column without one: what ValueTag says of it; undefined for NULL. */
export function typeOfCell(value: unknown): string | undefined {
  switch (typeof value) {
    case 'number':
      return 'float8';
    case 'string':
      return 'text';
    case 'boolean':
      return 'boolean';
    case 'bigint':
      return 'int8';
    default:
      return value === null || value === undefined ? undefined : typeOfObject(value);
  }
}

function typeOfObject(value: object): string {
  if (types.isDate(value)) return 'timestamptz';
  if (types.isUint8Array(value)) return 'bytea';
  return Decimal.is(value) ? 'numeric' : 'json';
}
