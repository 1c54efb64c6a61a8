/**
 * The partitions that a statement holds from before it stages until it commits or gives up. Other mutations of theirs wait
 * at the gate meanwhile.
 *
 * partition-hold H1  A partition is waited for only while lower ones are held; and of the members of a statement only the
 *                    last that holds anything, in the order of their ids, waits. So no two statements ever wait for each
 *                    other.
 * partition-hold H2  Whoever waits gets the partition in the order of arrival. Whoever leaves meanwhile lets go of what it
 *                    holds at once.
 * partition-hold H3  No processor that runs has a key of theirs: its outcome is sealed before anything is staged. None begins
 *                    on a key of a partition that is held, so each partition is waited for once.
 */
import type { ProcessorCalls } from '@ashlar/compute-runtime';
import { CancelledError, type PartitionId } from '@ashlar/core';
import { type KeyGate, type LockId, partitionLockId } from '@ashlar/partitions';

export interface HoldDependencies {
  readonly gate: KeyGate;
  readonly processors: Pick<ProcessorCalls, 'isBusy' | 'onIdle'>;
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
      for (const partition of partitions) {
        if (processors.isBusy(partition as PartitionId)) await idle(partition as PartitionId, processors, signal);
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

  /** Takes it within the turn in which it becomes free, before any later comer (partition-hold H2). */
  #takeWhenFree(name: LockId, signal: AbortSignal): Promise<void> {
    let hasLeft = false;
    return untilTold(signal, (done) => {
      this.#gate.wait(name, () => {
        if (hasLeft) return;
        this.#take(name);
        done();
      });
      return () => {
        hasLeft = true;
      };
    });
  }
}

/** Until the last processor lets go of the partition, which is held. */
function idle(partition: PartitionId, processors: HoldDependencies['processors'], signal: AbortSignal): Promise<void> {
  return untilTold(signal, (done) => processors.onIdle(partition, done));
}

/** @param wait  answers how to wait no more @throws GridError CANCELLED when the signal fires first */
function untilTold(signal: AbortSignal, wait: (done: () => void) => () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) throw new CancelledError('the statement');
    const stop = wait(() => {
      signal.removeEventListener('abort', leave);
      resolve();
    });
    function leave(): void {
      stop();
      reject(new CancelledError('the statement'));
    }
    signal.addEventListener('abort', leave, { once: true });
  });
}
