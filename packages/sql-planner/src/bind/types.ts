/** Static types: what operators take and give. `any` is decided row by row and fits everywhere a value may. */
import { GridError, type TextPosition } from '@ashlar/core';
import { type ArithmeticOperator, arithmeticType, type SqlType } from '@ashlar/expressions';
import { closest, distance } from 'fastest-levenshtein';
import { notYet, unsupported } from '../guard/sql-errors.ts';
import type { Name, TypeName } from '../parse/syntax.ts';
import { insteadOfType } from './postgres-types.ts';

const NUMERIC: readonly SqlType[] = ['int4', 'int8', 'numeric', 'float8'];

export const isNumeric = (type: SqlType): boolean => NUMERIC.includes(type);
export const isOpen = (type: SqlType): boolean => type === 'any' || type === 'null';

const NAMED: Readonly<Record<string, SqlType>> = {
  bool: 'boolean',
  int2: 'int4',
  int4: 'int4',
  int8: 'int8',
  float4: 'float8',
  float8: 'float8',
  numeric: 'numeric',
  text: 'text',
  varchar: 'text',
  bytea: 'bytea',
  timestamp: 'timestamptz',
  timestamptz: 'timestamptz',
  date: 'date',
  interval: 'interval',
  json: 'json',
  jsonb: 'json',
};

/** The type a name stands for. Times without a zone are UTC. @throws GridError UNSUPPORTED_SQL */
export function namedType(type: TypeName): SqlType {
  const { name, position } = type;
  const known = Object.hasOwn(NAMED, name) && type.schema.every(isCatalog) ? NAMED[name] : undefined;
  if (known === undefined) throw unknownType(type);
  if (type.arrayDepth > 0) {
    throw notYet(`the array type ${name}[]`, position, 'use json, or name an element: tags[0]');
  }
  if (type.intervalFields !== undefined) {
    throw unsupported('an interval with fields', position, "write the unit into the text: interval '2 days'");
  }
  if (type.modifiers.length > 0 && name !== 'numeric' && name !== 'varchar') {
    throw unsupported(`${name} with a length or precision`, position, `write ${name}; numeric and varchar take one`);
  }
  return known;
}

const isCatalog = ({ text }: Name): boolean => text.toLowerCase() === 'pg_catalog';

/** Types as people ask for them: names of other databases lead to ours. */
const NAMES_NEAR: Readonly<Record<string, string>> = {
  blob: 'bytea',
  bytes: 'bytea',
  datetime: 'timestamp',
  double: 'float8',
  int1: 'int2',
  int64: 'int8',
  long: 'int8',
  number: 'numeric',
  string: 'text',
  tinyint: 'int2',
  tinytext: 'text',
  longtext: 'text',
};
const TYPES_TEXT =
  'boolean, int, bigint, numeric, real, double precision, text, bytea, timestamptz, date, interval, json';

/** How people write what the catalog calls otherwise. */
const WRITTEN: ReadonlyMap<string, string> = new Map([
  ['bpchar', 'char'],
  ['timetz', 'time with time zone'],
  ['varbit', 'bit varying'],
]);

function unknownType({ name, schema, position }: TypeName): GridError {
  const shown = [...schema.map(({ text }) => text), WRITTEN.get(name) ?? name].join('.');
  const instead = schema.every(isCatalog) ? insteadOfType(name) : undefined;
  if (instead !== undefined) return notYet(`the type ${shown}`, position, instead);
  const names = Object.keys(NAMED);
  const habit = Object.hasOwn(NAMES_NEAR, name) ? NAMES_NEAR[name] : undefined;
  const near = closest(name, [...names, ...Object.keys(NAMES_NEAR)]);
  const nearest = habit ?? NAMES_NEAR[near] ?? near;
  const isNear = habit !== undefined || (schema.length === 0 && name.length > 3 && distance(name, near) <= 2);
  return unsupported(
    `the type ${shown}`,
    position,
    isNear ? `did you mean '${nearest}'?` : `the types are ${TYPES_TEXT}`,
  );
}

/**
 * What `left operator right` gives.
 *
 * @throws GridError TYPE_MISMATCH
 */
export function operationType(
  operator: ArithmeticOperator,
  left: SqlType,
  right: SqlType,
  position: TextPosition,
): SqlType {
  const type = arithmeticType(operator, left, right);
  if (type !== undefined) return type;
  throw mismatch(`operator ${operator} does not take ${left} and ${right}`, position);
}

export function mismatch(message: string, position: TextPosition, hint?: string): GridError {
  return new GridError('TYPE_MISMATCH', message, { position, hint });
}
