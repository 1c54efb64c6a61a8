import fc from 'fast-check';
import { buffersOf, packBytes, unpackAll, unpackBytes } from './packed-bytes.ts';

const items = fc.array(fc.option(fc.uint8Array({ maxLength: 600 }), { nil: undefined }));

describe('byte strings in one message', () => {
  it('come back as they were, those that are none too', () => {
    fc.assert(
      fc.property(items, (given) => {
        expect(unpackBytes(packBytes(given))).toEqual(given);
      }),
    );
  });

  it('come back after their buffers were moved to another thread', () => {
    const packed = packBytes([Uint8Array.of(1, 2), undefined, new Uint8Array(0)]);
    const moved = structuredClone(packed, { transfer: buffersOf(packed) });
    expect(packed.bytes.length).toBe(0);
    expect(unpackBytes(moved)).toEqual([Uint8Array.of(1, 2), undefined, new Uint8Array(0)]);
  });

  it('are all there where all must be', () => {
    expect(unpackAll(packBytes([Uint8Array.of(1)]))).toEqual([Uint8Array.of(1)]);
    expect(() => unpackAll(packBytes([undefined]))).toThrow('every item is there');
  });
});
