/** Functions of text. Lengths and positions count code points, from 1. */
import { createHash } from 'node:crypto';
import { types as nodeTypes } from 'node:util';
import { failure, refusedArgument } from '../failure.ts';
import { lowerCase, upperCase } from '../letters.ts';
import { formatValue } from '../text-form.ts';
import type { SqlType } from '../types.ts';
import type { RowValue } from '../values.ts';
import {
  type CallSite,
  EVERY_TYPE,
  type FunctionDefinition,
  INTEGERS,
  integerArgument,
  NUMBERS,
  seesNulls,
  strict,
  TEXT,
  textArgument,
} from './definition.ts';

/** Longer texts are not made, so that one row cannot take the heap. */
const TEXT_LENGTH_MAX = 16 * 1024 * 1024;
const TEXT_OR_BYTES: readonly SqlType[] = ['text', 'bytea'];
const SURROGATE = /[\ud800-\udfff]/;

/** The text by code points. */
function characters(text: string): string | readonly string[] {
  return SURROGATE.test(text) ? [...text] : text;
}

/** Code points [from, to) of the text. */
function slice(text: string, from: number, to: number): string {
  const all = characters(text);
  const part = all.slice(Math.max(0, from), Math.max(0, from, to));
  return typeof part === 'string' ? part : part.join('');
}

function lengthOf(args: readonly RowValue[], site: CallSite): number {
  const value = args[0]!;
  return nodeTypes.isUint8Array(value) ? value.length : characters(textArgument(args, 0, site)).length;
}

function substring(args: readonly RowValue[], site: CallSite): RowValue {
  const text = textArgument(args, 0, site);
  const start = integerArgument(args, 1, site) - 1;
  if (args.length === 2) return slice(text, start, Infinity);
  const length = integerArgument(args, 2, site);
  if (length < 0) throw refusedArgument('INVALID_ARGUMENT', 'a substring has no negative length', 2, site.at);
  return slice(text, start, start + length);
}

/** `text` with `length` code points from `start` replaced; the length of what is placed there by default. */
function overlay(args: readonly RowValue[], site: CallSite): string {
  const text = textArgument(args, 0, site);
  const placed = textArgument(args, 1, site);
  const start = integerArgument(args, 2, site) - 1;
  if (start < 0) throw refusedArgument('INVALID_ARGUMENT', 'overlay begins at 1 or later', 2, site.at);
  const length = args.length > 3 ? integerArgument(args, 3, site) : characters(placed).length;
  return slice(text, 0, start) + placed + slice(text, start + length, Infinity);
}

/** Code points before `part` in `text`, plus 1; 0 when it is not there. */
function positionOf(text: string, part: string): number {
  const found = text.indexOf(part);
  return found < 0 ? 0 : characters(text.slice(0, found)).length + 1;
}

function trimmer(atStart: boolean, atEnd: boolean): FunctionDefinition {
  const evaluate = (args: readonly RowValue[], site: CallSite): string => {
    const text = characters(textArgument(args, 0, site));
    const unwanted = new Set(args.length > 1 ? textArgument(args, 1, site) : ' ');
    let start = 0;
    let end = text.length;
    if (atStart) while (start < end && unwanted.has(text[start]!)) start += 1;
    if (atEnd) while (end > start && unwanted.has(text[end - 1]!)) end -= 1;
    const kept = text.slice(start, end);
    return typeof kept === 'string' ? kept : kept.join('');
  };
  return strict('text', [TEXT, TEXT], evaluate, { minArgs: 1 });
}

function checkLength(length: number, site: CallSite): void {
  if (length > TEXT_LENGTH_MAX) {
    throw failure(
      'INVALID_ARGUMENT',
      `${site.name} would make a text of more than ${TEXT_LENGTH_MAX} characters`,
      site.at,
    );
  }
}

function padder(atStart: boolean): FunctionDefinition {
  const evaluate = (args: readonly RowValue[], site: CallSite): string => {
    const text = textArgument(args, 0, site);
    const length = Math.max(0, integerArgument(args, 1, site));
    const filler = characters(args.length > 2 ? textArgument(args, 2, site) : ' ');
    checkLength(length, site);
    const missing = length - characters(text).length;
    if (missing <= 0 || filler.length === 0) return slice(text, 0, length);
    const whole = typeof filler === 'string' ? filler : filler.join('');
    const padding = slice(whole.repeat(Math.ceil(missing / filler.length)), 0, missing);
    return atStart ? padding + text : text + padding;
  };
  return strict('text', [TEXT, INTEGERS, TEXT], evaluate, { minArgs: 2 });
}

function splitPart(args: readonly RowValue[], site: CallSite): string {
  const text = textArgument(args, 0, site);
  const separator = textArgument(args, 1, site);
  const field = integerArgument(args, 2, site);
  if (field === 0) throw refusedArgument('INVALID_ARGUMENT', 'the field of split_part must not be zero', 2, site.at);
  const parts = separator === '' ? [text] : text.split(separator);
  return parts.at(field > 0 ? field - 1 : field) ?? '';
}

function replace(args: readonly RowValue[], site: CallSite): string {
  const [text, from, to] = [0, 1, 2].map((index) => textArgument(args, index, site));
  if (from === '') return text!;
  const parts = text!.split(from!);
  checkLength(text!.length + (parts.length - 1) * to!.length, site);
  return parts.join(to);
}

function repeat(args: readonly RowValue[], site: CallSite): string {
  const text = textArgument(args, 0, site);
  const times = Math.max(0, integerArgument(args, 1, site));
  checkLength(text.length * times, site);
  return text.repeat(times);
}

/** Output functions print booleans as t and f, and concat uses them. */
function printed(value: RowValue, type: SqlType): string {
  return typeof value === 'boolean' ? (value ? 't' : 'f') : formatValue(value, type);
}

function joined(args: readonly RowValue[], site: CallSite, from: number, separator: string): string {
  const parts: string[] = [];
  for (let index = from; index < args.length; index++) {
    const value = args[index]!;
    if (value !== null) parts.push(printed(value, site.types[index]!));
  }
  return parts.join(separator);
}

function concatWithSeparator(args: readonly RowValue[], site: CallSite): RowValue {
  return args[0] === null ? null : joined(args, site, 1, textArgument(args, 0, site));
}

const WORD = /[\p{L}\p{N}]+/gu;

function initcap(text: string): string {
  return text.replace(WORD, (word) => {
    const [first, ...rest] = word;
    return upperCase(first!) + lowerCase(rest.join(''));
  });
}

function md5(args: readonly RowValue[], site: CallSite): string {
  const value = args[0]!;
  const data = nodeTypes.isUint8Array(value) ? value : textArgument(args, 0, site);
  return createHash('md5').update(data).digest('hex');
}

/** A function from one text to a value. */
function ofText(result: SqlType, apply: (text: string) => RowValue): FunctionDefinition {
  return strict(result, [TEXT], (args, site) => apply(textArgument(args, 0, site)));
}

function ofTwoTexts(result: SqlType, apply: (first: string, second: string) => RowValue): FunctionDefinition {
  return strict(result, [TEXT, TEXT], (args, site) => apply(textArgument(args, 0, site), textArgument(args, 1, site)));
}

const length = strict('int4', [TEXT_OR_BYTES], lengthOf);
const characterLength = ofText('int4', (text) => characters(text).length);
const substringFunction = strict('text', [TEXT, INTEGERS, INTEGERS], substring, { minArgs: 2 });

export const TEXT_FUNCTIONS: Readonly<Record<string, FunctionDefinition>> = {
  length,
  char_length: characterLength,
  character_length: characterLength,
  octet_length: strict('int4', [TEXT_OR_BYTES], (args, site) => {
    const value = args[0]!;
    return nodeTypes.isUint8Array(value) ? value.length : Buffer.byteLength(textArgument(args, 0, site));
  }),
  upper: ofText('text', upperCase),
  lower: ofText('text', lowerCase),
  initcap: ofText('text', initcap),
  reverse: ofText('text', (text) => [...text].reverse().join('')),
  ascii: ofText('int4', (text) => text.codePointAt(0) ?? 0),
  chr: strict('text', [NUMBERS], (args, site) => {
    const code = integerArgument(args, 0, site);
    if (code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)) return String.fromCodePoint(code);
    throw refusedArgument('INVALID_ARGUMENT', `no character has the code ${code}`, 0, site.at);
  }),
  trim: trimmer(true, true),
  btrim: trimmer(true, true),
  ltrim: trimmer(true, false),
  rtrim: trimmer(false, true),
  substring: substringFunction,
  substr: substringFunction,
  left: strict('text', [TEXT, INTEGERS], (args, site) => {
    const text = textArgument(args, 0, site);
    const count = integerArgument(args, 1, site);
    return slice(text, 0, count >= 0 ? count : characters(text).length + count);
  }),
  right: strict('text', [TEXT, INTEGERS], (args, site) => {
    const text = textArgument(args, 0, site);
    const count = integerArgument(args, 1, site);
    return slice(text, count >= 0 ? characters(text).length - count : -count, Infinity);
  }),
  lpad: padder(true),
  rpad: padder(false),
  overlay: strict('text', [TEXT, TEXT, INTEGERS, INTEGERS], overlay, { minArgs: 3 }),
  replace: strict('text', [TEXT, TEXT, TEXT], replace),
  /** The binder turns position(part IN text) into position(text, part). */
  position: ofTwoTexts('int4', positionOf),
  strpos: ofTwoTexts('int4', positionOf),
  starts_with: ofTwoTexts('boolean', (text, prefix) => text.startsWith(prefix)),
  split_part: strict('text', [TEXT, TEXT, INTEGERS], splitPart),
  repeat: strict('text', [TEXT, INTEGERS], repeat),
  concat: seesNulls('text', [EVERY_TYPE], (args, site) => joined(args, site, 0, ''), { maxArgs: Infinity }),
  concat_ws: seesNulls('text', [TEXT, EVERY_TYPE], concatWithSeparator, { minArgs: 2, maxArgs: Infinity }),
  md5: strict('text', [TEXT_OR_BYTES], md5),
};
