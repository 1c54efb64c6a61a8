/**
 * Texts of a statement, quoted literals and string parameters, as the kind of value that they meet: as in PostgreSQL a
 * quoted literal has no type of its own, so `k = '3'` finds the number 3, and `b = 'true'` the boolean.
 *
 * quoted Q1  Only what a cast to that kind would read. A text that meets a text stays one; so does what cannot be read.
 * quoted Q2  Beside a key only a canonical spelling: '1' means the key 1, '01' does not. So two lookups find all that it
 *            means.
 */
import { Decimal } from '@ashlar/api';
import { castValue } from './cast.ts';
import { isConstant } from './constants.ts';
import type { ArithmeticOperator, Expr } from './expr.ts';
import { Tag } from './types.ts';
import { type RowValue, tagOf } from './values.ts';

const INTEGER = /^\s*[+-]?\d{1,1000}\s*$/;

/** The text as a value of the kind that `tag` names; undefined where it is none. */
export function readAsKind(text: string, tag: Tag): RowValue | undefined {
  try {
    switch (tag) {
      case Tag.NUMBER:
      case Tag.INT:
        return castValue(text, 'float8', -1);
      case Tag.BIGINT:
        return INTEGER.test(text) ? BigInt(text.trim().replace(/^\+/, '')) : castValue(text, 'numeric', -1);
      case Tag.DECIMAL:
        return Decimal.parse(text.trim());
      case Tag.BOOLEAN:
        return castValue(text, 'boolean', -1);
      case Tag.TIMESTAMP:
      case Tag.DATE:
        return castValue(text, 'timestamptz', -1);
      case Tag.INTERVAL:
        return castValue(text, 'interval', -1);
      case Tag.BYTES:
        return text.startsWith('\\x') ? castValue(text, 'bytea', -1) : undefined;
      case Tag.JSON:
        return /^\s*[[{]/.test(text) ? castValue(text, 'json', -1) : undefined;
      default:
        return undefined;
    }
  } catch {
    return undefined;
  }
}

const CANONICAL_INTEGER = /^(?:0|-?[1-9]\d{0,99})$/;

/** The number that prints as this text; undefined where none does. */
export function canonicalNumber(text: string): number | bigint | undefined {
  const number = Number(text);
  if (CANONICAL_INTEGER.test(text)) return Number.isSafeInteger(number) ? number : BigInt(text);
  return Number.isFinite(number) && String(number) === text ? number : undefined;
}

/** A text as a key of the kind that `tag` names; undefined where it is none. */
function readAsKey(text: string, tag: Tag): RowValue | undefined {
  return tag === Tag.NUMBER || tag === Tag.BIGINT ? canonicalNumber(text) : undefined;
}

/** How texts are read beside the values of `expr`. */
export function readerBeside(expr: Expr): typeof readAsKind {
  return expr.kind === 'column' && expr.isKey === true ? readAsKey : readAsKind;
}

/** Gives `value` as it is to be compared with `other`. */
export type Reading = (value: RowValue, other: RowValue) => RowValue;

const asItIs: Reading = (value) => value;

/** How the values of `expr` are read beside others: texts that stand in the statement by what they meet. */
export function readingOf(expr: Expr, read = readAsKind, tagBeside: (other: Tag) => Tag = sameTag): Reading {
  if (!isConstant(expr)) return asItIs;
  // Statements have few texts and rows few kinds: each is read once.
  const known = new Map<Tag, { readonly text: string; readonly value: RowValue }>();
  return (value, other) => {
    if (typeof value !== 'string' || typeof other === 'string') return value;
    const tag = tagOf(other);
    const last = known.get(tag);
    if (last?.text === value) return last.value;
    const asOther = read(value, tagBeside(tag)) ?? value;
    known.set(tag, { text: value, value: asOther });
    return asOther;
  };
}

const sameTag = (other: Tag): Tag => other;

/** The same for an operand of arithmetic: `ts + '1 day'` reads an interval, `span * '2'` a number. */
export function operandReadingOf(expr: Expr, operator: ArithmeticOperator): Reading {
  const isSum = operator === '+' || operator === '-';
  return readingOf(expr, readAsKind, (other) => {
    if (other === Tag.INTERVAL && !isSum) return Tag.NUMBER;
    return other === Tag.TIMESTAMP && operator === '+' ? Tag.INTERVAL : other;
  });
}
