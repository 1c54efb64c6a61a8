/** Whether two documents are equal, as compare-and-set sees it. */
import { types } from 'node:util';
import { Decimal } from '@ashlar/api';

/**
 * Equal by content: objects field by field in any order (a field that is undefined counts as missing), arrays element by
 * element, dates by time, bytes by bytes, decimals by value; NaN equals NaN, 0 equals -0, and 1 does not equal 1n.
 */
export function equalValues(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return Number.isNaN(a) && Number.isNaN(b);
  if (Array.isArray(a) || Array.isArray(b)) return Array.isArray(a) && Array.isArray(b) && equalArrays(a, b);
  if (types.isDate(a) || types.isDate(b)) return types.isDate(a) && types.isDate(b) && a.getTime() === b.getTime();
  if (types.isUint8Array(a) || types.isUint8Array(b)) {
    return types.isUint8Array(a) && types.isUint8Array(b) && Buffer.compare(a, b) === 0;
  }
  if (Decimal.is(a) || Decimal.is(b)) return Decimal.is(a) && Decimal.is(b) && a.equals(b);
  return equalFields(a as Record<string, unknown>, b as Record<string, unknown>);
}

function equalArrays(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((element, index) => equalValues(element, b[index]));
}

function equalFields(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  const names = (of: object): string[] => Object.keys(of).filter((name) => (of as typeof a)[name] !== undefined);
  const namesOfA = names(a);
  if (namesOfA.length !== names(b).length) return false;
  return namesOfA.every((name) => Object.hasOwn(b, name) && equalValues(a[name], b[name]));
}
