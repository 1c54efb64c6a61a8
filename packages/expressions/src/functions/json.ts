/** Functions of documents: steps into them and what they are. `->` is json_get, `->>` json_get_text. */

import { refusedArgument } from '../failure.ts';
import { formatValue } from '../text-form.ts';
import { type SqlType, Tag } from '../types.ts';
import { type RowValue, tagOf } from '../values.ts';
import { type CallSite, EVERY_TYPE, type FunctionDefinition, strict } from './definition.ts';

const STEPS: readonly SqlType[] = ['text', 'int4', 'int8'];

/** The field or element of a value; null when there is none. Negative indexes count from the end. */
function step(value: RowValue, key: RowValue): RowValue {
  if (value === null || tagOf(value) !== Tag.JSON) return null;
  if (Array.isArray(value)) {
    const index = typeof key === 'string' ? (/^-?\d+$/.test(key) ? Number(key) : Number.NaN) : Number(key);
    return ((Number.isInteger(index) ? value.at(index) : undefined) ?? null) as RowValue;
  }
  if (typeof key !== 'string' || !Object.hasOwn(value as object, key)) return null;
  return ((value as Record<string, RowValue>)[key] ?? null) as RowValue;
}

function walk(args: readonly RowValue[]): RowValue {
  let value: RowValue = args[0]!;
  for (let index = 1; index < args.length; index++) value = step(value, args[index]!);
  return value;
}

function walkToText(args: readonly RowValue[]): RowValue {
  const value = walk(args);
  return value === null ? null : formatValue(value, 'any');
}

function kindOf(value: RowValue): string {
  switch (tagOf(value)) {
    case Tag.BOOLEAN:
      return 'boolean';
    case Tag.NUMBER:
    case Tag.BIGINT:
    case Tag.DECIMAL:
      return 'number';
    case Tag.JSON:
      return Array.isArray(value) ? 'array' : 'object';
    default:
      return 'string';
  }
}

function arrayLength(args: readonly RowValue[], site: CallSite): RowValue {
  const value = args[0]!;
  if (Array.isArray(value)) return value.length;
  throw refusedArgument('TYPE_MISMATCH', `${site.name} of a value that is not an array`, 0, site.at);
}

const typeFunction = strict('text', [EVERY_TYPE], (args) => kindOf(args[0]!));
const lengthFunction = strict('int4', [EVERY_TYPE], arrayLength);
const variadic = { minArgs: 2, maxArgs: Infinity };
const path = strict('any', [EVERY_TYPE, STEPS], walk, variadic);
const pathText = strict('text', [EVERY_TYPE, STEPS], walkToText, variadic);

export const JSON_FUNCTIONS: Readonly<Record<string, FunctionDefinition>> = {
  json_get: strict('any', [EVERY_TYPE, STEPS], walk),
  json_get_text: strict('text', [EVERY_TYPE, STEPS], walkToText),
  json_extract_path: path,
  jsonb_extract_path: path,
  json_extract_path_text: pathText,
  jsonb_extract_path_text: pathText,
  json_typeof: typeFunction,
  jsonb_typeof: typeFunction,
  json_array_length: lengthFunction,
  jsonb_array_length: lengthFunction,
};
