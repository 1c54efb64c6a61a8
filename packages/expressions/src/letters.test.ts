import { lowerCase, upperCase } from './letters.ts';

describe('upper and lower case', () => {
  // PostgreSQL's answers, in C.UTF-8.
  it('map one character to one', () => {
    expect(upperCase('ßŉǰΐᾀᾳﬀ')).toBe('ßŉǰΐᾈᾼﬀ');
    expect(lowerCase('İΣΑΣ')).toBe('iσασ');
    expect([upperCase('ı'), lowerCase('ẞ'), upperCase('ǆ'), upperCase('äß1\u{10428}')]).toEqual([
      'I',
      'ß',
      'Ǆ',
      'Äß1\u{10400}',
    ]);
  });

  it('keep the number of characters of every text', () => {
    for (let code = 0; code < 0x11000; code++) {
      if (code >= 0xd800 && code < 0xe000) continue;
      const letter = String.fromCodePoint(code);
      expect([[...upperCase(letter)].length, [...lowerCase(letter)].length]).toEqual([1, 1]);
    }
  });
});
