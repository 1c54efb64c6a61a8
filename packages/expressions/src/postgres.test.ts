/**
 * What PostgreSQL prints. Each line of postgres-cases.jsonl is [expression, what PostgreSQL 17 (PGlite 0.5.16, UTC) or 15 gave for
 * it as text, or its SQLSTATE]. An expression is [type, text], ['call', name, ...], ['operator', sign, left, right],
 * ['cast', type, operand], ['like', operand, pattern]. Where Ashlar differs on purpose, the README says so.
 */
import { readFileSync } from 'node:fs';
import { GridError } from '@ashlar/core';
import {
  type ArithmeticOperator,
  arithmeticType,
  type Expr,
  FUNCTIONS,
  formatValue,
  interpret,
  type SqlType,
} from './index.ts';

type Case = readonly [expression: readonly unknown[], expected: string | { readonly error: string }];

const cases = readFileSync(new URL('./testing/postgres-cases.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Case);

const AT = 3;
const COMPARISONS = ['=', '<>', '<', '<=', '>', '>='];

function build(node: readonly unknown[]): Expr {
  const [kind, ...rest] = node as [string, ...unknown[]];
  const parts = rest.filter((part) => Array.isArray(part)).map((part) => build(part as unknown[]));
  if (kind === 'call') {
    const name = rest[0] as string;
    return { kind, name, args: parts, type: FUNCTIONS[name]!.resultType(parts.map((part) => part.type)), at: AT };
  }
  if (kind === 'operator') return operator(rest[0] as string, parts[0]!, parts[1]!);
  if (kind === 'cast') return { kind, operand: parts[0]!, type: rest[0] as SqlType, at: AT };
  if (kind.endsWith('like')) return like(kind, parts[0]!, parts[1]!);
  const text: Expr = {
    kind: 'literal',
    value: rest[0] as string | null,
    type: rest[0] === null ? 'null' : 'text',
    at: AT,
  };
  return kind === 'text' || rest[0] === null ? text : { kind: 'cast', operand: text, type: kind as SqlType, at: AT };
}

function operator(sign: string, left: Expr, right: Expr): Expr {
  if (sign === '||') return { kind: 'concat', left, right, type: 'text', at: AT };
  if (COMPARISONS.includes(sign))
    return { kind: 'compare', operator: sign as '=', left, right, type: 'boolean', at: AT };
  const arithmetic = sign as ArithmeticOperator;
  const type = arithmeticType(arithmetic, left.type, right.type) ?? 'any';
  return { kind: 'arithmetic', operator: arithmetic, left, right, type, at: AT };
}

function like(kind: string, operand: Expr, pattern: Expr): Expr {
  const [negated, caseInsensitive] = [kind.startsWith('not'), kind.endsWith('ilike')];
  return { kind: 'like', negated, caseInsensitive, operand, pattern, escape: undefined, type: 'boolean', at: AT };
}

function outcome(expr: Expr): string | undefined {
  try {
    const value = interpret(expr, () => null, { parameters: [], nowMs: 0 });
    return value === null ? 'NULL' : formatValue(value, expr.type);
  } catch (error) {
    if (GridError.is(error)) return undefined;
    throw error;
  }
}

/** Doubles that differ in the last digit only: the mathematical library is another. */
function isClose(expected: string, actual: string, type: SqlType): boolean {
  if (expected === actual) return true;
  return type === 'float8' && Math.abs(Number(expected) - Number(actual)) <= 1e-14 * Math.abs(Number(expected));
}

describe('expressions', () => {
  it('give what PostgreSQL gives', () => {
    const wrong = cases.flatMap(([node, expected]) => {
      const expr = build(node);
      const actual = outcome(expr);
      const isRight =
        typeof expected === 'string'
          ? actual !== undefined && isClose(expected, actual, expr.type)
          : actual === undefined;
      return isRight ? [] : [{ expression: JSON.stringify(node), expected, actual }];
    });
    expect(wrong).toEqual([]);
    expect(cases.length).toBeGreaterThan(1000);
  });
});
