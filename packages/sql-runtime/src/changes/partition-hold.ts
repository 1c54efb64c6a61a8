/**
 * The partitions that a statement holds from before it stages until it commits or gives up. Other mutations of theirs wait
 * at the gate meanwhile.
 *
 * partition-hold H1  A partition is waited for only while lower ones are held; and of the members of a statement only the
 *                    last that holds anything, in the order of their ids, waits. So no two statements ever wait for each
 *                    other.
 * partition-hold H2  Whoever waits gets the partition in the order of arrival. Who leaves meanwhile lets go of what he holds
 *                    at once.
 * partition-hold H3  No processor that runs has a key of theirs: its outcome is committed before anything is staged.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ProcessorCalls } from '@ashlar/compute-runtime';
import { CancelledError, type PartitionId } from '@ashlar/core';
import { type KeyGate, type LockId, partitionLockId } from '@ashlar/partitions';

export interface HoldDependencies {
  readonly gate: KeyGate;
  readonly processors: Pick<ProcessorCalls, 'isBusy'>;
}

export class PartitionHold {
  readonly #gate: KeyGate;
  #names: LockId[] = [];

  private constructor(gate: KeyGate) {
    this.#gate = gate;
  }

  /** All of them, if nobody holds one or a key of one at this moment; else undefined, and none. */
  static now(partitions: ReadonlySet<number>, { gate, processors }: HoldDependencies): PartitionHold | undefined {
    for (const partition of partitions) {
      if (gate.isHeld(partitionLockId(partition)) || processors.isBusy(partition as PartitionId)) return undefined;
    }
    const hold = new PartitionHold(gate);
    for (const partition of partitions) hold.#take(partitionLockId(partition));
    return hold;
  }

  /** One after the other, waiting for those that others hold. @throws GridError CANCELLED, OVERLOADED */
  static async inTurn(
    partitions: ReadonlySet<number>,
    { gate, processors }: HoldDependencies,
    signal: AbortSignal,
  ): Promise<PartitionHold> {
    const hold = new PartitionHold(gate);
    try {
      for (const partition of [...partitions].sort((a, b) => a - b)) {
        const name = partitionLockId(partition);
        if (gate.isHeld(name)) await hold.#takeWhenFree(name, signal);
        else hold.#take(name);
      }
      while ([...partitions].some((partition) => processors.isBusy(partition as PartitionId))) {
        await nextTurn();
        if (signal.aborted) break;
      }
      if (signal.aborted) throw new CancelledError('the statement');
      return hold;
    } catch (error) {
      hold.release();
      throw error;
    }
  }

  /** Lets go of all, and through whoever waits. Idempotent. */
  release(): void {
    const names = this.#names;
    this.#names = [];
    for (const name of names) this.#gate.release(name);
  }

  #take(name: LockId): void {
    this.#gate.hold(name);
    this.#names.push(name);
  }

  /** Takes it within the turn in which it becomes free, before who came later (partition-hold H2). */
  #takeWhenFree(name: LockId, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) throw new CancelledError('the statement');
      let hasLeft = false;
      const leave = (): void => {
        hasLeft = true;
        reject(new CancelledError('the statement'));
      };
      this.#gate.wait(name, () => {
        if (hasLeft) return;
        signal.removeEventListener('abort', leave);
        this.#take(name);
        resolve();
      });
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}
