import { type Epoch, type MemberId, type ReplicaChange, type ReplicaId, replicaIdOf } from '@ashlar/core';
import { step } from '../step.ts';
import { joined, type TableState } from '../table-state.ts';
import { after, freshState, joins, memberNamed } from '../testing/index.ts';
import { assertReplicated, isReplicated, ownersBy, type ReplicatedTable } from './replicated-table.ts';

const PARTITIONS = 8;
const [A, B, C] = ['a', 'b', 'c'].map((name) => replicaIdOf(name as MemberId, 'one')) as [
  ReplicaId,
  ReplicaId,
  ReplicaId,
];

function fresh(epochFloor = 0) {
  const state = freshState('grid', 3, PARTITIONS, 1);
  if (epochFloor === 0) return state;
  const { replicas } = state.table;
  const table = {
    ...state.table,
    epochFloor,
    tableVersion: epochFloor,
    replicas: { ...replicas!, version: epochFloor },
  };
  return { ...state, table };
}

function replicated(table: TableState): ReplicatedTable {
  if (!isReplicated(table)) throw new Error('it has no rows');
  assertReplicated(table);
  return table;
}

const complete = () => after(fresh(), joins('a'), joins('b'), joins('c'));

/** Every named primary serves, with the set that it was named with. */
function completions({ replicas }: ReplicatedTable): ReplicaChange[] {
  return replicas.partitions.map(({ epoch, revision, primary, inSync }, partition) => ({
    ...{ kind: 'complete', partition, epoch, revision, by: primary!, inSync },
  }));
}

function changed(state: ReturnType<typeof complete>, changes: readonly ReplicaChange[]) {
  return step(state, { kind: 'replicas', changes });
}

describe('a table with copies', () => {
  it('registers who joins, and hands the partitions out when the expected members are there', () => {
    const two = replicated(after(fresh(), joins('a'), joins('b')).table);
    expect([two.tableVersion, two.owners, two.lost]).toEqual([2, [], []]);
    expect(two.replicas.members).toEqual([A, B].map((replica) => ({ replica, isAlive: true })));
    const table = replicated(complete().table);
    expect([table.tableVersion, table.epochFloor]).toEqual([3, 3]);
    expect(new Set(table.epochs)).toEqual(new Set([3]));
    for (const { phase, inSync, primary, wanted, isFresh } of table.replicas.partitions) {
      expect([phase, isFresh, new Set(inSync).size, inSync[0]]).toEqual(['promoting', true, 2, primary]);
      expect(wanted.map((member) => replicaIdOf(member, 'one'))).toEqual(inSync);
    }
    const primaries = table.replicas.partitions.map(({ primary }) => primary);
    for (const replica of [A, B, C]) expect(primaries.filter((one) => one === replica).length).toBeLessThanOrEqual(3);
  });

  it('D2: has owners for what is served, primary first, and for nothing else', () => {
    const before = complete();
    expect(before.table.owners).toEqual(Array(PARTITIONS).fill([]));
    const serving = changed(before, completions(replicated(before.table)));
    const { owners, members, replicas } = replicated(serving.table);
    const asReplicas = owners.map((row) =>
      row.map((index) => replicaIdOf(members[index]!.id, members[index]!.incarnation)),
    );
    expect(asReplicas).toEqual(replicas.partitions.map(({ inSync }) => inSync));
    const { epoch, revision, primary, inSync } = replicas.partitions[0]!;
    const successor = inSync.find((one) => one !== primary)!;
    const row = { partition: 0, epoch, revision };
    const promoting = changed(serving, [{ kind: 'nominate', ...row, primary: successor }]);
    expect(promoting.table.owners[0]).toEqual([]);
    expect(promoting.table.epochs[0]).toBe(promoting.table.tableVersion);
    expect(promoting.table.owners.slice(1)).toEqual(owners.slice(1));
  });

  it('D2: names what is lost, and nobody is sent to a process that is gone', () => {
    const started = complete();
    const serving = changed(started, completions(replicated(started.table)));
    const again = after(serving, joins('a', 'two'), joins('b', 'two'));
    const table = replicated(again.table);
    for (const [partition, { inSync, primary }] of table.replicas.partitions.entries()) {
      if (primary === C) expect(table.owners[partition]!.map((index) => table.members[index]!.id)).toEqual(['c']);
      else expect([partition, table.owners[partition]]).toEqual([partition, []]);
      expect(inSync).toEqual(replicated(serving.table).replicas.partitions[partition]!.inSync);
    }
    const gone = table.replicas.partitions.flatMap(({ epoch, revision, inSync }, partition): ReplicaChange[] =>
      inSync.includes(C) ? [] : [{ kind: 'declareLost', partition, epoch, revision }],
    );
    expect(gone.length).toBeGreaterThan(0);
    const told = changed(again, gone).table;
    expect(told.lost).toEqual(gone.map((change) => (change as { partition: number }).partition));
    for (const partition of told.lost) expect(told.owners[partition]).toEqual([]);
  });

  it('D3: lets nobody register who is not the process that joined', () => {
    const state = after(complete(), joins('a', 'two'));
    const two = replicaIdOf('a' as MemberId, 'two');
    const three = replicaIdOf('a' as MemberId, 'three');
    for (const replica of [A, three, replicaIdOf('x' as MemberId, 'one')]) {
      expect(changed(state, [{ kind: 'register', replica, replaces: two }])).toBe(state);
    }
    const expired = changed(state, [{ kind: 'expire', replica: two }]);
    const back = changed(expired, [{ kind: 'register', replica: two, replaces: undefined }]);
    expect(replicated(back.table).replicas.members[0]).toEqual({ replica: two, isAlive: true });
  });

  it('begins its epochs above all that were given before', () => {
    const floor = 40;
    const table = replicated(after(fresh(floor), joins('a'), joins('b'), joins('c')).table);
    expect([table.tableVersion, new Set(table.epochs)]).toEqual([floor + 3, new Set([(floor + 3) as Epoch])]);
  });

  it('does not count who was expired before all were there', () => {
    const two = after(fresh(), joins('a'), joins('b'));
    const late = changed(two, [{ kind: 'expire', replica: A }]);
    expect(joined(late.table, memberNamed('c')).owners).toEqual([]);
  });

  it('names the members that are taken for dead, until they are heard of again (D2)', () => {
    const dead = changed(complete(), [{ kind: 'expire', replica: A }]);
    expect([complete().table.silent, dead.table.silent]).toEqual([undefined, ['a']]);
    const back = changed(dead, [{ kind: 'register', replica: A, replaces: undefined }]);
    expect(back.table.silent).toBeUndefined();
  });

  it('is given back as it is by changes that do not fit', () => {
    const state = complete();
    expect(changed(state, [{ kind: 'declareLost', partition: 0, epoch: 1 as Epoch, revision: 1 }])).toBe(state);
    expect(changed(state, [])).toBe(state);
    expect(ownersBy(replicated(state.table).replicas, state.table.members)).toEqual({
      ...{ owners: state.table.owners, epochs: state.table.epochs, lost: [] },
    });
  });
});
