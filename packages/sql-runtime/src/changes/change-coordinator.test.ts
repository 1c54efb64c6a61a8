/** What becomes of a change that goes in pieces, where members fail one by one. */
import {
  GridError,
  type MapId,
  type MemberId,
  OutcomeUnknownError,
  type PartitionId,
  type Version,
} from '@ashlar/core';
import { OddTally } from '@ashlar/expressions';
import { tooLargeForLogs } from '@ashlar/partitions';
import type { Statement } from '../query-coordinator.ts';
import { ChangeCoordinator } from './change-coordinator.ts';
import { brokenOff } from './partial-commit.ts';

const MAP = { name: 'm', id: 1 as MapId };

/** Members that each answer their part with rows removed, or fail; their logs never hold all of it at once. */
function coordinatorOver(members: Readonly<Record<string, number | GridError>>): ChangeCoordinator {
  const ids = Object.keys(members) as MemberId[];
  return new ChangeCoordinator({
    queries: {
      untilServed: () => undefined,
      membersOf: () => ids.map((member, at) => ({ member, partitions: [at as PartitionId] })),
    } as never,
    snapshots: {
      open: async () => ({ version: 5, ids: new Map(ids.map((id) => [id, 1])), release: () => undefined }),
    } as never,
    ...{ control: {} as never, limits: {} as never },
    open: () => {
      throw tooLargeForLogs(200, 100);
    },
    run: async (member) => {
      const rows = members[member]!;
      if (typeof rows !== 'number') throw rows;
      return { affected: rows, version: 7 as Version, odd: [] };
    },
  });
}

function clear(members: Readonly<Record<string, number | GridError>>): Promise<unknown> {
  const statement = { odd: new OddTally(), signal: new AbortController().signal, seen: 0, parameters: [] };
  return coordinatorOver(members)
    .clear(MAP, statement as unknown as Statement)
    .catch((error: unknown) => error);
}

describe('a change that goes in pieces', () => {
  const unreachable = new GridError('MEMBER_UNREACHABLE', 'it is gone');

  it('is the sum of what its members did', async () => {
    expect(await clear({ a: 3, b: 4 })).toMatchObject({ affected: 7, version: 7 });
  });

  it('counts what a member has done although it failed, and lists every member with what became of it there', async () => {
    const unknown = new OutcomeUnknownError('the change');
    expect(await clear({ a: 3, b: brokenOff(5, unreachable), c: unknown, d: unreachable })).toMatchObject({
      code: 'PARTIAL_COMMIT',
      retryable: false,
      details: { affected: 8, applied: ['a', 'b'] },
      outcomes: [
        { member: 'a', outcome: 'applied', rows: 3 },
        { member: 'b', outcome: 'inPart', rows: 5 },
        { member: 'c', outcome: 'unknown', rows: undefined },
        { member: 'd', outcome: 'notApplied', rows: undefined },
      ],
    });
  });

  it('that was broken off by what nobody knows has an unknown outcome there', async () => {
    const unknown = new OutcomeUnknownError('the change');
    expect(await clear({ a: 3, b: brokenOff(5, unknown) })).toMatchObject({
      details: { affected: 8 },
      outcomes: [
        { member: 'a', outcome: 'applied', rows: 3 },
        { member: 'b', outcome: 'unknown', rows: undefined },
      ],
    });
  });

  it('of which one member did a part, and no other anything, says so for the whole', async () => {
    expect(await clear({ a: unreachable, b: brokenOff(5, unreachable) })).toMatchObject({
      code: 'PARTIAL_COMMIT',
      details: { affected: 5, applied: ['b'] },
      outcomes: [
        { member: 'a', outcome: 'notApplied' },
        { member: 'b', outcome: 'inPart', rows: 5 },
      ],
    });
  });

  it('of which nothing was done fails with what it failed by', async () => {
    expect(await clear({ a: unreachable, b: unreachable })).toBe(unreachable);
  });
});
