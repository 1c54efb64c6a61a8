import type { Epoch, MemberId, ReplicaChange, ReplicaId, ReplicaTable, Sequence, Version } from '@ashlar/core';
import { replicaIdOf, seededRandom } from '@ashlar/core';
import { emptyReplicaTable, stepReplicas } from './replica-step.ts';

const [A, B, C, D, A2, B2, D2] = ['a', 'b', 'c', 'd', 'a2', 'b2', 'd2'].map((name) =>
  replicaIdOf(name[0] as MemberId, name[1] ?? '1'),
) as [ReplicaId, ReplicaId, ReplicaId, ReplicaId, ReplicaId, ReplicaId, ReplicaId];

/** The row's reference as it stands. */
function reference(table: ReplicaTable, partition = 0) {
  const { epoch, revision } = table.partitions[partition]!;
  return { partition, epoch, revision };
}

/** Applies changes that must not be refused. */
function after(table: ReplicaTable, ...changes: readonly ReplicaChange[]): ReplicaTable {
  const outcome = stepReplicas(table, changes);
  expect(outcome.refused).toEqual([]);
  return outcome.table;
}

function refusal(table: ReplicaTable, change: ReplicaChange): string | undefined {
  const outcome = stepReplicas(table, [change]);
  if (outcome.refused.length > 0) expect(outcome.table).toBe(table);
  return outcome.refused[0]?.why;
}

function registered(...replicas: readonly ReplicaId[]): ReplicaTable {
  const changes = replicas.map((replica): ReplicaChange => ({ kind: 'register', replica, replaces: undefined }));
  return after(emptyReplicaTable(2), ...changes);
}

/** Partition 0 is served by A, in sync with B and C. */
function serving(): ReplicaTable {
  const table = registered(A, B, C, D);
  const inSync = [A, B, C];
  const wanted = inSync.map((one) => one[0] as MemberId);
  const created = after(table, { kind: 'create', ...reference(table), primary: A, inSync, wanted });
  return after(created, { kind: 'complete', ...reference(created), by: A, inSync });
}

describe('members', () => {
  it('are registered once, and end with the process that names them', () => {
    const table = registered(A, B);
    expect(after(table, { kind: 'register', replica: A, replaces: undefined })).toBe(table);
    expect(refusal(table, { kind: 'register', replica: A2, replaces: undefined })).toBe('replaced');
    const later = after(table, { kind: 'register', replica: A2, replaces: A });
    expect(later.members.map(({ replica }) => replica)).toEqual([A2, B]);
    // What the one before sent late.
    expect(refusal(later, { kind: 'register', replica: A, replaces: undefined })).toBe('replaced');
    expect(refusal(later, { kind: 'expire', replica: A })).toBe('replaced');
  });

  it('come back as the same replica', () => {
    const expired = after(serving(), { kind: 'expire', replica: A });
    expect(expired.members[0]).toEqual({ replica: A, isAlive: false });
    const back = after(expired, { kind: 'register', replica: A, replaces: undefined });
    expect([back.members[0]!.isAlive, back.partitions]).toEqual([true, expired.partitions]);
  });
});

describe('a row', () => {
  it('of a partition that nobody has served yet names the log anew with whoever is named: all copies bear one name', () => {
    const table = registered(A, B);
    const wanted = ['a', 'b'] as MemberId[];
    const created = after(table, { kind: 'create', ...reference(table), primary: A, inSync: [A, B], wanted });
    const named = after(created, { kind: 'nominate', ...reference(created), primary: B });
    const [row] = named.partitions;
    expect(row).toMatchObject({ isFresh: true, primary: B, epoch: named.version, logEpoch: named.version });
    const served = after(named, { kind: 'complete', ...reference(named), by: B, inSync: [A, B] });
    const next = after(served, { kind: 'nominate', ...reference(served), primary: A });
    expect(next.partitions[0]).toMatchObject({ epoch: next.version, logEpoch: named.version });
  });

  it('changes only by who has read it as it is (C1)', () => {
    const table = serving();
    const shrink: ReplicaChange = { kind: 'setInSync', ...reference(table), by: A, inSync: [A, B] };
    const shrunk = after(table, shrink);
    expect(refusal(shrunk, shrink)).toBe('outdated');
    const nominated = after(shrunk, { kind: 'nominate', ...reference(shrunk), primary: B });
    expect(refusal(nominated, { kind: 'nominate', ...reference(shrunk), primary: A })).toBe('outdated');
    expect(refusal(table, { kind: 'want', partition: 9, epoch: 1 as Epoch, revision: 1, wanted: [] })).toBe('outdated');
  });

  it('begins on registered members, with an epoch of its own', () => {
    const table = registered(A, B);
    const create = { kind: 'create', ...reference(table), primary: A, wanted: [] } as const;
    expect(refusal(table, { ...create, inSync: [A, C] })).toBe('wrongSet');
    expect(refusal(table, { ...create, inSync: [B] })).toBe('wrongSet');
    expect(refusal(table, { ...create, inSync: [A, A] })).toBe('wrongSet');
    const created = after(table, { ...create, inSync: [A, B] });
    expect(created.partitions[0]).toMatchObject({ phase: 'promoting', isFresh: true, epoch: created.version });
    // Nothing was ever in it: others may begin it.
    const again = after(created, { ...create, ...reference(created), primary: B, inSync: [B] });
    expect(again.partitions[0]).toMatchObject({ primary: B, epoch: again.version });
    expect(refusal(serving(), { ...create, ...reference(serving()), inSync: [A] })).toBe('wrongPhase');
  });
});

describe('a set', () => {
  it('is its primary to change, while it serves (C3)', () => {
    const table = serving();
    const change = { kind: 'setInSync', ...reference(table), by: A } as const;
    expect(refusal(table, { ...change, by: B, inSync: [B] })).toBe('notPrimary');
    expect(refusal(table, { ...change, inSync: [B, C] })).toBe('wrongSet');
    expect(refusal(table, { ...change, inSync: [A, D2] })).toBe('wrongSet');
    expect(refusal(table, { ...change, inSync: [] })).toBe('wrongSet');
    expect(after(table, { ...change, inSync: [A, D] }).partitions[0]!.inSync).toEqual([A, D]);
    const promoting = after(table, { kind: 'nominate', ...reference(table), primary: B });
    expect(refusal(promoting, { ...change, ...reference(promoting), by: B, inSync: [B] })).toBe('wrongPhase');
    expect(refusal(promoting, { kind: 'want', ...reference(promoting), wanted: [] })).toBe('wrongPhase');
  });

  it('loses a backup by its own word, and never its primary while that serves', () => {
    const table = serving();
    const left = after(table, { kind: 'leaveSet', ...reference(table), by: B });
    expect(left.partitions[0]).toMatchObject({ phase: 'serving', inSync: [A, C] });
    expect(refusal(table, { kind: 'leaveSet', ...reference(table), by: A })).toBe('wrongSet');
    expect(refusal(table, { kind: 'leaveSet', ...reference(table), by: D })).toBe('wrongSet');
  });

  it('of which nobody has a copy is lost', () => {
    let table = serving();
    table = after(table, { kind: 'nominate', ...reference(table), primary: B });
    for (const by of [B, C, A]) table = after(table, { kind: 'leaveSet', ...reference(table), by });
    expect(table.partitions[0]).toMatchObject({ phase: 'lost', inSync: [] });
  });
});

describe('a promotion', () => {
  it('names a member of the set at another epoch (C4, C5), and ends with those that it names', () => {
    const table = serving();
    expect(refusal(table, { kind: 'nominate', ...reference(table), primary: D })).toBe('wrongSet');
    const named = after(table, { kind: 'nominate', ...reference(table), primary: B });
    expect(named.partitions[0]).toMatchObject({
      phase: 'promoting',
      primary: B,
      epoch: named.version,
      inSync: [A, B, C],
    });
    expect(refusal(named, { kind: 'complete', ...reference(named), by: A, inSync: [A] })).toBe('notPrimary');
    expect(refusal(named, { kind: 'complete', ...reference(named), by: B, inSync: [B, D] })).toBe('wrongSet');
    expect(refusal(named, { kind: 'complete', ...reference(named), by: B, inSync: [C] })).toBe('wrongSet');
    const done = after(named, { kind: 'complete', ...reference(named), by: B, inSync: [B, C] });
    expect(done.partitions[0]).toMatchObject({ phase: 'serving', primary: B, inSync: [B, C], epoch: named.version });
    expect(refusal(done, { kind: 'complete', ...reference(done), by: B, inSync: [B] })).toBe('wrongPhase');
  });

  it('by renunciation stands until somebody serves again', () => {
    const table = serving();
    const renounce = {
      ...reference(table),
      ...({ kind: 'renounce', by: A, lastSequence: 7 as Sequence, clock: 9 as Version } as const),
    };
    expect(refusal(table, { ...renounce, successor: A })).toBe('wrongSet');
    expect(refusal(table, { ...renounce, successor: D })).toBe('wrongSet');
    expect(refusal(table, { ...renounce, by: B, successor: C })).toBe('notPrimary');
    let next = after(table, { ...renounce, successor: B });
    const renounced = { by: A, epoch: table.partitions[0]!.epoch, lastSequence: 7, clock: 9 };
    expect(next.partitions[0]).toMatchObject({ phase: 'promoting', primary: B, renounced, versionFloor: 9 });
    next = after(next, { kind: 'nominate', ...reference(next), primary: C });
    expect(next.partitions[0]!.renounced).toEqual(renounced);
    next = after(next, { kind: 'complete', ...reference(next), by: C, inSync: [C] });
    expect(next.partitions[0]).toMatchObject({ renounced: undefined, versionFloor: 9 });
  });
});

describe('a loss', () => {
  it('is told only when every replica of the set has been replaced, and ends only by an operator (C6)', () => {
    let table = serving();
    expect(refusal(table, { kind: 'declareLost', ...reference(table) })).toBe('notLost');
    table = after(table, { kind: 'setInSync', ...reference(table), by: A, inSync: [A, B] });
    table = after(table, { kind: 'register', replica: A2, replaces: A }, { kind: 'expire', replica: B });
    expect(refusal(table, { kind: 'declareLost', ...reference(table) })).toBe('notLost');
    table = after(table, { kind: 'register', replica: B2, replaces: B });
    table = after(table, { kind: 'declareLost', ...reference(table) });
    expect(table.partitions[0]).toMatchObject({ phase: 'lost', inSync: [] });
    expect(refusal(table, { kind: 'nominate', ...reference(table), primary: A2 })).toBe('wrongPhase');
    const placed = { primary: A2, inSync: [A2], wanted: ['a' as MemberId] };
    expect(refusal(table, { kind: 'create', ...reference(table), ...placed })).toBe('wrongPhase');
    table = after(table, { kind: 'recover', ...reference(table), ...placed, versionFloor: 50 as Version });
    const { version } = table;
    expect(table.partitions[0]).toMatchObject({
      phase: 'promoting',
      isFresh: true,
      logEpoch: version,
      versionFloor: 50,
    });
  });
});

it('a step that changes nothing gives the table back, and one makes one version of it (C2)', () => {
  const table = serving();
  expect(stepReplicas(table, []).table).toBe(table);
  const next = after(
    table,
    { kind: 'expire', replica: D },
    { kind: 'setInSync', ...reference(table), by: A, inSync: [A, B] },
  );
  expect([next.version, next.partitions[0]!.revision]).toEqual([table.version + 1, table.version + 1]);
  expect(next.partitions[1]).toBe(table.partitions[1]);
});

it('whatever is asked for, in whatever order: epochs rise, primaries come out of the set, one an epoch', () => {
  const random = seededRandom(11);
  const replicas = [A, B, C, D, A2, B2];
  const one = (): ReplicaId => replicas[random.below(replicas.length)]!;
  const some = (): ReplicaId[] => replicas.filter(() => random.below(2) === 0);
  const primaries = new Map<number, ReplicaId>();
  let table = serving();
  const seen = [table];
  for (let count = 0; count < 5000; count++) {
    // Now and then something that was read long ago.
    const read = random.below(4) === 0 ? seen[random.below(seen.length)]! : table;
    const ref = reference(read);
    const placed = { primary: one(), inSync: some(), wanted: [] };
    const changes: ReplicaChange[] = [
      { kind: 'register', replica: one(), replaces: random.below(2) === 0 ? one() : undefined },
      { kind: 'expire', replica: one() },
      { kind: 'setInSync', ...ref, by: one(), inSync: some() },
      { kind: 'leaveSet', ...ref, by: one() },
      { kind: 'nominate', ...ref, primary: one() },
      { kind: 'complete', ...ref, by: one(), inSync: some() },
      { kind: 'renounce', ...ref, by: one(), successor: one(), lastSequence: 1 as Sequence, clock: count as Version },
      { kind: 'declareLost', ...ref },
      { kind: 'recover', ...ref, ...placed, versionFloor: count as Version },
      { kind: 'create', ...ref, ...placed },
    ];
    const before = table;
    table = stepReplicas(table, [changes[random.below(changes.length)]!]).table;
    if (table === before) continue;
    seen.push(table);
    const [row, old] = [table.partitions[0]!, before.partitions[0]!];
    expect(row.epoch).toBeGreaterThanOrEqual(old.epoch);
    if (row.phase === 'lost') continue;
    expect(row.inSync).toContain(row.primary);
    expect(primaries.get(row.epoch) ?? row.primary).toBe(row.primary);
    primaries.set(row.epoch, row.primary!);
    if (!row.isFresh && row.primary !== old.primary) expect(old.inSync).toContain(row.primary);
  }
  expect(primaries.size).toBeGreaterThan(50);
});
