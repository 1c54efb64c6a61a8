import type { MemberId, ReplicaChange, ReplicaTable, Sequence, Version } from '@ashlar/core';
import { replicaIdOf } from '@ashlar/core';
import fc from 'fast-check';
import { checkedReplicaTable, checkedTransaction } from './replica-check.ts';
import { emptyReplicaTable, stepReplicas } from './replica-step.ts';

const [A, B] = [replicaIdOf('a' as MemberId, '1'), replicaIdOf('b' as MemberId, '1')];

/** Every kind of change once, of which some apply. */
function changes(): ReplicaChange[] {
  const reference = { partition: 0, epoch: 0, revision: 0 } as Extract<ReplicaChange, { kind: 'want' }>;
  const placed = { primary: A, inSync: [A, B], wanted: ['a' as MemberId] };
  return [
    { kind: 'register', replica: A, replaces: undefined },
    { kind: 'register', replica: B, replaces: A },
    { kind: 'expire', replica: A },
    { ...reference, kind: 'create', ...placed },
    { ...reference, kind: 'want', wanted: ['b' as MemberId] },
    { ...reference, kind: 'setInSync', by: A, inSync: [A] },
    { ...reference, kind: 'leaveSet', by: B },
    { ...reference, kind: 'nominate', primary: B },
    { ...reference, kind: 'complete', by: B, inSync: [B] },
    { ...reference, kind: 'renounce', by: A, successor: B, lastSequence: 3 as Sequence, clock: 9 as Version },
    { ...reference, kind: 'declareLost' },
    { ...reference, kind: 'recover', ...placed, versionFloor: 9 as Version },
  ];
}

function table(): ReplicaTable {
  const registered = stepReplicas(emptyReplicaTable(2), [
    { kind: 'register', replica: A, replaces: undefined },
    { kind: 'register', replica: B, replaces: undefined },
  ]).table;
  const { epoch, revision } = registered.partitions[0]!;
  const placed = { primary: A, inSync: [A, B], wanted: ['a', 'b'] as MemberId[] };
  return stepReplicas(registered, [{ kind: 'create', partition: 0, epoch, revision, ...placed }]).table;
}

/** As it comes from a wire or a file. */
function copied(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

describe('what comes from a wire', () => {
  it('is taken as it was sent, where nothing is wrong', () => {
    const transaction = { id: 4, changes: changes().map((change) => ({ ...change, more: 1 })) };
    expect(checkedTransaction(copied(transaction))).toEqual({ id: 4, changes: changes() });
    expect(checkedReplicaTable(copied(table()))).toEqual(table());
  });

  it.each([
    ['no object', 7],
    ['no list of changes', { id: 1 }],
    ['an unknown kind', { id: 1, changes: [{ kind: 'drop' }] }],
    ['a kind that objects have', { id: 1, changes: [{ kind: '__proto__' }] }],
    ['a replica without an incarnation', { id: 1, changes: [{ kind: 'expire', replica: 'a' }] }],
    ['a replica with an empty one', { id: 1, changes: [{ kind: 'expire', replica: 'a#' }] }],
    ['a negative partition', { id: 1, changes: [{ ...changes()[4], partition: -1 }] }],
    ['a broken epoch', { id: 1, changes: [{ ...changes()[4], epoch: 0.5 }] }],
    ['two incarnations of a member in a set', { id: 1, changes: [{ ...changes()[5], inSync: ['a#1', 'a#2'] }] }],
  ])('is refused: %s', (_, value) => {
    expect(() => checkedTransaction(value)).toThrow(expect.objectContaining({ code: 'CORRUPT_DATA' }));
  });

  it.each<[string, (row: Record<string, unknown>) => void]>([
    ['a phase that there is not', (row) => Object.assign(row, { phase: 'resting' })],
    ['an epoch newer than the table', (row) => Object.assign(row, { epoch: 99 })],
    ['a revision below the epoch', (row) => Object.assign(row, { revision: 0 })],
    ['a primary out of the set', (row) => Object.assign(row, { primary: 'c#1' })],
    ['no primary', (row) => Object.assign(row, { primary: undefined })],
    ['a set that nobody holds', (row) => Object.assign(row, { phase: 'lost' })],
    ['no flag', (row) => Object.assign(row, { isFresh: 1 })],
  ])('is refused in a table: %s', (_, damage) => {
    const value = copied(table()) as { partitions: Record<string, unknown>[] };
    damage(value.partitions[0]!);
    expect(() => checkedReplicaTable(value)).toThrow(expect.objectContaining({ code: 'CORRUPT_DATA' }));
  });

  it('never does harm, whatever it is', () => {
    const member = fc.constantFrom('a#1', 'b#1', 'a#2', 'c#1', 'x', '');
    const change = fc.record(
      {
        kind: fc.constantFrom(...changes().map(({ kind }) => kind), 'other'),
        ...{ partition: fc.nat(2), epoch: fc.nat(4), revision: fc.nat(4), lastSequence: fc.nat(), clock: fc.nat() },
        ...{ replica: member, replaces: member, by: member, primary: member, successor: member },
        ...{
          inSync: fc.array(member, { maxLength: 3 }),
          wanted: fc.array(member, { maxLength: 2 }),
          versionFloor: fc.nat(),
        },
      },
      { requiredKeys: ['kind'] },
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), (some) => {
        let known: ReplicaChange[];
        try {
          known = [...checkedTransaction({ id: 1, changes: some }).changes];
        } catch (error) {
          expect(error).toMatchObject({ code: 'CORRUPT_DATA' });
          return;
        }
        const after = stepReplicas(table(), known).table;
        expect(checkedReplicaTable(copied(after))).toEqual(after);
      }),
      { numRuns: 500 },
    );
  });
});
