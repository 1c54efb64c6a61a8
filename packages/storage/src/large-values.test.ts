/** Values of many pages: they lie in one piece where there is one, else in several; a refusal says what fits. */
import { GridError } from '@ashlar/core';
import { closeAll, get, getAt, MAP, makeBench, put, remove, scanAt, settle } from './testing/store-bench.ts';

const MIB = 2 ** 20;
/** No two places of it are alike. */
const NUMBERS = Array.from({ length: 2 ** 19 }, (_, number) => String(number).padStart(6, '0')).join('');

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

  it('that finds enough memory, but in pieces, lies in pieces', () => {
    const { store, reader } = makeBench({ maxBytes: 8 * MIB, logBytesPerPartition: 65_536 });
    const count = 110;
    for (let n = 0; n < count; n += 1) put(store, `k${n}`, 'x'.repeat(40_000));
    for (let n = 0; n < count; n += 2) remove(store, `k${n}`);
    settle(store);
    const large = NUMBERS.slice(0, 3 * MIB);
    put(store, 'large', large);
    store.checkInvariants();
    expect(get(store, 'large') === large).toBe(true);
    expect(getAt(reader, 'large', store.openSnapshot().version) === large).toBe(true);
    for (let n = 1; n < count; n += 2) expect(get(store, `k${n}`)?.length).toBe(40_000);
  });

  it('fits beside short ones of which every second is gone, though no page is free', () => {
    const { store } = makeBench({ maxBytes: 8 * MIB, logBytesPerPartition: 65_536 });
    let count = 0;
    refusalOf(() => {
      for (; ; count += 1) put(store, `k${count}`, 'x'.repeat(3000));
    });
    for (let n = 0; n < count; n += 2) remove(store, `k${n}`);
    settle(store);
    expect(store.stats().freeBytes).toBeLessThan(MIB);
    const large = NUMBERS.slice(0, 2.5 * MIB);
    put(store, 'large', large);
    expect(get(store, 'large') === large).toBe(true);
    store.checkInvariants();
    for (let n = 1; n < count; n += 2) expect(get(store, `k${n}`)?.length).toBe(3000);
    for (let n = 1; n < count; n += 2) expect(remove(store, `k${n}`)).toBe(true);
    expect(remove(store, 'large')).toBe(true);
    closeAll(store);
    expect(store.stats()).toMatchObject({ maps: [], slackBytes: 0 });
    store.checkInvariants();
  });

  it('is refused only when so much is not free: then what fits is told, and fits', () => {
    const { store } = makeBench({ maxBytes: 8 * MIB, logBytesPerPartition: 65_536 });
    for (let n = 0; n < 110; n += 1) put(store, `k${n}`, 'x'.repeat(40_000));
    for (let n = 0; n < 110; n += 2) remove(store, `k${n}`);
    settle(store);
    const refusal = refusalOf(() => put(store, 'large', 'y'.repeat(6 * MIB)));
    expect(refusal).toMatchObject({ code: 'OUT_OF_MEMORY', retryable: true, details: { isInPieces: false } });
    expect(refusal.message).toMatch(/are full: .*the longest value that fits has \d+ bytes/);
    const { valueBytesMax, largestFreeBytes } = refusal.details as Record<string, number>;
    expect(valueBytesMax).toBeGreaterThan(largestFreeBytes!);
    put(store, 'fits', 'z'.repeat(valueBytesMax!));
    expect(get(store, 'fits')?.length).toBe(valueBytesMax);
    store.checkInvariants();
  });

  it('that does not fit at all is told how much is free', () => {
    const { store } = makeBench({ maxBytes: 4 * MIB, logBytesPerPartition: 65_536 });
    const refusal = refusalOf(() => put(store, 'large', 'y'.repeat(5 * MIB)));
    expect(refusal.message).toMatch(/are full: \d+ wanted, \d+ free, .*largest free block: \d+ bytes/);
    expect(refusal.details).toMatchObject({ isInPieces: false });
  });
});

describe('a table in memory that is free in single pages', () => {
  /** Every page holds a value of its own, and every second of these is gone. */
  function makeHoles(): ReturnType<typeof makeBench> {
    const bench = makeBench({ maxBytes: 16 * MIB, logBytesPerPartition: 65_536 });
    const { store } = bench;
    let count = 0;
    refusalOf(() => {
      for (; ; count += 1) put(store, `k${count}`, 'x'.repeat(30_000), 1);
    });
    for (let n = 0; n < count; n += 2) remove(store, `k${n}`, 1);
    settle(store);
    return bench;
  }

  it('grows by chunks that single pages hold', () => {
    const { store, reader } = makeHoles();
    for (let n = 0; n < 3400; n += 1) put(store, `small ${n}`, String(n));
    store.checkInvariants();
    const { version } = store.openSnapshot();
    expect(scanAt(reader, version).size).toBe(3400);
    for (let n = 0; n < 3400; n += 1) expect(get(store, `small ${n}`)).toBe(String(n));
    for (let n = 0; n < 3400; n += 1) expect(remove(store, `small ${n}`)).toBe(true);
    settle(store);
    store.checkInvariants();
  });

  it('gives nothing up for a longer index while it has room: the log, a snapshot', () => {
    const { store, reader } = makeHoles();
    put(store, 'old', 'before');
    const { id, version } = store.openSnapshot();
    put(store, 'old', 'after');
    store.onSnapshotPressure(() => store.expireSnapshot(id));
    // The index has 4096 buckets, one page; the next size takes two.
    for (let n = 0; n < 3400; n += 1) put(store, `small ${n}`, String(n));
    // Nor for columns.
    expect(store.leasePages(3, MAP)).toBeUndefined();
    expect(reader.snapshotAlive(id)).toBe(true);
    expect(getAt(reader, 'old', version)).toBe('before');
    store.checkInvariants();
  });
});
