import { isTtlNumber, TTL_DEFAULT, TTL_KEEP, TTL_MAX_MS, TTL_NEVER, ttlNumber } from './time-to-live.ts';

describe('a time to live', () => {
  it('is a number of milliseconds or one of three rules, and one number for each', () => {
    expect([
      ttlNumber('default'),
      ttlNumber('keep'),
      ttlNumber('never'),
      ttlNumber(0.5),
      ttlNumber(TTL_MAX_MS),
    ]).toEqual([TTL_DEFAULT, TTL_KEEP, TTL_NEVER, 0.5, TTL_MAX_MS]);
  });

  it.each([0, -1, Number.NaN, Infinity, -Infinity, 1e18, TTL_MAX_MS + 1, 'forever', '', null, undefined, {}, 5n, true])(
    'is refused: %p',
    (given) => {
      expect(() => ttlNumber(given)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    },
  );

  it.each([Number.NaN, -5, -Infinity, 1e18])('is none as a number: %p', (ttl) => expect(isTtlNumber(ttl)).toBe(false));
});
