/**
 * One batch of key-value operations from arrival to answer.
 *
 *   operation -> served here? --> read (reads.ts)                         --'
 *                            '--> mutation: its turn (mutation-turns.ts)  ---> answers (answer-progress.ts) -> caller
 *                                 -> store (mutations.ts) -> commit       --'
 *
 * batch-run B1  Operations on one key take effect in their order within a batch, and batches of a stream in theirs. A read
 *               waits only behind mutations of its own stream that wait; it sees what was committed before a processor that
 *               runs.
 * batch-run B2  A refused operation changes nothing and spoils no other, unless the batch is atomic: then no mutation of its
 *               partition applies, and all of them are answered with its error (atomic-groups.ts).
 * batch-run B3  An answer is sent only when it is certain: with the commit of what it reports, or of what it was derived
 *               from (held-operations.ts). The keys are free before that, at the seal.
 * batch-run B4  What goes wrong in a batch concerns no other (answer-progress A4).
 * batch-run B5  What a full log refuses waits for room within its caller's time (room-waits.ts), in the order of B1; what
 *               else the batch holds is answered meanwhile.
 * batch-run B6  Where too many commits are awaited a batch stops before its next mutation and goes on in its turn
 *               (write-turns.ts); later batches of its stream come after it.
 */
import type { TraceContext } from '@ashlar/core';
import type { LockId, WaitingKeys } from '@ashlar/partitions';
import { PREFETCH_MAX } from '@ashlar/storage';
import { isMutation, type KvBatch } from '@ashlar/transport';
import { AnswerProgress, type AnswerSender } from './answer-progress.ts';
import { Answers, mutationsOf } from './answers.ts';
import { AtomicGroups } from './atomic-groups.ts';
import type { BatchMaps } from './batch-maps.ts';
import type { BatchRecord, KeptAnswer, RunningBatch } from './batch-record.ts';
import type { BatchDependencies, BatchScope } from './batch-scope.ts';
import { BatchTargets } from './batch-targets.ts';
import { HeldOperations } from './held-operations.ts';
import { MutationTurns } from './mutation-turns.ts';
import { Mutations } from './mutations.ts';
import { Reads } from './reads.ts';
import { Repeats, type RepeatWork } from './repeats.ts';
import { type Attempt, RoomWaits, type RoomWork } from './room-waits.ts';
import { SecondLook } from './second-look.ts';
import type { Session } from './sessions.ts';
import { StagedWrites } from './staged-writes.ts';
import type { UndecidedPartitions } from './undecided-partitions.ts';

/** Fewer operations are not worth the look ahead. */
const PREFETCH_MIN = 8;
/** One in so many operations writes, at least: reads alone are not worth it. */
const PREFETCH_SHARE = 4;

/** Who sends the answers. */
export interface BatchListener {
  /** As AnswerSender.tell(). */
  onAnswers(run: BatchRun, first: number, end: number): boolean;
  /** All operations are answered; the answers of `run.untold()` are not sent yet. */
  onDone(run: BatchRun): void;
}

/** What a batch comes with. */
export interface RunOptions {
  /** The maps of the batch, and which of them are not those that its mutations mean. */
  readonly found: BatchMaps;
  readonly session: Session | undefined;
  readonly record: BatchRecord | undefined;
  /** As BatchScope has it. */
  readonly isRepeat: boolean;
  /** As BatchScope has it. */
  readonly caller: BatchScope['caller'];
  /** Keys on which mutations of the batch's stream wait. */
  readonly waiting: WaitingKeys;
  readonly undecided: UndecidedPartitions;
  readonly arrivedMs: number;
  readonly traceOf: ((operation: number) => TraceContext | undefined) | undefined;
}

export class BatchRun implements BatchScope, AnswerSender, RoomWork, RepeatWork, RunningBatch {
  readonly batch: KvBatch;
  readonly isRepeat: boolean;
  readonly isResent: boolean;
  readonly answers: Answers;
  readonly progress: AnswerProgress;
  readonly targets: BatchTargets;
  readonly deps: BatchDependencies;
  readonly session: Session | undefined;
  readonly record: BatchRecord | undefined;
  readonly caller: BatchScope['caller'];
  readonly waiting: WaitingKeys;
  readonly undecided: UndecidedPartitions;
  readonly arrivedMs: number;
  readonly traceOf: ((operation: number) => TraceContext | undefined) | undefined;
  readonly isProgress: boolean;
  readonly #listener: BatchListener;
  readonly #writes: StagedWrites;
  readonly #reads: Reads;
  readonly #mutations: Mutations;
  readonly #turns: MutationTurns;
  /** Undefined: the member serves what the table names, without leases. */
  readonly #secondLook: SecondLook | undefined;
  /** The parts below are made when they are needed. */
  #held: HeldOperations | undefined;
  #repeats: Repeats | undefined;
  #rooms: RoomWaits | undefined;
  #groups: AtomicGroups | undefined;
  /** The operations that are mutations, once somebody joins one. */
  #mutationsAt: Uint32Array | undefined;
  /** Operations [0, next) had their first turn. */
  #next = 0;
  #onThrough: (() => void) | undefined;

  constructor(batch: KvBatch, options: RunOptions, deps: BatchDependencies, listener: BatchListener) {
    const { found, session } = options;
    this.batch = batch;
    this.isRepeat = options.isRepeat;
    this.isResent = batch.resent;
    this.answers = new Answers(batch.count, deps.answerMemory.take());
    this.progress = new AnswerProgress(this.answers, batch.count, this);
    this.targets = new BatchTargets(batch, found, session, deps);
    this.deps = deps;
    this.session = session;
    this.record = options.record;
    this.caller = options.caller;
    this.waiting = options.waiting;
    this.undecided = options.undecided;
    this.arrivedMs = options.arrivedMs;
    this.traceOf = options.traceOf;
    this.isProgress = session?.isForListeners === true;
    this.#listener = listener;
    this.#writes = new StagedWrites(this);
    this.#reads = new Reads(this, this.#writes);
    this.#mutations = new Mutations(this, this.#writes);
    this.#turns = new MutationTurns(this, this.#writes, this.#mutations);
    const { serving } = deps.control;
    if (serving !== undefined) this.#secondLook = new SecondLook(serving);
    if (options.record !== undefined) options.record.running = this;
  }

  get hits(): number {
    return this.#reads.hits;
  }
  get misses(): number {
    return this.#reads.misses;
  }
  get puts(): number {
    return this.#mutations.puts;
  }
  get removes(): number {
    return this.#mutations.removes;
  }
  get calls(): number {
    return this.#turns.calls + this.#mutations.calls;
  }
  /** It has changed something, or may through a processor. */
  get isWriting(): boolean {
    return this.puts + this.removes + this.calls > 0;
  }
  get highestVersion(): number {
    return this.#writes.highestVersion;
  }

  /** Runs of operations [first, end) whose answers are not sent yet, when all are answered. */
  untold(): Iterable<readonly [first: number, end: number]> {
    return this.progress.untold();
  }

  /** @returns undefined: every operation had its first turn. Else some wait (batch-run B6), and it resolves when all had it */
  start(): Promise<void> | undefined {
    if (this.#advance()) return undefined;
    return new Promise((resolve) => {
      this.#onThrough = resolve;
    });
  }

  /** @returns whether every operation had its first turn */
  #advance(): boolean {
    try {
      if (!this.#runAll()) {
        this.#mutations.isLate = true;
        this.#writes.commit();
        this.deps.writes.turns.wait(() => {
          if (this.#advance()) this.#onThrough?.();
        });
        return false;
      }
      this.#mutations.isLate = true;
      this.progress.started();
    } catch (error) {
      this.progress.breakOff(error);
    }
    return true;
  }

  /** @returns false: it stopped before the end (batch-run B6) */
  #runAll(): boolean {
    if (this.batch.atomic) return this.#runGroups();
    const { count, opcodes } = this.batch;
    const { turns } = this.deps.writes;
    const { isPrompt } = this.#writes;
    for (; this.#next < count; this.#next++) {
      const operation = this.#next;
      if (operation % PREFETCH_MAX === 0) this.#prefetch(operation, Math.min(count, operation + PREFETCH_MAX));
      if (!isMutation(opcodes[operation]!)) this.#readInOrder(operation);
      else if (isPrompt || !turns.isShort) this.#turns.mutateWhenFree(operation);
      else return false;
      if (this.answers.isLong) this.#tellLong(operation + 1);
    }
    this.#writes.commit();
    return true;
  }

  /** Who writes an entry goes to many places one after the other: they are fetched together where [first, end) write much. */
  #prefetch(first: number, end: number): void {
    const { opcodes, mapIndexes, partitions, keys, keyEnds } = this.batch;
    const map = this.targets.mapOf(first);
    if (end - first < PREFETCH_MIN || mapIndexes !== undefined || map === undefined) return;
    let mutations = 0;
    for (let operation = first; operation < end; operation++) if (isMutation(opcodes[operation]!)) mutations++;
    if (mutations * PREFETCH_SHARE > end - first)
      this.deps.store.prefetch(map.id, partitions, keys, keyEnds, first, end - first);
  }

  /** Long values are sent while the batch goes on; not where it writes and listeners may ask for its answers to be delayed. */
  #tellLong(next: number): void {
    const { answers, progress } = this;
    if (this.isWriting && this.deps.pressure.mayBeHigh) {
      answers.notSent();
      return;
    }
    const first = progress.told;
    // What was staged is told with its commit, or waits for it.
    this.#writes.commit();
    if (progress.tellFirst(next)) answers.sent(first, next, this.batch.opcodes);
    else answers.notSent();
  }

  #runGroups(): boolean {
    this.#groups ??= this.#makeGroups();
    const { turns } = this.deps.writes;
    for (;;) {
      if (!this.#writes.isPrompt && turns.isShort) return false;
      if (!this.#groups.runNext()) return true;
    }
  }

  /** Reads now, or behind a mutation of the same stream that waits for the key (batch-run B1). */
  #readInOrder(operation: number): void {
    if (this.waiting.isEmpty) this.#reads.read(operation);
    else this.#readBehind(operation);
  }

  #readBehind(operation: number): void {
    const name = this.targets.lockIdOf(operation);
    if (name === undefined || !this.waiting.has(name)) {
      this.#reads.read(operation);
      return;
    }
    const holder = this.#turns.holderOf(operation, name);
    try {
      if (holder !== undefined) this.#readAfter(holder, operation);
      else if (this.deps.rooms.has(this.batch.partitions[operation]!)) this.rooms.wait(operation);
      else this.#reads.read(operation);
    } catch (error) {
      this.answers.fail(operation, error);
    }
  }

  #readAfter(holder: Parameters<BatchDependencies['gate']['wait']>[0], operation: number): void {
    const { progress } = this;
    const step = progress.later(() => {
      this.#readInOrder(operation);
      progress.settleLate(operation);
    });
    this.deps.gate.wait(holder, step);
    progress.openLate(operation);
  }

  /* ---- AnswerSender ------------------------------------------------------------------------------------------------ */

  tell(first: number, end: number): boolean {
    this.#secondLook?.look(this.batch, this.targets, this.answers, first, end);
    return this.#listener.onAnswers(this, first, end);
  }

  tellDone(): void {
    if (this.#secondLook !== undefined)
      for (const [first, end] of this.untold())
        this.#secondLook.look(this.batch, this.targets, this.answers, first, end);
    this.#listener.onDone(this);
  }

  get commitMs(): number {
    return this.deps.writes.pace.usualMs;
  }

  giveUp(): void {
    this.#writes.abort();
  }

  /* ---- RoomWork ---------------------------------------------------------------------------------------------------- */

  attempt(operation: number): Attempt {
    return this.#turns.attempt(operation);
  }

  attemptGroup(group: readonly number[]): Attempt {
    return this.#groups!.attempt(group);
  }

  read(operation: number): void {
    this.#reads.read(operation);
  }

  /* ---- RepeatWork -------------------------------------------------------------------------------------------------- */

  holderOf(operation: number): LockId | undefined {
    return this.#turns.holderOf(operation);
  }

  waitBehind(holder: LockId, operation: number): void {
    this.#turns.waitBehind(holder, operation);
  }

  mutate(operation: number): void {
    this.#turns.mutateWhenFree(operation);
  }

  commit(): void {
    this.#writes.commit();
  }

  /* ---- RunningBatch ------------------------------------------------------------------------------------------------ */

  isAnswered(mutation: number): boolean {
    return this.progress.isAnswered(this.#operationOf(mutation));
  }

  whenAnswered(mutation: number, tell: () => void): void {
    this.progress.whenAnswered(this.#operationOf(mutation), tell);
  }

  answerTo(mutation: number): KeptAnswer {
    return this.answers.keptOf(this.#operationOf(mutation));
  }

  /** Index of the operation that is mutation number `mutation`, from 0, of the batch. */
  #operationOf(mutation: number): number {
    this.#mutationsAt ??= mutationsOf(this.batch.opcodes);
    return this.#mutationsAt[mutation]!;
  }

  /* ---- Parts that are made when they are needed --------------------------------------------------------------------- */

  get held(): HeldOperations {
    this.#held ??= new HeldOperations(this, (operation) => {
      this.#reads.readAgain(operation);
      this.progress.settleLate(operation);
    });
    return this.#held;
  }

  get repeats(): Repeats {
    this.#repeats ??= new Repeats(this, this);
    return this.#repeats;
  }

  get rooms(): RoomWaits {
    this.#rooms ??= new RoomWaits(this, this);
    return this.#rooms;
  }

  #makeGroups(): AtomicGroups {
    const parts = { writes: this.#writes, mutations: this.#mutations, reads: this.#reads, turns: this.#turns };
    return new AtomicGroups(this, parts);
  }
}
