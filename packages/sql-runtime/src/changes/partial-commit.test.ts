import { GridError, type MemberId } from '@ashlar/core';
import fc from 'fast-check';
import { brokenOff, type CommitResult, partialCommit } from './partial-commit.ts';

const LOST = new GridError('MEMBER_UNREACHABLE', 'the member is gone');
const UNKNOWN = new GridError('OUTCOME_UNKNOWN', 'the link broke');

function result(member: string, rows: number, failure?: GridError): CommitResult {
  return { member: member as MemberId, rows, failure };
}

describe('a statement that was not committed on all of its members', () => {
  it('fails as the first member did where nothing was changed anywhere: it may be sent again', () => {
    const other = new GridError('STALE_EPOCH', 'lost');
    const error = partialCommit([result('a', 1, LOST), result('b', 2, other)]);
    expect(error).toBe(LOST);
    expect(error.retryable).toBe(true);
  });

  it('of one member alone that may have changed its rows has an unknown outcome', () => {
    expect(partialCommit([result('a', 1, UNKNOWN)])).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: false });
  });

  it('tells for each member whether its rows were changed, were not, or may have been', () => {
    const error = partialCommit([
      result('a', 3),
      result('b', 5, UNKNOWN),
      result('c', 7, LOST),
      result('d', 0),
      result('e', 9, UNKNOWN),
    ]);
    expect(error).toMatchObject({
      ...{ code: 'PARTIAL_COMMIT', retryable: false, hint: expect.any(String), cause: LOST },
      details: {
        ...{ affected: 3, applied: ['a', 'd'], cause: 'MEMBER_UNREACHABLE' },
        ...{ notApplied: ['c'], rowsNotApplied: 7, unknown: ['b', 'e'], rowsUnknown: 14 },
      },
      outcomes: [
        { member: 'a', outcome: 'applied', rows: 3 },
        { member: 'b', outcome: 'unknown', rows: 5 },
        { member: 'c', outcome: 'notApplied', rows: 7 },
        { member: 'd', outcome: 'applied', rows: 0 },
        { member: 'e', outcome: 'unknown', rows: 9 },
      ],
    });
    for (const told of ['3 rows on a, d', '7 rows on c', '14 rows on b, e']) expect(error.message).toContain(told);
  });

  it('may be sent again as it is only if no member has, or may have, changed a row', () => {
    const failure = fc.constantFrom(undefined, LOST, UNKNOWN);
    fc.assert(
      fc.property(fc.array(failure, { minLength: 1, maxLength: 5 }), (failures) => {
        fc.pre(failures.some((one) => one !== undefined));
        const error = partialCommit(failures.map((one, index) => result(`m${index}`, 1, one)));
        expect(error.retryable).toBe(failures.every((one) => one === LOST));
        if (error.code !== 'PARTIAL_COMMIT') return;
        const { applied, notApplied, unknown } = error.details as Record<string, string[]>;
        const all = [...applied!, ...notApplied!, ...unknown!].sort();
        expect(all).toEqual(failures.map((_, index) => `m${index}`));
      }),
    );
  });
});

describe('a change in pieces that was broken off', () => {
  it('says how many entries are gone, and why it went no further', () => {
    expect(brokenOff(5, LOST)).toMatchObject({
      ...{ code: 'PARTIAL_COMMIT', retryable: false, cause: LOST, hint: expect.any(String) },
      details: { affected: 5, cause: 'MEMBER_UNREACHABLE' },
      message: expect.stringMatching(/^5 entries .*the member is gone$/),
    });
    expect(brokenOff(5, new TypeError('a bug'))).toMatchObject({
      code: 'PARTIAL_COMMIT',
      details: { cause: 'INTERNAL' },
    });
  });
});
