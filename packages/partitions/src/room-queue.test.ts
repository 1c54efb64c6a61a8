import { GridError, type PartitionId } from '@ashlar/core';
import { RoomQueue, type RoomWaiter } from './room-queue.ts';

const FULL = new GridError('LOG_FULL', 'the log is full');
const STOPPED = new GridError('LOG_FULL', 'the log is full', { details: { isStopped: true } });

/** A queue over logs with room for so many records each. */
function bench(waitingMax = 10) {
  const room = new Map<number, number>();
  const roomOf = (partition: number): number => room.get(partition) ?? 0;
  const queue = new RoomQueue({ isLogFull: (partition) => roomOf(partition) === 0, waitingMax });
  const done: string[] = [];
  let told: () => void = () => undefined;
  const note = (text: string): void => {
    done.push(text);
    told();
  };
  const waiter = (name: string, partition = 0, waitMs = 60_000): RoomWaiter => ({
    partition: partition as PartitionId,
    dueMs: performance.now() + waitMs,
    ticket: 0,
    attempt() {
      if (roomOf(partition) === 0) return FULL;
      room.set(partition, roomOf(partition) - 1);
      note(name);
      return undefined;
    },
    refuse: ({ code }) => note(`${name} ${code}`),
  });
  const until = async (count: number): Promise<string[]> => {
    while (done.length < count) await new Promise<void>((resolve) => (told = resolve));
    return done;
  };
  return { queue, waiter, until, room };
}

describe('a queue for room in logs', () => {
  it('Q1: lets them through in the order in which they came first, each partition for itself', async () => {
    const { queue, waiter, until, room } = bench();
    const again = waiter('a');
    for (const one of [again, waiter('b'), waiter('c', 1), waiter('d')]) queue.wait(one, FULL);
    expect([queue.has(0), queue.has(1), queue.has(2), queue.count]).toEqual([true, true, false, 4]);
    room.set(0, 1);
    expect(await until(1)).toEqual(['a']);
    // Its change was refused after all: it has its place back.
    queue.wait(again, FULL);
    room.set(0, 10);
    expect(await until(4)).toEqual(['a', 'a', 'b', 'd']);
    room.set(1, 1);
    expect(await until(5)).toEqual(['a', 'a', 'b', 'd', 'c']);
    expect([queue.has(0), queue.count]).toEqual([false, 0]);
  });

  it('refuses them when their time is over, and not those behind that have time', async () => {
    const { queue, waiter, until, room } = bench();
    queue.wait(waiter('short', 0, 5), FULL);
    queue.wait(waiter('long'), FULL);
    expect(await until(1)).toEqual(['short LOG_FULL']);
    room.set(0, 1);
    expect(await until(2)).toEqual(['short LOG_FULL', 'long']);
  });

  it('Q3: takes no more than its bound, and none when nobody will make room', () => {
    const { queue, waiter } = bench(1);
    expect(() => queue.wait(waiter('a'), STOPPED)).toThrow(STOPPED);
    queue.wait(waiter('b'), FULL);
    expect(() => queue.wait(waiter('c'), FULL)).toThrow(FULL);
    expect(queue.count).toBe(1);
    queue.close();
  });

  it('refuses all of them when it is closed, and whatever comes', async () => {
    const { queue, waiter, until } = bench();
    queue.wait(waiter('a'), FULL);
    queue.close();
    expect(await until(1)).toEqual(['a LOG_FULL']);
    expect(() => queue.wait(waiter('b'), FULL)).toThrow(FULL);
  });
});
