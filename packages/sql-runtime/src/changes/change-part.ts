/**
 * This member's part of a statement over several members, from its rows to its end. Its coordinator decides step by step.
 *
 *   find -> stage --> staged --> commit
 *            |  ^        '-----> release: found again, nothing held
 *            v  '-- awaitRoom
 *         busy, noRoom: nothing held
 *
 * change-part A1  What is staged is undone when its coordinator leaves (close()), or is silent for a lease (keep()).
 * change-part A2  While others of the statement may be staged it waits for nothing but partitions (partition-hold H1):
 *                 for room in the logs it waits only when its coordinator says that none is.
 */
import { assert, CancelledError, GridError } from '@ashlar/core';
import { LackOfRoom, type LogWait } from '@ashlar/partitions';
import type { ChangeOutcome } from './change-request.ts';
import { type ChangeWork, StagedChange, type StagingDependencies } from './staged-change.ts';

/** What a member has found for a statement; nothing of it is held. */
export interface FoundChange {
  readonly work: ChangeWork;
  readonly wait: LogWait;
  readonly odd: ChangeOutcome['odd'];
  /** See ChangedRows. */
  readonly keysFound: readonly unknown[];
}

export type StageState = 'staged' | 'busy' | 'noRoom';

/** Lease of what is staged; it is prolonged three times within its length. */
export const PART_LEASE_MS = 3000;
export const PART_KEEP_MS = 1000;

export class ChangePart {
  readonly #find: (signal: AbortSignal) => Promise<FoundChange>;
  readonly #deps: StagingDependencies;
  readonly #leaseMs: number;
  readonly #abort = new AbortController();
  #found: FoundChange | undefined;
  #staged: StagedChange | undefined;
  #lack: LackOfRoom | undefined;
  #lease: NodeJS.Timeout | undefined;
  #isExpired = false;

  /** @param leaseMs  Infinity: its coordinator is in this process */
  constructor(find: (signal: AbortSignal) => Promise<FoundChange>, deps: StagingDependencies, leaseMs: number) {
    this.#find = find;
    this.#deps = deps;
    this.#leaseMs = leaseMs;
  }

  /** @throws what finding throws; GridError LOG_FULL when the logs can never hold it all */
  async find(): Promise<FoundChange> {
    this.#found ??= await this.#find(this.#abort.signal);
    return this.#found;
  }

  /** @param isInTurn  waits for partitions that others hold; the statement's parts at higher members are not staged */
  async stage(isInTurn: boolean): Promise<StageState> {
    assert(this.#staged === undefined, 'a part is staged once at a time');
    const { work } = await this.find();
    const { signal } = this.#abort;
    if (signal.aborted) throw left();
    const staged = await StagedChange.stage(work, this.#deps, isInTurn, signal);
    if (staged === undefined) return 'busy';
    if (staged instanceof LackOfRoom) {
      this.#lack = staged;
      return 'noRoom';
    }
    if (signal.aborted) {
      staged.abort();
      throw left();
    }
    this.#staged = staged;
    if (this.#leaseMs !== Infinity) this.#lease = setTimeout(() => this.#expire(), this.#leaseMs).unref();
    return 'staged';
  }

  /** @throws GridError LOG_FULL: there can never be so much room, or not in time */
  async awaitRoom(): Promise<void> {
    assert(this.#staged === undefined, 'change-part A2: who waits for room holds nothing');
    const lack = this.#lack;
    this.#lack = undefined;
    if (lack !== undefined) await this.#found!.wait.until(lack, this.#abort.signal);
  }

  /** Prolongs the lease. @throws GridError LEASE_EXPIRED: what was staged is undone already */
  keep(): void {
    this.#checkLease();
    this.#lease?.refresh();
  }

  release(): void {
    this.#endStaging()?.abort();
  }

  /** @throws GridError LEASE_EXPIRED, STALE_EPOCH: nothing is changed; OUTCOME_UNKNOWN */
  async commit(): Promise<ChangeOutcome> {
    this.#checkLease();
    const staged = this.#endStaging();
    assert(staged !== undefined, 'what is staged is committed');
    return { ...(await staged.commit()), odd: this.#found!.odd };
  }

  /** The statement is over: what is staged, or about to be, is undone; what is being committed goes on. Idempotent. */
  close(): void {
    this.release();
    this.#abort.abort();
  }

  #endStaging(): StagedChange | undefined {
    clearTimeout(this.#lease);
    this.#lease = undefined;
    const staged = this.#staged;
    this.#staged = undefined;
    return staged;
  }

  #expire(): void {
    this.#isExpired = true;
    this.release();
  }

  #checkLease(): void {
    if (!this.#isExpired) return;
    throw new GridError('LEASE_EXPIRED', `nothing was heard of the statement's coordinator for ${this.#leaseMs} ms`, {
      hint: 'nothing is changed here: try again',
    });
  }
}

function left(): CancelledError {
  return new CancelledError('the statement');
}
