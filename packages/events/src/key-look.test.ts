import type { DocumentColumn, Expr } from '@ashlar/expressions';
import { encodeKey, type Key } from '@ashlar/serialization';
import { KeyLook } from './key-look.ts';

const COLUMNS: readonly DocumentColumn[] = [{ source: 'path', path: ['n'] }, { source: 'key' }];
const base = { type: 'any', at: 0 } as const;
const n: Expr = { ...base, kind: 'column', index: 0, name: 'n' };
const key: Expr = { ...base, kind: 'column', index: 1, name: '__key' };
const text = (value: string): Expr => ({ ...base, kind: 'literal', value, type: 'text' });
const number = (value: number): Expr => ({ ...base, kind: 'literal', value, type: 'float8' });
const parameter: Expr = { ...base, kind: 'parameter', index: 0 };
const compare = (left: Expr, operator: '=' | '>', right: Expr): Expr => ({
  ...{ kind: 'compare', type: 'boolean', at: 0, operator, left, right },
});
const and = (...operands: readonly Expr[]): Expr => ({ kind: 'and', type: 'boolean', at: 0, operands });
const isIn = (operand: Expr, list: readonly Expr[], negated = false): Expr => ({
  ...{ kind: 'in', type: 'boolean', at: 0, operand, list, negated },
});

function lookFor(condition: Expr, parameters: readonly unknown[] = []): KeyLook | undefined {
  return KeyLook.of(condition, COLUMNS, { parameters });
}

function excludes(look: KeyLook | undefined, value: Key): boolean | undefined {
  const bytes = encodeKey(value);
  // Keys lie somewhere in the arena.
  const arena = new Uint8Array(bytes.length + 7);
  arena.set(bytes, 5);
  return look?.excludes(arena, 5, 5 + bytes.length);
}

describe('a look at the key', () => {
  it.each([
    ['__key = text', compare(key, '=', text('ab')), []],
    ['text = __key', compare(text('ab'), '=', key), []],
    ['__key = $1', compare(key, '=', parameter), ['ab']],
    ['__key = text AND more', and(compare(key, '=', text('ab')), compare(n, '>', number(1))), []],
    ['__key IN (texts)', isIn(key, [text('ab'), text('cd')]), []],
  ])('excludes texts that %s does not mean, and leaves all other keys to it', (_, condition, parameters) => {
    const look = lookFor(condition, parameters);
    expect(excludes(look, 'ab')).toBe(false);
    for (const other of ['a', 'abc', 'aB', '', 'ab\0', 'ä']) expect(excludes(look, other)).toBe(true);
    for (const ofOtherKind of [1, 2n ** 70n, Uint8Array.of(1), ['ab'], ['ab', 1]])
      expect(excludes(look, ofOtherKind as Key)).toBe(false);
  });

  it('knows each of the texts of a list', () => {
    const look = lookFor(isIn(key, [text('ab'), text('cd')]));
    expect(['ab', 'cd', 'abcd'].map((value) => excludes(look, value))).toEqual([false, false, true]);
  });

  it.each([
    ['something before the key', and(compare(n, '>', number(1)), compare(key, '=', text('ab')))],
    ['another column', compare(n, '=', text('ab'))],
    ['another comparison', compare(key, '>', text('ab'))],
    ['a number', compare(key, '=', number(1))],
    ['a list with a number', isIn(key, [text('ab'), number(1)])],
    ['a list that is excluded', isIn(key, [text('ab')], true)],
    ['a column on the other side', compare(key, '=', n)],
    ['an alternative', { kind: 'or', type: 'boolean', at: 0, operands: [compare(key, '=', text('ab'))] } as Expr],
    ['a parameter that is not given', compare(key, '=', parameter)],
  ])('is not taken where the condition begins with %s (key-look K1)', (_, condition) => {
    expect(lookFor(condition)).toBeUndefined();
  });
});
