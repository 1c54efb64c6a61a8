/**
 * Ready-made processors as mutations of their batch: no task, no key held, no write batch of their own. One is a look at the
 * newest state, a pure function, and a put or a remove beside the other mutations of the batch.
 *
 *   look -> ReadyRun (compute) -> keeps the entry: its answer hangs on what was seen
 *                             |-> sets, removes:   staged in the partition's write batch, answered with its commit
 *                             '-> fails by what it saw: its error hangs on that, too
 *
 * ready-mutations D1  Calls on one key each have a state, a version and an event (staged-writes S2): a later one sees what an
 *                     earlier one of its batch has staged.
 * ready-mutations D2  A record bears the number of its call, and no answer: the function is pure, and is run again on the old
 *                     value that the record has (readyResult).
 */
import type { CatalogedMap } from '@ashlar/cluster';
import { ReadyRun } from '@ashlar/compute';
import { atKey } from '@ashlar/compute-runtime';
import { type PartitionId, TTL_KEEP } from '@ashlar/core';
import { checkOneGo, deadlineOf } from '@ashlar/partitions';
import { RecordCause, type WriteBatch } from '@ashlar/storage';
import { STATUS } from '@ashlar/transport';
import { keyStartOf, valueStartOf } from './batch-columns.ts';
import type { BatchScope } from './batch-scope.ts';
import { partitionBusy } from './partition-busy.ts';
import type { StagedWrites } from './staged-writes.ts';

/** All batches of a member run on one thread. */
const ready = new ReadyRun();

export class ReadyMutations {
  readonly #scope: BatchScope;
  readonly #writes: StagedWrites;
  calls = 0;

  constructor(scope: BatchScope, writes: StagedWrites) {
    this.#scope = scope;
    this.#writes = writes;
  }

  /** @throws GridError: it has changed nothing */
  mutate(map: CatalogedMap, operation: number): void {
    const { batch, answers } = this.#scope;
    const partition = batch.partitions[operation]! as PartitionId;
    const own = this.#writes.in(partition);
    const exists = this.#look(map, operation, partition, own);
    const { found } = this.#scope.deps.store;
    const { undecided } = found;
    const isOwn = !this.#writes.isPrompt && own !== undefined && (!exists || Number.isNaN(found.version));
    let deadline: number;
    try {
      deadline = this.#run(operation, exists);
    } catch (error) {
      this.calls++;
      this.#failBy(map, operation, partition, error);
      return;
    }
    const { action, resultBytes, resultStart, resultEnd } = ready;
    answers.statuses[operation] = STATUS.TRUE;
    if (resultEnd > resultStart) answers.value(operation, resultBytes, resultStart, resultEnd);
    if (action === 'set') this.#put(map, operation, partition, exists, deadline);
    else if (action === 'remove') this.#remove(map, operation, partition);
    this.calls++;
    if (this.#writes.isPrompt) return;
    if (action !== 'keep' || isOwn) this.#note(operation, partition);
    else if (undecided !== undefined) this.#hang(undecided, operation, undefined);
  }

  /** @throws GridError OVERLOADED where an open batch of somebody else hides the entry; STALE_EPOCH */
  #look(map: CatalogedMap, operation: number, partition: PartitionId, own: WriteBatch | undefined): boolean {
    const { batch, deps } = this.#scope;
    const { store } = deps;
    const start = keyStartOf(batch, operation);
    const exists = store.findNewest(map.id, partition, batch.keys, start, batch.keyEnds[operation]!, own);
    const { undecided } = store.found;
    if (undecided?.state === 'open' && undecided !== own) throw partitionBusy(partition);
    return exists;
  }

  /** Runs the function on what was found. @returns the deadline of what it sets */
  #run(operation: number, exists: boolean): number {
    const { batch, deps, targets } = this.#scope;
    const { found } = deps.store;
    const { values } = batch;
    const argsStart = valueStartOf(batch, operation);
    const argsEnd = batch.valueEnds?.[operation] ?? argsStart;
    const value = exists ? found.valueBytes : undefined;
    const { exportName } = targets.processorOf(operation)!;
    try {
      if (value !== undefined) checkOneGo(value, found.valueStart, found.valueEnd);
      checkOneGo(values, argsStart, argsEnd);
      ready.run(exportName, value, found.valueStart, found.valueEnd, values, argsStart, argsEnd);
    } catch (error) {
      throw atKey(error, batch.keys, keyStartOf(batch, operation), batch.keyEnds[operation]!);
    }
    const { action, ttl = TTL_KEEP, start, end } = ready;
    if (action !== 'set') return 0;
    deps.limits.checkValue(end - start);
    return deadlineOf(ttl, ttl === TTL_KEEP ? 0 : deps.clock.now(), exists ? found.expiresAt : undefined);
  }

  /** @param exists  the entry was found, by the last look that anybody took */
  #put(map: CatalogedMap, operation: number, partition: PartitionId, exists: boolean, deadline: number): void {
    const { batch, deps } = this.#scope;
    const writes = this.#writes.begun(partition, operation);
    const value = writes.value(ready.bytes, ready.start, ready.end, deadline, RecordCause.processor);
    if (exists) value.putBack(deps.store.found);
    const [start, end] = [keyStartOf(batch, operation), batch.keyEnds[operation]!];
    if (writes.put(map.id, partition, batch.keys, start, end, value)) return;
    // Commits tell others, who may call in turn.
    const bytes = ready.bytes.slice(ready.start, ready.end);
    do this.#writes.commitIn(partition);
    while (!this.#putAgain(map, operation, partition, bytes, deadline));
  }

  /** @returns false: the write batch is to be cut first (staged-writes S2) */
  #putAgain(
    map: CatalogedMap,
    operation: number,
    partition: PartitionId,
    bytes: Uint8Array,
    deadline: number,
  ): boolean {
    const { batch } = this.#scope;
    const writes = this.#writes.begun(partition, operation);
    const value = writes.value(bytes, 0, bytes.length, deadline, RecordCause.processor);
    return writes.put(map.id, partition, batch.keys, keyStartOf(batch, operation), batch.keyEnds[operation]!, value);
  }

  #remove(map: CatalogedMap, operation: number, partition: PartitionId): void {
    const { batch } = this.#scope;
    const [start, end] = [keyStartOf(batch, operation), batch.keyEnds[operation]!];
    for (;;) {
      const writes = this.#writes.begun(partition, operation);
      if (writes.remove(map.id, partition, batch.keys, start, end, RecordCause.processor) || !writes.wantsCut) return;
      this.#writes.commitIn(partition);
    }
  }

  /** It cannot do with what it saw: an answer that hangs on that as any other. @throws the error, where that is committed */
  #failBy(map: CatalogedMap, operation: number, partition: PartitionId, error: unknown): void {
    if (this.#writes.isPrompt) throw error;
    this.#writes.commitIn(partition);
    this.#look(map, operation, partition, undefined);
    const { undecided } = this.#scope.deps.store.found;
    if (undecided?.state !== 'sealed') throw error;
    this.#hang(undecided, operation, error);
  }

  #note(operation: number, partition: PartitionId): void {
    this.#scope.deps.writes.held.note('ready-made');
    this.#writes.note(partition, operation);
  }

  /** @param error  that it is answered with; undefined: its result */
  #hang(batch: WriteBatch, operation: number, error: unknown): void {
    this.#scope.deps.writes.held.note('ready-made');
    this.#scope.held.hang(batch, operation, error);
  }
}
