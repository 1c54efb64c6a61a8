/**
 * Keys that a statement means: a text in quotes, or given as a parameter, is the text and also the number that prints so.
 *
 *   __key = '1' -> the keys '1' and 1      __key = '01' -> the key '01'      __key = 1 -> the key 1
 *
 * quoted-keys K1  What the expressions find equal to a key is among the keys meant, so pruned partitions hold all of them.
 */
import { Decimal } from '@ashlar/api';
import { GridError } from '@ashlar/core';
import { canonicalNumber, childrenOf, type Expr, interpret } from '@ashlar/expressions';
import type { Key } from '@ashlar/serialization';

const noRow = (): null => null;

/** The key that a value of SQL is; undefined where it cannot be one. */
export function keyValue(value: unknown): Key | undefined {
  if (typeof value === 'number') return Number.isNaN(value) ? undefined : value;
  if (typeof value === 'string' || typeof value === 'bigint' || value instanceof Uint8Array) return value;
  return Array.isArray(value) ? (value as unknown as Key) : undefined;
}

/** The keys that `__key = expr` may find; none for NULL and for what is no key. */
export function keysMeant(expr: Expr, parameters: readonly unknown[]): readonly Key[] {
  const value = interpret(expr, noRow, { parameters });
  if (Decimal.is(value)) return canonicalKeys(value.canonical().toString());
  const key = keyValue(value);
  if (key === undefined) return [];
  return typeof key === 'string' && isQuoted(expr) ? [key, ...canonicalKeys(key)] : [key];
}

function canonicalKeys(text: string): readonly Key[] {
  const number = canonicalNumber(text);
  return number === undefined ? [] : [number];
}

const isQuoted = (expr: Expr): boolean => expr.kind === 'literal' || expr.kind === 'parameter';

/** The texts that a condition compares keys with for equality (or its contrary), and that may mean a number too. */
export function ambiguousTexts(condition: Expr | undefined, parameters: readonly unknown[]): readonly string[] {
  const texts = new Set<string>();
  const look = (expr: Expr): void => {
    const looked = lookedFor(expr);
    if (looked.length === 0) for (const part of childrenOf(expr)) look(part);
    for (const constant of looked.filter(isQuoted)) {
      const value = interpret(constant, noRow, { parameters });
      if (typeof value === 'string' && canonicalNumber(value) !== undefined) texts.add(value);
    }
  };
  if (condition !== undefined) look(condition);
  return [...texts];
}

const EQUALITIES: ReadonlySet<string> = new Set(['=', '<>']);

/** The values that a part of a condition compares keys with: by `<>` too, which may stand below a NOT. */
function lookedFor(expr: Expr): readonly Expr[] {
  if (expr.kind === 'in') return isKeyColumn(expr.operand) ? expr.list : [];
  const isEquality = expr.kind === 'distinctFrom' || (expr.kind === 'compare' && EQUALITIES.has(expr.operator));
  if (!isEquality) return [];
  if (isKeyColumn(expr.left)) return [expr.right];
  return isKeyColumn(expr.right) ? [expr.left] : [];
}

function isKeyColumn(expr: Expr): boolean {
  return expr.kind === 'column' && expr.isKey === true;
}

/** The notice for a map that has both keys which a text may mean. */
export function bothKeysNotice(text: string): string {
  return `__key = '${text}' means the key '${text}' and the key ${text}, and the map has both`;
}

/** @throws GridError INVALID_KEY for the first text that found both keys it may mean */
export function refuseBothKeys(found: ReadonlySet<unknown>, texts: readonly string[]): void {
  for (const text of texts) {
    if (!found.has(text) || !found.has(canonicalNumber(text))) continue;
    throw new GridError('INVALID_KEY', `${bothKeysNotice(text)}: nothing was changed`, {
      hint: `for the number write ${text} without quotes, or give a number; for the text write '${text}'::text`,
      details: { key: text },
    });
  }
}
