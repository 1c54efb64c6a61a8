/** Pages and blocks against dumb twins; index, wheel and list by themselves. */
import { seededRandom } from '@ashlar/core';
import fc from 'fast-check';
import { CONTROL_PAGES, PAGE_BYTES, PAGE_SHIFT, SEGMENT_MASK, SEGMENT_SHIFT } from '../layout.ts';
import { TICK_US, TimerWheel } from '../timer-wheel.ts';
import { ByteAccount, MemoryKind } from './accounts.ts';
import { Arena } from './arena.ts';
import { BlockAllocator } from './block-allocator.ts';
import { PageAllocator } from './page-allocator.ts';

describe('the page allocator', () => {
  it('never gives a page twice, joins what comes back and keeps its reserve', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = seededRandom(seed);
        const pages = new PageAllocator(200, 4, 6);
        const taken = new Map<number, number>();
        const owner = new Array<number>(200).fill(-1);
        for (let step = 0; step < 600; step++) {
          const count = 1 + random.below(random.below(4) === 0 ? 40 : 4);
          if (random.below(2) === 0) {
            const first = pages.allocate(count, random.below(5) === 0);
            if (first < 0) continue;
            expect(first).toBeGreaterThanOrEqual(4);
            expect(owner.slice(first, first + count).every((held) => held === -1)).toBe(true);
            owner.fill(first, first, first + count);
            taken.set(first, count);
          } else if (taken.size > 0) {
            const first = [...taken.keys()][random.below(taken.size)]!;
            owner.fill(-1, first, first + taken.get(first)!);
            taken.delete(first);
            pages.free(first);
          }
          pages.checkInvariants(4);
        }
        for (const first of taken.keys()) pages.free(first);
        pages.checkInvariants(4);
        expect(pages.allocate(191, false)).toBe(-1);
        expect(pages.allocate(196, true)).toBe(4);
      }),
      { numRuns: 8 },
    );
  });
});

describe('the block allocator', () => {
  it('gives blocks that do not overlap, charges what they take and returns every page', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = seededRandom(seed);
        const arena = Arena.reserve(120 * PAGE_BYTES);
        const blocks = new BlockAllocator(arena, 4);
        const account = new ByteAccount();
        const held = new Map<number, { bytes: number; mark: number }>();
        for (let step = 0; step < 3000; step++) {
          if (random.below(5) < 3) {
            const bytes = 1 + random.below(random.below(10) === 0 ? 90_000 : random.below(4) === 0 ? 6000 : 300);
            const ref = blocks.allocate(bytes, account, MemoryKind.values);
            if (ref === 0) continue;
            const mark = 1 + random.below(254);
            fill(arena, ref, bytes, mark);
            held.set(ref, { bytes, mark });
            expect(blocks.blockBytes(ref)).toBeGreaterThanOrEqual(bytes);
          } else if (held.size > 0) {
            const ref = [...held.keys()][random.below(held.size)]!;
            const { bytes, mark } = held.get(ref)!;
            expect(isFilled(arena, ref, bytes, mark)).toBe(true);
            held.delete(ref);
            blocks.free(ref, account, MemoryKind.values);
          }
        }
        blocks.checkInvariants([account]);
        for (const [ref, { bytes, mark }] of held) {
          expect(isFilled(arena, ref, bytes, mark)).toBe(true);
          blocks.free(ref, account, MemoryKind.values);
        }
        blocks.checkInvariants([account]);
        expect([account.total, blocks.slackBytes]).toEqual([0, 0]);
        expect(blocks.pages.freePages).toBe(120 - CONTROL_PAGES);
      }),
      { numRuns: 4 },
    );
  });

  it('P4: keeps long free runs whole: short runs come from one end, long ones from the other', () => {
    const pages = new PageAllocator(200, 0, 0);
    const short = Array.from({ length: 50 }, () => pages.allocate(1, false));
    const long = [pages.allocate(40, false), pages.allocate(40, false)];
    const more = Array.from({ length: 20 }, () => pages.allocate(2, false));
    expect(Math.max(...short, ...more)).toBeLessThan(Math.min(...long));
    for (const first of long) pages.free(first);
    for (let count = 0; count < 10; count += 1) short.push(pages.allocate(1, false));
    expect(pages.longestRun).toBe(200 - 50 - 40 - 10);
    for (const [index, first] of short.entries()) if (index % 2 === 0) pages.free(first);
    expect(pages.longestRun).toBeGreaterThanOrEqual(100);
    expect(pages.allocate(100, false)).toBe(100);
    pages.checkInvariants(0);
  });

  it('asks for memory to be given back before it refuses', () => {
    const arena = Arena.reserve(60 * PAGE_BYTES);
    const blocks = new BlockAllocator(arena, 4);
    const account = new ByteAccount();
    const spare = blocks.allocatePages(10, account, MemoryKind.columns);
    while (blocks.allocatePages(1, account, MemoryKind.values) !== 0);
    let asked = 0;
    blocks.onPressure = () => {
      asked += 1;
      if (asked > 1) return 'nothing';
      blocks.free(spare, account, MemoryKind.columns);
      return 'givenUp';
    };
    expect(blocks.allocatePages(8, account, MemoryKind.values)).not.toBe(0);
    expect(blocks.allocatePages(8, account, MemoryKind.values)).toBe(0);
    expect(asked).toBe(2);
  });

  it('asks again as often as something was free for nothing, and once for what must be given up', () => {
    const arena = Arena.reserve(60 * PAGE_BYTES);
    const blocks = new BlockAllocator(arena, 4);
    const account = new ByteAccount();
    const spare = [1, 2, 3, 4].map(() => blocks.allocatePages(1, account, MemoryKind.values));
    while (blocks.allocatePages(1, account, MemoryKind.values) !== 0);
    const reliefs = ['freed', 'freed', 'givenUp', 'freed'] as const;
    let asked = 0;
    blocks.onPressure = () => {
      const relief = reliefs[asked++] ?? 'nothing';
      if (relief !== 'nothing') blocks.free(spare.shift()!, account, MemoryKind.values);
      return relief;
    };
    expect(blocks.allocatePages(4, account, MemoryKind.values)).toBe(0);
    expect(asked).toBe(3);
    expect(blocks.allocatePages(4, account, MemoryKind.values)).not.toBe(0);
    expect(asked).toBe(4);
  });

  it('asks again for what must go on: what is given back first may make no page', () => {
    const arena = Arena.reserve(60 * PAGE_BYTES);
    const blocks = new BlockAllocator(arena, 4);
    const account = new ByteAccount();
    const neighbours = [1, 2].map(() => blocks.allocate(2000, account, MemoryKind.values));
    const spare = blocks.allocatePages(1, account, MemoryKind.columns);
    while (blocks.allocatePages(1, account, MemoryKind.values, true) !== 0);
    const steps = [
      () => blocks.free(neighbours[0]!, account, MemoryKind.values),
      () => blocks.free(spare, account, MemoryKind.columns),
    ];
    blocks.onPressure = () => {
      const step = steps.shift();
      step?.();
      return step === undefined ? 'nothing' : 'givenUp';
    };
    expect(blocks.allocate(900, account, MemoryKind.log, true)).not.toBe(0);
    expect(steps).toEqual([]);
    expect(blocks.allocate(30_000, account, MemoryKind.log, true)).toBe(0);
  });
});

function fill(arena: Arena, ref: number, bytes: number, mark: number): void {
  const start = (ref & SEGMENT_MASK) * 8;
  arena.segments[ref >>> SEGMENT_SHIFT]!.u8.fill(mark, start, start + bytes);
}

function isFilled(arena: Arena, ref: number, bytes: number, mark: number): boolean {
  const start = (ref & SEGMENT_MASK) * 8;
  return arena.segments[ref >>> SEGMENT_SHIFT]!.u8.subarray(start, start + bytes).every((byte) => byte === mark);
}

describe('an arena of several segments', () => {
  it('keeps every run within one', () => {
    const segmentPages = 2 ** (SEGMENT_SHIFT - PAGE_SHIFT);
    const pages = new PageAllocator(segmentPages + 100, CONTROL_PAGES, 0);
    const runs: number[] = [];
    for (let first = pages.allocate(90, false); first >= 0; first = pages.allocate(90, false)) runs.push(first);
    expect(runs.some((first) => first >= segmentPages)).toBe(true);
    for (const first of runs) {
      expect(Math.floor(first / segmentPages)).toBe(Math.floor((first + 89) / segmentPages));
    }
    for (const first of runs) pages.free(first);
    pages.checkInvariants(CONTROL_PAGES);
    expect(pages.allocate(segmentPages + 1, true)).toBe(-1);
  });
});

describe('the timer wheel', () => {
  it('fires every timer in the tick of its deadline, in slices, however far ahead it lies', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = seededRandom(seed);
        const blocks = new BlockAllocator(Arena.reserve(200 * PAGE_BYTES), 4);
        const account = new ByteAccount();
        const start = 1_700_000_000_000_000 + random.below(1_000_000_000);
        const wheel = new TimerWheel(blocks, start);
        const deadlines = new Map<number, number>();
        let now = start;
        const add = (): void => {
          const entry = blocks.allocate(64, account, MemoryKind.entries);
          const timer = wheel.create(account);
          const ahead = random.below(1 << random.below(31)) * (random.below(20) === 0 ? 3000 : 1);
          deadlines.set(entry, now + ahead);
          wheel.start(timer, entry, 3, now + ahead);
        };
        for (let index = 0; index < 120; index++) add();
        for (let step = 0; step < 300 && deadlines.size > 0; step++) {
          now += random.below(1 << random.below(28)) + (step > 200 ? 20_000_000_000 : 0);
          const fired = (timer: number, entry: number): number => {
            const deadline = deadlines.get(entry)!;
            if (deadline > now) return deadline;
            deadlines.delete(entry);
            wheel.remove(timer, account);
            blocks.free(entry, account, MemoryKind.entries);
            return 0;
          };
          while (wheel.advance(now, 7, fired) >= 7);
          wheel.checkInvariants();
          const earliest = Math.min(Infinity, ...deadlines.values());
          expect(earliest).toBeGreaterThan(now - 2 * TICK_US);
          if (random.below(3) === 0) add();
        }
        expect(wheel.count).toBe(deadlines.size);
      }),
      { numRuns: 8 },
    );
  });
});
