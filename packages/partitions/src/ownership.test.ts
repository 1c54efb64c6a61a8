import { GridView, type JoinedMember, type TableState } from '@ashlar/cluster';
import { freshState, ManualCoordinator } from '@ashlar/cluster/testing';
import type { Epoch, MemberId } from '@ashlar/core';
import { Ownership } from './ownership.ts';

const SELF = 'a' as MemberId;

function member(id: string): JoinedMember {
  return { id: id as MemberId, address: `127.0.0.1:${id}`, httpAddress: '', zone: '', incarnation: 'one' };
}

const EMPTY = freshState('grid', 2, 4);
const TABLE: TableState = {
  ...EMPTY.table,
  tableVersion: 1,
  members: [member('a'), member('b')],
  owners: [[0], [0], [1], [1]],
  epochs: [1, 1, 1, 1] as Epoch[],
  epochFloor: 1,
};

/** A table of four partitions that a test rewrites as a coordinator would. */
class Bench {
  readonly #coordinator = new ManualCoordinator({ ...EMPTY, table: TABLE });
  readonly view: GridView;
  readonly ownership: Ownership;

  constructor() {
    this.view = new GridView(SELF, this.#coordinator);
    this.ownership = new Ownership(this.view);
  }

  change(change: Partial<TableState>): void {
    this.#coordinator.changeTable(change);
  }

  /** Gives a partition to a member, at the next epoch. */
  move(partition: number, owner: number): void {
    const { owners, epochs, epochFloor } = this.view.table;
    const epoch = (epochFloor + 1) as Epoch;
    this.change({
      owners: owners.with(partition, [owner]),
      epochs: epochs.with(partition, epoch),
      epochFloor: epoch,
    });
  }
}

describe('what a member holds', () => {
  it('is named by its epoch, and only what it holds', () => {
    const { ownership } = new Bench();
    expect([0, 1, 2].map((partition) => ownership.isMine(partition))).toEqual([true, true, false]);
    expect(ownership.epochOf(0)).toBe(1);
    for (const foreign of [2, 99]) {
      expect(() => ownership.epochOf(foreign)).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
    }
  });

  it('O1: that was lost between two steps is noticed, also when it is back', () => {
    const bench = new Bench();
    const { ownership } = bench;
    const before = ownership.stamp;
    bench.move(0, 1);
    expect(ownership.isMine(0)).toBe(false);
    expect(() => ownership.check(0, before)).toThrow(expect.objectContaining({ code: 'STALE_EPOCH', retryable: true }));
    bench.move(0, 0);
    expect(ownership.epochOf(0)).toBe(3);
    expect(ownership.isHeldSince(0, before)).toBe(false);
    expect(() => ownership.checkAll([1, 0], before)).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ partitionId: 0 }) }),
    );
    ownership.checkAll([0, 1], ownership.stamp);
    ownership.check(1, before);
  });

  it('is seen by a check that is kept, at the first use after the change', () => {
    const bench = new Bench();
    const { ownership } = bench;
    const [both, first] = [ownership.checkOf([0, 1], ownership.stamp), ownership.checkOf([0], ownership.stamp)];
    for (let use = 0; use < 2; use++) for (const check of [both, first]) check();
    bench.move(1, 1);
    bench.move(1, 0);
    for (let use = 0; use < 2; use++) {
      expect(both).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
      first();
    }
  });

  it('O1: that was lost and regained in states that it never saw is noticed by the epoch', () => {
    const bench = new Bench();
    const before = bench.ownership.stamp;
    bench.change({ epochs: [3, 1, 1, 1] as Epoch[], epochFloor: 3, tableVersion: 9 });
    expect(bench.ownership.isHeldSince(0, before)).toBe(false);
    expect(bench.ownership.isHeldSince(1, before)).toBe(true);
  });

  it('in another grid is not what it was, whatever its numbers say', () => {
    const bench = new Bench();
    const before = bench.ownership.stamp;
    bench.change({ gridId: 'another' });
    expect(bench.ownership.isHeldSince(0, before)).toBe(false);
    expect(bench.ownership.isMine(0)).toBe(true);
  });

  it('is kept by changes that concern others', () => {
    const bench = new Bench();
    const before = bench.ownership.stamp;
    bench.change({ members: [member('a'), { ...member('b'), incarnation: 'two' }] });
    bench.move(2, 0);
    bench.ownership.checkAll([0, 1], before);
    expect(bench.ownership.isHeldSince(2, before)).toBe(false);
  });

  it('follows the members where their order changes', () => {
    const bench = new Bench();
    const before = bench.ownership.stamp;
    bench.change({ members: [member('b'), member('a')], owners: [[1], [1], [0], [0]] });
    bench.ownership.checkAll([0, 1], before);
  });

  it('is not served for a caller whose table is older', () => {
    const bench = new Bench();
    bench.move(0, 1);
    bench.move(0, 0);
    bench.ownership.checkRouted([0, 1], 3);
    expect(() => bench.ownership.checkRouted([1, 0], 2)).toThrow(
      expect.objectContaining({ details: { partitionId: 0, callerEpoch: 2, ownerEpoch: 3 } }),
    );
    expect(() => bench.ownership.checkRouted([2], 3)).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
  });
});
