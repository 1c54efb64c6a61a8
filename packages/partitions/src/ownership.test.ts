import { GridView, type JoinedMember, type TableState } from '@ashlar/cluster';
import { freshState, ManualCoordinator } from '@ashlar/cluster/testing';
import { type Epoch, GridError, type MemberId, type Version } from '@ashlar/core';
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

/** A member of which the test says what its replication does. */
class ServingBench {
  readonly epochs = new Map<number, number>();
  refusal: GridError | undefined;
  readonly told: number[] = [];
  readonly view: GridView;
  readonly ownership: Ownership;
  readonly coordinator = new ManualCoordinator({ ...EMPTY, table: TABLE });

  constructor() {
    this.view = new GridView(SELF, this.coordinator);
    this.view.serveBy({
      servedChanges: 0,
      onTable: ({ tableVersion }) => void this.told.push(tableVersion),
      epochOf: (partition) => (this.epochs.get(partition) ?? 0) as Epoch,
      admits: () => true,
      readRefusal: () => this.refusal,
      writeRefusal: () => this.refusal,
      ceilingOf: () => 0 as Version,
      isAllServedSince: () => true,
    });
    this.ownership = new Ownership(this.view);
  }

  serve(partition: number, epoch: number): void {
    this.epochs.set(partition, epoch);
    this.view.servingChanged();
  }
}

describe('where members replicate', () => {
  it('a partition is held while it is served, whatever the table says', () => {
    const bench = new ServingBench();
    expect([bench.view.isMine(0), bench.ownership.isMine(0)]).toEqual([false, false]);
    const before = bench.ownership.stamp;
    bench.serve(2, 7);
    expect([bench.view.isMine(2), bench.view.serves(2, 7), bench.view.ownPartitions]).toEqual([true, false, [2]]);
    expect(bench.ownership.epochOf(2)).toBe(7);
    expect(bench.ownership.isHeldSince(2, before)).toBe(false);
    const { stamp } = bench.ownership;
    bench.serve(1, 7);
    bench.ownership.check(2, stamp);
    bench.serve(2, 0);
    bench.serve(2, 9);
    expect(() => bench.ownership.check(2, stamp)).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
  });

  it('callers are served who routed by the table that named this primary, or by a later one', () => {
    const bench = new ServingBench();
    bench.coordinator.changeTable({ tableVersion: 8 });
    bench.serve(2, 7);
    expect([6, 7, 8, 9].map((version) => bench.view.serves(2, version))).toEqual([false, true, true, false]);
  });

  it('replication hears of a table before anybody else, and what it does then is told with the table', () => {
    const bench = new ServingBench();
    let calls = 0;
    bench.view.onTable(() => calls++);
    const before = calls;
    bench.coordinator.changeTable({ tableVersion: 5 });
    expect([bench.told, calls - before]).toEqual([[1, 5], 1]);
  });

  it('O4: a check is one of the leases too', () => {
    const bench = new ServingBench();
    bench.serve(2, 7);
    const { stamp } = bench.ownership;
    bench.refusal = new GridError('LEASE_EXPIRED', 'later');
    for (const look of [() => bench.ownership.check(2, stamp), () => bench.ownership.epochOf(2)])
      expect(look).toThrow(expect.objectContaining({ code: 'LEASE_EXPIRED' }));
  });
});
