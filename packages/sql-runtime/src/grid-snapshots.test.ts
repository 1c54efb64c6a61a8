import type { MemberId, PartitionId, Version } from '@ashlar/core';
import { GridSnapshots, type GridSnapshotsDependencies } from './grid-snapshots.ts';

const SELF = 'self' as MemberId;
const OTHER = 'other' as MemberId;

/** Two members: `held` are the snapshots that are pinned or open; the other one answers a pin when it is told to. */
function twoMembers() {
  const held = new Set<string>();
  const answerPin = Promise.withResolvers<void>();
  const pinAsked = Promise.withResolvers<void>();
  const other = {
    pinSnapshot: (_: object, { signal }: { signal?: AbortSignal }) => {
      held.add('other 2');
      pinAsked.resolve();
      const lost = Promise.withResolvers<never>();
      signal?.addEventListener('abort', () => lost.reject(new Error('the answer is not heard')));
      return Promise.race([answerPin.promise.then(() => ({ pinId: 2, version: 20 })), lost.promise]);
    },
    openSnapshot: async () => ({}),
    releaseSnapshot: async ({ snapshotId }: { snapshotId: number }) => void held.delete(`other ${snapshotId}`),
  };
  const own = {
    pinSnapshot: async () => {
      held.add('self 1');
      return { pinId: 1, version: 10 };
    },
    openSnapshot: async () => ({}),
    releaseSnapshot: async ({ snapshotId }: { snapshotId: number }) => void held.delete(`self ${snapshotId}`),
  };
  const deps = {
    control: { self: SELF, table: { tableVersion: 1 } },
    calls: { to: (member: MemberId) => ({ members: member === SELF ? own : other }) },
    touchOwn: () => undefined,
    clock: { observe: () => undefined, now: () => 5 as Version },
    renewEveryMs: 1000,
  } as unknown as GridSnapshotsDependencies;
  return { snapshots: new GridSnapshots(deps), held, answerPin, pinAsked };
}

const READ = new Map([
  [SELF, [0 as PartitionId]],
  [OTHER, [1 as PartitionId]],
]);

describe('a snapshot of the grid', () => {
  it('opens at the highest clock of its members, and is let go everywhere', async () => {
    const { snapshots, held, answerPin } = twoMembers();
    answerPin.resolve();
    const snapshot = await snapshots.open(READ, 0 as Version);
    expect([snapshot.version, [...snapshot.ids.values()]]).toEqual([20, [1, 2]]);
    snapshot.release();
    expect([...held]).toEqual([]);
  });

  it('that is cancelled while another member pins it is let go there too', async () => {
    const { snapshots, held, answerPin, pinAsked } = twoMembers();
    const abort = new AbortController();
    const opening = snapshots.open(READ, 0 as Version, abort.signal);
    await pinAsked.promise;
    abort.abort();
    answerPin.resolve();
    await expect(opening).rejects.toMatchObject({ code: 'CANCELLED' });
    expect([...held]).toEqual([]);
  });
});
