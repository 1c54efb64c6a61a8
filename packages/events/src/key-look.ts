/**
 * For conditions that begin with `__key = 'text'` or `__key IN ('text', ...)`: a look at the bytes of a record's key that says
 * that the record is not wanted. To watch a few keys is what most subscriptions are for, and decoding every key that is written,
 * for each of them, was most of their cost.
 *
 * key-look K1  It says nothing but "not wanted", only of keys that are texts, and only where the condition says the same: a
 *              conjunction is decided by its first operand that is false, so that nothing behind it is looked at or counted.
 */
import { type DocumentColumn, type EvalContext, type Expr, interpret, type RowValue } from '@ashlar/expressions';
import { encodeKey } from '@ashlar/serialization';

/** Texts beyond which the condition is asked itself. */
const TEXTS_MAX = 16;

type Test = Extract<Expr, { kind: 'compare' | 'in' }>;

export class KeyLook {
  readonly #keys: readonly Uint8Array[];

  private constructor(keys: readonly Uint8Array[]) {
    this.#keys = keys;
  }

  /** Undefined: the condition begins with something else. */
  static of(condition: Expr, columns: readonly DocumentColumn[], context: EvalContext): KeyLook | undefined {
    const test = firstOperand(condition);
    if (test.kind !== 'compare' && test.kind !== 'in') return undefined;
    try {
      const texts = textsOf(test, columns, context);
      if (texts === undefined || !isDecidedBy(texts, test, context)) return undefined;
      return new KeyLook(texts.map((text) => encodeKey(text)));
    } catch {
      // The condition will meet the same, and say so.
      return undefined;
    }
  }

  /** Whether the key in bytes[start, end) does not meet the condition; false: it may, or it is for the condition to say. */
  excludes(bytes: Uint8Array, start: number, end: number): boolean {
    if (bytes[start] !== this.#keys[0]![0]) return false;
    for (const key of this.#keys) if (isSame(key, bytes, start, end)) return false;
    return true;
  }
}

function isSame(key: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false;
  for (let at = key.length - 1; at >= 0; at--) if (bytes[start + at] !== key[at]) return false;
  return true;
}

function firstOperand(condition: Expr): Expr {
  let first = condition;
  while (first.kind === 'and' && first.operands[0] !== undefined) first = first.operands[0];
  return first;
}

/** The texts that the key is compared with; undefined: it is not the key, or not with texts alone. */
function textsOf(test: Test, columns: readonly DocumentColumn[], context: EvalContext): string[] | undefined {
  const isKey = (expr: Expr): boolean => expr.kind === 'column' && columns[expr.index]?.source === 'key';
  let constants: readonly Expr[] | undefined;
  if (test.kind === 'in') constants = isKey(test.operand) && !test.negated ? test.list : undefined;
  else if (test.operator === '=') constants = otherSide(test, isKey);
  if (constants === undefined || constants.length === 0 || constants.length > TEXTS_MAX) return undefined;
  if (constants.some(({ kind }) => kind !== 'literal' && kind !== 'parameter')) return undefined;
  const values = constants.map((constant) => interpret(constant, noColumn, context));
  return values.every((value) => typeof value === 'string') ? values : undefined;
}

function otherSide(
  { left, right }: Extract<Expr, { kind: 'compare' }>,
  isKey: (expr: Expr) => boolean,
): readonly Expr[] | undefined {
  if (isKey(left)) return [right];
  return isKey(right) ? [left] : undefined;
}

function noColumn(): RowValue {
  return null;
}

/** Whether the test is true for these texts, and false for another one (key-look K1). */
function isDecidedBy(texts: readonly string[], test: Test, context: EvalContext): boolean {
  const other = `${texts.join()}.`;
  return (
    texts.every((text) => interpret(test, () => text, context) === true) &&
    interpret(test, () => other, context) === false
  );
}
