import type { MemberId, PartitionTable } from '@ashlar/core';
import { hasStandIn, isPrimary, PartitionMoves } from './partition-moves.ts';

const [A, B] = ['a', 'b'] as [MemberId, MemberId];

function table(owners: readonly (readonly number[])[]): PartitionTable {
  const members = [A, B].map((id) => ({ id, address: id, httpAddress: '', zone: '' }));
  return { tableVersion: 1, gridId: 'g', members, expectedMembers: 2, awaited: [], owners, lost: [], epochs: [] };
}

describe('partitions that change hands', () => {
  it('are waited for at the former primary for a moment, then its calls go on, once (partition-moves M1)', () => {
    const moves = new PartitionMoves();
    moves.note(table([[0], [1]]), table([[1], [1]]), 1000);
    expect([moves.hasLost(A), moves.hasLost(B), moves.isWaiting]).toEqual([true, false, true]);
    expect(moves.due(1049)).toEqual([]);
    expect(moves.due(1050)).toEqual([A]);
    expect([moves.due(1051), moves.isWaiting, moves.hasLost(A)]).toEqual([[], false, true]);
    moves.due(10_000);
    expect(moves.hasLost(A)).toBe(false);
  });

  it('are those that nobody serves, too; who gains some, or keeps them, has lost none', () => {
    const moves = new PartitionMoves();
    moves.note(table([[0], [1]]), table([[], [1, 0]]), 0);
    expect([moves.hasLost(A), moves.hasLost(B)]).toEqual([true, false]);
    const others = new PartitionMoves();
    others.note(table([[], [1]]), table([[0], [1]]), 0);
    others.note(table([]), table([[0], [1]]), 0);
    others.note(table([[0], [1]]), table([]), 0);
    expect([others.hasLost(A), others.hasLost(B), others.isWaiting]).toEqual([false, false, false]);
  });

  it('have a primary, or none, and somebody who stands in for it, or nobody', () => {
    const now = table([[0, 1], [1], []]);
    expect([0, 1, 2].map((partition) => isPrimary(now, A, partition))).toEqual([true, false, false]);
    expect([0, 1, 2].map((partition) => hasStandIn(now, partition))).toEqual([true, false, false]);
    expect(isPrimary(table([]), A, 0)).toBe(false);
  });
});
