/**
 * Calls over several partitions that wait until each of them has a primary: while one takes over from a member that died, nobody is
 * asked half of what a statement or a job means.
 *
 *   wait(partitions) -> all are served -> answered
 *                    \-> one is lost   -> PARTITION_LOST at once
 *                    \-> the caller's time is over -> MEMBER_UNREACHABLE: nothing was done
 *
 * served-waits W1  At most WAITING_MAX wait; more are refused at once (OVERLOADED).
 */
import { CancelledError, GridError, NoPrimaryError, PartitionLostError, timerMs } from '@ashlar/core';
import type { TableState } from './table-state.ts';
import type { WaitUntil } from './version-waits.ts';

/** How long a caller that names no time waits. */
const PATIENCE_MS = 5000;
const WAITING_MAX = 65_536;

/** Partitions by number; or all of the grid; or all that are not lost, where it does not matter what those held. */
export type Wanted = ReadonlySet<number> | 'all' | 'notLost';

interface Waiting {
  readonly wanted: Wanted;
  /** Looks at a newer table. */
  readonly look: (table: TableState) => void;
}

export class ServedWaits {
  readonly #waiting = new Set<Waiting>();

  /**
   * @returns undefined: all are served by the table as it is
   * @throws GridError PARTITION_LOST; (rejects with) MEMBER_UNREACHABLE, PARTITION_LOST, CANCELLED, OVERLOADED
   */
  wait(table: TableState, wanted: Wanted, until: WaitUntil): Promise<void> | undefined {
    refuseLost(table, wanted);
    const unserved = firstUnserved(table, wanted);
    if (unserved === undefined) return undefined;
    if (this.#waiting.size < WAITING_MAX) return this.#wait(wanted, unserved, until);
    return Promise.reject(new GridError('OVERLOADED', `more than ${WAITING_MAX} calls wait for a primary`));
  }

  /** Another table is here. */
  tableChanged(table: TableState): void {
    for (const waiting of [...this.#waiting]) waiting.look(table);
  }

  #wait(wanted: Wanted, first: number, { deadlineMs, signal }: WaitUntil): Promise<void> {
    const leftMs = deadlineMs === undefined ? PATIENCE_MS : timerMs(deadlineMs - performance.now());
    return new Promise((resolve, reject) => {
      let unserved = first;
      const end = (finish: () => void): void => {
        this.#waiting.delete(waiting);
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        finish();
      };
      const onAbort = (): void => end(() => reject(new CancelledError('the call')));
      const timer = setTimeout(() => end(() => reject(new NoPrimaryError(unserved))), leftMs);
      const look = (table: TableState): void => {
        try {
          refuseLost(table, wanted);
        } catch (error) {
          end(() => reject(error as GridError));
          return;
        }
        const next = firstUnserved(table, wanted);
        if (next === undefined) end(resolve);
        else unserved = next;
      };
      const waiting: Waiting = { wanted, look };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(waiting);
      if (signal?.aborted === true) onAbort();
    });
  }
}

function refuseLost({ lost }: TableState, wanted: Wanted): void {
  if (lost.length === 0 || wanted === 'notLost') return;
  const mine = wanted === 'all' ? lost : lost.filter((partition) => wanted.has(partition));
  if (mine.length > 0) throw new PartitionLostError(mine);
}

/** Undefined: all of them are served, or the grid is not complete: then nobody waits for a partition. */
function firstUnserved({ owners, lost }: TableState, wanted: Wanted): number | undefined {
  if (wanted === 'all' || wanted === 'notLost') {
    const at = owners.findIndex(({ length }, partition) => length === 0 && !lost.includes(partition));
    return at < 0 ? undefined : at;
  }
  for (const partition of wanted) if (owners[partition]?.length === 0) return partition;
  return undefined;
}
