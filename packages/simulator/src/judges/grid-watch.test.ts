import type { PartitionReplicas, ReplicaId, ReplicaTable } from '@ashlar/core';
import type { ReplicationCore } from '@ashlar/replication';
import { ToyCopy, type ToyRecord } from '../grid/toy-copy.ts';
import { GridWatch, type Watched } from './grid-watch.ts';
import { Truth } from './truth.ts';

const [A, B, C] = ['a#1', 'b#2', 'c#3'] as ReplicaId[];

const record = (sequence: number, value = sequence): ToyRecord => ({
  ...{
    partition: 0,
    sequence,
    epoch: 1,
    version: sequence * 10,
    key: 'k',
    before: 0,
    value,
    session: 1,
    request: sequence,
  },
});

interface FakeMember extends Watched {
  table: ReplicaTable | undefined;
  copy: ToyCopy | undefined;
  mayRead: boolean;
  mayWrite: boolean;
  endings: number;
  process: { isKilled: boolean; isSuspended: boolean };
}

function memberOf(replica: ReplicaId): FakeMember {
  const member: FakeMember = {
    ...{
      replica,
      copy: new ToyCopy(),
      mayRead: false,
      mayWrite: false,
      endings: 0,
      hasLeft: false,
      isSuperseded: false,
      table: undefined,
      process: { isKilled: false, isSuspended: false },
    },
    core: {
      mayRead: () => (member.mayRead ? 'yes' : 'noLease'),
      mayWrite: () => (member.mayWrite ? 'yes' : 'notEnoughInSync'),
      ceilingOf: () => 1,
      get endings() {
        return member.endings;
      },
    } as unknown as ReplicationCore,
    copyOf: () => member.copy,
    nowMs: () => 0,
  };
  return member;
}

function tableOf(version: number, row: Partial<PartitionReplicas>): ReplicaTable {
  const base = {
    phase: 'serving',
    epoch: 1,
    revision: version,
    primary: A,
    inSync: [A, B],
    wanted: ['a', 'b'],
    isFresh: false,
  };
  const rest = { logEpoch: 1, renounced: undefined, versionFloor: 0 };
  return { version, members: [], partitions: [{ ...base, ...rest, ...row } as PartitionReplicas] };
}

/** Two members of a set of three records, and a third that holds nothing. */
function bench(): { watch: GridWatch; truth: Truth; a: FakeMember; b: FakeMember; c: FakeMember; lost: number[] } {
  const truth = new Truth(1);
  const lost: number[] = [];
  const watch = new GridWatch(truth, 1, 2, (partition) => lost.push(partition));
  const [a, b, c] = [memberOf(A!), memberOf(B!), memberOf(C!)];
  for (const member of [a, b, c]) watch.started(member);
  for (const one of [record(1), record(2), record(3)]) {
    for (const { copy } of [a, b]) copy!.append(one);
    truth.committed(A!, one);
  }
  watch.tableChanged(tableOf(1, {}));
  return { watch, truth, a, b, c, lost };
}

describe('the watch of a grid', () => {
  it('W1: wants every committed record with every living member of the set', () => {
    const { watch, b, c } = bench();
    expect(() => watch.tableChanged(tableOf(2, { inSync: [A!, C!] }))).toThrow(/^set-holds-committed/);
    c.process.isKilled = true;
    expect(() => watch.tableChanged(tableOf(3, { inSync: [A!, B!, C!] }))).not.toThrow();
    b.copy = undefined;
    expect(() => watch.dropped(b, 0)).toThrow(/^set-holds-committed.*no copy/);
  });

  it('W1: wants a record with them when it is found committed', () => {
    const { watch, a, b } = bench();
    const fourth = record(4);
    a.copy!.append(fourth);
    expect(() => watch.committed(fourth)).toThrow(/^set-holds-committed.*b#2/);
    b.copy!.append(fourth);
    expect(() => watch.committed(fourth)).not.toThrow();
  });

  it('W2: wants one log in the set, and looks at nobody outside it', () => {
    const { watch, a, b, c } = bench();
    a.copy!.append(record(4));
    c.copy!.append(record(1, 77));
    expect(() => watch.appended(c, 0, 1)).not.toThrow();
    b.copy!.append(record(4, 99));
    expect(() => watch.appended(b, 0, 4)).toThrow(/^set-is-one-log/);
  });

  it('W3: knows one reader at a time, of those that could answer', () => {
    const { watch, a, b } = bench();
    a.mayRead = true;
    expect(() => watch.looked(a)).not.toThrow();
    b.mayRead = true;
    expect(() => watch.looked(b)).toThrow(/^one-reader/);
    a.process.isKilled = true;
    expect(() => watch.looked(b)).not.toThrow();
  });

  it('W7: wants as many copies as writes need, by the table of who takes them', () => {
    const { watch, a } = bench();
    a.mayRead = true;
    a.table = tableOf(1, { inSync: [A!] });
    expect(() => watch.looked(a)).not.toThrow();
    a.mayWrite = true;
    expect(() => watch.looked(a)).toThrow(/^enough-copies/);
    a.table = tableOf(2, {});
    expect(() => watch.looked(a)).not.toThrow();
  });

  it('W8: wants a yes to hold until an input may have ended it', () => {
    const { watch, a } = bench();
    a.mayRead = true;
    watch.looked(a);
    a.mayRead = false;
    expect(() => watch.looked(a)).toThrow(/^yes-holds/);
    a.endings++;
    expect(() => watch.looked(a)).not.toThrow();
  });

  it('W4: knows one primary an epoch', () => {
    const { watch, a, b } = bench();
    watch.serves(a, 0, 1);
    expect(() => watch.serves(b, 0, 2)).not.toThrow();
    expect(() => watch.serves(a, 0, 2)).toThrow(/^one-primary/);
  });

  it('W5: wants rising epochs', () => {
    const { watch } = bench();
    expect(() => watch.tableChanged(tableOf(2, { primary: B! }))).toThrow(/^epochs-rise/);
    expect(() => watch.tableChanged(tableOf(2, { epoch: 0 as never }))).toThrow(/^epochs-rise/);
  });

  it('W6: believes a loss only when everybody is dead', () => {
    const { watch, truth, a, b, lost } = bench();
    a.process.isKilled = true;
    expect(() => watch.tableChanged(tableOf(2, { phase: 'lost', inSync: [] }))).toThrow(/^loss-is-real.*b#2/);
    const other = bench();
    for (const member of [other.a, other.b]) member.process.isKilled = true;
    other.watch.tableChanged(tableOf(2, { phase: 'lost', inSync: [] }));
    expect([other.lost, other.truth.lastOf(0)]).toEqual([[], 3]);
    other.watch.tableChanged(tableOf(3, { phase: 'promoting', epoch: 3 as never, inSync: [C!], primary: C! }));
    expect([other.lost, other.truth.lastOf(0)]).toEqual([[0], 0]);
    expect([lost, truth.lastOf(0), b.process.isKilled]).toEqual([[], 3, false]);
  });
});
