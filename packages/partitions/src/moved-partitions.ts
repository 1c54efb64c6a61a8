/**
 * What becomes of a statement whose partitions change hands: the snapshot that it reads ends, it begins once more by itself where nobody
 * has anything of it yet, and its caller is told otherwise.
 *
 *   snapshot -> read -> its rows
 *                 '-- a primary went, or cannot be reached where others hold what it held --> SNAPSHOT_EXPIRED
 *                                                     nothing was delivered, nothing applied --> once more, by the newest table
 *
 * moved-partitions V1  SNAPSHOT_EXPIRED says that nothing was applied: what is left in doubt, or done in part, has errors of its own.
 */
import type { GridView } from '@ashlar/cluster';
import { GridError, isSilent, type MemberId } from '@ashlar/core';

/** What callers are told of an error that ended the reading of a snapshot; other errors as they are. */
export function toldOfSnapshot(error: unknown, control: Pick<GridView, 'table'>): unknown {
  const failure = GridError.wrap(error);
  // Without copies nobody has what the member had: who is missing says more.
  const isElsewhere = isOfMember(failure) && control.table.backups > 0;
  return isElsewhere ? expired(failure) : toldOfOpening(error, control);
}

/**
 * The same of an error that came before the snapshot was open. Who cannot reach a member that lives says so: another member may.
 */
export function toldOfOpening(error: unknown, { table }: Pick<GridView, 'table'>): unknown {
  const failure = GridError.wrap(error);
  // Tables that members route by are their own matter: whoever asked for rows is told of the rows.
  const isMoved = failure.code === 'STALE_EPOCH';
  const isDead = isOfMember(failure) && isSilent(table, failure.details!['member'] as MemberId);
  return isMoved || isDead ? expired(failure) : error;
}

function isOfMember({ code, details }: GridError): boolean {
  return code === 'MEMBER_UNREACHABLE' && typeof details?.['member'] === 'string';
}

function expired(failure: GridError): GridError {
  return new GridError('SNAPSHOT_EXPIRED', `the snapshot has ended: ${failure.message}`, {
    hint: 'ask again: other members have what is missing, or are about to',
    details: failure.details,
    cause: failure,
  });
}

function mayBeginAnew(error: unknown, signal: AbortSignal): boolean {
  return GridError.is(error, 'SNAPSHOT_EXPIRED') && !signal.aborted;
}

/** Runs what changes something, and once more where its snapshot ended: nothing was applied then (moved-partitions V1). */
export async function twiceAtMost<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!mayBeginAnew(error, signal)) throw error;
    return run();
  }
}

/** Yields what is read, from the beginning once more where the snapshot ended before anything was there. */
export async function* readTwiceAtMost<T>(
  signal: AbortSignal,
  read: () => AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  let isDelivered = false;
  try {
    for await (const part of read()) {
      isDelivered = true;
      yield part;
    }
    return;
  } catch (error) {
    if (isDelivered || !mayBeginAnew(error, signal)) throw error;
  }
  yield* read();
}
