import fc from 'fast-check';
import { likeTest } from './like.ts';

const AT = 0;

/** The dumb twin: tries everything. */
function matches(text: readonly string[], pattern: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return text.length === 0;
  if (first === '%') return text.some((_, index) => matches(text.slice(index), rest)) || matches([], rest);
  if (text.length === 0) return false;
  if (first === '\\') return text[0] === rest[0] && matches(text.slice(1), rest.slice(1));
  return (first === '_' || first === text[0]) && matches(text.slice(1), rest);
}

const alphabet = ['a', 'b', '%', '_', '\u{1f600}'];
const pieces = fc.array(fc.constantFrom('a', 'b', '%', '_', '\\%', '\\_', '\\a', '\u{1f600}'), { maxLength: 8 });

describe('LIKE', () => {
  it('agrees with a matcher that tries everything', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...alphabet), { maxLength: 9 }), pieces, (text, pattern) => {
        const expected = matches(text, [...pattern.join('')]);
        expect(likeTest(pattern.join(''), undefined, false, AT)(text.join(''))).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it('takes no exponential time, whatever the pattern', () => {
    const text = 'a'.repeat(20_000);
    expect(likeTest(`${'%a'.repeat(500)}%b`, undefined, false, AT)(text)).toBe(false);
    expect(likeTest(`${'%a_'.repeat(100)}%b%`, undefined, false, AT)(text)).toBe(false);
  });

  it('takes another escape character, or none', () => {
    expect(likeTest('50!%', '!', false, AT)('50%')).toBe(true);
    expect(likeTest('a\\_', '', false, AT)('a\\b')).toBe(true);
    expect(likeTest('A%', undefined, true, AT)('abc')).toBe(true);
  });

  // PostgreSQL's answers.
  it.each([
    ['', '\\', false],
    ['a', 'b\\', false],
    ['a', 'a\\', false],
    ['', '%\\', false],
    ['a', 'a%\\', false],
    ['b', 'a%\\', false],
    ['xa', '%a\\', false],
    ['xa', '%_a\\', false],
    ['a', '\\', undefined],
    ['ab', 'a\\', undefined],
    ['a', '%\\', undefined],
    ['ab', 'a%\\', undefined],
    ['xay', '%a\\', undefined],
  ])(
    '%j LIKE %j is %p: an escape character at the end is an error for a text that reaches it',
    (text, pattern, expected) => {
      const test = (): boolean => likeTest(pattern, undefined, false, 12)(text);
      if (expected !== undefined) expect(test()).toBe(expected);
      else expect(test).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { offset: 12 } }));
    },
  );

  // PostgreSQL's answers, in C.UTF-8.
  it.each([
    ['İ', '_', true],
    ['ß', 'SS', false],
    ['ß', 'ẞ', true],
    ['Σ', 'ς', false],
    ['ΑΣ', 'ας', false],
    ['ΑΣ', 'ασ', true],
    ['İ', 'i', true],
    ['K', 'k', true],
    ['ſ', 's', false],
    ['ﬀ', '_', true],
  ])('%s ILIKE %s is %p: letters match character by character', (text, pattern, expected) => {
    expect(likeTest(pattern, undefined, true, AT)(text)).toBe(expected);
  });

  it('keeps the case of the escape character', () => {
    expect(likeTest('aX%', 'X', true, AT)('A%')).toBe(true);
  });
});
