/** Plans run row by row in the plainest way: the reference for the executor's answers. */
import { Decimal } from '@ashlar/api';
import { type Aggregate, compareValues, type Expr, Interval, interpret, type RowValue } from '@ashlar/expressions';
import type { FragmentNode, MergeNode, SortKey } from '@ashlar/sql-plan';
import type { Row } from './memory-source.ts';

export interface TwinInput {
  readonly rows: readonly Row[];
  readonly buildRows: readonly Row[];
  readonly parameters: readonly unknown[];
}

type Value = RowValue;

function evaluate(expr: Expr, row: Row, input: TwinInput): Value {
  return interpret(expr, (index) => (row[index] ?? null) as Value, { parameters: input.parameters });
}

export function twinFragment(node: FragmentNode, input: TwinInput): Row[] {
  const given = node.kind === 'Scan' || node.kind === 'Rows' ? [] : twinFragment(node.input, input);
  switch (node.kind) {
    case 'Scan':
      return input.rows.filter((row) => node.filter === undefined || evaluate(node.filter, row, input) === true);
    case 'Filter':
      return given.filter((row) => evaluate(node.condition, row, input) === true);
    case 'Project':
      return given.map((row) => node.exprs.map((expr) => evaluate(expr, row, input)));
    case 'HashJoin':
      return given.flatMap((row) => joined(node, row, input));
    case 'Distinct':
      return distinct(given);
    case 'TopN': {
      const limit = evaluate(node.limit, [], input);
      return sorted(given, node.keys, input).slice(0, limit === null ? undefined : Number(limit));
    }
    default:
      throw new TypeError(`no twin of ${node.kind}`);
  }
}

function joined(node: Extract<FragmentNode, { kind: 'HashJoin' }>, row: Row, input: TwinInput): Row[] {
  const found = input.buildRows
    .filter((build) =>
      node.probeKeys.every((key, index) => {
        const left = evaluate(key, row, input);
        const right = evaluate(node.buildKeys[index]!, build, input);
        return left !== null && right !== null && isSame(left, right);
      }),
    )
    .map((build) => [...row, ...build])
    .filter((both) => node.residual === undefined || evaluate(node.residual, both, input) === true);
  return found.length === 0 && node.join === 'left' ? [[...row, ...node.buildColumns.map(() => null)]] : found;
}

export function twinMerge(node: MergeNode, fragment: FragmentNode, input: TwinInput): Row[] {
  switch (node.kind) {
    case 'Gather':
      return twinFragment(fragment, input);
    case 'Rows':
      return node.rows.map((row) => row.map((expr) => evaluate(expr, [], input)));
    case 'FinalAggregate': {
      if (fragment.kind !== 'PartialAggregate') throw new TypeError('states come from PartialAggregate');
      return aggregated(fragment, twinFragment(fragment.input, input), input);
    }
    case 'Filter':
      return twinMerge(node.input, fragment, input).filter((row) => evaluate(node.condition, row, input) === true);
    case 'Project':
      return twinMerge(node.input, fragment, input).map((row) => node.exprs.map((expr) => evaluate(expr, row, input)));
    case 'Distinct':
      return distinct(twinMerge(node.input, fragment, input));
    case 'Sort':
      return sorted(twinMerge(node.input, fragment, input), node.keys, input);
    case 'Limit': {
      const count = (expr: Expr | undefined): Value => (expr === undefined ? null : evaluate(expr, [], input));
      const offset = Number(count(node.offset) ?? 0);
      const limit = count(node.limit);
      return twinMerge(node.input, fragment, input).slice(offset, limit === null ? undefined : offset + Number(limit));
    }
  }
}

/** Equal as GROUP BY sees it. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === null || a === undefined || b === null || b === undefined) return (a ?? null) === (b ?? null);
  try {
    return compareValues(a as Value, b as Value) === 0;
  } catch {
    return false;
  }
}

function distinct(rows: readonly Row[]): Row[] {
  const found: Row[] = [];
  for (const row of rows) {
    if (!found.some((other) => other.every((value, index) => isSame(value, row[index])))) found.push(row);
  }
  return found;
}

function sorted(rows: readonly Row[], keys: readonly SortKey[], input: TwinInput): Row[] {
  return rows.toSorted((a, b) => {
    for (const { expr, descending, nullsFirst } of keys) {
      const left = evaluate(expr, a, input);
      const right = evaluate(expr, b, input);
      if (left === null && right === null) continue;
      if (left === null) return nullsFirst ? -1 : 1;
      if (right === null) return nullsFirst ? 1 : -1;
      const order = compareValues(left, right);
      if (order !== 0) return descending ? -order : order;
    }
    return 0;
  });
}

function aggregated(
  node: Extract<FragmentNode, { kind: 'PartialAggregate' }>,
  rows: readonly Row[],
  input: TwinInput,
): Row[] {
  const groups: { key: Value[]; rows: Row[] }[] = node.groups.length === 0 ? [{ key: [], rows: [] }] : [];
  for (const row of rows) {
    const key = node.groups.map((group) => evaluate(group, row, input));
    let group = groups.find((other) => other.key.every((value, index) => isSame(value, key[index])));
    if (group === undefined) groups.push((group = { key, rows: [] }));
    group.rows.push(row);
  }
  return groups.map((group) => [...group.key, ...node.aggregates.map((each) => aggregate(each, group.rows, input))]);
}

function aggregate(node: Aggregate, rows: readonly Row[], input: TwinInput): unknown {
  const { operand, filter, distinct: isDistinct, name } = node;
  const counted = filter === undefined ? rows : rows.filter((row) => evaluate(filter, row, input) === true);
  if (operand === undefined) return counted.length;
  let values = counted.map((row) => evaluate(operand, row, input)).filter((value) => value !== null);
  if (isDistinct) values = distinct(values.map((value) => [value])).map((row) => row[0] as RowValue & {});
  if (name === 'count') return values.length;
  if (values.length === 0) return null;
  if (name === 'min' || name === 'max') {
    const sign = name === 'min' ? 1 : -1;
    return values.reduce((best, value) => (compareValues(value, best) * sign < 0 ? value : best));
  }
  const sum = (values as Value[]).reduce(add);
  return name === 'sum' ? sum : average(sum, values.length);
}

function add(a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return a + b;
  if (typeof a === 'number' || typeof b === 'number') return Number(a) + Number(b);
  const decimal = (value: Value): Decimal => Decimal.parse(String(value));
  return decimal(a).plus(decimal(b));
}

function average(sum: Value, count: number): Value {
  return typeof sum === 'number' ? sum / count : Number(sum) / count;
}

/** A value as text that equal values share, for comparing answers. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'number') return String(value + 0);
  if (Decimal.is(value)) return value.canonical().toString();
  if (typeof value === 'bigint') return String(value);
  if (Interval.is(value)) return `interval ${value.comparable}`;
  if (typeof value === 'string') return JSON.stringify(value);
  return `${Object.prototype.toString.call(value)} ${JSON.stringify(value)}`;
}

export function shownRows(rows: readonly Row[]): string[] {
  return rows.map((row) => row.map(shown).join(' | '));
}
