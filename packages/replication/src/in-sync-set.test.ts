import type { Epoch, MemberId, PartitionReplicas, ReplicaId, Version } from '@ashlar/core';
import { replicaIdOf } from '@ashlar/core';
import { InSyncSet } from './in-sync-set.ts';
import { PRODUCTION_RULES } from './rules.ts';

const [A, B, C] = ['a', 'b', 'c'].map((name) => replicaIdOf(name as MemberId, '1')) as [
  ReplicaId,
  ReplicaId,
  ReplicaId,
];

function row(revision: number, ...inSync: readonly ReplicaId[]): PartitionReplicas {
  return {
    ...{ phase: 'serving', epoch: 1 as Epoch, logEpoch: 1 as Epoch, revision, primary: A, inSync, wanted: [] },
    ...{ isFresh: false, renounced: undefined, versionFloor: 0 as Version },
  };
}

function setOf(...inSync: readonly ReplicaId[]): InSyncSet {
  return new InSyncSet(A, row(5, ...inSync), PRODUCTION_RULES);
}

describe('an in-sync set', () => {
  it('waits for who leaves until the row has moved (S1, S2)', () => {
    const set = setOf(A, B);
    set.propose([A], 0, 100);
    expect([set.others, set.smallest]).toEqual([[B], 1]);
    set.answered(0);
    expect(set.others).toEqual([B]);
    set.record(row(6, A));
    expect([set.others, set.smallest, set.isSettled]).toEqual([[], 1, true]);
  });

  it('waits for who joins from before it is asked until the row has moved without it (S1, S2)', () => {
    const set = setOf(A);
    set.propose([A, B], 0, 100);
    expect([set.others, set.smallest]).toEqual([[B], 1]);
    // Asked to be as it was: either may apply, so both are waited for.
    set.propose([A], 10, 100);
    expect([set.others, set.isSettled]).toEqual([[B], false]);
    set.record(row(6, A));
    expect([set.others, set.isSettled]).toEqual([[], true]);
  });

  it('may be any of those that were asked for by one revision', () => {
    const set = setOf(A, B);
    set.propose([A, B, C], 0, 100);
    set.propose([A], 0, 100);
    expect([[...set.others].sort(), set.smallest]).toEqual([[B, C], 1]);
    set.record(row(7, A, B, C));
    expect([[...set.others].sort(), set.smallest]).toEqual([[B, C], 3]);
  });

  it('asks again for the same set, whatever its order, only after a while', () => {
    const set = setOf(A, B, C);
    expect(set.propose([A, B], 0, 100)).toBeDefined();
    expect(set.propose([B, A], 99, 100)).toBeUndefined();
    expect(set.propose([B, A], 100, 100)).toBeDefined();
    expect(set.propose([B, A], 150, 100)).toBeUndefined();
  });

  it('waits for a joiner that is admitted, and no more once it is dismissed (S4)', () => {
    const set = setOf(A);
    set.admit(B);
    expect([set.others, set.isSettled]).toEqual([[B], true]);
    expect([set.dismiss(B), set.dismiss(B)]).toEqual([true, false]);
    expect(set.others).toEqual([]);
    set.admit(B);
    set.propose([A, B], 0, 100);
    set.dismiss(B);
    expect(set.others).toEqual([B]);
  });
});
