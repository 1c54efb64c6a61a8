/**
 * One task: calls that a worker runs together, from the entries that they read to their answers.
 *
 *   pack: newest state -> [worker] -> stage: batches -> submit -> keys are let go -> committed: answers
 *
 * processor-task T1  Calls read the newest state, what is sealed and not decided included, and nobody else writes their keys
 *                    until their own change is sealed. If the partition that they read from is lost meanwhile, what they read
 *                    was never there: they run again, where the partition is here.
 * processor-task T2  All answers of an entry hang on one batch: the one that staged its change, or, where nothing was staged
 *                    (kept, refused, failed), the one that it was read from. Where that is lost, the change is in doubt, or the
 *                    calls were never sealed and may be made again.
 * processor-task T3  One listener waits for all answers that hang on a batch.
 * processor-task T4  What lets a call that is sent again be answered is in the batch of its change (call-answers.ts).
 * processor-task T5  Calls are counted as they were packed: others may join an entry that runs again while the task goes on.
 */
import type { BatchPacker, EntryOutcome, ProcessorOutcomes } from '@ashlar/compute';
import { GridError, MapDroppedError, type PartitionId, type Random, TTL_KEEP } from '@ashlar/core';
import { deadlineOf, type EntryLimits, type WritePath } from '@ashlar/partitions';
import { type BatchHeader, type MemberStore, RecordCause, type WriteBatch } from '@ashlar/storage';
import { lastChanger, numberAs, stageAnswers } from './call-answers.ts';
import { eachCall, type ProcessorCall, type ProcessorCaller, type ProcessorName } from './processor-call.ts';
import { TaskBatches } from './task-batches.ts';
import { changeInDoubt, checkEpoch, isBlocked, isVoid, readLost } from './undecided.ts';

export interface ProcessorTaskDependencies {
  readonly store: MemberStore;
  readonly writes: WritePath;
  readonly limits: EntryLimits;
  readonly clock: { now(): number };
  readonly random: Random;
}

/** Learns what becomes of the entries whose keys are held for a task. */
export interface TaskHost {
  /** The entry's change is sealed, or there is none: the key is free. */
  release(first: ProcessorCall): void;
  /** The calls on the entry are to run again; its key stays held. */
  again(first: ProcessorCall): void;
  /** Answers are known that hang on a batch which is not decided. */
  onHeld(): void;
  /** They are sent: all calls are answered or run again. */
  onHeldTold(): void;
  /** Answers in the partition wait for a batch. */
  onWaiting(partition: PartitionId): void;
  /** It is decided. */
  onDecided(partition: PartitionId): void;
}

/** An entry that was due expires at a version of its own. */
const ONCE_PER_KEY: BatchHeader = { oncePerKey: true };
const PROGRESS_ONCE_PER_KEY: BatchHeader = { oncePerKey: true, isProgress: true };

/** How far an entry has come. */
const Stage = {
  /** Its key is held, and nothing is staged. */
  HELD: 0,
  /** Its change is sealed, or there is none. */
  SEALED: 1,
  /** Its key is let go as well. */
  FREE: 2,
  /** It waits for the decision of what it hangs on. */
  WAITING: 3,
  /** Its calls are answered, or run again. */
  OVER: 4,
} as const;

export class ProcessorTask {
  /** The first call on each entry, in the order of the worker's batch. */
  readonly entries: ProcessorCall[] = [];
  readonly #deps: ProcessorTaskDependencies;
  readonly #host: TaskHost;
  #outcomes: ProcessorOutcomes | undefined;
  /** Entry e has calls [callsAt[e], callsAt[e + 1]) of the worker's batch (processor-task T5). */
  readonly #callsAt: number[] = [0];
  /** By entry: Stage. */
  #stages: Uint8Array = new Uint8Array(0);
  /** Entries that are not OVER. */
  #left = 0;
  /** By entry: what its answers hang on. Made with the first that hangs on anything. */
  #hangsOn: (WriteBatch | undefined)[] | undefined;
  /** Entries whose change was staged in the batch that they hang on. */
  #staged: Set<number> | undefined;
  /** By entry: why its change was not staged. */
  #refusals: Map<number, unknown> | undefined;
  /** Calls that got the error of a full log before the others. */
  #toldEarly: ReadonlySet<ProcessorCall> | undefined;
  #isHeld = false;

  constructor(deps: ProcessorTaskDependencies, host: TaskHost) {
    this.#deps = deps;
    this.#host = host;
  }

  /** Reads the entries into a batch for the worker. Those that cannot be read yet, or need not run, are left out. */
  pack(batch: BatchPacker, { module, exportName }: ProcessorName, entries: readonly ProcessorCall[]): void {
    const { store, clock, random } = this.#deps;
    const now = clock.now();
    const nowMs = Math.floor(now / 1000);
    batch.begin(module, exportName);
    for (const first of entries) {
      const isThere = this.#look(first);
      if (isThere === undefined) continue;
      const { keys, keyStart, keyEnd } = first;
      const entry = batch.addEntry(keys, keyStart, keyEnd);
      this.entries.push(first);
      if (isThere) {
        const { valueBytes, valueStart, valueEnd, expiresAt } = store.found;
        const ttlMs = expiresAt > 0 ? Math.max(0, (expiresAt - now) / 1000) : Number.NaN;
        batch.setValue(entry, valueBytes, valueStart, valueEnd, ttlMs);
      }
      for (let call: ProcessorCall | undefined = first; call !== undefined; call = call.next) {
        const args = call.argsEnd > call.argsStart ? call.args : undefined;
        batch.addCall(entry, args, call.argsStart, call.argsEnd, nowMs, random.below(2 ** 31));
      }
      this.#callsAt.push(this.#callsAt.at(-1)! + first.count);
    }
    this.#left = this.entries.length;
    this.#stages = new Uint8Array(this.#left);
  }

  /**
   * Looks at an entry that the calls are to be run on, if they still are.
   *
   * @returns whether it is there; undefined: it is answered, or looked at again later
   */
  #look(first: ProcessorCall): boolean | undefined {
    const { store } = this.#deps;
    const { found } = store;
    const { map, partition, keys, keyStart, keyEnd } = first;
    try {
      checkEpoch(first, store);
      const isWanted = first.isWanted?.() ?? true;
      const isThere = isWanted && store.findNewest(map.id, partition, keys, keyStart, keyEnd);
      // An open batch hides what is to be read; a skip is answered when the batch in which it was seen is decided.
      const { undecided } = found;
      if (undecided?.state === 'open' || (undecided?.state === 'sealed' && !isWanted)) {
        undecided.whenDecided(() => this.#host.again(first));
        return undefined;
      }
      if (isWanted) {
        if (undecided !== undefined) this.#hang(this.entries.length, undecided);
        return isThere;
      }
    } catch (error) {
      this.#host.release(first);
      eachCall([first], ({ caller, position }) => caller.onError(position, error));
      return undefined;
    }
    this.#host.release(first);
    first.caller.onSkipped?.(first.position);
    return undefined;
  }

  /**
   * Stages and submits what the calls left, lets the keys go, then answers whatever is decided.
   *
   * @param end  calls [0, end) have outcomes: entries with later ones are left for another time
   * @returns false: some entries found no batch to stage in; call it again
   */
  stage(outcomes: ProcessorOutcomes, end: number): boolean {
    this.#outcomes = outcomes;
    const { entries } = this;
    const stages = this.#stages;
    const isProgress = entries.some((call) => call.isProgress);
    const batches = new TaskBatches(this.#deps.writes, isProgress ? PROGRESS_ONCE_PER_KEY : ONCE_PER_KEY);
    let blocked = 0;
    const callsAt = this.#callsAt;
    try {
      for (let entry = 0; entry < entries.length && callsAt[entry + 1]! <= end; entry++) {
        if (stages[entry] === Stage.HELD && !this.#stageEntry(entry, callsAt[entry]!, batches)) blocked++;
      }
      batches.submit();
    } catch (error) {
      batches.abort();
      throw error;
    }
    // Whoever wants to wait for room in a log does so before those who wait for the key are let through.
    if (this.#refusals !== undefined) this.#tellFullLogs(outcomes);
    for (let entry = 0; entry < entries.length; entry++) {
      if (stages[entry] !== Stage.SEALED) continue;
      stages[entry] = Stage.FREE;
      this.#host.release(entries[entry]!);
    }
    this.#wait();
    this.#answer(Stage.FREE, undefined);
    return blocked === 0;
  }

  /** Callers learn that a part of the task was staged in this turn. */
  tellPart(): void {
    let told: ProcessorCaller | undefined;
    for (const { caller } of this.entries) {
      if (caller !== told) caller.onPart?.();
      told = caller;
    }
  }

  /** Whatever is not answered fails with `error`; keys that are held are let go. */
  fail(error: unknown): void {
    const { entries } = this;
    const stages = this.#stages;
    const open = entries.filter((_, entry) => stages[entry] !== Stage.OVER);
    const held = entries.filter((_, entry) => stages[entry]! < Stage.FREE);
    stages.fill(Stage.OVER);
    for (const first of held) this.#host.release(first);
    eachCall(open, ({ caller, position }) => caller.onError(position, error));
    this.#end(this.#left);
  }

  /* ---- Staging ---------------------------------------------------------------------------------------------------- */

  /**
   * @param firstCall  index of its first call in the task
   * @returns false: there is no batch for it now
   */
  #stageEntry(entry: number, firstCall: number, batches: TaskBatches): boolean {
    const first = this.entries[entry]!;
    const { partition } = first;
    if (this.#wasLost(entry, partition)) {
      this.#stages[entry] = Stage.OVER;
      this.#host.again(first);
      this.#end(1);
      return true;
    }
    let isStaged = false;
    try {
      const outcomes = this.#outcomes!;
      const outcome = outcomes.entry(entry);
      const { lastChange } = outcome;
      const changer = first.count === 1 ? first : lastChanger(first, firstCall, outcome);
      for (;;) {
        const batch = batches.of(partition);
        const before = batch.changeCount;
        numberAs(batch, changer);
        if (!this.#stageOutcome(batch, first, entry, outcome)) {
          batches.cut(partition);
          continue;
        }
        isStaged = batch.changeCount > before;
        const hasAnswers = stageAnswers(batch, first, firstCall, lastChange, outcomes, isStaged);
        if ((isStaged || hasAnswers) && !this.#deps.writes.isPrompt) this.#noteStaged(entry, batch);
        break;
      }
    } catch (error) {
      // A change without what belongs to it goes, and all that the batch holds with it.
      if (isStaged) throw error;
      if (isBlocked(error)) return false;
      this.#refusals ??= new Map();
      this.#refusals.set(entry, error);
    }
    this.#stages[entry] = Stage.SEALED;
    return true;
  }

  /** Whether what the calls read was never there (processor-task T1). */
  #wasLost(entry: number, partition: PartitionId): boolean {
    const seen = this.#hangsOn?.[entry];
    if (seen !== undefined && isVoid(seen, partition)) return true;
    return this.#deps.store.epochOf(partition) !== this.entries[entry]!.epoch;
  }

  /** @returns false: the batch is to be cut first, the entry's expiry has to go before */
  #stageOutcome(writes: WriteBatch, call: ProcessorCall, entry: number, outcome: EntryOutcome): boolean {
    const { action, bytes, valueStart, valueEnd, ttlMs, isRenewed } = outcome;
    const { map, partition, keys, keyStart, keyEnd } = call;
    const { store, clock, limits } = this.#deps;
    if (!store.hasMap(map.id)) throw new MapDroppedError(map.name, { mapId: map.id });
    if (action === 'keep' && ttlMs === undefined) return true;
    if (action === 'remove') {
      return writes.remove(map.id, partition, keys, keyStart, keyEnd, RecordCause.processor) || !writes.wantsCut;
    }
    if (action === 'set') limits.checkValue(valueEnd - valueStart);
    if (action === 'set' && ttlMs === undefined && map.ttlMs === 0 && !store.hasDeadlines(map.id, partition)) {
      return stagePut(writes, call, bytes, valueStart, valueEnd, 0);
    }
    const exists = store.findNewest(map.id, partition, keys, keyStart, keyEnd, writes);
    const { found } = store;
    // What expired since it was read: where nothing is staged the answer hangs on that.
    if (found.undecided?.state === 'sealed') this.#hang(entry, found.undecided);
    // An entry that was removed and stored again in the batch is a new one.
    const expiresAt = deadlineOf(ttlMs ?? TTL_KEEP, clock.now(), exists && !isRenewed ? found.expiresAt : undefined);
    if (action === 'set') return stagePut(writes, call, bytes, valueStart, valueEnd, expiresAt);
    if (exists) return stagePut(writes, call, found.valueBytes, found.valueStart, found.valueEnd, expiresAt);
    return true;
  }

  #noteStaged(entry: number, batch: WriteBatch): void {
    this.#hang(entry, batch);
    this.#staged ??= new Set();
    this.#staged.add(entry);
  }

  #hang(entry: number, batch: WriteBatch): void {
    this.#hangsOn ??= [];
    this.#hangsOn[entry] = batch;
  }

  /** Answers the calls whose changes a full log refused. */
  #tellFullLogs(outcomes: ProcessorOutcomes): void {
    const told = new Set(this.#toldEarly);
    this.#toldEarly = told;
    this.#eachCall((call, index, entry) => {
      if (this.#stages[entry] !== Stage.SEALED) return;
      const error = this.#refusals!.get(entry);
      if (!GridError.is(error, 'LOG_FULL') || outcomes.error(index) !== undefined || outcomes.isRefused(index)) return;
      told.add(call);
      call.caller.onError(call.position, error);
    });
  }

  /* ---- Answers ---------------------------------------------------------------------------------------------------- */

  /** One listener a batch waits for the answers that hang on it (processor-task T3). */
  #wait(): void {
    const hangsOn = this.#hangsOn;
    if (hangsOn === undefined) return;
    const { entries } = this;
    const batches = new Map<WriteBatch, Set<PartitionId>>();
    for (let entry = 0; entry < entries.length; entry++) {
      const batch = hangsOn[entry];
      const { partition } = entries[entry]!;
      if (this.#stages[entry] !== Stage.FREE || batch?.state !== 'sealed') continue;
      if (isVoid(batch, partition)) continue;
      this.#stages[entry] = Stage.WAITING;
      const partitions = batches.get(batch);
      if (partitions === undefined) batches.set(batch, new Set([partition]));
      else partitions.add(partition);
      this.#deps.writes.held.note('processor', entries[entry]!.count);
    }
    if (batches.size > 0 && !this.#isHeld) {
      this.#isHeld = true;
      this.#host.onHeld();
    }
    for (const [batch, partitions] of batches) {
      for (const partition of partitions) this.#host.onWaiting(partition);
      batch.whenDecided(() => {
        for (const partition of partitions) this.#host.onDecided(partition);
        this.#answer(Stage.WAITING, batch);
      });
    }
  }

  /** @param batch  of those that wait: what they wait for */
  #answer(stage: number, batch: WriteBatch | undefined): void {
    const stages = this.#stages;
    const outcomes = this.#outcomes!;
    let answered = 0;
    let last = -1;
    let lost: GridError | undefined;
    let isMeant = false;
    this.#eachCall((call, index, entry) => {
      if (entry !== last) {
        last = entry;
        isMeant = stages[entry] === stage && (batch === undefined || this.#hangsOn![entry] === batch);
        if (isMeant) {
          stages[entry] = Stage.OVER;
          answered++;
          lost = this.#lossOf(entry);
        }
      }
      if (isMeant && this.#toldEarly?.has(call) !== true) this.#tell(call, index, entry, outcomes, lost);
    });
    this.#end(answered);
  }

  /** Visits the calls of the worker's batch, with their index there (processor-task T5). */
  #eachCall(visit: (call: ProcessorCall, index: number, entry: number) => void): void {
    const callsAt = this.#callsAt;
    for (let entry = 0; entry < this.entries.length; entry++) {
      const end = callsAt[entry + 1]!;
      let call: ProcessorCall | undefined = this.entries[entry];
      for (let index = callsAt[entry]!; index < end && call !== undefined; index++) {
        visit(call, index, entry);
        call = call.next;
      }
    }
  }

  #tell(
    { caller, position }: ProcessorCall,
    index: number,
    entry: number,
    outcomes: ProcessorOutcomes,
    lost: GridError | undefined,
  ): void {
    const failure = lost ?? outcomes.error(index);
    const isRefused = failure === undefined && outcomes.isRefused(index);
    const error = failure ?? (isRefused ? undefined : this.#refusals?.get(entry));
    if (error !== undefined) {
      caller.onError(position, error);
      return;
    }
    const { bytes, start, end } = outcomes.result(index);
    if (isRefused) caller.onRefused(position, bytes, start, end);
    else caller.onResult(position, bytes, start, end);
  }

  /** Why the answers of an entry must not be sent (processor-task T2). */
  #lossOf(entry: number): GridError | undefined {
    const batch = this.#hangsOn?.[entry];
    const { partition } = this.entries[entry]!;
    if (batch === undefined || !isVoid(batch, partition)) return undefined;
    return this.#staged?.has(entry) === true ? changeInDoubt(partition) : readLost(partition);
  }

  /** `count` more entries are over. */
  #end(count: number): void {
    this.#left -= count;
    if (this.#left > 0 || count === 0) return;
    this.#outcomes?.release();
    if (this.#isHeld) this.#host.onHeldTold();
  }
}

function stagePut(
  writes: WriteBatch,
  { map, partition, keys, keyStart, keyEnd }: ProcessorCall,
  value: Uint8Array,
  start: number,
  end: number,
  expiresAt: number,
): boolean {
  const staged = writes.value(value, start, end, expiresAt, RecordCause.processor);
  return writes.put(map.id, partition, keys, keyStart, keyEnd, staged);
}
