/** The error of a statement over several members when not all of its commits are known to have gone well. */
import { GridError, type MemberId, type MemberOutcome, OutcomeUnknownError } from '@ashlar/core';

export interface CommitResult {
  readonly member: MemberId;
  /** Rows that were changed; for a failure: rows that were staged. */
  readonly rows: number;
  /** OUTCOME_UNKNOWN: the rows may be changed; any other: nothing is changed there. */
  readonly failure: GridError | undefined;
}

/** @param results  at least one of them failed */
export function partialCommit(results: readonly CommitResult[]): GridError {
  const applied = results.filter(({ failure }) => failure === undefined);
  const unknown = results.filter(({ failure }) => failure?.code === 'OUTCOME_UNKNOWN');
  const notApplied = results.filter((one) => one.failure !== undefined && !unknown.includes(one));
  const cause = (notApplied[0] ?? unknown[0])!.failure!;
  if (applied.length === 0 && unknown.length === 0) return cause;
  if (results.length === 1) return new OutcomeUnknownError('the statement');
  const parts = [told(applied, 'were changed'), told(notApplied, 'were not'), told(unknown, 'may have been')].filter(
    (text) => text !== '',
  );
  return new GridError(
    'PARTIAL_COMMIT',
    `a member or a link was lost while the statement was committed: ${parts.join(', ')}`,
    {
      hint: 'look at the rows of the members that did not apply it before you send it again',
      details: {
        affected: rowsOf(applied),
        applied: membersOf(applied),
        notApplied: membersOf(notApplied),
        unknown: membersOf(unknown),
        rowsNotApplied: rowsOf(notApplied),
        rowsUnknown: rowsOf(unknown),
        cause: cause.code,
      },
      outcomes: results.map((one): MemberOutcome => {
        const outcome = applied.includes(one) ? 'applied' : unknown.includes(one) ? 'unknown' : 'notApplied';
        return { member: one.member, outcome, rows: one.rows };
      }),
      cause,
    },
  );
}

function told(results: readonly CommitResult[], what: string): string {
  return results.length === 0 ? '' : `${rowsOf(results)} rows on ${membersOf(results).join(', ')} ${what}`;
}

function rowsOf(results: readonly CommitResult[]): number {
  return results.reduce((sum, { rows }) => sum + rows, 0);
}

function membersOf(results: readonly CommitResult[]): readonly string[] {
  return results.map(({ member }) => member);
}

/** The error of a change that goes in pieces and was broken off between two of them. */
export function brokenOff(affected: number, error: unknown): GridError {
  const cause = GridError.wrap(error);
  return new GridError('PARTIAL_COMMIT', `${affected} entries were removed, then it failed: ${cause.message}`, {
    hint: 'call it again for the rest',
    details: { affected, cause: cause.code },
    cause: error,
  });
}
