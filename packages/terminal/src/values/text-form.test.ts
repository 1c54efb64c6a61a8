import type { GridKey } from '@ashlar/api';
import * as fc from 'fast-check';
import { exactJson, keyText, parseKey, parseValue, valueText } from './text-form.ts';

describe('a key as text', () => {
  it.each<[string, GridKey]>([
    ['SEA', 'SEA'],
    ['two words', 'two words'],
    ['5', 5],
    ['"5"', '5'],
    ['-1.5', -1.5],
    ['9007199254740993', 9007199254740993n],
    ['["a",1]', ['a', 1]],
    ['{"bytes":"0aff"}', Uint8Array.of(10, 255)],
    ['"-x"', '-x'],
    ['""', ''],
    ['" a"', ' a'],
    ['"a\\nb"', 'a\nb'],
    ['"true"', 'true'],
  ])('%s', (text, key) => {
    expect(parseKey(text)).toEqual(key);
    expect(keyText(key)).toBe(text);
  });

  it('may be any JSON taken as text', () => expect(parseKey('{"a":1}', true)).toBe('{"a":1}'));

  it.each(['true', 'null', '{"a":1}', '[["a"]]', '{"bytes":"0"}'])('is refused: %s', (text) =>
    expect(() => parseKey(text)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' })),
  );

  it('comes back as it was', () => {
    const bytes = fc.uint8Array({ maxLength: 5 });
    const part = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      bytes,
    );
    const key = fc.oneof(part, fc.bigInt(), fc.array(part, { minLength: 1, maxLength: 3 }));
    // Integral numbers and bigints of equal value are one key, and -0 is 0.
    const canonical = (one: unknown): unknown =>
      Array.isArray(one) ? one.map(canonical) : Number.isInteger(one) ? BigInt(one as number) : one;
    fc.assert(fc.property(key, (one) => expect(canonical(parseKey(keyText(one)))).toEqual(canonical(one))));
  });
});

describe('a value as text', () => {
  it('is JSON where it is JSON, else the text', () => {
    expect(parseValue('{"a":[1,null]}')).toEqual({ a: [1, null] });
    expect(parseValue('{"a":')).toBe('{"a":');
    expect(parseValue('{"a":12345678901234567890}')).toEqual({ a: 12345678901234567890n });
    expect(parseValue('1e400')).toBe(Number.POSITIVE_INFINITY);
    expect(parseValue('5', true)).toBe('5');
  });

  it('comes back as it was, for what JSON has', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const kept = JSON.parse(JSON.stringify(value));
        fc.pre(!/\d{16}/.test(JSON.stringify(value)));
        expect(parseValue(valueText(kept))).toEqual(kept);
        expect(JSON.parse(exactJson(kept, '  '))).toEqual(kept);
      }),
    );
  });

  it('shows what JSON lacks', () => {
    const value = { big: 2n ** 70n, at: new Date(0), bytes: Uint8Array.of(1), none: undefined, nan: Number.NaN };
    expect(exactJson(value)).toBe(
      '{"big":1180591620717411303424,"at":"1970-01-01T00:00:00.000Z","bytes":"AQ==","none":null,"nan":null}',
    );
  });
});
