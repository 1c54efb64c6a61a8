/**
 * A change of rows on this member between its staging and its decision.
 *
 *   hold the partitions -> stage row by row -> commit: sealed, partitions let go, answered when committed
 *                                         '--> abort:  as if it had never been
 *
 * staged-change G1  What is staged becomes visible at one point for the whole member, or not at all.
 * staged-change G2  While it is staged, other mutations of its partitions wait; from the seal on they go on, and see it.
 * staged-change G3  An error that was derived from what is undecided is answered only if that stays; else it is staged again.
 * staged-change G4  Where as many batches are under way as there may be it waits for one in its turn, and holds nothing
 *                   meanwhile.
 */
import { GridError, OutcomeUnknownError } from '@ashlar/core';
import { decided, LackOfRoom, type Ownership, type OwnershipStamp, type WritePath } from '@ashlar/partitions';
import type { MemberStore, WriteBatch } from '@ashlar/storage';
import type { ChangeOutcome } from './change-request.ts';
import { type HoldDependencies, PartitionHold } from './partition-hold.ts';
import { SeenBatches } from './seen-batches.ts';

export interface StagingDependencies extends HoldDependencies {
  readonly store: MemberStore;
  readonly writes: WritePath;
  readonly ownership: Pick<Ownership, 'stamp' | 'checkAll'>;
}

/** The batch in which rows are staged, and how far that has come. */
export class Staging {
  readonly batch: WriteBatch;
  readonly signal: AbortSignal;
  readonly seen: SeenBatches = new SeenBatches();
  /** Rows staged so far. */
  rows = 0;

  constructor(batch: WriteBatch, signal: AbortSignal) {
    this.batch = batch;
    this.signal = signal;
  }
}

/** Rows to stage together. */
export interface ChangeWork {
  readonly partitions: ReadonlySet<number>;
  readonly rowCount: number;
  /** Bytes of log that it needs at least, about. */
  readonly logBytes: number;
  /** Since when the partitions must have been this member's, without a break: what was found is not what lies there else. */
  readonly stamp: OwnershipStamp;
  /** @returns rows changed @throws GridError where one cannot be staged, or `into.signal` fires */
  readonly stage: (into: Staging) => Promise<number>;
}

export class StagedChange {
  readonly affected: number;
  readonly #work: ChangeWork;
  readonly #staging: Staging;
  readonly #hold: PartitionHold;
  readonly #deps: StagingDependencies;

  private constructor(
    work: ChangeWork,
    affected: number,
    staging: Staging,
    hold: PartitionHold,
    deps: StagingDependencies,
  ) {
    this.#work = work;
    this.affected = affected;
    this.#staging = staging;
    this.#hold = hold;
    this.#deps = deps;
  }

  /**
   * @param isInTurn  waits for partitions that others hold
   * @returns undefined: others hold one, or no batch is free; LackOfRoom: a log refused more. Nothing is staged or held then
   * @throws what staging throws; nothing is staged or held then
   */
  static async stage(
    work: ChangeWork,
    deps: StagingDependencies,
    isInTurn: boolean,
    signal: AbortSignal,
  ): Promise<StagedChange | LackOfRoom | undefined> {
    for (;;) {
      const { partitions } = work;
      const hold = isInTurn
        ? await PartitionHold.inTurn(partitions, deps, signal)
        : PartitionHold.now(partitions, deps);
      if (hold === undefined) return undefined;
      const batch = beginOrLetGo(deps.writes, hold);
      if (batch === undefined && !isInTurn) return undefined;
      if (batch === undefined) {
        await deps.writes.turns.room(signal);
        continue;
      }
      const staged = await stageHeld(work, deps, hold, new Staging(batch, signal));
      if (!(staged instanceof Failure)) return new StagedChange(work, staged.affected, staged.staging, hold, deps);
      if (staged.lack !== undefined) return staged.lack;
      if (staged.seen === undefined || (await staged.seen.haveStayed())) throw staged.error;
    }
  }

  /**
   * @returns once it is committed
   * @throws GridError STALE_EPOCH: a partition has left the member, nothing is changed; OUTCOME_UNKNOWN: one left it later
   */
  async commit(): Promise<Pick<ChangeOutcome, 'affected' | 'version'>> {
    const { batch, seen } = this.#staging;
    if (batch.state !== 'open' || batch.lostPartitions.length > 0) {
      this.abort();
      throw partitionLost(batch);
    }
    const { partitions, stamp } = this.#work;
    try {
      this.#deps.ownership.checkAll(partitions, stamp);
    } catch (error) {
      this.abort();
      throw error;
    }
    const { writes } = this.#deps;
    const isCommitted = writes.submit(batch) && batch.lostPartitions.length === 0;
    this.#hold.release();
    if (!isCommitted || !seen.isEmpty) writes.held.note('statement');
    const isWhole = isCommitted || (await decided(batch));
    if (!isWhole || (!seen.isEmpty && !(await seen.haveStayed()))) throw new OutcomeUnknownError('the statement');
    return { affected: this.affected, version: batch.version };
  }

  abort(): void {
    undo(this.#staging.batch);
    this.#hold.release();
  }
}

/** Why nothing is staged. */
class Failure {
  readonly error: unknown;
  /** The room that a full log lacked. */
  readonly lack: LackOfRoom | undefined;
  /** What the error may have been derived from. */
  readonly seen: SeenBatches | undefined;

  constructor(error: unknown, lack: LackOfRoom | undefined, seen: SeenBatches | undefined) {
    this.error = error;
    this.lack = lack;
    this.seen = seen;
  }
}

/** @returns undefined: no batch is free (staged-change G4), and what was held is let go */
function beginOrLetGo(writes: WritePath, hold: PartitionHold): WriteBatch | undefined {
  try {
    return writes.begin();
  } catch (error) {
    hold.release();
    if (GridError.is(error, 'OVERLOADED')) return undefined;
    throw error;
  }
}

async function stageHeld(
  work: ChangeWork,
  { store, ownership }: StagingDependencies,
  hold: PartitionHold,
  staging: Staging,
): Promise<{ readonly affected: number; readonly staging: Staging } | Failure> {
  const startedMs = performance.now();
  const { batch, seen } = staging;
  try {
    ownership.checkAll(work.partitions, work.stamp);
    return { affected: await work.stage(staging), staging };
  } catch (error) {
    const isFull = GridError.is(error, 'LOG_FULL');
    const stagedBytes = isFull ? store.undecidedLogBytes(work.partitions) : 0;
    undo(batch);
    hold.release();
    const tookMs = performance.now() - startedMs;
    const lack = isFull ? new LackOfRoom(error, stagedBytes, staging.rows, work.rowCount, tookMs) : undefined;
    return new Failure(error, lack, seen.isEmpty ? undefined : seen);
  }
}

/** The store has undone it already where its last partition was lost. */
function undo(batch: WriteBatch): void {
  if (batch.state === 'open') batch.abort();
}

function partitionLost({ lostPartitions }: WriteBatch): GridError {
  const lost = lostPartitions.length === 0 ? 'its partitions' : `partition ${lostPartitions.join(', ')}`;
  return new GridError('STALE_EPOCH', `${lost} left the member while the statement was staged; nothing is changed`, {
    hint: 'try again',
  });
}
