import { halfSipHash, hashBytes, murmur3 } from './hash.ts';

const text = (value: string): Uint8Array => Buffer.from(value, 'utf8');

describe('murmur3', () => {
  it('agrees with published values of MurmurHash3_x86_32', () => {
    const known: [string, number, number][] = [
      ['', 0, 0],
      ['', 1, 0x514e28b7],
      ['', 0xffffffff, 0x81f16f39],
      ['test', 0, 0xba6bd213],
      ['Hello, world!', 0, 0xc0363e43],
      ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
    ];
    for (const [input, seed, hash] of known) expect(murmur3(text(input), 0, text(input).length, seed)).toBe(hash);
  });

  it("passes SMHasher's verification of the algorithm", () => {
    const keys = Uint8Array.from({ length: 256 }, (_, index) => index);
    const hashes = new Uint8Array(1024);
    const view = new DataView(hashes.buffer);
    for (let length = 0; length < 256; length++)
      view.setUint32(length * 4, murmur3(keys, 0, length, 256 - length), true);
    expect(murmur3(hashes, 0, 1024, 0)).toBe(0xb0f57ee3);
  });
});

describe('the keyed hash', () => {
  it('agrees with published values of HalfSipHash-1-3', () => {
    const input = Uint8Array.from({ length: 16 }, (_, index) => index);
    const hashes = [0, 1, 2, 3, 4, 8, 12].map((length) => halfSipHash(input, 0, length, 0x03020100, 0x07060504));
    expect(hashes).toEqual([0x5814c896, 0xe7e864ca, 0xbc4b0e30, 0x01539939, 0x7e059ea6, 0x577999b1, 0x6b28096c]);
  });

  it('depends on the seed and on nothing outside the range', () => {
    const bytes = text('xxaccount-17yy');
    const inner = text('account-17');
    expect(hashBytes(bytes, 2, 12, 5)).toBe(hashBytes(inner, 0, 10, 5));
    expect(hashBytes(inner, 0, 10, 6)).not.toBe(hashBytes(inner, 0, 10, 5));
  });
});
