import fc from 'fast-check';
import { IndexQueue } from './index-queue.ts';

describe('an index queue', () => {
  it('does what an array without repeats does', () => {
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
});
