import { Decimal } from '@ashlar/api';
import { type Expr, interpret, type Literal, OddRows } from '@ashlar/expressions';
import { encodeKey, type Key } from '@ashlar/serialization';
import fc from 'fast-check';
import { ambiguousTexts, keysMeant, keyValue, refuseBothKeys } from './quoted-keys.ts';

const KEY: Expr = { kind: 'column', index: 0, name: '__key', isKey: true, type: 'any', at: 0 };
const OTHER: Expr = { kind: 'column', index: 1, name: 'x', type: 'any', at: 0 };

function literal(value: Literal): Expr {
  const type = typeof value === 'string' ? 'text' : typeof value === 'boolean' ? 'boolean' : 'float8';
  return { kind: 'literal', value, type, at: 0 };
}

function parameter(index: number): Expr {
  return { kind: 'parameter', index, type: 'any', at: 0 };
}

function compare(operator: '=' | '<>' | '<', left: Expr, right: Expr): Expr {
  return { kind: 'compare', operator, left, right, type: 'boolean', at: 0 };
}

const sameKey = (one: Key, other: Key): boolean => Buffer.compare(encodeKey(one), encodeKey(other)) === 0;

const numberText = fc.oneof(
  fc.integer().map(String),
  fc.bigInt().map(String),
  fc.double().map(String),
  fc.constantFrom(
    '01',
    '1.0',
    '1e3',
    '-0',
    '+1',
    ' 1',
    '1 ',
    '0x10',
    'NaN',
    'Infinity',
    '9007199254740993',
    '1e21',
    '',
  ),
);
const given = fc.oneof(
  numberText,
  fc.string(),
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.nat(5)).map(([n, scale]) => Decimal.of(n, scale)),
);
const key = fc.oneof(numberText, fc.string(), fc.integer(), fc.double({ noNaN: true }), fc.bigInt());

describe('the keys that a statement means', () => {
  it('quoted-keys K1: hold every key that the expressions find equal', () => {
    // The keys that lie nearest to what is given, besides any.
    const pair = given.chain((value) => {
      const text = String(value);
      const near: Key[] = [text, Number(text)].filter((one) => typeof one === 'string' || !Number.isNaN(one));
      if (/^-?\d+$/.test(text)) near.push(BigInt(text));
      return fc.tuple(fc.constant(value), fc.oneof(fc.constantFrom(...near), key));
    });
    fc.assert(
      fc.property(pair, ([value, stored]) => {
        const row = (index: number): never => (index === 0 ? stored : null) as never;
        const isEqual = interpret(compare('=', KEY, parameter(0)), row, {
          parameters: [value],
          // Keys of another kind than is asked for are none that it finds.
          oddRows: new OddRows(),
        });
        const meant = keysMeant(parameter(0), [value]);
        if (isEqual === true) expect(meant.some((one) => sameKey(one, stored as Key))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it.each<[string, Expr, readonly Key[]]>([
    ['a text that prints as a number', literal('1'), ['1', 1]],
    ['a text in another spelling', literal('01'), ['01']],
    ['a number', literal(1), [1]],
    ['a wide whole number in quotes', literal('9007199254740993'), ['9007199254740993', 9007199254740993n]],
    ['a decimal', parameter(0), [1.5]],
    ['NULL', literal(null), []],
    ['what is no key', literal(true), []],
    ['a text that is computed', { kind: 'concat', left: literal('1'), right: literal(''), type: 'text', at: 0 }, ['1']],
  ])('are those of %s', (_what, expr, keys) => {
    expect(keysMeant(expr, [Decimal.parse('1.50')])).toEqual(keys);
  });

  it('are texts, numbers, bytes and lists of these; NaN is none', () => {
    for (const one of ['x', 1, 2n, Uint8Array.of(1), ['a', 1]]) expect(keyValue(one)).toEqual(one);
    for (const none of [Number.NaN, null, undefined, true, { a: 1 }, new Date()])
      expect(keyValue(none)).toBeUndefined();
  });
});

describe('the texts of a condition that may mean two keys', () => {
  it('are those that keys are compared with for equality or its contrary', () => {
    const inList: Expr = {
      kind: 'in',
      operand: KEY,
      list: [literal('2'), literal('x'), literal(3)],
      negated: false,
      type: 'boolean',
      at: 0,
    };
    const condition: Expr = {
      kind: 'and',
      type: 'boolean',
      at: 0,
      operands: [
        compare('=', literal('1'), KEY),
        { kind: 'not', operand: compare('<>', KEY, parameter(0)), type: 'boolean', at: 0 },
        inList,
        compare('<', KEY, literal('7')),
        compare('=', OTHER, literal('8')),
        compare('=', KEY, literal('01')),
      ],
    };
    expect(ambiguousTexts(condition, ['4'])).toEqual(['1', '4', '2']);
    expect(ambiguousTexts(undefined, [])).toEqual([]);
  });

  it('are refused where a change has found both keys', () => {
    const both = expect.objectContaining({ code: 'INVALID_KEY', hint: expect.any(String), details: { key: '1' } });
    expect(() => refuseBothKeys(new Set<unknown>(['1', 1]), ['0', '1'])).toThrow(both);
    refuseBothKeys(new Set<unknown>(['1', 2]), ['1', '2']);
  });
});
