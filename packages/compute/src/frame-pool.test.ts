import { FramePool } from './frame-pool.ts';

const KIB = 1024;
const MIB = KIB * KIB;

describe('a pool of frames', () => {
  it('gives a frame of at least the bytes that are wanted', () => {
    const pool = new FramePool();
    for (const bytes of [0, 1, 64 * KIB, 64 * KIB + 1, MIB, 5 * MIB]) {
      expect(pool.take(bytes).shared.byteLength).toBeGreaterThanOrEqual(bytes);
    }
  });

  it('gives a frame again that came back, where it is large enough', () => {
    const pool = new FramePool();
    const [small, large] = [pool.take(1), pool.take(MIB)];
    pool.give(small);
    pool.give(large);
    expect(pool.take(MIB)).toBe(large);
    expect(pool.take(MIB)).not.toBe(small);
    expect(pool.take(1)).toBe(small);
  });

  it('gives no frame to two at once', () => {
    const pool = new FramePool();
    const frames = [pool.take(1), pool.take(1)];
    for (const frame of frames) pool.give(frame);
    const again = [pool.take(1), pool.take(1), pool.take(1)];
    expect(new Set(again).size).toBe(3);
  });

  it('keeps a bounded number of bytes, and keeps again once some are taken', () => {
    const pool = new FramePool();
    const frames = Array.from({ length: 20 }, () => pool.take(MIB));
    for (const frame of frames) pool.give(frame);
    const again = Array.from({ length: 20 }, () => pool.take(MIB));
    const kept = again.filter((frame) => frames.includes(frame));
    expect(kept).toHaveLength(16);
    pool.give(again[19]!);
    expect(pool.take(MIB)).toBe(again[19]);
  });

  it('does not keep a frame that is larger than all that it may keep', () => {
    const pool = new FramePool();
    const huge = pool.take(17 * MIB);
    pool.give(huge);
    expect(pool.take(17 * MIB)).not.toBe(huge);
  });
});
