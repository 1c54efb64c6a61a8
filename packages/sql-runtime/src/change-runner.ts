/**
 * One member's part of a statement that changes entries: scan in the query workers, stage on the writer, one commit.
 *
 *   scan at the snapshot -> rows with the version seen -> hold the partitions -> each row: still that version? stage it;
 *   another one? look at the entry again -> commit: one visibility point for the whole member
 *
 * C1  While rows are staged no other mutation touches their partitions: they wait at the gate, in order.
 * C2  Staging runs in slices, so that a statement over millions of rows lets gets and other partitions through.
 * C3  A failure leaves the member as if the statement had never been.
 * C4  Where listeners hold the logs that it writes to, a statement waits for them (log-room.ts), holding nothing. What may
 *     be done in pieces (clear, processors) is, where all of it at once has no room.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CatalogedMap } from '@ashlar/cluster';
import { LANE } from '@ashlar/compute';
import { ProcessorCall, type ProcessorCaller, type ProcessorCalls } from '@ashlar/compute-runtime';
import {
  CancelledError,
  GridError,
  MapDroppedError,
  type MapId,
  type PartitionId,
  type TraceContext,
  type Version,
} from '@ashlar/core';
import { keyText, type OddCount, OddTally } from '@ashlar/expressions';
import {
  type EntryLimits,
  type GateName,
  type KeyGate,
  keptDeadline,
  LackOfRoom,
  LogWait,
  type NeedMap,
  partitionGateName,
  type WritePath,
} from '@ashlar/partitions';
import { decodeKey, decodeRefusal, ValueWriter } from '@ashlar/serialization';
import { type ChangedRows, ChangeRule, type ChangeTask, tasksFor } from '@ashlar/sql-executor';
import { type MemberStore, RecordCause, type WriteBatch } from '@ashlar/storage';
import type { WorkerPool } from '@ashlar/workers';
import type { ProcessorRequest } from './change-coordinator.ts';
import { RefusedCalls } from './refused-calls.ts';

const SLICE_MS = 2;
const ROWS_A_LOOK = 64;
/** Processor calls of one processWhere under way at once. */
const PROCESS_WINDOW = 1024;

export interface ChangeDependencies {
  readonly store: MemberStore;
  readonly writes: WritePath;
  readonly needMap: NeedMap;
  readonly pool: WorkerPool;
  readonly gate: KeyGate;
  readonly processors: ProcessorCalls;
  readonly limits: EntryLimits;
  readonly clock: { now(): Version };
}

export interface ChangeOutcome {
  readonly affected: number;
  readonly version: Version;
  /** Rows that the condition read laxly. */
  readonly odd: readonly OddCount[];
  /** Of a check: see ChangedRows. */
  readonly keysFound?: readonly unknown[] | undefined;
}

interface ChangedRow {
  readonly part: ChangedRows;
  readonly index: number;
}

/** How far staging has come. */
interface StagedProgress {
  rows: number;
}

/** Rows to stage in one batch. */
interface StagedWork {
  readonly partitions: ReadonlySet<number>;
  readonly rowCount: number;
  /** @returns rows changed */
  readonly stage: (writes: WriteBatch, progress: StagedProgress) => Promise<number>;
}

/** Rows of one member to insert, as columns. */
export interface InsertRows {
  readonly partitions: readonly number[];
  readonly keys: readonly Uint8Array[];
  readonly values: readonly Uint8Array[];
  readonly onConflict: 'error' | 'nothing' | 'replace';
  /** As of ChangeTask. */
  readonly waitMs?: number | undefined;
}

export class ChangeRunner {
  readonly #deps: ChangeDependencies;

  constructor(deps: ChangeDependencies) {
    this.#deps = deps;
  }

  /** UPDATE or DELETE over partitions of this member. @throws what scanning or staging throws; nothing is changed then */
  async change(task: ChangeTask, signal: AbortSignal): Promise<ChangeOutcome> {
    const found = await this.scan(task, signal);
    const rows = found.flatMap((part) => rowIndexes(part).map((index) => ({ part, index })));
    const applied = { affected: 0, version: 0 as Version };
    try {
      await this.#changeRows(task, rows, this.#logWait(task.waitMs), signal, applied);
    } catch (error) {
      throw applied.affected === 0 ? error : brokenOff(applied.affected, error);
    }
    return { ...applied, odd: oddOf(found) };
  }

  /** Whether `change` would fail by what the entries hold at the snapshot. @throws what scanning throws */
  async check(task: ChangeTask, signal: AbortSignal): Promise<ChangeOutcome> {
    const found = await this.scan(task, signal);
    const keysFound = found.flatMap((part) => part.keysFound);
    return { affected: 0, version: this.#deps.clock.now(), odd: [], keysFound };
  }

  /** All at once, or where that can never be and the task bears it, in pieces. Counts up `applied` as they are. */
  async #changeRows(
    task: ChangeTask,
    rows: readonly ChangedRow[],
    wait: LogWait,
    signal: AbortSignal,
    applied: { affected: number; version: Version },
  ): Promise<void> {
    const isDivisible = task.inPieces === true && rows.length > 1;
    const outcome = await this.#untilStaged(this.#workOf(task, rows, signal), wait, signal, isDivisible);
    if (!(outcome instanceof LackOfRoom)) {
      applied.affected += outcome.affected;
      applied.version = outcome.version;
      return;
    }
    const size = Math.ceil(rows.length / wait.piecesFor(outcome));
    for (let from = 0; from < rows.length; from += size) {
      await this.#changeRows(task, rows.slice(from, from + size), wait, signal, applied);
    }
  }

  #workOf(task: ChangeTask, rows: readonly ChangedRow[], signal: AbortSignal): StagedWork {
    return {
      partitions: new Set(rows.map(({ part, index }) => part.partitions[index]!)),
      rowCount: rows.length,
      stage: (writes, progress) => this.#stageRows(task, rows, writes, progress, signal),
    };
  }

  #logWait(waitMs: number | undefined): LogWait {
    return new LogWait(() => this.#deps.store.logRoom(), waitMs);
  }

  /** The entries that meet the condition at the snapshot, task by task. */
  async scan(task: ChangeTask, signal: AbortSignal): Promise<readonly ChangedRows[]> {
    const { store, pool, needMap } = this.#deps;
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
    return Promise.all(
      tasks.map((partitions) => pool.run<ChangedRows>('change', { ...task, partitions }, options).result),
    );
  }

  /**
   * A processor on every entry that meets the condition. A refusal concerns its own entry; another failure ends it.
   *
   * @throws GridError PARTIAL when a call failed or was refused and others were applied; the first call's error when none was
   */
  async process(
    task: ChangeTask,
    map: CatalogedMap,
    processor: ProcessorRequest,
    { signal, trace }: { readonly signal: AbortSignal; readonly trace: TraceContext | undefined },
  ): Promise<ChangeOutcome> {
    const found = await this.scan(task, signal);
    const rule = new ChangeRule(task);
    const wait = this.#logWait(task.waitMs);
    const refused = new RefusedCalls();
    let affected = 0;
    for (const part of found) {
      for (let from = 0; from < part.count; from += PROCESS_WINDOW) {
        if (signal.aborted) throw new CancelledError('processWhere');
        const window = rowIndexes(part).slice(from, from + PROCESS_WINDOW);
        const settled = await Promise.allSettled(
          window.map((index) =>
            this.#whenRoom(wait, signal, () => this.#processRow(map, part, index, rule, { ...processor, trace })),
          ),
        );
        affected += settled.filter((call) => call.status === 'fulfilled' && call.value).length;
        settled.forEach((call, at) => {
          if (isRefused(call)) refused.add(call.reason, () => keyTextOf(part, window[at]!));
        });
        const failed = settled.find((call) => call.status === 'rejected' && !isRefused(call));
        if (failed?.status === 'rejected') {
          throw processedInPart(affected, GridError.wrap(failed.reason), refused);
        }
      }
    }
    if (refused.count > 0) throw refused.error(affected);
    return { affected, version: this.#deps.clock.now(), odd: oddOf(found) };
  }

  /** Calls again what a full log refused: nothing of it was applied. */
  async #whenRoom<T>(wait: LogWait, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await run();
      } catch (error) {
        if (!GridError.is(error, 'LOG_FULL')) throw error;
        await wait.until(new LackOfRoom(error, 0, 0, 1), signal);
      }
    }
  }

  /** @returns whether the processor ran: not where the entry changed and does not meet the condition any more */
  #processRow(
    map: CatalogedMap,
    part: ChangedRows,
    index: number,
    rule: ChangeRule,
    processor: ProcessorRequest & { readonly trace: TraceContext | undefined },
  ): Promise<boolean> {
    const { processors, store } = this.#deps;
    const partition = part.partitions[index]! as PartitionId;
    const key = part.keys.subarray(index === 0 ? 0 : part.keyEnds[index - 1]!, part.keyEnds[index]!);
    const isWanted = (): boolean => {
      if (!store.hasMap(map.id)) throw new MapDroppedError(map.name, { mapId: map.id });
      if (!store.find(map.id, partition, key, 0, key.length)) return false;
      const { found } = store;
      if (found.version === part.versions[index]) return true;
      const { valueBytes, valueStart, valueEnd, version, expiresAt } = found;
      rule.row.key(key, 0, key.length).document(valueBytes, valueStart, valueEnd, version, expiresAt);
      return rule.matches();
    };
    return new Promise((resolve, reject) => {
      const caller: ProcessorCaller = {
        onResult: () => resolve(true),
        onSkipped: () => resolve(false),
        onError: (_, error) => reject(error),
        onRefused: (_, bytes, start, end) => reject(decodeRefusal(bytes, start, end)),
      };
      const { module, exportName, args, trace } = processor;
      const name = { module, exportName, depth: LANE.processor };
      const { length } = args;
      const call = new ProcessorCall(map, partition, key, 0, key.length, args, 0, length, name, caller, 0, isWanted);
      call.trace = trace;
      processors.submitWhenFree(call);
    });
  }

  /** INSERT. @throws GridError DUPLICATE_KEY and nothing is inserted */
  async insert(map: CatalogedMap, rows: InsertRows, signal: AbortSignal): Promise<ChangeOutcome> {
    const stage = async (writes: WriteBatch, progress: StagedProgress): Promise<number> => {
      let affected = 0;
      rows.keys.forEach((key, index) => {
        this.#deps.store.expireBefore(writes, map.id, rows.partitions[index]! as PartitionId, key, 0, key.length);
      });
      for (const [index, key] of rows.keys.entries()) {
        progress.rows = index;
        if (index % ROWS_A_LOOK === ROWS_A_LOOK - 1 && signal.aborted) throw new CancelledError('the statement');
        if (!this.#deps.store.hasMap(map.id)) throw new MapDroppedError(map.name, { mapId: map.id });
        const partition = rows.partitions[index]! as PartitionId;
        const exists = this.#deps.store.find(map.id, partition, key, 0, key.length, writes);
        if (exists && rows.onConflict === 'error') throw duplicateKey(map.name);
        if (exists && rows.onConflict === 'nothing') continue;
        const value = rows.values[index]!;
        writes.put(map.id, partition, key, 0, key.length, value, 0, value.length, 0, RecordCause.statement);
        affected++;
      }
      return affected;
    };
    const work = { partitions: new Set(rows.partitions), rowCount: rows.keys.length, stage };
    return (await this.#untilStaged(work, this.#logWait(rows.waitMs), signal, false)) as ChangeOutcome;
  }

  /**
   * Stages and commits, as often as it takes until the logs have room.
   *
   * @param isDivisible  whether to answer what is lacking, instead of failing, where there can never be room for all of it
   */
  async #untilStaged(
    work: StagedWork,
    wait: LogWait,
    signal: AbortSignal,
    isDivisible: boolean,
  ): Promise<ChangeOutcome | LackOfRoom> {
    for (;;) {
      const outcome = await this.#staged(work, signal);
      if (!(outcome instanceof LackOfRoom)) return outcome;
      if (isDivisible && wait.isHopeless(outcome)) return outcome;
      await wait.until(outcome, signal);
    }
  }

  /** Holds the partitions, stages, commits; aborts and lets go whatever happens. */
  async #staged({ partitions, rowCount, stage }: StagedWork, signal: AbortSignal): Promise<ChangeOutcome | LackOfRoom> {
    const names = [...partitions].sort((a, b) => a - b).map(partitionGateName);
    await this.#holdAll(names, partitions, signal);
    const writes = this.#deps.writes.begin();
    const progress = { rows: 0 };
    const startedMs = performance.now();
    try {
      const affected = await stage(writes, progress);
      this.#deps.writes.submit(writes);
      return { affected, version: writes.version, odd: [] };
    } catch (error) {
      const isFull = GridError.is(error, 'LOG_FULL');
      const stagedBytes = isFull ? this.#deps.store.undecidedLogBytes(partitions) : 0;
      writes.abort();
      if (!isFull) throw error;
      return new LackOfRoom(error, stagedBytes, progress.rows, rowCount, performance.now() - startedMs);
    } finally {
      for (const name of names) this.#deps.gate.release(name);
    }
  }

  /** In the order of their numbers, so that two statements never wait for each other. */
  async #holdAll(names: readonly GateName[], partitions: ReadonlySet<number>, signal: AbortSignal): Promise<void> {
    const { gate, processors } = this.#deps;
    const held: GateName[] = [];
    try {
      for (const name of names) {
        while (gate.isHeld(name)) await waitAt(gate, name);
        gate.hold(name);
        held.push(name);
      }
      // A processor's outcome on a key of ours is committed before we stage.
      while ([...partitions].some((partition) => processors.isBusy(partition as PartitionId))) await nextTurn();
      if (signal.aborted) throw new CancelledError('the statement');
    } catch (error) {
      for (const name of held) gate.release(name);
      throw error;
    }
  }

  async #stageRows(
    task: ChangeTask,
    rows: readonly ChangedRow[],
    writes: WriteBatch,
    progress: StagedProgress,
    signal: AbortSignal,
  ): Promise<number> {
    const rule = new ChangeRule(task);
    const writer = new ValueWriter();
    let affected = 0;
    let sliceEndMs = performance.now() + SLICE_MS;
    for (const [at, { part, index }] of rows.entries()) {
      progress.rows = at;
      if (this.#stageRow(task, part, index, rule, writer, writes)) affected++;
      if (at % ROWS_A_LOOK !== ROWS_A_LOOK - 1 || performance.now() < sliceEndMs) continue;
      await nextTurn();
      if (signal.aborted) throw new CancelledError('the statement');
      sliceEndMs = performance.now() + SLICE_MS;
    }
    return affected;
  }

  #stageRow(
    task: ChangeTask,
    part: ChangedRows,
    index: number,
    rule: ChangeRule,
    writer: ValueWriter,
    writes: WriteBatch,
  ): boolean {
    const { store, limits } = this.#deps;
    const mapId = task.scan.mapId as never;
    const partition = part.partitions[index]! as PartitionId;
    const start = index === 0 ? 0 : part.keyEnds[index - 1]!;
    const end = part.keyEnds[index]!;
    if (!store.hasMap(mapId)) throw new MapDroppedError(task.scan.map, { mapId });
    if (!store.find(mapId, partition, part.keys, start, end, writes)) return false;
    const { found } = store;
    const { version, valueStart, valueEnd } = found;
    const expiresAt = keptDeadline(found.expiresAt);
    const isSame = version === part.versions[index];
    if (!isSame) {
      const row = rule.row.key(part.keys, start, end);
      row.document(found.valueBytes, valueStart, valueEnd, version, found.expiresAt);
      if (!rule.matches()) return false;
    }
    if (task.kind === 'delete') return writes.remove(mapId, partition, part.keys, start, end, RecordCause.statement);
    if (isSame) {
      const from = index === 0 ? 0 : part.valueEnds[index - 1]!;
      limits.checkValue(part.valueEnds[index]! - from);
      writes.put(
        mapId,
        partition,
        part.keys,
        start,
        end,
        part.values,
        from,
        part.valueEnds[index]!,
        expiresAt,
        RecordCause.statement,
      );
      return true;
    }
    writer.reset();
    const size = writer.write(rule.changed(found.valueBytes, valueStart, valueEnd));
    limits.checkValue(size);
    writes.put(mapId, partition, part.keys, start, end, writer.bytes, 0, size, expiresAt, RecordCause.statement);
    return true;
  }
}

function isRefused(
  call: PromiseSettledResult<unknown>,
): call is PromiseRejectedResult & { readonly reason: GridError } {
  return call.status === 'rejected' && GridError.is(call.reason, 'PROCESSOR_REFUSED');
}

function keyTextOf({ keys, keyEnds }: ChangedRows, index: number): string {
  return keyText(decodeKey(keys, index === 0 ? 0 : keyEnds[index - 1]!, keyEnds[index]!));
}

function processedInPart(affected: number, failure: GridError, refused: RefusedCalls): GridError {
  if (affected === 0) return failure;
  return new GridError('PARTIAL', `the processor ran on ${affected} entries, then failed: ${failure.message}`, {
    hint: failure.hint,
    details: { ...failure.details, affected, cause: failure.code, ...refused.facts },
    cause: failure,
  });
}

function oddOf(found: readonly ChangedRows[]): readonly OddCount[] {
  const odd = new OddTally();
  for (const part of found) odd.add(part.odd);
  return odd.counts();
}

function brokenOff(affected: number, error: unknown): GridError {
  const cause = GridError.wrap(error);
  return new GridError('PARTIAL_COMMIT', `${affected} entries were removed, then it failed: ${cause.message}`, {
    hint: 'call it again for the rest',
    details: { affected, cause: cause.code },
    cause: error,
  });
}

function rowIndexes(part: ChangedRows): number[] {
  return Array.from({ length: part.count }, (_, index) => index);
}

function waitAt(gate: KeyGate, name: GateName): Promise<void> {
  return new Promise((resolve) => gate.wait(name, resolve));
}

function duplicateKey(map: string): GridError {
  return new GridError('DUPLICATE_KEY', `a key of the INSERT is in '${map}' already; nothing was inserted`, {
    hint: 'use ON CONFLICT DO NOTHING, UPDATE, or put',
    details: { map },
  });
}
