/** What a member tells its primaries that it could still take in as a backup, and the clock behind what it takes. */
import { type Epoch, GridError, HybridClock, type Sequence, type Version } from '@ashlar/core';
import { readRecordFrame } from './log/record-frame.ts';
import { makeBench, PARTITION, put, VirtualTime } from './testing/store-bench.ts';

const MAX_BYTES = 4 * 2 ** 20;

describe('the bytes that a backup could take in', () => {
  it('shrink with what lives, not with history, and never come to nothing', () => {
    const { store } = makeBench({ maxBytes: MAX_BYTES });
    const empty = store.replicaFreeBytes();
    expect(empty).toBeGreaterThan(MAX_BYTES / 8);
    expect(empty).toBeLessThan(MAX_BYTES / 3);
    // The same key again and again: the log is history, and would be given up.
    for (let round = 0; round < 3000; round++) put(store, 'a', 'v'.repeat(200));
    expect(store.replicaFreeBytes()).toBeGreaterThan(empty * 0.8);
    try {
      for (let key = 0; ; key++) put(store, `k${key}`, 'v'.repeat(2000));
    } catch (error) {
      expect(GridError.is(error, 'OUT_OF_MEMORY')).toBe(true);
    }
    const full = store.replicaFreeBytes();
    expect(full).toBeGreaterThan(0);
    expect(full).toBeLessThan(empty / 8);
  });

  it('do not count what durable consumers of its logs have still to read', () => {
    const { store } = makeBench({ maxBytes: MAX_BYTES });
    const consumer = store.addConsumer(PARTITION, { durable: true, at: 1 as Sequence });
    for (let round = 0; round < 400; round++) put(store, 'a', 'v'.repeat(200));
    const held = store.replicaFreeBytes();
    consumer.close();
    for (let round = 0; round < 200; round++) put(store, 'a', 'v'.repeat(200));
    expect(store.replicaFreeBytes()).toBeGreaterThan(held);
  });
});

describe('the clock of a backup', () => {
  it('follows what its primary gave, however far ahead, and goes on above it', () => {
    const [primary, backup] = [makeBench(), makeBench()];
    primary.time.ms += 3_600_000;
    put(primary.store, 'a', '1');
    const { payload } = primary.store.readRun(PARTITION, 1 as Sequence, 1)!;
    const frame = readRecordFrame(payload);
    expect(() => backup.clock.observe(frame.lastVersion)).toThrow(expect.objectContaining({ code: 'CLOCK_AHEAD' }));
    backup.store.closePartition(PARTITION);
    backup.store.openPartition(PARTITION, 0 as Epoch, { role: 'backup', incarnation: 1 });
    backup.store.applyFrame(frame);
    backup.store.commitBackup(PARTITION, 1 as Sequence);
    backup.store.promotePartition(PARTITION, 2 as Epoch);
    put(backup.store, 'a', '2');
    backup.store.readLog(PARTITION, 2 as Sequence, 1, ({ version }) =>
      expect(version).toBeGreaterThan(frame.lastVersion),
    );
    backup.store.checkInvariants();
  });

  it('follows, and never goes back', () => {
    const clock = new HybridClock(new VirtualTime());
    const before = clock.now();
    clock.follow((before + 5e12) as Version);
    expect(clock.tick()).toBe(before + 5e12 + 1);
    clock.follow(before);
    expect(clock.now()).toBe(before + 5e12 + 1);
  });
});
