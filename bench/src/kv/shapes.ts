/**
 * The values that are stored: texts of some length, or records of ten fields as applications have them. A value names its key and the
 * operation that wrote it, and what is read is looked at as a whole, so that no subject gets away with half of it.
 */
import { digits, KEYS, numberIn } from './workload.ts';

export const SHAPES = ['text', 'text-10k', 'text-100k', 'record'] as const;
export type ShapeName = (typeof SHAPES)[number];

export interface Shape {
  /** Number of keys in use, the first ones of KEYS. */
  readonly keyCount: number;
  /** The value that operation `operation` writes under a key; -1: the one that it is filled with. */
  make(key: number, operation: number): unknown;
  /** The operation that wrote a value. @throws when it is no value of this key */
  operationOf(value: unknown, key: number): number;
}

const KEY_DIGITS = 6;
const WRITE_DIGITS = 8;

export function shapeOf(name: ShapeName): Shape {
  switch (name) {
    case 'text':
      return textShape(100, 100_000);
    case 'text-10k':
      return textShape(10_000, 5_000);
    case 'text-100k':
      return textShape(100_000, 500);
    case 'record':
      return recordShape();
  }
}

function textShape(length: number, keyCount: number): Shape {
  const filler = '-'.repeat(length - KEY_DIGITS - WRITE_DIGITS - 1).concat('!');
  return {
    keyCount,
    make: (key, operation) => digits(key, KEY_DIGITS) + digits(operation + 1, WRITE_DIGITS) + filler,
    operationOf(value, key) {
      if (typeof value !== 'string' || value.length !== length || value.charCodeAt(length - 1) !== 0x21) {
        throw new Error(`key ${key} answered ${JSON.stringify(value)?.slice(0, 200)}`);
      }
      if (numberIn(value, 0, KEY_DIGITS) !== key) throw new Error(`key ${key} answered the value of another: ${value}`);
      return numberIn(value, KEY_DIGITS, KEY_DIGITS + WRITE_DIGITS) - 1;
    },
  };
}

/** Ten fields, some 1,000 bytes as JSON. */
interface Account {
  readonly id: string;
  readonly write: number;
  readonly owner: string;
  readonly iban: string;
  readonly balance: number;
  readonly isOpen: boolean;
  readonly address: { readonly street: string; readonly city: string; readonly zip: string };
  readonly tags: readonly string[];
  readonly notes: string;
  readonly history: readonly number[];
}

const NOTES = 'called about a card that was lost on the way home; '.repeat(10);
const HISTORY = Array.from({ length: 32 }, (_, day) => day * 37.25);

function recordShape(): Shape {
  return {
    keyCount: 100_000,
    make: (key, operation): Account => ({
      id: KEYS[key]!,
      write: operation,
      owner: `Customer ${key} of the first branch`,
      iban: `DE${digits(key, 20)}`,
      balance: key * 1.5 + operation,
      isOpen: key % 7 !== 0,
      address: { street: `Long Street ${key}`, city: 'Somewhere by the Sea', zip: digits(key % 99_999, 5) },
      tags: ['retail', 'web', `segment-${key % 16}`],
      notes: NOTES,
      history: HISTORY,
    }),
    operationOf(value, key) {
      const { id, write, balance, notes, history, tags, address } = value as Account;
      const isWhole = id === KEYS[key] && notes.length === NOTES.length && history.length === 32 && tags.length === 3;
      if (isWhole && balance === key * 1.5 + write && address.city.length === 20) return write;
      throw new Error(`key ${key} answered ${JSON.stringify(value)}`);
    },
  };
}
