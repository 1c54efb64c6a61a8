import type { Epoch, Sequence } from '@ashlar/core';
import { Lineage } from './lineage.ts';
import type { LineageEntry } from './messages.ts';

function lineage(...entries: readonly (readonly [number, number])[]): Lineage {
  return new Lineage(entries.map(([epoch, first]): LineageEntry => [epoch as Epoch, first as Sequence]));
}

describe('a lineage', () => {
  it('begins an epoch with its first record, once (L1, L2)', () => {
    const log = lineage();
    log.append(3 as Epoch, 1 as Sequence);
    log.append(3 as Epoch, 2 as Sequence);
    log.append(7 as Epoch, 5 as Sequence);
    expect(log.entries).toEqual([
      [3, 1],
      [7, 5],
    ]);
    expect(() => log.append(4 as Epoch, 9 as Sequence)).toThrow('L1');
    expect(() => log.append(8 as Epoch, 5 as Sequence)).toThrow('L1');
  });

  it('forgets what began behind its end (L2)', () => {
    const log = lineage([3, 1], [7, 5], [9, 8]);
    log.endAt(5 as Sequence);
    expect(log.entries).toEqual([
      [3, 1],
      [7, 5],
    ]);
    log.endAt(4 as Sequence);
    log.append(8 as Epoch, 5 as Sequence);
    expect(log.entries).toEqual([
      [3, 1],
      [8, 5],
    ]);
  });

  it('tells logs apart that differ within a length, and only then', () => {
    const log = lineage([3, 1], [7, 5]);
    expect(log.agreesWith(lineage([3, 1], [7, 5]).entries, 9)).toBe(true);
    expect(log.agreesWith(lineage([3, 1]).entries, 4)).toBe(true);
    expect(log.agreesWith(lineage([3, 1]).entries, 5)).toBe(false);
    expect(log.agreesWith(lineage([3, 1], [8, 5]).entries, 5)).toBe(false);
    expect(log.agreesWith(lineage([3, 1], [8, 5]).entries, 4)).toBe(true);
    expect(log.agreesWith(lineage([3, 1], [7, 4]).entries, 6)).toBe(false);
    expect(log.agreesWith([], 0)).toBe(true);
  });

  it('compares what both still know of where one was trimmed', () => {
    const trimmed = lineage([3, 1], [7, 5], [9, 20]);
    trimmed.trim(12 as Sequence);
    expect(trimmed.entries).toEqual([
      [7, 5],
      [9, 20],
    ]);
    expect(trimmed.agreesWith(lineage([3, 1], [7, 5], [9, 20]).entries, 30)).toBe(true);
    expect(trimmed.agreesWith(lineage([3, 1], [8, 5], [9, 20]).entries, 30)).toBe(false);
    expect(trimmed.agreesWith(lineage([3, 1], [7, 5]).entries, 30)).toBe(false);
  });

  it('keeps the epoch in which the log begins', () => {
    const log = lineage([3, 1], [7, 5]);
    log.trim(100 as Sequence);
    expect(log.entries).toEqual([[7, 5]]);
  });
});
