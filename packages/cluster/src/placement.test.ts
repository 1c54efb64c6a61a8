import type { MemberId } from '@ashlar/core';
import { assignPartitions } from './placement.ts';

const names = (count: number): MemberId[] => Array.from({ length: count }, (_, index) => `member-${index}` as MemberId);

describe('placement', () => {
  it('placement P2: gives every member its share of primaries, none more than one partition over', () => {
    for (const count of [1, 2, 3, 5, 7]) {
      const owners = assignPartitions(names(count), 256, 1);
      const shares = new Array<number>(count).fill(0);
      for (const [primary] of owners) shares[primary!]!++;
      expect(Math.max(...shares)).toBeLessThanOrEqual(Math.ceil(256 / count));
    }
  });

  it('does not depend on the order of the members', () => {
    const byName = (members: MemberId[]) => assignPartitions(members, 256, 2).map((row) => row.map((i) => members[i]));
    const members = names(5);
    expect(byName([...members].reverse())).toEqual(byName(members));
  });

  it('placement P1: names different members for the copies of a partition', () => {
    for (const owners of assignPartitions(names(3), 64, 5)) expect(new Set(owners).size).toBe(3);
  });

  it('moves few partitions between the members that stay when one joins', () => {
    const before = assignPartitions(names(4), 256, 1);
    const after = assignPartitions(names(5), 256, 1);
    const movedBetweenOld = after.filter(([to], partition) => to !== 4 && to !== before[partition]![0]).length;
    expect(movedBetweenOld).toBeLessThan(256 / 8);
  });

  it('refuses to place partitions on nobody', () => {
    expect(() => assignPartitions([], 256, 1)).toThrow('no members');
  });
});
