/** Values of many pages: they lie in one piece, and a refusal says why there is none. */
import { GridError } from '@ashlar/core';
import { get, makeBench, put, remove, settle } from './testing/store-bench.ts';

const MIB = 2 ** 20;

function refusalOf(run: () => void): GridError {
  try {
    run();
  } catch (error) {
    if (GridError.is(error)) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('a large value', () => {
  it('fits again and again beside small ones that come and go', () => {
    const { store } = makeBench({ maxBytes: 16 * MIB, logBytesPerPartition: 65_536 });
    for (let round = 0; round < 20; round += 1) {
      for (let n = 0; n < 400; n += 1) put(store, `s${(round * 37 + n) % 900}`, 'x'.repeat((n * 131) % 9000));
      put(store, 'large', String(round % 10).repeat(5 * MIB));
      expect(get(store, 'large')?.length).toBe(5 * MIB);
      for (let n = 0; n < 400; n += 3) remove(store, `s${(round * 37 + n) % 900}`);
      settle(store);
    }
    store.checkInvariants();
  });

  it('that finds enough memory, but in pieces, is told so, with the largest piece', () => {
    const { store } = makeBench({ maxBytes: 8 * MIB, logBytesPerPartition: 65_536 });
    const count = 110;
    for (let n = 0; n < count; n += 1) put(store, `k${n}`, 'x'.repeat(40_000));
    for (let n = 0; n < count; n += 2) remove(store, `k${n}`);
    settle(store);
    const refusal = refusalOf(() => put(store, 'large', 'y'.repeat(3 * MIB)));
    expect(refusal).toMatchObject({ code: 'OUT_OF_MEMORY', retryable: true });
    expect(refusal.message).toMatch(/in pieces; largest free block: \d+ bytes/);
    const { bytesFree, largestFreeBytes, isInPieces } = refusal.details as Record<string, number>;
    expect(isInPieces).toBe(true);
    expect(bytesFree).toBeGreaterThan(3 * MIB);
    expect(largestFreeBytes).toBeLessThan(3 * MIB);
    put(store, 'fits', 'z'.repeat(largestFreeBytes! - 1000));
    store.checkInvariants();
  });

  it('that does not fit at all is told how much is free', () => {
    const { store } = makeBench({ maxBytes: 4 * MIB, logBytesPerPartition: 65_536 });
    const refusal = refusalOf(() => put(store, 'large', 'y'.repeat(5 * MIB)));
    expect(refusal.message).toMatch(/are full: \d+ wanted, \d+ free, .*largest free block: \d+ bytes/);
    expect(refusal.details).toMatchObject({ isInPieces: false });
  });
});
