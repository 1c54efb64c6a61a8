import type { Epoch, MemberId, PartitionTable } from '@ashlar/core';
import { KnownTable } from './known-table.ts';

const table = (gridId: string, tableVersion: number, partitions: number): PartitionTable => ({
  ...{ gridId, tableVersion, expectedMembers: 2, awaited: [], lost: [] },
  members: [{ id: 'a' as MemberId, address: '', httpAddress: '', zone: '' }],
  owners: Array.from({ length: partitions }, () => [0]),
  epochs: Array.from({ length: partitions }, () => 1 as Epoch),
});

describe('the table a router goes by', () => {
  it('T1: gives way to a newer one of its grid, never to an older one', () => {
    const known = new KnownTable(table('x', 5, 16), 16);
    expect(known.offer(table('x', 5, 16), true)).toBe(false);
    expect(known.offer(table('x', 4, 16), true)).toBe(false);
    expect(known.offer(table('x', 6, 16), false)).toBe(true);
    expect(known.table.tableVersion).toBe(6);
  });

  it("T2: gives way to another grid's when nobody of ours is left and that one is complete", () => {
    const known = new KnownTable(table('x', 5, 16), 16);
    expect(known.offer(table('y', 1, 16), false)).toBe(false);
    expect(known.offer(table('y', 1, 0), true)).toBe(false);
    expect(known.whatIsMissing()).toMatchObject({ code: 'GRID_INCOMPLETE', details: { joined: ['a'], missing: 1 } });
    expect(known.offer(table('y', 2, 8), true)).toBe(true);
    expect(known.partitionCount).toBe(8);
    expect(known.whatIsMissing()).toBeUndefined();
  });

  it('T2: gives way to any where it never was complete', () => {
    const known = new KnownTable(table('x', 1, 0), 32);
    expect(known.partitionCount).toBe(32);
    expect(known.whyNobody()).toMatchObject({ code: 'GRID_INCOMPLETE' });
    expect(known.offer(table('y', 1, 0), false)).toBe(true);
    expect(known.partitionCount).toBe(32);
    expect(known.offer(table('z', 1, 4), false)).toBe(true);
    expect(known.whyNobody()).toMatchObject({ code: 'STALE_EPOCH' });
  });
});
