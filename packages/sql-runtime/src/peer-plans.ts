/**
 * Plans and changes that other members send, as MessagePack: looked at as a whole before anything runs by them, so that what is
 * malformed is the caller's mistake and not an exception of ours in the middle of a statement.
 *
 * peer-plans L1  Every node has a kind that there is, and the parts of its kind. The tables are records over the unions of
 *                kinds: a new kind does not compile until it is here.
 */

import { GridError } from '@ashlar/core';
import type { Aggregate, Expr } from '@ashlar/expressions';
import { decodeMessage } from '@ashlar/serialization';
import type { FragmentNode } from '@ashlar/sql-plan';
import type { ChangeRequest } from './changes/change-request.ts';

/** The plan of a fragment and what goes with it. */
export interface FragmentBody {
  readonly fragment: FragmentNode;
  readonly mapId: number;
  readonly clockMs: number;
  readonly strict: boolean;
  /** Stage of each element of build_tables. */
  readonly buildStages: readonly number[];
}

type Check = (value: unknown, at: string) => void;
type Fields = Readonly<Record<string, unknown>>;
type Parts = Readonly<Record<string, Check>>;

/** @throws GridError INVALID_ARGUMENT */
export function fragmentBodyOf(bytes: Uint8Array): FragmentBody {
  const body = decoded(bytes);
  FRAGMENT_BODY(body, 'plan');
  return body as FragmentBody;
}

/** @throws GridError INVALID_ARGUMENT */
export function changeRequestOf(bytes: Uint8Array): ChangeRequest {
  const body = decoded(bytes);
  anyOf(CHANGES)(body, 'change');
  return body as ChangeRequest;
}

function decoded(bytes: Uint8Array): unknown {
  try {
    return decodeMessage(bytes);
  } catch (error) {
    throw malformed('the body', error instanceof Error ? error.message : 'cannot be read');
  }
}

function malformed(at: string, what: string): GridError {
  return new GridError('INVALID_ARGUMENT', `malformed request of a member: ${at} ${what}`, {
    hint: 'all members of a grid must run the same release',
  });
}

/* ---- Checks -------------------------------------------------------------------------------------------------------- */

const text: Check = (value, at) => {
  if (typeof value !== 'string') throw malformed(at, 'is not text');
};
const flag: Check = (value, at) => {
  if (typeof value !== 'boolean') throw malformed(at, 'is neither true nor false');
};
const number: Check = (value, at) => {
  if (typeof value !== 'number') throw malformed(at, 'is not a number');
};
const whole: Check = (value, at) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw malformed(at, 'is not a whole number');
};
const integer: Check = (value, at) => {
  if (!Number.isSafeInteger(value)) throw malformed(at, 'is not a whole number');
};
const bytes: Check = (value, at) => {
  if (!(value instanceof Uint8Array)) throw malformed(at, 'is not bytes');
};
const anything: Check = () => undefined;
const pathStep: Check = (value, at) => {
  if (typeof value !== 'string') whole(value, at);
};

function list(check: Check): Check {
  return (value, at) => {
    if (!Array.isArray(value)) throw malformed(at, 'is not a list');
    for (let index = 0; index < value.length; index++) check(value[index], at);
  };
}

function maybe(check: Check): Check {
  return (value, at) => {
    if (value !== undefined && value !== null) check(value, at);
  };
}

function parts(checks: Parts): Check {
  const named = Object.entries(checks);
  return (value, at) => {
    const fields = fieldsOf(value, at);
    for (const [name, check] of named) check(fields[name], `${at}.${name}`);
  };
}

/** One of the kinds of a union. */
function anyOf(kinds: Readonly<Record<string, Check>>): Check {
  return (value, at) => {
    const { kind } = fieldsOf(value, at);
    if (typeof kind !== 'string' || !Object.hasOwn(kinds, kind)) throw malformed(at, 'is of no kind that there is');
    kinds[kind]!(value, kind);
  };
}

function fieldsOf(value: unknown, at: string): Fields {
  if (typeof value === 'object' && value !== null) return value as Fields;
  throw malformed(at, 'is not an object');
}

/* ---- Expressions --------------------------------------------------------------------------------------------------- */

const expr: Check = (value, at) => {
  text(fieldsOf(value, at)['type'], `${at}.type`);
  anyOf(EXPRESSIONS)(value, at);
};
const both = parts({ left: expr, right: expr });
const one = parts({ operand: expr });
const several = parts({ operands: list(expr) });

const EXPRESSIONS: Readonly<Record<Expr['kind'], Check>> = {
  column: parts({ index: whole }),
  literal: anything,
  parameter: parts({ index: whole }),
  compare: both,
  distinctFrom: both,
  arithmetic: both,
  concat: both,
  negate: one,
  not: one,
  isNull: one,
  isTruth: one,
  cast: one,
  and: several,
  or: several,
  in: parts({ operand: expr, list: list(expr) }),
  like: parts({ operand: expr, pattern: expr }),
  case: parts({ branches: list(parts({ when: expr, then: expr })), otherwise: maybe(expr) }),
  call: parts({ name: text, args: list(expr) }),
};

const aggregate: Check = parts({ name: text, operand: maybe(expr), filter: maybe(expr) } satisfies Partial<
  Record<keyof Aggregate, Check>
>);

/* ---- Fragments and changes ------------------------------------------------------------------------------------------ */

const planColumn = parts({ name: text, type: text });
const scanColumn = parts({ source: text, type: text, path: maybe(list(pathStep)) });
const fragment: Check = (value, at) => anyOf(FRAGMENTS)(value, at);

const FRAGMENTS: Readonly<Record<FragmentNode['kind'], Check>> = {
  Scan: parts({ map: text, mapId: whole, columns: list(scanColumn), filter: maybe(expr) }),
  Rows: parts({ rows: list(list(expr)), columns: list(planColumn) }),
  Filter: parts({ input: fragment, condition: expr }),
  Project: parts({ input: fragment, columns: list(planColumn), exprs: list(expr) }),
  HashJoin: parts({
    input: fragment,
    stage: whole,
    buildColumns: list(planColumn),
    probeKeys: list(expr),
    buildKeys: list(expr),
    residual: maybe(expr),
  }),
  PartialAggregate: parts({ input: fragment, groups: list(expr), aggregates: list(aggregate) }),
  Distinct: parts({ input: fragment }),
  TopN: parts({ input: fragment, keys: list(parts({ expr })), limit: expr }),
};

const FRAGMENT_BODY = parts({ fragment, mapId: whole, clockMs: number, strict: flag, buildStages: list(integer) });

const task = parts({
  kind: text,
  scan: FRAGMENTS.Scan,
  assignments: list(parts({ path: list(pathStep), value: expr })),
  partitions: list(whole),
  snapshotId: whole,
  snapshotVersion: whole,
  parameters: bytes,
  clockMs: number,
  strict: flag,
});

const insertColumns = parts({ partitions: list(whole), keys: list(bytes), values: list(bytes) });
const insertRows: Check = (value, at) => {
  insertColumns(value, at);
  const { partitions, keys, values } = value as Readonly<Record<string, readonly unknown[]>>;
  if (keys!.length !== partitions!.length || values!.length !== partitions!.length) {
    throw malformed(at, 'has columns of several lengths');
  }
};

const CHANGES: Readonly<Record<ChangeRequest['kind'], Check>> = {
  change: parts({ task }),
  check: parts({ task }),
  process: parts({ task, processor: parts({ module: text, exportName: text, args: bytes }) }),
  insert: parts({
    map: text,
    mapId: whole,
    rows: insertRows,
  }),
};
