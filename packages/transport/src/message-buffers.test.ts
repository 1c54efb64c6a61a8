import { MessageBuffers } from './message-buffers.ts';

describe('buffers of encoded answers', () => {
  it('M1: are taken again only after another message was serialized', () => {
    const buffers = new MessageBuffers();
    const first = buffers.take(10_000);
    expect(buffers.take(10_000).buffer).not.toBe(first.buffer);
    buffers.serialize(first.subarray(0, 10_000));
    expect(buffers.take(10_000).buffer).not.toBe(first.buffer);
    buffers.serialize(Buffer.alloc(10));
    expect(buffers.take(10_000).buffer).toBe(first.buffer);
  });

  it.each([4097, 8192, 8193, 16384, 50_000, 65_537, 131_072, 1 << 20])(
    'are less than twice as long as asked for, or 8 KiB: %d',
    (bytes) => {
      const buffers = new MessageBuffers();
      const first = buffers.take(bytes);
      expect(first.length).toBeGreaterThanOrEqual(bytes);
      expect(first.length).toBeLessThan(Math.max(2 * bytes, 8193));
      buffers.serialize(first.subarray(1, bytes));
      buffers.serialize(Buffer.alloc(1));
      expect(buffers.take(bytes).buffer).toBe(first.buffer);
    },
  );

  it('are not kept when they are large, and messages of others are let through', () => {
    const buffers = new MessageBuffers();
    const bytes = (1 << 20) + 1;
    const large = buffers.take(bytes);
    expect(large.length).toBeGreaterThanOrEqual(bytes);
    expect(buffers.serialize(large)).toBe(large);
    buffers.serialize(Buffer.alloc(1));
    expect(buffers.take(bytes).buffer).not.toBe(large.buffer);
  });

  it('are taken again once they are released, and no more of a size are kept than a few MiB', () => {
    const buffers = new MessageBuffers();
    const taken = Array.from({ length: 6 }, () => buffers.take(1 << 20));
    for (const buffer of taken) buffers.release(buffer.subarray(3, 100));
    const again = Array.from({ length: 6 }, () => buffers.take(1 << 20).buffer);
    expect(again.filter((memory) => taken.some(({ buffer }) => buffer === memory))).toHaveLength(4);
    expect(new Set(again).size).toBe(6);
  });
});
