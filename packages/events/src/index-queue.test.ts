import fc from 'fast-check';
import { IndexQueue } from './index-queue.ts';

describe('an index queue', () => {
  it('Q1: does what an array without repeats does', () => {
    const step = fc.oneof(fc.nat(6), fc.constant('take' as const));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new IndexQueue(7);
        const twin: number[] = [];
        for (const one of steps) {
          if (one === 'take') expect(queue.take()).toBe(twin.shift());
          else {
            queue.add(one);
            if (!twin.includes(one)) twin.push(one);
          }
          expect([...queue]).toEqual(twin);
          expect([queue.size, queue.peek()]).toEqual([twin.length, twin[0]]);
        }
      }),
    );
  });

  it('Q1: takes no number that it was not made for', () => {
    for (const index of [-1, 3, Number.NaN]) expect(() => new IndexQueue(3).add(index)).toThrow('index-queue Q1');
  });

  it('Q2: allocates nothing while numbers come and go', () => {
    const queue = new IndexQueue(64);
    const bytesOf = (rounds: number): number => {
      const before = process.memoryUsage().heapUsed;
      for (let round = 0; round < rounds; round++) {
        for (let index = 0; index < 64; index++) queue.add(index);
        while (queue.peek() !== undefined) if (queue.has(queue.take()!)) queue.take();
      }
      return Math.abs(process.memoryUsage().heapUsed - before);
    };
    // An object each time would be 2 MiB and more; the engine itself has something to allocate now and then.
    const attempts = Array.from({ length: 5 }, () => bytesOf(2000));
    expect(Math.min(...attempts)).toBeLessThan(256 << 10);
  });
});
