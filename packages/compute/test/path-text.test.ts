import { parsePath, readPath, writePath } from '../src/index.ts';

describe('paths', () => {
  it.each([
    ['a', ['a']],
    ['account.id', ['account', 'id']],
    ['tags[1]', ['tags', 1]],
    ['[0].x', [0, 'x']],
    ['"first name".x', ['first name', 'x']],
    ['a."b.c"[2][3]', ['a', 'b.c', 2, 3]],
    ['größe', ['größe']],
  ])('are read as written: %s', (text, segments) => {
    expect(parsePath(text)).toEqual(segments);
  });

  it.each(['', '.', 'a.', '.a', 'a..b', 'a[', 'a[x]', 'a]', '"a', 'a[-1]', `a${'.a'.repeat(100)}`])(
    'refuse %j',
    (text) => {
      expect(() => parsePath(text)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    },
  );

  it('read own fields only', () => {
    expect(readPath({ a: [{ b: 1 }] }, ['a', 0, 'b'])).toBe(1);
    expect(readPath({ a: 1 }, ['a', 'toString'])).toBeUndefined();
    expect(readPath({}, ['__proto__'])).toBeUndefined();
    expect(readPath([1], ['length'])).toBeUndefined();
  });

  it('write a copy, making what is missing', () => {
    const document = { a: { b: 1 }, c: [1, 2] };
    expect(writePath(document, ['a', 'x'], 2)).toEqual({ a: { b: 1, x: 2 }, c: [1, 2] });
    expect(writePath(document, ['c', 3], 4)).toEqual({ a: { b: 1 }, c: [1, 2, null, 4] });
    expect(document).toEqual({ a: { b: 1 }, c: [1, 2] });
    const written = writePath({}, ['__proto__', 'x'], 1) as object;
    expect(Object.getPrototypeOf(written)).toBe(Object.prototype);
    expect(() => writePath({ a: 1 }, ['a', 'b'], 1)).toThrow(expect.objectContaining({ code: 'TYPE_MISMATCH' }));
    expect(() => writePath({ a: [] }, ['a', 1e9], 1)).toThrow(expect.objectContaining({ code: 'TYPE_MISMATCH' }));
  });
});
