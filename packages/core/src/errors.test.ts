import { GridError } from './errors.ts';
import { checkName, isName, NAME_BYTES_MAX, NAME_LENGTH_MAX } from './names.ts';
import { ERROR_TEXT_MAX, shortText, shortTextBytes } from './short-text.ts';

const LONG = 'x'.repeat(1_000_000);

describe('an error', () => {
  it('does not grow with what a caller handed in', () => {
    const error = new GridError('UNKNOWN_MAP', `unknown map '${LONG}'`, {
      hint: LONG,
      details: { map: LONG, count: 3, nearest: [LONG, 'b'] },
    });
    expect(error.message).toHaveLength(ERROR_TEXT_MAX);
    expect(error.message).toMatch(/^unknown map 'x+…$/);
    expect(error.hint).toHaveLength(ERROR_TEXT_MAX);
    expect(error.details).toEqual({ map: shortText(LONG), count: 3, nearest: [shortText(LONG), 'b'] });
  });

  it('does not when it wraps an exception, or comes over the wire', () => {
    expect(GridError.wrap(new Error(LONG)).message).toHaveLength(ERROR_TEXT_MAX);
    expect(GridError.from({ code: 'INTERNAL', message: LONG }).message).toHaveLength(ERROR_TEXT_MAX);
  });

  it('of a usual length is told whole', () => {
    const details = { map: 'm' };
    const error = new GridError('UNKNOWN_MAP', 'a'.repeat(ERROR_TEXT_MAX), { details });
    expect(error.message).toBe('a'.repeat(ERROR_TEXT_MAX));
    expect(error.details).toBe(details);
  });
});

describe('a text cut short', () => {
  it('ends with a whole character', () => {
    expect(shortText('a😀b😀', 3)).toBe('a…');
    expect(shortText('a😀b😀', 4)).toBe('a😀…');
    expect(shortText('a😀b😀', 6)).toBe('a😀b😀');
  });

  it('keeps to bytes', () => {
    for (const text of [LONG, 'ß'.repeat(500), '漢'.repeat(500), '😀'.repeat(500), 'a\ud800'.repeat(300)]) {
      const cut = shortTextBytes(text, 100);
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(100);
      expect(Buffer.byteLength(cut)).toBeGreaterThan(90);
    }
    expect(shortTextBytes('größe', 100)).toBe('größe');
  });
});

describe('a name', () => {
  it('is bounded, in characters and in bytes', () => {
    const longest = '😀'.repeat(NAME_LENGTH_MAX / 2);
    expect(Buffer.byteLength(longest)).toBeLessThanOrEqual(NAME_BYTES_MAX);
    expect(isName('größe_1.$-x')).toBe(true);
    expect(isName('x'.repeat(NAME_LENGTH_MAX))).toBe(true);
    for (const text of ['', 'a b', '-a', longest, 'x'.repeat(NAME_LENGTH_MAX + 1), LONG]) {
      expect(isName(text)).toBe(false);
      expect(() => checkName('map', text)).toThrow(expect.objectContaining({ code: 'INVALID_NAME' }));
    }
  });
});
