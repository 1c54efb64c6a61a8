/** Static types: what operators take and give. `any` is decided row by row and fits everywhere a value may. */
import { GridError, type TextPosition } from '@ashlar/core';
import { type ArithmeticOperator, arithmeticType, type SqlType } from '@ashlar/expressions';
import { unsupported } from '../guard/sql-errors.ts';
import type { TypeName } from '../parse/syntax.ts';

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
  const known = Object.hasOwn(NAMED, type.name) ? NAMED[type.name] : undefined;
  if (known === undefined || type.schema.length > 0) throw unsupported(`the type ${type.name}`, type.position);
  if (type.arrayDepth > 0) throw unsupported('an array type', type.position);
  if (type.intervalFields !== undefined) throw unsupported('a restricted interval', type.position);
  if (type.modifiers.length > 0 && type.name !== 'numeric' && type.name !== 'varchar') {
    throw unsupported(`${type.name} with a length or precision`, type.position);
  }
  return known;
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
