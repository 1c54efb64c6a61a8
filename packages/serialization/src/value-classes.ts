/**
 * Which objects are values, and why others are not. An object of a class of the application's own is stored as its own
 * enumerable fields and comes back as a plain object; what would silently lose its content that way is refused.
 */
import { types } from 'node:util';
import { Decimal } from '@ashlar/api';

export const ObjectKind = { FIELDS: 0, ARRAY: 1, DATE: 2, BYTES: 3, DECIMAL: 4, REFUSED: 5 } as const;
export type ObjectKind = (typeof ObjectKind)[keyof typeof ObjectKind];

/** The kind of an object that is not plain; asked in the order of how often they are met. */
export function kindOf(value: object): ObjectKind {
  if (Array.isArray(value)) return ObjectKind.ARRAY;
  if (types.isDate(value)) return ObjectKind.DATE;
  if (types.isUint8Array(value)) return ObjectKind.BYTES;
  if (Decimal.is(value)) return ObjectKind.DECIMAL;
  return isFieldsOnly(value) ? ObjectKind.FIELDS : ObjectKind.REFUSED;
}

/** Why an object of ObjectKind.REFUSED is no value, with what to store in its place. */
export function refusalReason(value: object): string {
  if (types.isMap(value)) return 'a Map; store Object.fromEntries(map) or [...map]';
  if (types.isSet(value)) return 'a Set; store [...set]';
  if (types.isAnyArrayBuffer(value) || ArrayBuffer.isView(value)) {
    return 'a binary view other than Uint8Array; store new Uint8Array(buffer, byteOffset, byteLength) or an array';
  }
  if (types.isPromise(value)) return 'a Promise; await it first';
  if (types.isNativeError(value)) return 'an Error; store its message and code';
  const name = Object.prototype.toString.call(value).slice(8, -1);
  return `an object of class ${name === 'Object' ? (value.constructor?.name ?? name) : name}; convert it to plain data`;
}

/** Whether an object that is neither plain nor of a known value class may be stored as its own enumerable fields. */
function isFieldsOnly(value: object): boolean {
  if (types.isMap(value) || types.isSet(value) || types.isAnyArrayBuffer(value) || ArrayBuffer.isView(value))
    return false;
  if (types.isPromise(value) || types.isNativeError(value) || types.isRegExp(value) || types.isBoxedPrimitive(value)) {
    return false;
  }
  if (types.isWeakMap(value) || types.isWeakSet(value)) return false;
  // toJSON and toStringTag announce that the content is not in the fields: URL, Temporal, moment, Headers, WeakRef.
  return typeof (value as { toJSON?: unknown }).toJSON !== 'function' && !(Symbol.toStringTag in value);
}
