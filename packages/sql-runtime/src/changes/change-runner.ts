/**
 * One member's part of a statement that changes entries: scan in the query workers, stage on the writer, one commit.
 *
 *   scan at the snapshot -> rows with the version seen -> hold the partitions -> each row: still that version? stage it;
 *   another one? look at the newest state again -> commit: one visibility point for the whole member
 *
 * change-runner C1  While rows are staged no other mutation touches their partitions: they wait at the gate, in order.
 * change-runner C2  Staging runs in slices, so that a statement over millions of rows lets gets and other partitions
 *                   through.
 * change-runner C3  A failure leaves the member as if the statement had never been.
 * change-runner C4  What is larger than the logs may hold of undecided records is refused before it stages anything. Where
 *                   listeners hold the logs, a statement waits for them (log-room.ts), holding nothing. What may be done in
 *                   pieces (clear, processors) is done so where all of it at once has no room.
 * change-runner C5  What was undecided when it was looked at is answered once it is decided (staged-change G3).
 */
import { CancelledError, type MapId, type Version } from '@ashlar/core';
import { type OddCount, OddTally } from '@ashlar/expressions';
import {
  LackOfRoom,
  type LocalSnapshots,
  LogWait,
  type NeedMap,
  type OwnershipStamp,
  tooLargeForLogs,
} from '@ashlar/partitions';
import { type ChangedRows, type ChangeTask, tasksFor } from '@ashlar/sql-executor';
import { logBytesOf } from '@ashlar/storage';
import type { WorkerPool } from '@ashlar/workers';
import { refuseBothKeys } from '../quoted-keys.ts';
import type { FoundChange } from './change-part.ts';
import type { ChangeOutcome, InsertRows, RowChange } from './change-request.ts';
import { stageInserts } from './insert-stager.ts';
import { brokenOff } from './partial-commit.ts';
import { allRows, type ChangedRow, RowStager, type RowStagerDependencies } from './row-stager.ts';
import { type ChangeWork, StagedChange, type StagingDependencies } from './staged-change.ts';

export interface ChangeRunnerDependencies extends StagingDependencies, RowStagerDependencies {
  readonly needMap: NeedMap;
  readonly pool: WorkerPool;
  readonly clock: { now(): Version };
  readonly snapshots: Pick<LocalSnapshots, 'checkHeld'>;
}

export class ChangeRunner {
  readonly #deps: ChangeRunnerDependencies;

  constructor(deps: ChangeRunnerDependencies) {
    this.#deps = deps;
  }

  /**
   * A statement that concerns this member alone.
   *
   * @throws what scanning or staging throws; nothing is changed then, unless it may go in pieces (PARTIAL_COMMIT)
   */
  async run(change: RowChange, signal: AbortSignal): Promise<ChangeOutcome> {
    if (change.kind === 'insert') {
      const { work, wait } = await this.find(change, signal);
      return { ...(await this.#untilCommitted(work, wait, signal)), odd: [] };
    }
    const { task } = change;
    const { stamp } = this.#deps.ownership;
    const found = await this.scan(task, signal);
    refuseBothKeys(new Set(found.flatMap(({ keysFound }) => keysFound)), task.ambiguousTexts);
    const odd = oddOf(found);
    const rows = allRows(found);
    const work = this.#workOf(task, rows, bytesOf(task, found), stamp);
    if (task.inPieces === true) return { ...(await this.#inPieces(task, rows, work, signal)), odd };
    this.#refuseTooLarge(work);
    return { ...(await this.#untilCommitted(work, this.#logWait(task.waitMs), signal)), odd };
  }

  /**
   * What this member has for a statement over several; nothing is held.
   *
   * @throws what scanning throws; GridError LOG_FULL when it can never be staged
   */
  async find(change: RowChange, signal: AbortSignal): Promise<FoundChange> {
    if (change.kind === 'insert') {
      const work = await this.#insertWork(change);
      this.#refuseTooLarge(work);
      return { work, wait: this.#logWait(change.rows.waitMs), odd: [], keysFound: [] };
    }
    const { task } = change;
    const { stamp } = this.#deps.ownership;
    const found = await this.scan(task, signal);
    const work = this.#workOf(task, allRows(found), bytesOf(task, found), stamp);
    this.#refuseTooLarge(work);
    const keysFound = found.flatMap((part) => part.keysFound);
    return { work, wait: this.#logWait(task.waitMs), odd: oddOf(found), keysFound };
  }

  /** Whether a condition cannot be computed, and which keys it finds. @throws what scanning throws */
  async check(task: ChangeTask, signal: AbortSignal): Promise<ChangeOutcome> {
    const found = await this.scan(task, signal);
    const keysFound = found.flatMap((part) => part.keysFound);
    return { affected: 0, version: this.#deps.clock.now(), odd: [], keysFound };
  }

  /**
   * The entries that meet the condition at the snapshot, task by task.
   *
   * @throws what scanning throws; GridError STALE_EPOCH when a partition was lost since the snapshot was pinned: it may have had
   *   entries that are not found
   */
  async scan(task: ChangeTask, signal: AbortSignal): Promise<readonly ChangedRows[]> {
    const { store, pool, needMap, snapshots } = this.#deps;
    const { mapId, map } = task.scan;
    if (!store.hasMap(mapId as MapId)) await needMap(mapId as MapId, map);
    const sized = task.partitions.map((partitionId) => ({
      partitionId,
      rows: store.entryCount(task.scan.mapId as never, partitionId),
    }));
    const tasks = tasksFor(
      sized.filter(({ rows }) => rows > 0),
      pool.stats().threads,
    );
    const options = { signal, cancelFlag: true };
    const found = await Promise.all(
      tasks.map((partitions) => pool.run<ChangedRows>('change', { ...task, partitions }, options).result),
    );
    snapshots.checkHeld(task.snapshotId, task.partitions);
    return found;
  }

  #workOf(task: ChangeTask, rows: readonly ChangedRow[], logBytes: number, stamp: OwnershipStamp): ChangeWork {
    const stager = new RowStager(task, this.#deps);
    return {
      partitions: new Set(rows.map(({ part, index }) => part.partitions[index]!)),
      rowCount: rows.length,
      logBytes,
      stamp,
      stage: (into) => stager.stage(rows, into),
    };
  }

  async #insertWork({ map: name, mapId, rows }: Extract<RowChange, { kind: 'insert' }>): Promise<ChangeWork> {
    const { store, needMap, ownership } = this.#deps;
    const { stamp } = ownership;
    const map = await needMap(mapId, name);
    return {
      partitions: new Set(rows.partitions),
      rowCount: rows.keys.length,
      logBytes: logBytesOf(rows.keys.length, valueBytesOf(rows)),
      stamp,
      stage: (into) => stageInserts(map, rows, store, into),
    };
  }

  /* ---- Deciding --------------------------------------------------------------------------------------------------- */

  /** Applies the change at once, or where that can never be, in pieces. */
  async #inPieces(
    task: ChangeTask,
    rows: readonly ChangedRow[],
    work: ChangeWork,
    signal: AbortSignal,
  ): Promise<Pick<ChangeOutcome, 'affected' | 'version'>> {
    const applied = { affected: 0, version: 0 as Version };
    try {
      await this.#changePiece(task, rows, work, this.#logWait(task.waitMs), signal, applied);
    } catch (error) {
      throw applied.affected === 0 ? error : brokenOff(applied.affected, error);
    }
    return applied;
  }

  /** Counts up `applied` as pieces are. */
  async #changePiece(
    task: ChangeTask,
    rows: readonly ChangedRow[],
    work: ChangeWork,
    wait: LogWait,
    signal: AbortSignal,
    applied: { affected: number; version: Version },
  ): Promise<void> {
    const isDivisible = rows.length > 1;
    const outcome = await this.#untilStaged(work, wait, signal, isDivisible);
    if (!(outcome instanceof LackOfRoom)) {
      const { affected, version } = await outcome.commit();
      applied.affected += affected;
      applied.version = version;
      return;
    }
    const size = Math.ceil(rows.length / wait.piecesFor(outcome));
    for (let from = 0; from < rows.length; from += size) {
      const piece = rows.slice(from, from + size);
      const bytes = Math.ceil((work.logBytes * piece.length) / rows.length);
      await this.#changePiece(task, piece, this.#workOf(task, piece, bytes, work.stamp), wait, signal, applied);
    }
  }

  async #untilCommitted(
    work: ChangeWork,
    wait: LogWait,
    signal: AbortSignal,
  ): Promise<Pick<ChangeOutcome, 'affected' | 'version'>> {
    const staged = await this.#untilStaged(work, wait, signal, false);
    return (staged as StagedChange).commit();
  }

  /**
   * Stages as often as it takes until the logs have room.
   *
   * @param isDivisible  whether to answer what is lacking, instead of failing, where there can never be room for all of it
   */
  async #untilStaged(
    work: ChangeWork,
    wait: LogWait,
    signal: AbortSignal,
    isDivisible: boolean,
  ): Promise<StagedChange | LackOfRoom> {
    if (isDivisible && work.logBytes > this.#deps.store.logRoom().bytesMax) return lackOf(work, this.#deps);
    for (;;) {
      const outcome = (await StagedChange.stage(work, this.#deps, true, signal))!;
      if (!(outcome instanceof LackOfRoom)) {
        if (!signal.aborted) return outcome;
        outcome.abort();
        throw new CancelledError('the statement');
      }
      if (isDivisible && wait.neverFits(outcome)) return outcome;
      await wait.until(outcome, signal);
    }
  }

  /**
   * One row may be longer than the logs' budget: they take it as they take a put of it, where nothing else is kept.
   *
   * @throws GridError LOG_FULL (change-runner C4)
   */
  #refuseTooLarge({ logBytes, rowCount }: ChangeWork): void {
    const { bytesMax } = this.#deps.store.logRoom();
    if (rowCount > 1 && logBytes > bytesMax) throw tooLargeForLogs(logBytes, bytesMax);
  }

  #logWait(waitMs: number | undefined): LogWait {
    return new LogWait(() => this.#deps.store.logRoom(), waitMs);
  }
}

/** The room that the whole change needs, before anything is staged. */
function lackOf({ logBytes, rowCount }: ChangeWork, { store }: StagingDependencies): LackOfRoom {
  return new LackOfRoom(tooLargeForLogs(logBytes, store.logRoom().bytesMax), logBytes, rowCount, rowCount);
}

/** Bytes of log, at least: each record holds what was there and what comes. */
function bytesOf(task: ChangeTask, found: readonly ChangedRows[]): number {
  let rows = 0;
  let bytes = 0;
  for (const { count, oldBytes, values } of found) {
    rows += count;
    bytes += oldBytes + (task.kind === 'update' ? values.length : 0);
  }
  return logBytesOf(rows, bytes);
}

function valueBytesOf({ values }: InsertRows): number {
  return values.reduce((sum, { length }) => sum + length, 0);
}

export function oddOf(found: readonly ChangedRows[]): readonly OddCount[] {
  const odd = new OddTally();
  for (const part of found) odd.add(part.odd);
  return odd.counts();
}
