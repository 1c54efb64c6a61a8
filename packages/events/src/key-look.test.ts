import type { Expr } from '@ashlar/expressions';
import { encodeKey, type Key } from '@ashlar/serialization';
import { equalityOf } from './equality.ts';
import { KeyLook } from './key-look.ts';
import { and, COLUMNS, compare, isIn, key, n, number, parameter, text } from './testing/conditions.ts';

function lookFor(condition: Expr, parameters: readonly unknown[] = []): KeyLook | undefined {
  const equality = equalityOf(condition, COLUMNS, { parameters });
  return equality === undefined ? undefined : KeyLook.of(equality);
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
