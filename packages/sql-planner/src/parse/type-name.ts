/** Names of types: `int`, `numeric(10, 2)`, `timestamp(3) with time zone`, `double precision[]`, `interval day to second`. */
import { unexpected, unsupported } from '../guard/sql-errors.ts';
import type { Cursor } from './cursor.ts';
import type { Expression, Name, TypeName } from './syntax.ts';

/** The standard's names and what PostgreSQL's catalog calls them. */
const CATALOG_NAMES: ReadonlyMap<string, string> = new Map([
  ['int', 'int4'],
  ['integer', 'int4'],
  ['smallint', 'int2'],
  ['bigint', 'int8'],
  ['real', 'float4'],
  ['dec', 'numeric'],
  ['decimal', 'numeric'],
  ['boolean', 'bool'],
  ['char', 'bpchar'],
  ['character', 'bpchar'],
  ['nchar', 'bpchar'],
]);
/** Types with words of their own, which only stand without a schema and may stand before a string. */
const BUILT_IN: ReadonlySet<string> = new Set([
  ...CATALOG_NAMES.keys(),
  ...'numeric varchar bit time timestamp interval float double national'.split(' '),
]);
/** char is char(1) and bit is bit(1), but before a string they are as long as it. */
const LENGTH_IS_ONE: ReadonlySet<string> = new Set(['bpchar', 'bit']);
/** Words and signs that may stand between such a type's first word and the string of a literal. */
const TYPE_TAIL: ReadonlySet<string> = new Set(
  'precision varying with without time zone character char ( ) ,'.split(' '),
);
/** timestamp ( 3 ) with time zone '...' is the longest. */
const TYPE_TOKENS_MAX = 8;

/** Whether a built-in type and then a string stand here: `timestamp(3) with time zone '...'`. */
export function isTypedLiteral(cursor: Cursor): boolean {
  if (!BUILT_IN.has(cursor.token.value)) return false;
  let depth = 0;
  for (let distance = 1; distance < TYPE_TOKENS_MAX; distance++) {
    const { kind, value } = cursor.ahead(distance);
    if (kind === 'string') return depth === 0;
    if (value === '(') depth++;
    else if (value === ')') depth--;
    else if (depth > 0 ? kind !== 'integer' && value !== ',' : value === ',' || !TYPE_TAIL.has(value)) return false;
    if (depth < 0) return false;
  }
  return false;
}

/** @param options arrays: whether [] may follow; false before the string of a literal */
export function readTypeName(cursor: Cursor, options: { readonly arrays: boolean } = { arrays: true }): TypeName {
  const { position, token } = cursor;
  if (cursor.isWord('setof')) throw unsupported('SETOF', position, 'name the type of one value');
  const built = token.kind === 'word' && BUILT_IN.has(token.value) && !cursor.isSignAhead(1, '.');
  const type = built ? readBuiltIn(cursor) : readNamedType(cursor);
  if (cursor.isSign('%') && cursor.isWordAhead(1, 'type'))
    throw unsupported('%TYPE', cursor.position, 'name the type itself: x::numeric');
  if (!options.arrays) return { ...type, arrayDepth: 0, position };
  const one: Expression = { kind: 'Literal', literal: { type: 'integer', value: 1n }, position };
  const modifiers = built && type.modifiers.length === 0 && LENGTH_IS_ONE.has(type.name) ? [one] : type.modifiers;
  return { ...type, modifiers, arrayDepth: readArrayDepth(cursor), position };
}

type PlainType = Omit<TypeName, 'arrayDepth' | 'position'>;

function plain(name: string, modifiers: readonly Expression[] = []): PlainType {
  return { schema: [], name, modifiers, intervalFields: undefined };
}

function readNamedType(cursor: Cursor): PlainType {
  const names: Name[] = [cursor.label("a type's name")];
  while (cursor.acceptSign('.')) names.push(cursor.label("a type's name"));
  const last = names.at(-1)!;
  const modifiers = readModifiers(cursor);
  const name = last.quoted ? last.text : last.text.toLowerCase();
  return { schema: names.slice(0, -1), name, modifiers, intervalFields: undefined };
}

function readBuiltIn(cursor: Cursor): PlainType {
  const word = cursor.advance().value;
  switch (word) {
    case 'double':
      cursor.expectWord('precision');
      return plain('float8');
    case 'float':
      return readFloat(cursor);
    case 'national':
      if (!cursor.acceptWord('character')) cursor.expectWord('char');
      return readCharacter(cursor);
    case 'character':
    case 'char':
    case 'nchar':
      return readCharacter(cursor);
    case 'bit':
      return plain(cursor.acceptWord('varying') ? 'varbit' : 'bit', readModifiers(cursor));
    case 'time':
    case 'timestamp':
      return readTime(cursor, word);
    case 'interval':
      return readInterval(cursor);
    default:
      return plain(CATALOG_NAMES.get(word) ?? word, readModifiers(cursor));
  }
}

function readCharacter(cursor: Cursor): PlainType {
  return plain(cursor.acceptWord('varying') ? 'varchar' : 'bpchar', readModifiers(cursor));
}

/** float(1..24) is float4, float(25..53) float8: binary digits. */
function readFloat(cursor: Cursor): PlainType {
  const { position } = cursor.before;
  const [digits] = readModifiers(cursor);
  if (digits === undefined) return plain('float8');
  const value = digits.kind === 'Literal' && digits.literal.type === 'integer' ? digits.literal.value : 0n;
  if (value < 1n || value > 53n)
    throw unsupported('a float with other than 1 to 53 binary digits', position, 'write real or double precision');
  return plain(value < 25n ? 'float4' : 'float8');
}

function readTime(cursor: Cursor, word: 'time' | 'timestamp'): PlainType {
  const modifiers = readModifiers(cursor);
  const zoned = cursor.isWord('with') && cursor.isWordAhead(1, 'time');
  if (zoned || (cursor.isWord('without') && cursor.isWordAhead(1, 'time'))) {
    cursor.advance();
    cursor.advance();
    cursor.expectWord('zone');
  }
  return plain(zoned ? `${word}tz` : word, modifiers);
}

function readInterval(cursor: Cursor): PlainType {
  const modifiers = readModifiers(cursor);
  const intervalFields = modifiers.length === 0 ? readIntervalFields(cursor) : undefined;
  return { ...plain('interval', modifiers), intervalFields };
}

const FIELDS: ReadonlySet<string> = new Set(['year', 'month', 'day', 'hour', 'minute', 'second']);
const FIELD_RANGES: ReadonlySet<string> = new Set([
  'year to month',
  'day to hour',
  'day to minute',
  'day to second',
  'hour to minute',
  'hour to second',
  'minute to second',
]);

/** `day`, `day to second`; undefined when no field stands here. */
export function readIntervalFields(cursor: Cursor): string | undefined {
  const { token } = cursor;
  if (token.kind !== 'word' || !FIELDS.has(token.value)) return undefined;
  cursor.advance();
  let fields = token.value;
  if (cursor.isWord('to')) {
    cursor.advance();
    fields = `${fields} to ${cursor.token.value}`;
    if (!FIELD_RANGES.has(fields)) throw unexpected(cursor.token, 'a smaller field');
    cursor.advance();
  }
  if (fields.endsWith('second') && cursor.isSign('('))
    throw unsupported('a precision of seconds', cursor.position, 'leave it out: date_trunc cuts times');
  return fields;
}

function readModifiers(cursor: Cursor): Expression[] {
  if (!cursor.acceptSign('(')) return [];
  const modifiers = [cursor.grammar.expression(cursor)];
  while (cursor.acceptSign(',')) modifiers.push(cursor.grammar.expression(cursor));
  cursor.expectSign(')');
  return modifiers;
}

/** `[]`, `[3]` (the size means nothing to PostgreSQL), ARRAY. */
function readArrayDepth(cursor: Cursor): number {
  if (cursor.acceptWord('array')) {
    if (cursor.isSign('[')) readArrayDepth(cursor);
    return 1;
  }
  let depth = 0;
  while (cursor.acceptSign('[')) {
    if (cursor.token.kind === 'integer') cursor.advance();
    cursor.expectSign(']');
    depth++;
  }
  return depth;
}
