import { castValue } from './cast.ts';

describe('a text as a number', () => {
  it.each<[string, number]>([
    ['NaN', Number.NaN],
    ['Infinity', Infinity],
    [' inf ', Infinity],
    ['+INF', Infinity],
    ['-Infinity', -Infinity],
    ['-inf', -Infinity],
    ['1.', 1],
    ['-.5e1', -5],
  ])('%j is read', (text, number) => expect(castValue(text, 'float8', 0, 'text')).toBe(number));

  it.each(['', 'constructor', '__proto__', 'toString', 'nano', 'e5', '0x10', '1 2'])('%j is none', (text) => {
    expect(() => castValue(text, 'float8', 0, 'text')).toThrow(expect.objectContaining({ code: 'INVALID_CAST' }));
  });
});
