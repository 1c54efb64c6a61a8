/** Whoever holds partitions waits for those who were there before, and for nobody who comes later. */
import type { PartitionId } from '@ashlar/core';
import { KeyGate, type LockId, partitionLockId } from '@ashlar/partitions';
import { type HoldDependencies, PartitionHold } from './partition-hold.ts';

/** Processors that hold keys of partitions until they are told to let go. */
class Processors {
  readonly #busy = new Set<PartitionId>();
  readonly waits = new Map<PartitionId, () => void>();

  constructor(partitions: readonly number[]) {
    for (const partition of partitions) this.#busy.add(partition as PartitionId);
  }

  isBusy(partition: PartitionId): boolean {
    return this.#busy.has(partition);
  }

  onIdle(partition: PartitionId, next: () => void): () => void {
    this.waits.set(partition, next);
    return () => this.waits.delete(partition);
  }

  end(partition: number): void {
    this.#busy.delete(partition as PartitionId);
    this.waits.get(partition as PartitionId)?.();
    this.waits.delete(partition as PartitionId);
  }
}

/** Lets promises go on, and no turn of the event loop pass. */
async function settle(): Promise<void> {
  for (let step = 0; step < 20; step++) await Promise.resolve();
}

function bench(busy: readonly number[]) {
  const gate = new KeyGate(100);
  const processors = new Processors(busy);
  const deps: HoldDependencies = { gate, processors };
  const leaving = new AbortController();
  let held: PartitionHold | undefined;
  const holding = PartitionHold.inTurn(new Set([2, 0, 1]), deps, leaving.signal).then((hold) => {
    held = hold;
  });
  const names = [0, 1, 2].map((partition) => partitionLockId(partition));
  const heldNames = (): readonly LockId[] => names.filter((name) => gate.isHeld(name));
  return { gate, processors, deps, leaving, holding, names, heldNames, held: () => held };
}

describe('partitions that are held for a statement', () => {
  it('are its own once the last processor on a key of theirs lets go, without a turn in between', async () => {
    const { processors, heldNames, names, held } = bench([0, 2]);
    await settle();
    expect([heldNames(), held()]).toEqual([names, undefined]);
    processors.end(2);
    await settle();
    expect(held()).toBeUndefined();
    processors.end(0);
    await settle();
    held()!.release();
    expect(heldNames()).toEqual([]);
  });

  it('are let go of at once when its caller leaves while it waits for a processor', async () => {
    const { processors, leaving, holding, heldNames, deps } = bench([1]);
    await settle();
    leaving.abort();
    await expect(holding).rejects.toMatchObject({ code: 'CANCELLED' });
    expect([heldNames(), processors.waits.size]).toEqual([[], 0]);
    // The next statement waits for the same processor.
    const next = PartitionHold.inTurn(new Set([1]), deps, new AbortController().signal);
    await settle();
    processors.end(1);
    (await next).release();
    expect(heldNames()).toEqual([]);
  });

  it('are none of its own where its caller has left already', async () => {
    const { deps, gate } = bench([]);
    await settle();
    gate.release(partitionLockId(0));
    gate.release(partitionLockId(1));
    gate.release(partitionLockId(2));
    await expect(PartitionHold.inTurn(new Set([0]), deps, AbortSignal.abort())).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(gate.heldCount).toBe(0);
  });

  it('are all taken at once, or none where another has one or a processor a key', () => {
    const gate = new KeyGate(100);
    const deps = { gate, processors: new Processors([3]) };
    expect(PartitionHold.now(new Set([1, 3]), deps)).toBeUndefined();
    const first = PartitionHold.now(new Set([1, 2]), deps)!;
    expect(PartitionHold.now(new Set([0, 2]), deps)).toBeUndefined();
    expect(gate.heldCount).toBe(2);
    first.release();
    first.release();
    expect(gate.heldCount).toBe(0);
  });

  it('go to those who wait in the order of arrival, past those who have left', async () => {
    const { deps, gate } = bench([]);
    await settle();
    for (const partition of [1, 2]) gate.release(partitionLockId(partition));
    const order: number[] = [];
    const leaving = new AbortController();
    const waiting = [0, 1, 2].map((at) =>
      PartitionHold.inTurn(new Set([0]), deps, at === 1 ? leaving.signal : new AbortController().signal).then(
        (hold) => {
          order.push(at);
          hold.release();
        },
        () => undefined,
      ),
    );
    await settle();
    leaving.abort();
    gate.release(partitionLockId(0));
    await Promise.all(waiting);
    expect(order).toEqual([0, 2]);
  });
});
