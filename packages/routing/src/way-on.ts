/** What an operation that a member refused, or lost, may do: sent again under a new number, under its own, or over (router R2). */
import type { WireError } from '@ashlar/core';
import type { CallTarget } from './call-target.ts';
import type { WayOn } from './failure-split.ts';
import type { SealedBatch } from './sealed-batch.ts';

/** What has to be repaired before it is sent again. */
export interface Repairs {
  /** Another table is needed. */
  refresh(): unknown;
  /** The member has forgotten the session. */
  renewSession(session: number): void;
}

export function wayOn(error: WireError, batch: SealedBatch, operation: number, repairs: Repairs): WayOn {
  switch (error.code) {
    case 'STALE_EPOCH':
    case 'LEASE_EXPIRED':
    case 'SHUTTING_DOWN':
    case 'NOT_ENOUGH_IN_SYNC':
    case 'GRID_INCOMPLETE':
      void repairs.refresh();
      return 'anew';
    case 'IN_DOUBT':
      void repairs.refresh();
      return 'inDoubt';
    case 'SESSION_EXPIRED':
      repairs.renewSession(batch.session);
      // What is sent again is answered also in a session that the member has forgotten, under its own number.
      return batch.wasResent ? 'inDoubt' : 'anew';
    case 'MAP_DROPPED':
      // Nothing was applied: the call means whichever map has the name by now.
      batch.learnDropped(operation, error.details);
      return 'anew';
    case 'MAP_CONFLICT':
      return batch.learnAffinity(operation, error.details) ? 'anew' : 'over';
    case 'LOG_FULL':
      // A call of its own keeps its place among those on its key: only its caller may send it again.
      return keepsOrder(batch.targets[operation]!) ? 'over' : 'anew';
    default:
      return 'over';
  }
}

function keepsOrder({ isOneCall, keepsOrder }: CallTarget): boolean {
  return isOneCall || keepsOrder === true;
}
