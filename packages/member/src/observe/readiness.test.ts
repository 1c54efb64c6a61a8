import type { TableState } from '@ashlar/cluster';
import type { PartitionPhase, ReplicaId } from '@ashlar/core';
import { Readiness } from './readiness.ts';

/** Rows as phase, copies in sync, members wanted; `dead` are members that are not alive. */
type Row = readonly [PartitionPhase, readonly string[], readonly string[]];

function table(rows: readonly Row[], dead: readonly string[] = []): TableState {
  const members = ['a', 'b', 'c'].map((name) => ({ replica: `${name}#1`, isAlive: !dead.includes(name) }));
  const partitions = rows.map(([phase, inSync, wanted]) => ({
    ...{ phase, wanted, inSync: inSync.map((name) => (name.includes('#') ? name : `${name}#1`)) },
  }));
  return { owners: rows.map(() => [0]), replicas: { members, partitions } } as unknown as TableState;
}

const WHOLE: Row = ['serving', ['a', 'b'], ['a', 'b']];

describe('a member of a grid with copies is ready', () => {
  let nowMs: number;
  let readiness: Readiness;

  beforeEach(() => {
    nowMs = 0;
    readiness = new Readiness('a#1' as ReplicaId, () => nowMs);
  });

  it('when every partition is served with every copy that is wanted, and not before', () => {
    readiness.onTable(table([['promoting', ['a', 'b'], ['a', 'b']], ['serving', ['a'], ['a', 'c']], WHOLE]));
    expect(readiness.reasons()).toEqual([
      '1 of 3 partitions wait for their primary',
      'copies of 1 of 3 partitions are not in sync yet',
    ]);
    readiness.onTable(table([WHOLE, WHOLE, WHOLE]));
    expect(readiness.reasons()).toEqual([]);
  });

  it('for good: that others go later is no fault of its own', () => {
    readiness.onTable(table([WHOLE]));
    readiness.onTable(table([['serving', ['a'], ['a', 'b']]]));
    expect(readiness.reasons()).toEqual([]);
  });

  it('only by tables in which it is, as the process that it is', () => {
    readiness = new Readiness('c#2' as ReplicaId, () => nowMs);
    readiness.onTable(table([WHOLE]));
    expect(readiness.reasons()).toEqual(['the member is not registered yet']);
    readiness = new Readiness('c#1' as ReplicaId, () => nowMs);
    readiness.onTable(table([WHOLE], ['c']));
    expect(readiness.reasons()).toEqual(['the member is not registered yet']);
    readiness.onTable(table([WHOLE]));
    expect(readiness.reasons()).toEqual([]);
  });

  it('without the copies of who is not there, and without what is lost', () => {
    readiness.onTable(
      table(
        [
          ['serving', ['a'], ['a', 'b']],
          ['lost', [], ['a', 'b']],
        ],
        ['b'],
      ),
    );
    expect(readiness.reasons()).toEqual([]);
  });

  it('only with the copies of processes that live: what an earlier one of the same member held is gone', () => {
    readiness.onTable(table([['serving', ['a', 'b#0'], ['a', 'b']]]));
    expect(readiness.reasons()).toEqual(['copies of 1 of 1 partitions are not in sync yet']);
  });

  it('also where copies stop coming, half a minute after the last one', () => {
    const missing: Row = ['serving', ['a'], ['a', 'b']];
    readiness.onTable(table([missing, missing]));
    nowMs = 29_000;
    readiness.onTable(table([WHOLE, missing]));
    nowMs = 59_000;
    expect(readiness.reasons()).toEqual(['copies of 1 of 2 partitions are not in sync yet']);
    nowMs = 59_001;
    expect(readiness.reasons()).toEqual([]);
    readiness.onTable(table([missing, missing]));
    expect(readiness.reasons()).toEqual([]);
  });

  it('where nothing is replicated', () => {
    expect(readiness.reasons()).toEqual([]);
    readiness.onTable({ owners: [[0]], replicas: undefined } as unknown as TableState);
    expect(readiness.reasons()).toEqual([]);
  });
});
