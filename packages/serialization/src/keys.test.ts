import fc from 'fast-check';
import {
  affinityEnd,
  checkKey,
  compareKeys,
  decodeKey,
  encodeKey,
  KEY_BYTES_MAX,
  type Key,
  type KeyElement,
  KeyWriter,
  partitionHash,
  partitionOf,
} from './index.ts';

const element: fc.Arbitrary<KeyElement> = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom('\0', 'a', '\u00ff', '\u{1f600}') }),
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }),
  fc.uint8Array({ maxLength: 8 }),
);
const anyKey: fc.Arbitrary<Key> = fc.oneof(element, fc.array(element, { minLength: 1, maxLength: 4 }));

/** The dumb twin of the order: numbers < strings < bytes < arrays. */
function rank(value: Key): number {
  if (typeof value === 'number' || typeof value === 'bigint') return 0;
  return typeof value === 'string' ? 1 : value instanceof Uint8Array ? 2 : 3;
}

function compareTwin(a: Key, b: Key): number {
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (rank(a) === 0) return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0;
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b as string));
  if (a instanceof Uint8Array) return Buffer.compare(a, b as Uint8Array);
  const [left, right] = [a as readonly KeyElement[], b as readonly KeyElement[]];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const order = compareTwin(left[index]!, right[index]!);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function codeOf(action: () => unknown): unknown {
  try {
    action();
    return 'nothing thrown';
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

describe('the canonical bytes of keys', () => {
  it('are equal exactly for equal keys, and sort as the keys do', () => {
    fc.assert(
      fc.property(anyKey, anyKey, (a, b) => {
        expect(Math.sign(compareKeys(encodeKey(a), encodeKey(b)))).toBe(Math.sign(compareTwin(a, b)));
      }),
      { numRuns: 3000 },
    );
  });

  it('read back as a key of the same bytes, and pass the check', () => {
    fc.assert(
      fc.property(anyKey, (key) => {
        const bytes = encodeKey(key);
        expect(encodeKey(decodeKey(bytes))).toEqual(bytes);
        expect(compareTwin(decodeKey(bytes), key)).toBe(0);
        checkKey(bytes, 0, bytes.length);
      }),
      { numRuns: 2000 },
    );
  });

  it('are the same for integral numbers and bigints of equal value, and for 0 and -0', () => {
    for (const value of [0, 1, -1, 255, 2 ** 31, -(2 ** 31), 2 ** 52, 2 ** 53, 2 ** 63, -(2 ** 63), 2 ** 64, 1e300]) {
      expect(encodeKey(BigInt(value))).toEqual(encodeKey(value));
    }
    expect(encodeKey(-0)).toEqual(encodeKey(0));
  });

  it('decode to numbers while these are safe integers, beyond to bigints', () => {
    expect(decodeKey(encodeKey(2n ** 53n - 1n))).toBe(2 ** 53 - 1);
    expect(decodeKey(encodeKey(-(2n ** 53n) + 1n))).toBe(-(2 ** 53) + 1);
    expect(decodeKey(encodeKey(2 ** 53))).toBe(2n ** 53n);
    expect(decodeKey(encodeKey(-(2n ** 200n)))).toBe(-(2n ** 200n));
  });

  it('order numbers at every edge of their encoding', () => {
    const numbers: (number | bigint)[] = [
      -Infinity,
      -(2n ** 4000n),
      -1e308,
      -(2n ** 64n),
      -(2n ** 63n),
      -(2n ** 63n) + 1n,
    ];
    numbers.push(
      -(2 ** 53),
      -(2 ** 52),
      -(2 ** 52) + 1,
      -(2 ** 51) - 0.5,
      -65536,
      -256.5,
      -256,
      -1.5,
      -1,
      -0.5,
      -5e-324,
      0,
    );
    numbers.push(
      ...[...numbers]
        .reverse()
        .slice(1)
        .map((value) => -value),
    );
    const encoded = numbers.map((value) => encodeKey(value));
    for (let index = 1; index < encoded.length; index++) {
      expect(compareKeys(encoded[index - 1]!, encoded[index]!)).toBeLessThan(0);
      expect(encodeKey(decodeKey(encoded[index]!))).toEqual(encoded[index]);
    }
  });

  it('refuse what is not a key', () => {
    const refused: unknown[] = [
      NaN,
      null,
      undefined,
      true,
      {},
      [],
      [[1]],
      [null],
      [NaN],
      Symbol('s'),
      () => 1,
      new Date(),
    ];
    refused.push('\ud800', ['a', '\udc00b']);
    for (const key of refused) expect(codeOf(() => encodeKey(key as Key))).toBe('INVALID_KEY');
  });

  it('are at most KEY_BYTES_MAX long', () => {
    expect(encodeKey('x'.repeat(KEY_BYTES_MAX - 2))).toHaveLength(KEY_BYTES_MAX);
    const tooLong: Key[] = [
      'x'.repeat(KEY_BYTES_MAX - 1),
      '\0'.repeat(KEY_BYTES_MAX / 2),
      'é'.repeat(KEY_BYTES_MAX / 2),
    ];
    tooLong.push(new Uint8Array(KEY_BYTES_MAX), 2n ** 600_000n, new Array(40_000).fill(7), 'x'.repeat(10_000_000));
    for (const key of tooLong) expect(codeOf(() => encodeKey(key))).toBe('KEY_TOO_LARGE');
  });
});

describe('KeyWriter', () => {
  it('appends keys one behind the other, also while its buffer grows', () => {
    const writer = new KeyWriter();
    const ranges = Array.from({ length: 2000 }, (_, index) => {
      writer.write(`key ${index}`);
      return [writer.start, writer.end] as const;
    });
    ranges.forEach(([start, end], index) => {
      expect(decodeKey(writer.bytes, start, end)).toBe(`key ${index}`);
    });
  });

  it('is as it was after a key is refused', () => {
    const writer = new KeyWriter();
    writer.write('good');
    const { start, end } = writer;
    expect(() => writer.write(['half', NaN])).toThrow('NaN');
    expect([writer.start, writer.end]).toEqual([start, end]);
    expect(decodeKey(writer.bytes, start, end)).toBe('good');
  });
});

describe('key bytes from outside', () => {
  it('pass the check only in canonical form', () => {
    const refused = [
      '',
      '60',
      '2100',
      '220001',
      '21',
      '400',
      '40',
      '41',
      '40ff00',
      '40c32800',
      '290001ff',
      '2000',
      '6060',
    ];
    refused.push('21017ff8000000000000', '21013ff0000000000000', '1fff', '2b', '4000ff', '500041');
    for (const hex of refused) {
      const bytes = Buffer.from(hex, 'hex');
      expect([hex, codeOf(() => checkKey(bytes, 0, bytes.length))]).toEqual([hex, 'INVALID_KEY']);
    }
  });

  it('never crash a reader, nor make it look outside its range', () => {
    const tags = fc.constantFrom(0x16, 0x17, 0x18, 0x1f, 0x20, 0x21, 0x28, 0x29, 0x2a, 0x40, 0x50, 0x60, 0, 0xff);
    fc.assert(
      fc.property(fc.array(fc.oneof(tags, fc.nat(255)), { maxLength: 24 }), (list) => {
        const bytes = Uint8Array.from([...list, 0, 0]);
        const end = list.length;
        const checked = codeOf(() => checkKey(bytes, 0, end));
        const decoded = codeOf(() => decodeKey(bytes, 0, end));
        expect([undefined, 'nothing thrown', 'CORRUPT_DATA']).toContain(decoded);
        if (checked === 'nothing thrown') {
          expect(encodeKey(decodeKey(bytes, 0, end))).toEqual(bytes.slice(0, end));
        } else {
          expect(checked).toBe('INVALID_KEY');
        }
        codeOf(() => partitionHash(bytes, 0, end, 1));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('the partition of a key', () => {
  const hashOf = (key: Key, parts: number): number => {
    const bytes = encodeKey(key);
    return partitionHash(bytes, 0, bytes.length, parts);
  };

  it('is that of its affinity part: k, [k] and [k, x] meet', () => {
    fc.assert(
      fc.property(element, element, (key, other) => {
        expect(hashOf([key, other], 1)).toBe(hashOf(key, 0));
        expect(hashOf([key], 0)).toBe(hashOf(key, 1));
        expect(hashOf([key, other], 2)).toBe(hashOf([key, other], 0));
        expect(hashOf([key, other], 9)).toBe(hashOf([key, other], 0));
      }),
    );
  });

  it('is not disturbed by a getter that encodes another key', () => {
    const key = ['first', 0, 'last'] as [string, number, string];
    Object.defineProperty(key, 1, { enumerable: true, get: () => encodeKey('quite another key').length });
    const bytes = encodeKey(key);
    expect(decodeKey(bytes, 0, bytes.length)).toEqual(['first', encodeKey('quite another key').length, 'last']);
  });

  it('ends the affinity part between elements', () => {
    const bytes = encodeKey(['ab', 7, 'c']);
    expect([0, 1, 2, 3].map((parts) => affinityEnd(bytes, 0, bytes.length, parts))).toEqual([10, 5, 7, 10]);
  });

  it('spreads consecutive keys evenly', () => {
    const counts = new Array<number>(256).fill(0);
    for (let key = 0; key < 51_200; key++) {
      const bytes = encodeKey(key);
      counts[partitionOf(bytes, 0, bytes.length, 0, 256)]! += 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(130);
    expect(Math.max(...counts)).toBeLessThan(280);
  });
});
