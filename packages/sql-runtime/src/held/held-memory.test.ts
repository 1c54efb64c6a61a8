import type { GridError } from '@ashlar/core';
import { HeldMemory } from './held-memory.ts';

const MIB = 1 << 20;
const signal = new AbortController().signal;

function memory(options: Partial<ConstructorParameters<typeof HeldMemory>[0]> = {}) {
  const clock = { ms: 0 };
  const held = new HeldMemory({
    bytesMax: 10 * MIB,
    statementBytesMax: 8 * MIB,
    unreadMaxMs: 60_000,
    nowMs: () => clock.ms,
    ...options,
  });
  return { held, clock };
}

function codeOf(run: () => void): string {
  try {
    run();
    return 'none';
  } catch (error) {
    return (error as GridError).code;
  }
}

describe('memory that statements hold', () => {
  it('M1: is the sum of what is open', () => {
    const { held } = memory();
    const [one, other] = [held.open(), held.open()];
    one.count(5);
    other.count(7);
    one.count(-2);
    expect([held.bytes, held.bytesOfLargest]).toEqual([10, 7]);
    other.close();
    other.close();
    other.count(100);
    expect(held.bytes).toBe(3);
    one.close();
    expect(held.bytes).toBe(0);
  });

  it('M2: gives every stream a window, smaller the more there are, never none', () => {
    const { held } = memory({ bytesMax: 64 * MIB });
    const first = held.open();
    expect(first.windowBytes()).toBe(4 * MIB);
    for (let count = 1; count < 8; count += 1) held.open();
    expect(first.windowBytes()).toBe(2 * MIB);
    for (let count = 8; count < 1000; count += 1) held.open();
    expect(first.windowBytes()).toBe(256 * 1024);
  });

  it('refuses at once what one statement gathers beyond its own bound', () => {
    const { held } = memory();
    const holding = held.open();
    expect(holding.take(6 * MIB, signal)).toBeUndefined();
    expect(codeOf(() => holding.take(3 * MIB, signal))).toBe('QUERY_MEMORY_EXCEEDED');
    expect(held.bytes).toBe(6 * MIB);
  });

  it('M3: lets a statement wait for others, in the order in which they came', async () => {
    const { held } = memory();
    const [one, two, three] = [held.open(), held.open(), held.open()];
    one.take(8 * MIB, signal);
    const order: string[] = [];
    const second = two.take(5 * MIB, signal)!.then(() => order.push('two'));
    const third = three.take(MIB, signal)!.then(() => order.push('three'));
    expect(held.bytes).toBe(8 * MIB);
    one.close();
    await Promise.all([second, third]);
    expect(order).toEqual(['two', 'three']);
    expect(held.bytes).toBe(6 * MIB);
  });

  it('M3: says OVERLOADED when nobody makes room, and CANCELLED to who is gone', async () => {
    const { held } = memory({ takeWaitMs: 20 });
    held.open().take(8 * MIB, signal);
    const leaving = new AbortController();
    const late = held.open().take(4 * MIB, signal)!;
    const gone = held.open().take(4 * MIB, leaving.signal)!;
    const left = held.open().take(4 * MIB, AbortSignal.abort())!;
    await expect(left).rejects.toMatchObject({ code: 'CANCELLED' });
    leaving.abort();
    await expect(gone).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(late).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(held.bytes).toBe(8 * MIB);
  });

  it('M3: gives up results that nobody reads, longest unread first, and none that is being made', () => {
    const { held, clock } = memory();
    const [busy, old, young] = [held.open(), held.open(), held.open()];
    const dropped: string[] = [];
    old.onGivenUp(() => dropped.push('old'));
    young.onGivenUp(() => dropped.push('young'));
    busy.take(2 * MIB, signal);
    old.take(3 * MIB, signal);
    young.take(4 * MIB, signal);
    old.waitForReader();
    clock.ms = 500;
    young.waitForReader();
    clock.ms = 2000;
    const wanting = held.open();
    expect(wanting.take(4 * MIB, signal)).toBeUndefined();
    expect(dropped).toEqual(['old']);
    expect(held.givenUpCount).toBe(1);
    expect(codeOf(() => old.goOn())).toBe('SNAPSHOT_EXPIRED');
    expect(codeOf(() => young.goOn())).toBe('none');
    expect(held.bytes).toBe(10 * MIB);
  });

  it('M4: gives up what is not read for too long; a reader that goes on slowly keeps its result', () => {
    const { held, clock } = memory();
    const [slow, unread] = [held.open(), held.open()];
    unread.count(100);
    slow.waitForReader();
    unread.waitForReader();
    clock.ms = 59_000;
    slow.goOn();
    slow.waitForReader();
    held.sweep();
    expect(held.givenUpCount).toBe(0);
    clock.ms = 60_000;
    held.sweep();
    expect([held.givenUpCount, held.bytes]).toEqual([1, 0]);
    expect(codeOf(() => slow.goOn())).toBe('none');
    expect(codeOf(() => unread.goOn())).toBe('SNAPSHOT_EXPIRED');
  });
});
