import { type MemberId, type PartitionId, StaleEpochError, type Version } from '@ashlar/core';
import { LocalSnapshots } from './local-snapshots.ts';
import type { OwnershipStamp } from './ownership.ts';

const SEEN = 0 as Version;

/** What a member holds: everything, until a test takes a partition and gives it back. */
function holdings() {
  const gainedAt = new Map<number, number>();
  let now = 0;
  return {
    get stamp() {
      return now as OwnershipStamp;
    },
    checkAll: (partitions: Iterable<number>, stamp: number): void => {
      for (const partition of partitions)
        if ((gainedAt.get(partition) ?? 0) > stamp) throw new StaleEpochError(partition, 0, 0);
    },
    checkCeiling: (): void => undefined,
    lose: (partition: number): void => {
      now += 1;
      gainedAt.set(partition, now);
    },
  };
}

function localSnapshots() {
  const clock = { ms: 0, isStalled: false };
  const held = holdings();
  const waiting: (() => void)[] = [];
  const open = new Set<number>();
  let lastId = 0;
  const store = {
    pin: () => {
      open.add(++lastId);
      return { id: lastId, version: lastId as Version };
    },
    whenDecided: (_version: Version, _partitions: unknown, tell: () => void) => {
      waiting.push(tell);
      return !clock.isStalled;
    },
    openAt: () => undefined,
    releaseSnapshot: (id: number) => open.delete(id),
    expireSnapshot: (id: number) => open.delete(id),
  };
  const snapshots = new LocalSnapshots({
    store,
    clock: { observe: () => undefined, now: () => 0 as Version },
    ownership: held,
    maxAgeMs: 60_000,
    openMax: 3,
    memberCount: () => 1,
    nowMs: () => clock.ms,
  });
  return { snapshots, clock, open, waiting, lose: held.lose };
}

describe('snapshots of a member', () => {
  it('P1: expire when they were not touched for too long; what is read lives on', async () => {
    const { snapshots, clock, open } = localSnapshots();
    const read = snapshots.pin(SEEN).pinId;
    const renewed = snapshots.pin(SEEN).pinId;
    const left = snapshots.pin(SEEN).pinId;
    clock.ms = 40_000;
    snapshots.touch(read);
    await snapshots.open(renewed, 9 as Version);
    clock.ms = 70_000;
    snapshots.sweep();
    expect([...open]).toEqual([read, renewed]);
    expect(snapshots.expired).toEqual({ age: 1, memory: 0 });
    await expect(snapshots.open(left, 9 as Version)).rejects.toMatchObject({ code: 'SNAPSHOT_EXPIRED' });
    snapshots.touch(left);
    expect(snapshots.openCount).toBe(2);
  });

  it('P4: are not opened nor read in a partition that was lost since they were pinned, though it has come back', async () => {
    const { snapshots, lose } = localSnapshots();
    const [mine, other] = [3, 4] as PartitionId[];
    const early = snapshots.pin(SEEN).pinId;
    const read = snapshots.pin(SEEN).pinId;
    await snapshots.open(read, 9 as Version, [mine!, other!]);
    snapshots.checkHeld(read, [mine!, other!]);
    lose(mine!);
    await expect(snapshots.open(early, 9 as Version, [other!, mine!])).rejects.toMatchObject({
      code: 'SNAPSHOT_EXPIRED',
    });
    await snapshots.open(early, 9 as Version, [other!]);
    const ended = expect.objectContaining({ code: 'SNAPSHOT_EXPIRED', retryable: true });
    expect(() => snapshots.checkHeld(read, [other!, mine!])).toThrow(ended);
    snapshots.checkHeld(read, [other!]);
    const later = snapshots.pin(SEEN).pinId;
    await snapshots.open(later, 10 as Version, [mine!]);
    snapshots.checkHeld(later, [mine!]);
  });

  it('P4: that are lost while what is undecided is waited for are not opened', async () => {
    const { snapshots, clock, waiting, lose } = localSnapshots();
    const { pinId } = snapshots.pin(SEEN);
    clock.isStalled = true;
    const opening = snapshots.open(pinId, 9 as Version, [3 as PartitionId]);
    lose(3);
    waiting[0]!();
    await expect(opening).rejects.toMatchObject({ code: 'SNAPSHOT_EXPIRED' });
  });

  it('are read by nobody once they are gone', () => {
    const { snapshots } = localSnapshots();
    const { pinId } = snapshots.pin(SEEN);
    snapshots.release(pinId);
    expect(() => snapshots.checkHeld(pinId, [])).toThrow(expect.objectContaining({ code: 'SNAPSHOT_EXPIRED' }));
  });

  it('P5: of another member are bounded by its share, and end with it', () => {
    const open = new Set<number>();
    let lastId = 0;
    const store = {
      pin: () => {
        open.add(++lastId);
        return { id: lastId, version: lastId as Version };
      },
      whenDecided: () => true,
      openAt: () => undefined,
      releaseSnapshot: (id: number) => open.delete(id),
      expireSnapshot: (id: number) => open.delete(id),
    };
    const clock = { observe: () => undefined, now: () => SEEN };
    const ownership = holdings();
    const options = { store, clock, ownership, maxAgeMs: 60_000, openMax: 100, nowMs: () => 0 };
    const snapshots = new LocalSnapshots({ ...options, memberCount: () => 2 });
    const [a, b] = ['a', 'b'] as MemberId[];
    for (let count = 0; count < 50; count++) snapshots.pin(SEEN, a);
    expect(() => snapshots.pin(SEEN, a)).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
    const own = snapshots.pin(SEEN).pinId;
    const other = snapshots.pin(SEEN, b).pinId;
    snapshots.release(1);
    expect(() => snapshots.pin(SEEN, a)).not.toThrow();
    snapshots.releaseOf(a!);
    expect([...open]).toEqual([own, other]);
  });

  it('P2: wait for what is undecided, until it is decided, the pin is gone, or the asker is', async () => {
    const { snapshots, clock, waiting } = localSnapshots();
    clock.isStalled = true;
    const pins = [1, 2, 3].map(() => snapshots.pin(SEEN).pinId);
    const abort = new AbortController();
    const [decided, expired, cancelled] = [
      snapshots.open(pins[0]!, 9 as Version),
      snapshots.open(pins[1]!, 9 as Version),
      snapshots.open(pins[2]!, 9 as Version, undefined, abort.signal),
    ];
    waiting[0]!();
    await expect(decided).resolves.toBe(pins[0]);
    clock.ms = 61_000;
    snapshots.touch(pins[0]!);
    snapshots.touch(pins[2]!);
    snapshots.sweep();
    await expect(expired).rejects.toMatchObject({ code: 'SNAPSHOT_EXPIRED' });
    abort.abort();
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
    // It is open: nothing that is undecided elsewhere holds up its renewal.
    await expect(snapshots.open(pins[0]!, 9 as Version)).resolves.toBe(pins[0]);
  });

  it('P2: are gone also when they go in the turn in which the last batch is decided', async () => {
    const { snapshots, clock, open, waiting } = localSnapshots();
    clock.isStalled = true;
    const { pinId } = snapshots.pin(SEEN);
    const opening = snapshots.open(pinId, 9 as Version);
    waiting[0]!();
    snapshots.release(pinId);
    await expect(opening).rejects.toMatchObject({ code: 'SNAPSHOT_EXPIRED' });
    expect(open.size).toBe(0);
  });

  it('P3: give way one by one, the one not touched for longest first', () => {
    const { snapshots, clock, open } = localSnapshots();
    const [one, two, three] = [1, 2, 3].map((at) => {
      clock.ms = at;
      return snapshots.pin(SEEN).pinId;
    });
    clock.ms = 5000;
    snapshots.touch(one!);
    expect(snapshots.giveWay(1000)).toBe(true);
    expect([...open]).toEqual([one, three]);
    expect(snapshots.giveWay(1000)).toBe(true);
    expect(snapshots.giveWay(1000)).toBe(false);
    expect([...open]).toEqual([one]);
    expect(snapshots.giveWay(0)).toBe(true);
    expect(snapshots.giveWay(0)).toBe(false);
    expect(snapshots.expired).toEqual({ age: 0, memory: 3 });
    expect(two).toBe(2);
  });

  it('are refused beyond their number', () => {
    const { snapshots } = localSnapshots();
    const pins = [1, 2, 3].map(() => snapshots.pin(SEEN).pinId);
    expect(() => snapshots.pin(SEEN)).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
    snapshots.release(pins[0]!);
    snapshots.release(pins[0]!);
    expect(snapshots.pin(SEEN).pinId).toBe(4);
    snapshots.close();
    expect(snapshots.openCount).toBe(0);
  });
});
