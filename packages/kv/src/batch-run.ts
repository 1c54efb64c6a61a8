/**
 * One batch of key-value operations from arrival to answer.
 *
 *   operation -> served here? -> sent before? -> key held? -- no --> applied now, in one write batch
 *                                                         \- yes -> waits behind the processor, then applied alone
 *   PROCESS   -> its key is held until the processor's outcome is committed
 *
 * B1  Operations on one key take effect in their order within a batch, and batches of a stream in theirs. A read waits
 *     only behind mutations of its own stream that wait; it sees what was committed before a processor that runs.
 * B2  A refused operation changes nothing and spoils no other, unless the batch is atomic: then no mutation of its
 *     partition applies, and all of them are answered with its error.
 * B3  Every operation is answered once. What processors answered goes out as they end, in runs of operations that have
 *     all their answers; so the caller goes on while others are still being worked on.
 * B4  No two states of an entry share a version: where a key comes again the write batch is cut. In an atomic batch only
 *     the last write of a key is told.
 * B5  What goes wrong in a batch is its own: an exception that nobody foresaw fails what is not told yet, at once or in a
 *     step that comes later out of somebody else's loop, and touches neither the stream nor the process.
 * B6  What a full log refuses waits for room within its caller's time (room-queue.ts), in the order of B1; what else the
 *     batch holds is answered meanwhile.
 */

import type { GridView } from '@ashlar/cluster';
import type { ProcessorCall, ProcessorCaller, ProcessorCalls } from '@ashlar/compute-runtime';
import { GridError, type PartitionId, type TraceContext } from '@ashlar/core';
import {
  type EntryLimits,
  type GateName,
  type KeyGate,
  partitionGateName,
  type RoomQueue,
  type WaitingKeys,
  type WritePath,
} from '@ashlar/partitions';
import type { MemberStore } from '@ashlar/storage';
import { isMutation, type KvBatch, OPCODE, STATUS } from '@ashlar/transport';
import { type AnswerMemoryPool, Answers } from './answers.ts';
import { operationsByPartition } from './batch-columns.ts';
import type { BatchMaps } from './batch-maps.ts';
import { BatchOperations } from './batch-operations.ts';
import { BatchTargets } from './batch-targets.ts';
import { EarlierSendings } from './earlier-sendings.ts';
import { LateAnswers } from './late-answers.ts';
import type { BatchRecord, Session } from './sessions.ts';
import { dueMsOf, type RoomCaller, WaitingOperation } from './waiting-for-room.ts';

export interface BatchDependencies {
  readonly store: MemberStore;
  readonly writes: WritePath;
  readonly control: GridView;
  readonly gate: KeyGate;
  readonly rooms: RoomQueue;
  readonly processors: ProcessorCalls;
  readonly clock: { now(): number };
  readonly limits: EntryLimits;
  readonly valueBytesMax: number;
  readonly answerMemory: AnswerMemoryPool;
}

/** Who sends the answers. */
export interface BatchListener {
  /** Operations [first, end) are answered, others are not yet. @returns false: their answers go with later ones */
  onPiece(run: BatchRun, first: number, end: number): boolean;
  /** Operations [first, end) are answered, some before them are not and may not be for long: they are told at once. */
  onScattered(run: BatchRun, first: number, end: number): void;
  /** All operations are answered; `run.untold()` are not told yet. */
  onDone(run: BatchRun): void;
}

/** Answers that are worth a message of their own. */
const PIECE_OPERATIONS = 64;

export class BatchRun implements ProcessorCaller, RoomCaller {
  readonly batch: KvBatch;
  readonly answers: Answers;
  readonly #deps: BatchDependencies;
  readonly #targets: BatchTargets;
  readonly #session: Session | undefined;
  readonly #record: BatchRecord | undefined;
  readonly #waiting: WaitingKeys;
  readonly #listener: BatchListener;
  /** Once a mutation is looked up. */
  #earlier: EarlierSendings | undefined;
  readonly #operations: BatchOperations;
  /** Operations without an answer, and one for the run over them itself. */
  #open = 1;
  #isOver = false;
  #isStarted = false;
  /** Made for the first operation that is answered late. */
  #late: LateAnswers | undefined;
  /** By operation, once one has waited for room in a log (B6). */
  #roomWaiters: Map<number, WaitingOperation> | undefined;
  /** By first operation: mutations of a partition that wait for room together. */
  #groups: Map<number, readonly number[]> | undefined;
  #isTellingSoon = false;
  /** The operation of which the room queue asks whether there is room now. */
  #attempted = -1;
  #refusal: GridError | undefined;
  /** Operations [0, told) are answered. */
  told = 0;
  calls = 0;
  /** performance.now() when the batch came: its deadlines count from there. */
  arrivedMs = 0;
  /** The traces that operations belong to, where callers are traced. */
  traceOf: ((operation: number) => TraceContext | undefined) | undefined;

  /**
   * @param found    the maps of the batch, and which of them are not those that its mutations mean
   * @param record   where the session keeps the answers of this batch
   * @param waiting  of the batch's stream
   */
  constructor(
    batch: KvBatch,
    found: BatchMaps,
    session: Session | undefined,
    record: BatchRecord | undefined,
    waiting: WaitingKeys,
    deps: BatchDependencies,
    listener: BatchListener,
  ) {
    this.batch = batch;
    this.answers = new Answers(batch.count, deps.answerMemory.take());
    this.#session = session;
    this.#record = record;
    this.#waiting = waiting;
    this.#deps = deps;
    this.#listener = listener;
    this.#targets = new BatchTargets(batch, found, session, deps);
    this.#operations = new BatchOperations(batch, this.answers, this.#targets, deps, this.#isProgress);
  }

  get hits(): number {
    return this.#operations.hits;
  }
  get misses(): number {
    return this.#operations.misses;
  }
  get puts(): number {
    return this.#operations.puts;
  }
  get removes(): number {
    return this.#operations.removes;
  }
  get highestVersion(): number {
    return this.#operations.highestVersion;
  }

  start(): void {
    try {
      if (this.batch.atomic) this.#runAtomic();
      else this.#runEach();
      this.#isStarted = true;
      this.#operations.isLate = true;
      if (this.hasWaited) this.#tellSoon();
      this.#settle();
    } catch (error) {
      this.#breakOff(error);
    }
  }

  /** A step that is taken out of somebody else's loop (B5). */
  #later(step: () => void): () => void {
    return () => {
      if (this.#isOver) return;
      try {
        step();
      } catch (error) {
        this.#breakOff(error);
      }
    };
  }

  /** B5: what is not told yet fails, whatever became of it. */
  #breakOff(error: unknown): void {
    if (this.#isOver) return;
    this.#operations.abort();
    for (let operation = this.told; operation < this.batch.count; operation++) {
      if (this.#late?.isTold(operation) !== true) this.answers.fail(operation, error);
    }
    this.#end();
  }

  #runEach(): void {
    const { count, opcodes } = this.batch;
    for (let operation = 0; operation < count; operation++) {
      if (isMutation(opcodes[operation]!)) this.#mutateWhenFree(operation);
      else if (this.#waiting.isEmpty) this.#guardedRead(operation);
      else this.#readInOrder(operation);
    }
    this.#operations.commit();
  }

  /** The operation is answered later: settleLate() follows. */
  #openLate(operation: number): void {
    this.#open++;
    this.#late ??= new LateAnswers(this.batch.count);
    this.#late.begin(operation);
  }

  #settleLate(operation: number): void {
    const late = this.#late!;
    late.end(operation);
    if (this.hasWaited) this.#tellSoon();
    else if (this.#open > 1 && late.fresh >= PIECE_OPERATIONS && this.#isStarted) this.#tellPiece(late);
    this.#settle();
  }

  /** Tells the answers that nothing before them is missing to, if they are worth a message (B3). */
  #tellPiece(late: LateAnswers): void {
    late.fresh = 0;
    const end = late.endOfAnswered(this.told);
    if (end - this.told < PIECE_OPERATIONS || end === this.batch.count) return;
    if (this.#listener.onPiece(this, this.told, end)) this.told = end;
  }

  /** An operation has waited for room in a log. */
  get hasWaited(): boolean {
    return this.#roomWaiters !== undefined;
  }

  /** Of a batch that has waited: runs of operations [first, end) that are not told yet, when all are answered. */
  untold(): Iterable<readonly [first: number, end: number]> {
    return this.#late!.untold(this.told, false);
  }

  /** What is answered does not wait for what may wait long (B6). */
  #tellSoon(): void {
    if (this.#isTellingSoon) return;
    this.#isTellingSoon = true;
    setImmediate(() => {
      this.#isTellingSoon = false;
      if (this.#isOver || !this.#isStarted) return;
      for (const [first, end] of this.#late!.untold(this.told, true)) {
        this.#listener.onScattered(this, first, end);
        this.#late!.noteTold(first, end);
      }
    });
  }

  /** One thing less is open; the last one ends the batch. */
  #settle(): void {
    if (--this.#open === 0 && !this.#isOver) this.#end();
  }

  #end(): void {
    this.#isOver = true;
    this.#listener.onDone(this);
  }

  #guarded(operation: number, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.answers.fail(operation, error);
    }
  }

  #guardedRead(operation: number): void {
    try {
      this.#operations.read(operation);
    } catch (error) {
      this.answers.fail(operation, error);
    }
  }

  /* ---- Reads ------------------------------------------------------------------------------------------------------ */

  /** Reads now, or behind a mutation of the same stream that waits for the key. */
  #readInOrder(operation: number): void {
    const name = this.#targets.gateNameOf(operation);
    const isBehind = name !== undefined && this.#waiting.has(name);
    const holder = isBehind ? this.#holderOf(operation, name) : undefined;
    if (holder === undefined) {
      if (isBehind && this.#deps.rooms.has(this.batch.partitions[operation]!)) {
        this.#guarded(operation, () => this.#waitForRoom(operation));
      } else this.#guardedRead(operation);
      return;
    }
    const late = this.#later(() => {
      this.#readInOrder(operation);
      this.#settleLate(operation);
    });
    try {
      this.#deps.gate.wait(holder, late);
      this.#openLate(operation);
    } catch (error) {
      this.answers.fail(operation, error);
    }
  }

  /* ---- Mutations -------------------------------------------------------------------------------------------------- */

  /** Applies a mutation now, or lets it wait behind what holds its key. */
  #mutateWhenFree(operation: number): void {
    try {
      if (this.batch.resent && this.#answeredBefore(operation)) return;
      const call = this.#callOf(operation);
      if (this.#isBehindOthers(operation, call?.name)) {
        this.#waitForRoom(operation);
        return;
      }
      const holder = this.#holderOf(operation, call?.name);
      if (holder === undefined) {
        if (call === undefined) this.#operations.mutate(operation);
        else this.#process(call);
      } else if (call !== undefined && holder === call.name && this.#deps.processors.join(call)) {
        this.calls++;
        this.#openLate(operation);
      } else {
        this.#wait(holder, operation);
      }
    } catch (error) {
      if (this.#mayWaitFor(error)) this.#guarded(operation, () => this.#waitForRoom(operation, error));
      else this.answers.fail(operation, error);
    }
  }

  /** Of a PROCESS operation. */
  #callOf(operation: number): ProcessorCall | undefined {
    if (this.batch.opcodes[operation] !== OPCODE.PROCESS) return undefined;
    const call = this.#targets.callOf(operation, this, this.#isStarted);
    call.trace = this.traceOf?.(operation);
    call.isProgress = this.#isProgress;
    return call;
  }

  /** When its turn has come it runs alone, in a write batch of its own. */
  #wait(holder: GateName, operation: number): void {
    const name = this.#targets.gateNameOf(operation)!;
    const step = this.#later(() => {
      this.#mutateWhenFree(operation);
      this.#operations.commit();
      this.#settleLate(operation);
    });
    this.#deps.gate.wait(holder, () => {
      this.#waiting.end(name);
      step();
    });
    this.#waiting.begin(name);
    this.#openLate(operation);
  }

  /** The gate's name that this mutation has to wait for. */
  #holderOf(operation: number, known?: GateName): GateName | undefined {
    const { gate } = this.#deps;
    if (gate.heldCount === 0) return undefined;
    const partition = partitionGateName(this.batch.partitions[operation]!);
    if (gate.isHeld(partition)) return partition;
    const name = known ?? this.#targets.gateNameOf(operation);
    return name !== undefined && gate.isHeld(name) ? name : undefined;
  }

  /* ---- Processors ------------------------------------------------------------------------------------------------- */

  #process(call: ProcessorCall): void {
    // What was staged before it on this key must be there when the processor reads it (B1).
    this.#operations.commit();
    this.calls++;
    this.#openLate(call.slot);
    this.#deps.processors.submit(call);
  }

  onResult(operation: number, bytes: Uint8Array, start: number, end: number, status: number = STATUS.TRUE): void {
    if (this.#isOver) return;
    try {
      this.answers.statuses[operation] = status;
      if (end > start) this.answers.value(operation, bytes, start, end);
      this.#settleLate(operation);
    } catch (error) {
      this.#breakOff(error);
    }
  }

  onRefused(operation: number, bytes: Uint8Array, start: number, end: number): void {
    this.onResult(operation, bytes, start, end, STATUS.REFUSED);
  }

  onError(operation: number, cause: unknown): void {
    this.#later(() => {
      const mayWait = this.#mayWaitFor(cause);
      if (mayWait) this.calls--;
      if (mayWait && operation === this.#attempted) {
        this.#refusal = cause;
        this.#open--;
        this.#late!.endUnanswered(operation);
        return;
      }
      if (mayWait) this.#guarded(operation, () => this.#waitForRoom(operation, cause));
      else this.answers.fail(operation, cause);
      this.#settleLate(operation);
    })();
  }

  /* ---- Sent again ------------------------------------------------------------------------------------------------- */

  /** Answers a mutation that was sent before as it was answered then. @returns whether it was (or will be) */
  #answeredBefore(operation: number): boolean {
    this.#earlier ??= new EarlierSendings(this.batch, this.#session, this.#record);
    const earlier = this.#earlier;
    const record = earlier.recordOf(operation);
    if (record === undefined) return false;
    if (record.answers !== undefined) {
      earlier.repeat(operation, record, this.answers);
      return true;
    }
    this.#openLate(operation);
    record.whenDone(
      this.#later(() => {
        this.#guarded(operation, () => earlier.repeat(operation, record, this.answers));
        this.#settleLate(operation);
      }),
    );
    return true;
  }

  /* ---- Atomic batches --------------------------------------------------------------------------------------------- */

  #runAtomic(): void {
    for (const group of operationsByPartition(this.batch)) this.#runGroup(group);
  }

  /** All mutations of one partition, together or not at all; waits until nothing holds any of their keys. */
  #runGroup(group: readonly number[]): void {
    const todo = this.batch.resent ? group.filter((operation) => !this.#isRepeated(operation)) : group;
    try {
      const blocked = todo.find((operation) => this.#holderOf(operation) !== undefined);
      if (blocked !== undefined) {
        const step = this.#later(() => {
          this.#runGroup(todo);
          for (const operation of todo) this.#settleLate(operation);
        });
        this.#deps.gate.wait(this.#holderOf(blocked)!, step);
        for (const operation of todo) this.#openLate(operation);
        return;
      }
      if (todo.length > 0 && this.#isBehindOthers(todo[0]!, undefined)) this.#groupWaits(todo);
      else this.#applyGroup(todo);
    } catch (error) {
      this.#groupRefused(todo, error);
    }
  }

  /** @throws whatever one of the mutations is refused with: none of them applies */
  #applyGroup(todo: readonly number[]): void {
    try {
      for (const operation of todo) this.#operations.expireBefore(operation);
      for (const operation of todo) {
        if (this.batch.opcodes[operation] === OPCODE.PROCESS)
          throw new GridError('INVALID_ARGUMENT', 'a processor call cannot be part of an atomic batch');
        if (isMutation(this.batch.opcodes[operation]!)) this.#operations.mutate(operation);
        else this.#operations.read(operation);
      }
      this.#operations.commit();
    } catch (error) {
      this.#operations.abort();
      throw error;
    }
  }

  #groupRefused(todo: readonly number[], error: unknown): void {
    let cause = error;
    if (this.#mayWaitFor(error)) {
      try {
        this.#groupWaits(todo, error);
        return;
      } catch (refusal) {
        cause = refusal;
      }
    }
    // One fate, one error: the caller repeats all of them or none.
    for (const operation of todo) this.answers.fail(operation, cause);
  }

  #groupWaits(todo: readonly number[], cause?: GridError): void {
    this.#waitForRoom(todo[0]!, cause);
    for (const operation of todo.slice(1)) this.#openLate(operation);
    this.#groups ??= new Map();
    this.#groups.set(todo[0]!, todo);
  }

  #isRepeated(operation: number): boolean {
    try {
      return this.#answeredBefore(operation);
    } catch (error) {
      this.answers.fail(operation, error);
      return true;
    }
  }

  /* ---- Room in logs ----------------------------------------------------------------------------------------------- */

  /** What listeners write for their progress is always taken, so it waits for nothing. */
  get #isProgress(): boolean {
    return this.#session?.isForListeners === true;
  }

  #mayWaitFor(error: unknown): error is GridError {
    return !this.#isProgress && GridError.is(error, 'LOG_FULL');
  }

  /** Whether others wait for room in the partition, and nothing holds the key: then it waits behind them (B1). */
  #isBehindOthers(operation: number, known: GateName | undefined): boolean {
    const { rooms, gate } = this.#deps;
    if (rooms.count === 0 || this.#isProgress || !rooms.has(this.batch.partitions[operation]!)) return false;
    const name = known ?? this.#targets.gateNameOf(operation);
    return name === undefined || !gate.isHeld(name);
  }

  /** @throws GridError LOG_FULL when it cannot wait */
  #waitForRoom(operation: number, cause?: GridError): void {
    const { batch } = this;
    let waiter = this.#roomWaiters?.get(operation);
    if (waiter === undefined) {
      const dueMs = isMutation(batch.opcodes[operation]!) ? dueMsOf(batch, operation, this.arrivedMs) : Infinity;
      waiter = new WaitingOperation(this, operation, batch.partitions[operation]! as PartitionId, dueMs);
    }
    this.#deps.rooms.wait(waiter, cause);
    this.#openLate(operation);
    this.#roomWaiters ??= new Map();
    this.#roomWaiters.set(operation, waiter);
    const name = this.#targets.gateNameOf(operation);
    if (name !== undefined) this.#waiting.begin(name);
  }

  attemptWaiting(operation: number): GridError | 'held' | undefined {
    try {
      if (this.#isOver) {
        this.#endWaiting(operation);
        return undefined;
      }
      const group = this.#groups?.get(operation);
      const refusal = group === undefined ? this.#attempt(operation) : this.#attemptGroup(group);
      if (refusal === undefined) this.#settleWaiting(operation);
      return refusal;
    } catch (error) {
      this.#breakOff(error);
      return undefined;
    }
  }

  refuseWaiting(operation: number, error: GridError): void {
    if (this.#isOver) {
      this.#endWaiting(operation);
      return;
    }
    const group = this.#groups?.get(operation) ?? [operation];
    if (!isMutation(this.batch.opcodes[operation]!)) this.#guardedRead(operation);
    else for (const one of group) this.answers.fail(one, error);
    this.#settleWaiting(operation);
  }

  #endWaiting(operation: number): void {
    const name = this.#targets.gateNameOf(operation);
    if (name !== undefined) this.#waiting.end(name);
  }

  #settleWaiting(operation: number): void {
    this.#endWaiting(operation);
    const group = this.#groups?.get(operation);
    this.#groups?.delete(operation);
    for (const one of group ?? [operation]) this.#settleLate(one);
  }

  #attempt(operation: number): GridError | 'held' | undefined {
    if (!isMutation(this.batch.opcodes[operation]!)) {
      this.#guardedRead(operation);
      return undefined;
    }
    this.#refusal = undefined;
    this.#attempted = operation;
    try {
      if (this.batch.resent && this.#answeredBefore(operation)) return undefined;
      const call = this.#callOf(operation);
      const holder = this.#holderOf(operation, call?.name);
      if (holder !== undefined) {
        if (holder !== call?.name || !this.#deps.processors.join(call)) return 'held';
        this.calls++;
        this.#openLate(operation);
      } else if (call === undefined) this.#operations.mutate(operation);
      else this.#process(call);
      this.#operations.commit();
    } catch (error) {
      this.#operations.abort();
      if (this.#mayWaitFor(error)) return error;
      this.answers.fail(operation, error);
    } finally {
      this.#attempted = -1;
    }
    return this.#refusal;
  }

  #attemptGroup(group: readonly number[]): GridError | 'held' | undefined {
    if (group.some((operation) => this.#holderOf(operation) !== undefined)) return 'held';
    try {
      this.#applyGroup(group);
    } catch (error) {
      if (this.#mayWaitFor(error)) return error;
      for (const operation of group) this.answers.fail(operation, error);
    }
    return undefined;
  }
}
