import { Decimal } from '@ashlar/api';
import fc from 'fast-check';
import { encodeValue, storableBytes, UNCERTAIN } from './index.ts';

const BYTES_MAX = 1 << 20;

/** Anything, storable or not. */
const anything = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'grapheme', maxLength: 200 }),
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.double(),
    fc.integer(),
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
    fc.boolean(),
    fc.date(),
    fc.uint8Array(),
    fc.constantFrom<unknown>(
      null,
      undefined,
      Decimal.parse('1.5'),
      Symbol('s'),
      () => 1,
      new Map(),
      /x/,
      Promise.resolve(),
    ),
    fc.array(tie('value')),
    fc.dictionary(fc.string({ unit: 'binary', maxLength: 8 }), tie('value')),
  ),
})).value;

describe('storable S1', () => {
  it('what is certain can be encoded, and about its length is known', () => {
    let certain = 0;
    const property = fc.property(anything, (value) => {
      const bytes = storableBytes(value, BYTES_MAX);
      if (bytes === UNCERTAIN) return;
      certain++;
      const { length } = encodeValue(value);
      expect(length).toBeGreaterThanOrEqual(bytes / 3);
      expect(length).toBeLessThanOrEqual(bytes * 3);
    });
    fc.assert(property, { numRuns: 3000, seed: 7 });
    expect(certain).toBeGreaterThan(1000);
  });

  it('is certain of what records are mostly made of', () => {
    const record = {
      id: 'a',
      at: new Date(5),
      n: 1.5,
      big: 5n,
      open: true,
      none: null,
      tags: ['x', { deep: [1] }],
      b: Buffer.of(1),
    };
    expect(storableBytes(record, BYTES_MAX)).toBeGreaterThan(50);
  });

  it('is certain of nothing that may be refused: kinds, names, depth, length', () => {
    let deep: unknown = 1;
    for (let depth = 0; depth < 101; depth++) deep = [deep];
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    const doubtful = [
      undefined,
      Symbol('s'),
      new Date(Number.NaN),
      { '\ud800': 1 },
      deep,
      circle,
      2n ** 64n,
      'x'.repeat(BYTES_MAX),
    ];
    for (const value of doubtful) expect(storableBytes(value, BYTES_MAX)).toBe(UNCERTAIN);
  });
});
