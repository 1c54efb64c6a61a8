import { isDeepStrictEqual } from 'node:util';
import { Decimal } from '@ashlar/api';
import { decodeValue, encodeValue } from '@ashlar/serialization';
import fc from 'fast-check';
import { equalValues } from './equal-values.ts';

const leaf = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, 1, 1n, '1', '', Number.NaN, Number.POSITIVE_INFINITY),
  fc.string(),
  fc.integer(),
  fc.double(),
  fc.bigInt(),
  fc.uint8Array({ maxLength: 3 }),
  fc.integer({ min: -1e12, max: 1e12 }).map((ms) => new Date(ms)),
  fc.tuple(fc.bigInt({ min: -1000n, max: 1000n }), fc.nat(3)).map(([unscaled, scale]) => Decimal.of(unscaled, scale)),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 3 }), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

describe('two documents', () => {
  it('are equal to what they come back as', () => {
    fc.assert(fc.property(value, (one) => expect(equalValues(one, decodeValue(encodeValue(one)))).toBe(true)));
  });

  it('are equal whichever of them is asked', () => {
    fc.assert(
      fc.property(value, value, (one, other) => {
        expect(equalValues(one, other)).toBe(equalValues(other, one));
        if (isDeepStrictEqual(one, other)) expect(equalValues(one, other)).toBe(true);
      }),
    );
  });

  it.each<[string, unknown, unknown, boolean]>([
    ['fields in another order', { a: 1, b: 2 }, { b: 2, a: 1 }, true],
    ['a field that is undefined and none', { a: 1, b: undefined }, { a: 1 }, true],
    ['as many fields, of other names', { a: 1, b: undefined }, { b: 1 }, false],
    ['a field that only objects inherit', { toString: undefined, a: 1 }, { a: 1 }, true],
    ['a field that shadows what objects inherit', { constructor: 1 }, {}, false],
    ['0 and -0', 0, -0, true],
    ['NaN and NaN', [Number.NaN], [Number.NaN], true],
    ['NaN and null', Number.NaN, null, false],
    ['a number and a bigint', 1, 1n, false],
    ['a number and its text', 1, '1', false],
    ['decimals of one value', Decimal.parse('1.50'), Decimal.parse('1.5'), true],
    ['a decimal and a number', Decimal.parse('1.5'), 1.5, false],
    ['a list and an object with its places', ['x'], { 0: 'x' }, false],
    ['bytes and a list of them', Uint8Array.of(1), [1], false],
    ['bytes and a buffer of them', Uint8Array.of(1), Buffer.from([1]), true],
    ['a time and an object', new Date(0), {}, false],
    ['a shorter list', [1, 2], [1], false],
  ])('%s', (_what, one, other, isEqual) => {
    expect([equalValues(one, other), equalValues(other, one)]).toEqual([isEqual, isEqual]);
  });
});
