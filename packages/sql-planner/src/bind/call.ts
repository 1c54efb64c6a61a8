/** Calls: aggregates and scalar functions. */
import { GridError } from '@ashlar/core';
import {
  type Aggregate,
  type AggregateName,
  type Expr,
  FUNCTIONS,
  type FunctionSignature,
  readsUndeclared,
  type SqlType,
} from '@ashlar/expressions';
import { aggregateText } from '@ashlar/sql-plan';
import { closest, distance } from 'fastest-levenshtein';
import { notYet, unsupported } from '../guard/sql-errors.ts';
import type { Call } from '../parse/syntax.ts';
import { AGGREGATE_BASE, type Bind, type BindContext } from './context.ts';
import { adopt, castTo, expectBoolean, literalTypeAmong, unify } from './literals.ts';
import { asNumeric, inOneKind } from './number-kinds.ts';
import { hintForFunction, insteadOfFunction, isPostgresFunction } from './postgres-functions.ts';
import { isNumeric, isOpen, mismatch } from './types.ts';

const AGGREGATES = ['count', 'sum', 'avg', 'min', 'max'] as const;
/** Arguments and result are of one type. */
const SAME_TYPE = new Set(['coalesce', 'greatest', 'least', 'nullif']);

export function bindCall(call: Call, context: BindContext, bind: Bind): Expr {
  const name = call.name
    .map(({ text }) => text.toLowerCase())
    .join('.')
    .replace(/^pg_catalog\./, '');
  if (call.over !== undefined) {
    throw notYet('a window function', call.position, 'use GROUP BY, or ORDER BY and count the rows as you read them');
  }
  if (!isAggregate(name) && FUNCTIONS[name] === undefined) throw unknownFunction(name, call);
  if (call.orderBy.length > 0) {
    throw unsupported(
      'ORDER BY inside a call',
      call.position,
      `leave it out: the order does not change what ${name} gives`,
    );
  }
  if (isAggregate(name)) return bindAggregate(name, call, context, bind);
  if (call.distinct || call.filter !== undefined || call.star) {
    throw new GridError('SYNTAX_ERROR', `${name} is not an aggregate: it does not take *, DISTINCT or FILTER`, {
      position: call.position,
    });
  }
  return bindFunction(name, call, context, bind);
}

function isAggregate(name: string): name is AggregateName {
  return (AGGREGATES as readonly string[]).includes(name);
}

function bindFunction(name: string, call: Call, context: BindContext, bind: Bind): Expr {
  const signature = FUNCTIONS[name]!;
  const { position } = call;
  const bound = call.arguments.map((argument) => bind(argument, context));
  if (bound.length < signature.minArgs || bound.length > signature.maxArgs) {
    throw mismatch(`${name} takes ${countText(signature)}, not ${bound.length}`, position);
  }
  const args = SAME_TYPE.has(name)
    ? unify(name === 'nullif' ? bound : inOneKind(bound, context), name, (index) => call.arguments[index]!.position)
        .exprs
    : bound.map((argument, index) => {
        const takesNumeric = signature.argTypes[Math.min(index, signature.argTypes.length - 1)]?.includes('numeric');
        const given = takesNumeric === true ? asNumeric(argument, context) : argument;
        return acceptArgument(name, signature, given, index, call);
      });
  return { kind: 'call', name, args, type: signature.resultType(args.map(({ type }) => type)), at: position.offset };
}

function countText({ minArgs, maxArgs }: FunctionSignature): string {
  const most = maxArgs === Number.POSITIVE_INFINITY ? 'or more' : `to ${maxArgs}`;
  return `${minArgs === maxArgs ? minArgs : `${minArgs} ${most}`} argument${maxArgs === 1 ? '' : 's'}`;
}

function acceptArgument(name: string, { argTypes }: FunctionSignature, given: Expr, index: number, call: Call): Expr {
  const taken = argTypes[Math.min(index, argTypes.length - 1)];
  if (taken === undefined) return given;
  // A literal has no type of its own: json functions read it as JSON.
  const isDocument = index === 0 && /^jsonb?_/.test(name) && given.kind === 'literal' && given.type === 'text';
  if (isDocument) return castTo(given, 'json', given.at);
  const argument = adopt(given, literalTypeAmong(taken));
  if (isOpen(argument.type) || taken.includes(argument.type)) return argument;
  throw mismatch(
    `argument ${index + 1} of ${name} is ${taken.join(' or ')}, not ${argument.type}`,
    call.arguments[index]!.position,
  );
}

function unknownFunction(name: string, call: Call): GridError {
  if (isPostgresFunction(name)) return notYet(`the function ${name}`, call.position, insteadOfFunction(name));
  const names = [...Object.keys(FUNCTIONS), ...AGGREGATES];
  const nearest = closest(name, names);
  // Two letters swapped are two edits.
  const near = distance(name, nearest) <= (name.length < 4 ? 1 : Math.max(2, name.length / 3));
  return new GridError('UNKNOWN_FUNCTION', `unknown function '${name}'`, {
    position: call.position,
    hint: hintForFunction(name) ?? (near ? `did you mean '${nearest}'?` : undefined),
    details: { function: name },
  });
}

/** An aggregate stands for a column of the grouped rows; equal ones are computed once. */
function bindAggregate(name: AggregateName, call: Call, context: BindContext, bind: Bind): Expr {
  const { aggregates, clause } = context;
  const { position } = call;
  if (aggregates === undefined) {
    throw new GridError('GROUPING_ERROR', `an aggregate is not allowed in ${clause}`, {
      position,
      hint: clause === 'WHERE' ? 'conditions on aggregates belong in HAVING' : undefined,
    });
  }
  const count = call.arguments.length;
  if (call.star ? name !== 'count' : count !== 1) {
    const hint = name === 'count' && count === 0 ? 'write count(*)' : undefined;
    throw mismatch(
      call.star ? `${name}(*) does not exist` : `${name} takes one argument, not ${count}`,
      position,
      hint,
    );
  }
  const operand = call.star ? undefined : bind(call.arguments[0]!, aggregates.inner);
  const filter =
    call.filter === undefined
      ? undefined
      : expectBoolean(bind(call.filter, { ...aggregates.inner, clause: 'FILTER' }), 'FILTER', call.filter.position);
  const type = aggregateType(name, operand?.type ?? 'int8', call);
  const aggregate: Aggregate = { name, operand, distinct: call.distinct, filter, type, at: position.offset };
  const shape = aggregates.shapes.ofAggregate(aggregate);
  const index = aggregates.places.get(shape) ?? aggregates.items.push(aggregate) - 1;
  aggregates.places.set(shape, index);
  const column = {
    ...({ kind: 'column', index: AGGREGATE_BASE + index, name: aggregateText(aggregate) } as const),
    ...{ type, at: position.offset },
  };
  return operand !== undefined && readsUndeclared(operand) ? column : { ...column, isDeclared: true };
}

/** As PostgreSQL. A sum of int8 is a numeric of scale 0, which applications get as a bigint of any size (number-kinds.ts). */
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
  if (operand === 'int8') return 'any';
  return operand === 'numeric' ? 'numeric' : 'int8';
}
