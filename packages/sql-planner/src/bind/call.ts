/** Calls: aggregates and scalar functions. */
import { GridError } from '@ashlar/core';
import {
  type Aggregate,
  type AggregateName,
  type Expr,
  FUNCTIONS,
  type FunctionSignature,
  type SqlType,
} from '@ashlar/expressions';
import { closest, distance } from 'fastest-levenshtein';
import { unsupported } from '../guard/sql-errors.ts';
import type { Call } from '../parse/syntax.ts';
import { AGGREGATE_BASE, type Bind, type BindContext } from './context.ts';
import { expectBoolean, isNumeric, isOpen, meetingType, mismatch } from './types.ts';

const AGGREGATES = ['count', 'sum', 'avg', 'min', 'max'] as const;
/** Arguments and result are of one type. */
const SAME_TYPE = new Set(['coalesce', 'greatest', 'least', 'nullif']);

export function bindCall(call: Call, context: BindContext, bind: Bind): Expr {
  const name = call.name
    .map(({ text }) => text.toLowerCase())
    .join('.')
    .replace(/^pg_catalog\./, '');
  if (call.over !== undefined) throw unsupported('a window function', call.position);
  if (call.orderBy.length > 0) throw unsupported('ORDER BY inside a call', call.position);
  if (isAggregate(name)) return bindAggregate(name, call, context, bind);
  if (call.distinct || call.filter !== undefined || call.star) {
    throw new GridError('SYNTAX_ERROR', `${name} is no aggregate: it takes no *, DISTINCT or FILTER`, {
      position: call.position,
    });
  }
  return bindFunction(name, call, context, bind);
}

function isAggregate(name: string): name is AggregateName {
  return (AGGREGATES as readonly string[]).includes(name);
}

function bindFunction(name: string, call: Call, context: BindContext, bind: Bind): Expr {
  const signature = FUNCTIONS[name];
  const { position } = call;
  if (signature === undefined) throw unknownFunction(name, call);
  const args = call.arguments.map((argument) => bind(argument, context));
  if (args.length < signature.minArgs || args.length > signature.maxArgs) {
    const wanted =
      signature.minArgs === signature.maxArgs ? `${signature.minArgs}` : `${signature.minArgs} to ${signature.maxArgs}`;
    throw mismatch(`${name} takes ${wanted} arguments, not ${args.length}`, position);
  }
  const types = args.map(({ type }) => type);
  checkArguments(name, signature, types, call);
  if (SAME_TYPE.has(name)) types.reduce((common, type) => meetingType(common, type, name, position), 'null' as SqlType);
  const type = signature.resultType(types);
  return { kind: 'call', name, args, type, at: position.offset };
}

function checkArguments(name: string, { argTypes }: FunctionSignature, types: readonly SqlType[], call: Call): void {
  types.forEach((type, index) => {
    const taken = argTypes[Math.min(index, argTypes.length - 1)];
    if (taken === undefined || isOpen(type) || taken.includes(type)) return;
    throw mismatch(
      `argument ${index + 1} of ${name} is ${taken.join(' or ')}, not ${type}`,
      call.arguments[index]!.position,
    );
  });
}

function unknownFunction(name: string, call: Call): GridError {
  const names = [...Object.keys(FUNCTIONS), ...AGGREGATES];
  const nearest = closest(name, names);
  const near = distance(name, nearest) <= Math.max(1, name.length / 3);
  return new GridError('UNKNOWN_FUNCTION', `unknown function '${name}'`, {
    position: call.position,
    hint: near ? `did you mean '${nearest}'?` : undefined,
    details: { function: name },
  });
}

/** An aggregate stands for a column of the grouped rows; equal ones are computed once. */
function bindAggregate(name: AggregateName, call: Call, context: BindContext, bind: Bind): Expr {
  const { aggregates, clause } = context;
  const { position } = call;
  if (aggregates === undefined) {
    throw new GridError('GROUPING_ERROR', `an aggregate cannot stand in ${clause}`, {
      position,
      hint: clause === 'WHERE' ? 'conditions on aggregates belong into HAVING' : undefined,
    });
  }
  const count = call.arguments.length;
  if (call.star ? name !== 'count' : count !== 1) {
    throw mismatch(call.star ? `${name}(*) does not exist` : `${name} takes one argument, not ${count}`, position);
  }
  const operand = call.star ? undefined : bind(call.arguments[0]!, aggregates.inner);
  const filter =
    call.filter === undefined
      ? undefined
      : expectBoolean(bind(call.filter, aggregates.inner), 'FILTER', call.filter.position);
  const type = aggregateType(name, operand?.type ?? 'int8', call);
  const aggregate: Aggregate = { name, operand, distinct: call.distinct, filter, type, at: position.offset };
  const shape = aggregateShape(aggregate);
  let index = aggregates.items.findIndex((known) => aggregateShape(known) === shape);
  if (index < 0) index = aggregates.items.push(aggregate) - 1;
  return { kind: 'column', index: AGGREGATE_BASE + index, name, type, at: position.offset };
}

function aggregateShape(aggregate: Aggregate): string {
  return JSON.stringify(aggregate, (key, value: unknown) => {
    if (key === 'at') return undefined;
    return typeof value === 'bigint' ? `${value}n` : value;
  });
}

/** As PostgreSQL: sum of int4 is int8, of int8 numeric; avg of integers is numeric. */
function aggregateType(name: AggregateName, operand: SqlType, call: Call): SqlType {
  if (name === 'count') return 'int8';
  if (name === 'min' || name === 'max') {
    if (operand !== 'boolean' && operand !== 'json') return operand;
    throw mismatch(`${name} does not take ${operand}`, call.position);
  }
  if (isOpen(operand)) return 'any';
  if (operand === 'interval') return 'interval';
  if (!isNumeric(operand)) throw mismatch(`${name} does not take ${operand}`, call.position);
  if (operand === 'float8') return 'float8';
  if (name === 'avg') return 'numeric';
  return operand === 'int4' ? 'int8' : 'numeric';
}
