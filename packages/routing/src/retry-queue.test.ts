import { GridError } from '@ashlar/core';
import { jest } from '@jest/globals';
import type { CallTarget } from './call-target.ts';
import { RetryQueue } from './retry-queue.ts';
import type { DetachedOperation } from './sealed-batch.ts';
import { NotedTarget } from './testing/operations.ts';

const MOVED = new GridError('STALE_EPOCH', 'moved');
const FULL = new GridError('LOG_FULL', 'full');
const KEY = Uint8Array.of(1, 2, 3);

function operation(target: CallTarget, changes: Partial<DetachedOperation> = {}): DetachedOperation {
  return {
    target,
    position: 0,
    key: KEY,
    value: new Uint8Array(0),
    request: undefined,
    ...changes,
  } as DetachedOperation;
}

function bench() {
  const routed: DetachedOperation[][] = [];
  const held = { bytes: 0, operations: 0 };
  const queue = new RetryQueue(
    (operations) => routed.push(operations),
    (bytes, operations) => {
      held.bytes += bytes;
      held.operations += operations;
    },
    () => performance.now(),
  );
  const parkFor = (reason: GridError, ...operations: readonly DetachedOperation[]): void =>
    queue.park(operations, reason, performance.now());
  const park = (...operations: readonly DetachedOperation[]): void => parkFor(FULL, ...operations);
  /** How long operations of one target wait, one after the other. */
  const waits = (count: number, reason: GridError, target = new NotedTarget()): number[] =>
    Array.from({ length: count }, () => {
      const before = performance.now();
      const { length } = routed;
      parkFor(reason, operation(target));
      while (routed.length === length) jest.advanceTimersByTime(1);
      return performance.now() - before;
    });
  return { queue, routed, held, park, parkFor, waits };
}

describe('operations that wait before they are routed again', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('wait twice as long with each try of their call, within a bound', () => {
    const { waits } = bench();
    expect(waits(10, FULL)).toEqual([5, 10, 20, 40, 80, 160, 320, 500, 500, 500]);
  });

  it('wait shortly for another primary, and from a new table on as if for the first time (retry-queue Y1)', () => {
    const { waits, queue, parkFor } = bench();
    const target = new NotedTarget();
    expect(waits(7, MOVED, target)).toEqual([5, 10, 20, 40, 50, 50, 50]);
    parkFor(MOVED, operation(target));
    queue.wake();
    expect(waits(2, MOVED, target)).toEqual([5, 10]);
    const other = new NotedTarget();
    waits(3, FULL, other);
    parkFor(FULL, operation(other));
    queue.wake();
    expect(waits(1, FULL, other)).toEqual([80]);
  });

  it('of one call stay together and in order, and those of another have their own wait', () => {
    const { routed, park } = bench();
    const [slow, quick] = [new NotedTarget(), new NotedTarget()];
    park(operation(slow));
    jest.advanceTimersByTime(5);
    park(operation(slow, { position: 1 }), operation(quick), operation(slow, { position: 2 }));
    jest.advanceTimersByTime(5);
    expect(routed.at(-1)!.map(({ target }) => target)).toEqual([quick]);
    jest.advanceTimersByTime(5);
    expect(routed.at(-1)!.map(({ position }) => position)).toEqual([1, 2]);
  });

  it('are routed at once when what they waited for may have come', () => {
    const { queue, routed, park } = bench();
    park(operation(new NotedTarget()), operation(new NotedTarget()));
    queue.wake();
    expect([routed.length, routed[0]!.length, queue.size]).toEqual([1, 2, 0]);
    queue.wake();
    jest.advanceTimersByTime(1000);
    expect(routed).toHaveLength(1);
  });

  it('that are overdue fail with the reason of their wait; what nobody waits for is dropped', () => {
    const { queue, park, held } = bench();
    const nowMs = performance.now();
    const [over, left, waiting] = [new NotedTarget(nowMs + 1), new NotedTarget(), new NotedTarget(nowMs + 1000)];
    const range = { session: 1, first: 1, version: 0, left: 3 };
    park(operation(over, { request: { range, number: 1 } }), operation(left, { request: { range, number: 2 } }));
    park(operation(waiting, { request: { range, number: 3 } }));
    left.done = true;
    queue.sweep(nowMs + 2, (_operation, reason) => reason);
    expect([over.failures, left.failures, waiting.failures]).toEqual([[FULL], [], []]);
    expect([queue.size, range.left, held]).toEqual([1, 1, { bytes: KEY.length, operations: 1 }]);
  });

  it('are counted from when they wait to when they do not', () => {
    const { queue, park, held } = bench();
    park(operation(new NotedTarget(), { value: Uint8Array.of(1) }), operation(new NotedTarget()));
    expect(held).toEqual({ bytes: 2 * KEY.length + 1, operations: 2 });
    queue.wake();
    expect(held).toEqual({ bytes: 0, operations: 0 });
  });

  it('fail when the router closes', () => {
    const { queue, routed, park } = bench();
    const target = new NotedTarget();
    park(operation(target));
    const closed = new GridError('CLIENT_CLOSED', 'closed');
    queue.close(closed);
    jest.advanceTimersByTime(1000);
    expect([target.failures, queue.size, routed]).toEqual([[closed], 0, []]);
  });
});
