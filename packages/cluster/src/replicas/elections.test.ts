import { type MemberId, type ReplicaChange, replicaIdOf, type Sequence, type Version } from '@ashlar/core';
import { type ControlState, step } from '../step.ts';
import { after, freshState, joins } from '../testing/index.ts';
import { electionsOf } from './elections.ts';

const [A, B] = [replicaIdOf('a' as MemberId, 'one'), replicaIdOf('b' as MemberId, 'one')];
const PARTITIONS = 4;

function change(state: ControlState, change: (row: { partition: number; epoch: never; revision: number }) => object) {
  const { epoch, revision } = state.table.replicas!.partitions[0]!;
  const changes = [change({ partition: 0, epoch: epoch as never, revision })] as ReplicaChange[];
  return step(state, { kind: 'replicas', changes });
}

/** Partition 0 is served by a, with b in sync. */
function serving(): { created: ControlState; served: ControlState } {
  const created = after(freshState('grid', 2, PARTITIONS, 1), joins('a'), joins('b'));
  const primary = created.table.replicas!.partitions[0]!.primary!;
  const completed = change(created, (row) => ({ kind: 'complete', ...row, by: primary, inSync: [A, B] }));
  if (primary === A) return { created, served: completed };
  const moved = change(completed, (row) => ({ kind: 'nominate', ...row, primary: A }));
  return { created, served: change(moved, (row) => ({ kind: 'complete', ...row, by: A, inSync: [A, B] })) };
}

const causes = (before: ControlState | undefined, now: ControlState): string[] =>
  electionsOf(before?.table, now.table).map(({ partition, from, to, cause }) => `${partition}: ${from} ${to} ${cause}`);

describe('elections', () => {
  it('are the partitions that were handed out, and none where nothing changed', () => {
    const { created, served } = serving();
    expect(electionsOf(undefined, created.table)).toHaveLength(PARTITIONS);
    expect(new Set(electionsOf(undefined, created.table).map(({ cause }) => cause))).toEqual(new Set(['created']));
    expect(causes(served, served)).toEqual([]);
    const shrunk = change(served, (row) => ({ kind: 'setInSync', ...row, by: A, inSync: [A] }));
    expect(causes(served, shrunk)).toEqual([]);
  });

  it('tell who follows whom, and why', () => {
    const { served } = serving();
    const expired = step(served, { kind: 'replicas', changes: [{ kind: 'expire', replica: A }] });
    const nominated = change(expired, (row) => ({ kind: 'nominate', ...row, primary: B }));
    expect(causes(served, nominated)).toEqual(['0: a b died']);
    const again = change(nominated, (row) => ({ kind: 'nominate', ...row, primary: A }));
    expect(causes(nominated, again)).toEqual(['0: b a retried']);
    const renounced = change(served, (row) => ({
      ...{ kind: 'renounce', ...row, by: A, successor: B, lastSequence: 0 as Sequence, clock: 1 as Version },
    }));
    expect(causes(served, renounced)).toEqual(['0: a b left']);
    const completed = change(renounced, (row) => ({ kind: 'complete', ...row, by: B, inSync: [A, B] }));
    expect(causes(renounced, completed)).toEqual([]);
    // Whoever was too slow for the table between them hears the same.
    expect(causes(served, completed)).toEqual(['0: a b left']);
  });

  it('tell of a lost partition that begins anew', () => {
    const { served } = serving();
    const restarted = after(served, joins('a', 'two'), joins('b', 'two'));
    const lost = change(restarted, (row) => ({ kind: 'declareLost', ...row }));
    expect(lost.table.lost).toEqual([0]);
    const again = replicaIdOf('b' as MemberId, 'two');
    const placed = { primary: again, inSync: [again], wanted: ['a', 'b'], versionFloor: 9 as Version };
    const recovered = change(lost, (row) => ({ kind: 'recover', ...row, ...placed }));
    expect(causes(lost, recovered)).toEqual(['0: a b recovered']);
  });

  it('of a grid without copies are partitions that begin anew, not those that are lost', () => {
    const complete = after(freshState('grid', 2, PARTITIONS), joins('a'), joins('b'));
    expect(new Set(electionsOf(undefined, complete.table).map(({ cause }) => cause))).toEqual(new Set(['created']));
    const lost = after(complete, joins('b', 'two'));
    expect(lost.table.lost.length).toBeGreaterThan(0);
    expect(electionsOf(complete.table, lost.table)).toEqual([]);
    const elections = electionsOf(lost.table, after(lost, { kind: 'recover', partitions: lost.table.lost }).table);
    expect(elections.map(({ partition }) => partition)).toEqual(lost.table.lost);
    for (const { from, to, cause } of elections) expect([from, to, cause]).toEqual([undefined, 'b', 'recovered']);
  });
});
