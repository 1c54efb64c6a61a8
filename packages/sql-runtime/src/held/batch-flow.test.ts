import { seededRandom } from '@ashlar/core';
import { BatchFlow } from './batch-flow.ts';
import { HeldMemory } from './held-memory.ts';

/** What one stream may have under way while it is alone. */
const WINDOW = 1 << 20;
const LEAST = 1000;

function bench() {
  const bytesMax = 4 * WINDOW;
  const held = new HeldMemory({ bytesMax, statementBytesMax: bytesMax, unreadMaxMs: 1000, nowMs: () => 0 });
  return { held, flow: new BatchFlow(held.open(), LEAST) };
}

/** A worker's task puts out a batch under the credit that it has. */
function make(flow: BatchFlow, bytes: number): void {
  flow.credit.use(bytes);
  flow.put(new Uint8Array(bytes));
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('batches between workers and their reader', () => {
  it('come in the order in which they were put; undefined where none waits', () => {
    const { flow } = bench();
    expect(flow.take()).toBeUndefined();
    const batches = [1, 2, 3].map((length) => new Uint8Array(length));
    for (const batch of batches) flow.put(batch);
    expect([flow.take(), flow.take(), flow.take(), flow.take()]).toEqual([...batches, undefined]);
  });

  it('count as held until the reader asks for the next one', () => {
    const { held, flow } = bench();
    make(flow, 100);
    make(flow, 10);
    expect(held.bytes).toBe(110);
    flow.take();
    expect(held.bytes).toBe(110);
    flow.take();
    expect(held.bytes).toBe(10);
    flow.take();
    expect(held.bytes).toBe(0);
  });

  it.each([1, 2, 3])('stay within the window and a slice, however fast they are made and read (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const { held, flow } = bench();
    const slice = WINDOW >> 3;
    let made = 0;
    let read = 0;
    for (let round = 0; round < 2000; round++) {
      if (random.below(3) > 0 && flow.credit.bytesLeft > 0) {
        const bytes = 1 + random.below(slice);
        made += bytes;
        make(flow, bytes);
      } else read += flow.take()?.length ?? 0;
      expect(held.bytes).toBeLessThanOrEqual(WINDOW + slice);
    }
    for (let batch = flow.take(); batch !== undefined; batch = flow.take()) read += batch.length;
    expect([read, held.bytes, flow.credit.bytesLeft]).toEqual([made, 0, WINDOW]);
  });

  it('have room for another task while half of the window is free', () => {
    const { flow } = bench();
    expect(flow.hasRoom).toBe(true);
    make(flow, WINDOW / 2);
    expect(flow.hasRoom).toBe(true);
    make(flow, 1);
    expect(flow.hasRoom).toBe(false);
    flow.take();
    flow.take();
    expect(flow.hasRoom).toBe(true);
  });

  it('get no new credit while the window has shrunk and more than it is under way', () => {
    const { held, flow } = bench();
    make(flow, WINDOW / 2);
    make(flow, WINDOW / 2);
    held.open();
    expect(held.windowBytes()).toBe(WINDOW / 2);
    flow.take();
    flow.take();
    expect(flow.credit.bytesLeft).toBe(0);
    flow.take();
    expect(flow.credit.bytesLeft).toBe(WINDOW / 2);
  });

  it('have the credit again that failed tasks used, once nothing is under way', () => {
    const { flow } = bench();
    flow.credit.use(WINDOW);
    expect([flow.take(), flow.credit.bytesLeft]).toEqual([undefined, 0]);
    flow.isDrained();
    expect(flow.credit.bytesLeft).toBe(WINDOW);
  });

  it('end with what a task failed with first, before anything that waits', () => {
    const { flow } = bench();
    const first = new Error('first');
    flow.put(new Uint8Array(1));
    flow.fail(first);
    flow.fail(new Error('second'));
    expect(() => flow.take()).toThrow(first);
  });

  it.each<[string, (flow: BatchFlow) => void]>([
    ['a batch comes', (flow) => flow.put(new Uint8Array(1))],
    ['a task fails', (flow) => flow.fail(new Error('failed'))],
    ['a task ends', (flow) => flow.wake()],
  ])('wake their reader when %s, and not before', async (_, happens) => {
    const { flow } = bench();
    let isWoken = false;
    void flow.changed().then(() => {
      isWoken = true;
    });
    await turn();
    expect(isWoken).toBe(false);
    happens(flow);
    await turn();
    expect(isWoken).toBe(true);
  });
});
