import { IndexAllocator } from '../src/index.ts';

describe('numbers of workers', () => {
  it('are given once and again only after release', () => {
    const indexes = new IndexAllocator(2);
    expect([indexes.take(), indexes.take(), indexes.freeCount]).toEqual([0, 1, 0]);
    expect(() => indexes.take()).toThrow('taken');
    let notified = 0;
    const stop = indexes.onRelease(() => notified++);
    indexes.release(0);
    stop();
    indexes.release(1);
    expect(notified).toBe(1);
    expect(() => indexes.release(1)).toThrow('not taken');
  });
});
