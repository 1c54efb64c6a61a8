import { GridError, type MemberId, MemberUnreachableError, type PartitionTable } from '@ashlar/core';
import { mayTakeOver } from './takeover.ts';

function table(owners: readonly (readonly number[])[]): PartitionTable {
  const members = ['a', 'b'].map((id) => ({ id: id as MemberId, address: id, httpAddress: '', zone: '' }));
  return { tableVersion: 1, gridId: 'g', members, expectedMembers: 2, awaited: [], owners, lost: [], epochs: [] };
}

const gone = new MemberUnreachableError('a', 'a:1', 0);

describe('what a member could not answer for want of another one', () => {
  it.each([
    ['whose partitions all have copies', [[0, 1], [1]], true],
    ['whose partitions are in other hands by now', [[1], [1]], true],
    ['whose partitions nobody serves at this moment', [[], [1]], true],
    ['that is the only one to have a partition', [[0, 1], [0]], false],
    ['of a grid that is not complete', [], false],
  ])('is asked again where that is one %s: %j', (_, owners, isAsked) => {
    expect(mayTakeOver(gone, table(owners))).toBe(isAsked);
  });

  it('is asked again where a partition has no primary', () => {
    const error = new GridError('MEMBER_UNREACHABLE', 'no primary', { details: { partition: 3 } });
    expect(mayTakeOver(error, table([[0]]))).toBe(true);
  });

  it('is not asked again for anything else', () => {
    expect(mayTakeOver(new GridError('PARTITION_LOST', 'gone', { details: { partition: 3 } }), table([[]]))).toBe(
      false,
    );
    expect(mayTakeOver(new GridError('MEMBER_UNREACHABLE', 'nobody at all'), table([[1]]))).toBe(false);
  });
});
