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
 */
import { READY_MODULE } from '@ashlar/api';
import type { CatalogedMap } from '@ashlar/cluster';
import { GridError, type PartitionId, StaleEpochError, type TraceContext, TTL_DEFAULT, TTL_KEEP } from '@ashlar/core';
import { checkKey, checkValue, partitionOf } from '@ashlar/serialization';
import type { MemberStore, WriteBatch } from '@ashlar/storage';
import { isMutation, type KvBatch, OPCODE, STATUS } from '@ashlar/transport';
import { LANE } from '../compute/lanes.ts';
import type { GridControl } from '../control/grid-control.ts';
import { type AnswerMemoryPool, Answers } from './answers.ts';
import { fitsCondition, keyStartOf, mapIndexOf, sparse, valueStartOf, wrongPartition } from './batch-columns.ts';
import { type BatchMaps, droppedMap } from './batch-maps.ts';
import { deadlineOf, ttlOf } from './deadlines.ts';
import { EarlierSendings } from './earlier-sendings.ts';
import type { EntryLimits } from './entry-limits.ts';
import { type GateName, keyGateName, partitionGateName } from './gate-names.ts';
import type { KeyGate } from './key-gate.ts';
import { ProcessorCall, type ProcessorCaller, type ProcessorCalls, type ProcessorName } from './processor-calls.ts';
import type { BatchRecord, Session } from './sessions.ts';
import type { WaitingKeys } from './waiting-keys.ts';

export interface BatchDependencies {
  readonly store: MemberStore;
  readonly control: GridControl;
  readonly gate: KeyGate;
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
  /** Operations from `run.told` on are answered: all are. */
  onDone(run: BatchRun): void;
}

/** Answers that are worth a message of their own. */
const PIECE_OPERATIONS = 64;

export class BatchRun implements ProcessorCaller {
  readonly batch: KvBatch;
  readonly answers: Answers;
  readonly #deps: BatchDependencies;
  readonly #maps: BatchMaps['maps'];
  readonly #failures: BatchMaps['failures'];
  readonly #refusals: BatchMaps['refusals'];
  readonly #session: Session | undefined;
  readonly #record: BatchRecord | undefined;
  readonly #waiting: WaitingKeys;
  readonly #listener: BatchListener;
  /** Once a mutation is looked up. */
  #earlier: EarlierSendings | undefined;
  /** Those of the batch that were looked up. */
  readonly #processors: ProcessorName[] = [];
  #writes: WriteBatch | undefined;
  /** Operations without an answer, and one for the run over them itself. */
  #open = 1;
  #isOver = false;
  #isStarted = false;
  /** late[operation]: answers it waits for; made for the first one. */
  #late: Uint8Array | undefined;
  /** Late answers that came since the last piece. */
  #lateAnswers = 0;
  /** Operations [0, told) are answered. */
  told = 0;
  hits = 0;
  misses = 0;
  puts = 0;
  removes = 0;
  calls = 0;
  highestVersion = 0;
  /** The traces that operations belong to, where callers are traced. */
  traceOf: ((operation: number) => TraceContext | undefined) | undefined;

  /**
   * @param found    the maps of the batch, and which of them are not those that its mutations mean
   * @param record   where the session keeps the answers of this batch
   * @param waiting  of the batch's stream
   */
  constructor(
    batch: KvBatch,
    { maps, failures, refusals }: BatchMaps,
    session: Session | undefined,
    record: BatchRecord | undefined,
    waiting: WaitingKeys,
    deps: BatchDependencies,
    listener: BatchListener,
  ) {
    this.batch = batch;
    this.answers = new Answers(batch.count, deps.answerMemory.take());
    this.#maps = maps;
    this.#failures = failures;
    this.#refusals = refusals;
    this.#session = session;
    this.#record = record;
    this.#waiting = waiting;
    this.#deps = deps;
    this.#listener = listener;
  }

  start(): void {
    try {
      if (this.batch.atomic) this.#runAtomic();
      else this.#runEach();
      this.#isStarted = true;
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
    if (this.#writes?.state === 'open') this.#writes.abort();
    this.#writes = undefined;
    for (let operation = this.told; operation < this.batch.count; operation++) this.answers.fail(operation, error);
    this.#end();
  }

  #runEach(): void {
    const { count, opcodes } = this.batch;
    for (let operation = 0; operation < count; operation++) {
      if (isMutation(opcodes[operation]!)) this.#mutateWhenFree(operation);
      else if (this.#waiting.isEmpty) this.#guarded(operation, this.#read);
      else this.#readInOrder(operation);
    }
    this.#commit();
  }

  /** The operation is answered later: settleLate() follows. */
  #openLate(operation: number): void {
    this.#open++;
    this.#late ??= new Uint8Array(this.batch.count);
    this.#late[operation]!++;
  }

  #settleLate(operation: number): void {
    this.#late![operation]!--;
    this.#lateAnswers++;
    if (this.#open > 1 && this.#lateAnswers >= PIECE_OPERATIONS && this.#isStarted) this.#tellPiece();
    this.#settle();
  }

  /** Tells the answers that nothing before them is missing to, if they are worth a message (B3). */
  #tellPiece(): void {
    this.#lateAnswers = 0;
    let end = this.told;
    while (end < this.batch.count && this.#late![end] === 0) end++;
    if (end - this.told < PIECE_OPERATIONS || end === this.batch.count) return;
    if (this.#listener.onPiece(this, this.told, end)) this.told = end;
  }

  /** One thing less is open; the last one ends the batch. */
  #settle(): void {
    if (--this.#open === 0 && !this.#isOver) this.#end();
  }

  #end(): void {
    this.#isOver = true;
    this.#listener.onDone(this);
  }

  #guarded(operation: number, run: (this: BatchRun, operation: number) => void): void {
    try {
      run.call(this, operation);
    } catch (error) {
      this.answers.fail(operation, error);
    }
  }

  /* ---- Reads ------------------------------------------------------------------------------------------------------ */

  /** Reads now, or behind a mutation of the same stream that waits for the key. */
  #readInOrder(operation: number): void {
    const name = this.#gateNameOf(operation);
    const holder = name !== undefined && this.#waiting.has(name) ? this.#holderOf(operation, name) : undefined;
    if (holder === undefined) {
      this.#guarded(operation, this.#read);
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

  #read(operation: number): void {
    const { batch, answers } = this;
    const { store } = this.#deps;
    const map = this.#maps[mapIndexOf(this.batch, operation)];
    this.#checkServed(operation);
    if (map === undefined || !this.#find(map, operation)) {
      this.misses++;
      return;
    }
    this.hits++;
    answers.statuses[operation] = STATUS.TRUE;
    const opcode = batch.opcodes[operation]!;
    if (opcode === OPCODE.HAS) return;
    const { found } = store;
    answers.value(operation, found.valueBytes, found.valueStart, found.valueEnd);
    if (opcode === OPCODE.GET_ENTRY) answers.entry(operation, found.version, found.expiresAt / 1000);
  }

  /** As the batch sees it. What it has staged has no version before its commit: GET_ENTRY, which tells it, commits. */
  #find(map: CatalogedMap, operation: number): boolean {
    const { batch } = this;
    const { store } = this.#deps;
    const partition = batch.partitions[operation]! as PartitionId;
    const [start, end] = [keyStartOf(this.batch, operation), batch.keyEnds[operation]!];
    const isFound = store.find(map.id, partition, batch.keys, start, end, this.#writes);
    const isStaged = batch.opcodes[operation] === OPCODE.GET_ENTRY && isFound && Number.isNaN(store.found.version);
    if (!isStaged) return isFound;
    this.#commit();
    return store.find(map.id, partition, batch.keys, start, end);
  }

  /* ---- Mutations -------------------------------------------------------------------------------------------------- */

  /** Applies a mutation now, or lets it wait behind what holds its key. */
  #mutateWhenFree(operation: number): void {
    try {
      if (this.batch.resent && this.#answeredBefore(operation)) return;
      const call = this.batch.opcodes[operation] === OPCODE.PROCESS ? this.#callOf(operation) : undefined;
      const holder = this.#holderOf(operation, call?.name);
      if (holder === undefined) {
        if (call === undefined) this.#mutate(operation);
        else this.#process(call);
      } else if (call !== undefined && holder === call.name && this.#deps.processors.join(call)) {
        this.calls++;
        this.#openLate(operation);
      } else {
        this.#wait(holder, operation);
      }
    } catch (error) {
      this.answers.fail(operation, error);
    }
  }

  /** When its turn has come it runs alone, in a write batch of its own. */
  #wait(holder: GateName, operation: number): void {
    const name = this.#gateNameOf(operation)!;
    const step = this.#later(() => {
      this.#mutateWhenFree(operation);
      this.#commit();
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
    const name = known ?? this.#gateNameOf(operation);
    return name !== undefined && gate.isHeld(name) ? name : undefined;
  }

  /** Of the operation's key; undefined where there is no such map. */
  #gateNameOf(operation: number): GateName | undefined {
    const map = this.#maps[mapIndexOf(this.batch, operation)];
    if (map === undefined) return undefined;
    return keyGateName(map.id, this.batch.keys, keyStartOf(this.batch, operation), this.batch.keyEnds[operation]!);
  }

  #mutate(operation: number): void {
    const map = this.#checkedMap(operation);
    const { batch, answers } = this;
    const partition = batch.partitions[operation]! as PartitionId;
    const start = keyStartOf(this.batch, operation);
    const end = batch.keyEnds[operation]!;
    const opcode = batch.opcodes[operation]!;
    if (opcode === OPCODE.PUT) {
      this.#put(map, partition, operation, start, end);
      answers.statuses[operation] = STATUS.TRUE;
      return;
    }
    const { store } = this.#deps;
    const exists = store.find(map.id, partition, batch.keys, start, end, this.#writes);
    const { found } = store;
    const isWanted = exists && fitsCondition(batch, operation, found.version);
    switch (opcode) {
      case OPCODE.PUT_IF_ABSENT:
        if (!exists) this.#put(map, partition, operation, start, end);
        answers.statuses[operation] = exists ? STATUS.FALSE : STATUS.TRUE;
        return;
      case OPCODE.GET_AND_PUT:
        if (exists) answers.value(operation, found.valueBytes, found.valueStart, found.valueEnd);
        this.#put(map, partition, operation, start, end);
        answers.statuses[operation] = exists ? STATUS.TRUE : STATUS.FALSE;
        return;
      case OPCODE.REPLACE:
        if (isWanted) this.#put(map, partition, operation, start, end);
        answers.statuses[operation] = isWanted ? STATUS.TRUE : STATUS.FALSE;
        return;
      case OPCODE.GET_AND_REMOVE:
        if (exists) answers.value(operation, found.valueBytes, found.valueStart, found.valueEnd);
        break;
      case OPCODE.REMOVE:
        break;
      default:
        throw new GridError('INVALID_ARGUMENT', `unknown operation ${opcode}`);
    }
    const isRemoved =
      (opcode === OPCODE.REMOVE ? isWanted : exists) && this.#remove(map, partition, batch.keys, start, end);
    answers.statuses[operation] = isRemoved ? STATUS.TRUE : STATUS.FALSE;
    this.removes++;
  }

  /** In a write batch of its own where the present one has written the key already (B4). */
  #remove(map: CatalogedMap, partition: PartitionId, keys: Uint8Array, start: number, end: number): boolean {
    const isRemoved = this.#begun().remove(map.id, partition, keys, start, end);
    if (!this.#begun().wantsCut) return isRemoved;
    this.#commit();
    return this.#begun().remove(map.id, partition, keys, start, end);
  }

  #put(map: CatalogedMap, partition: PartitionId, operation: number, start: number, end: number): void {
    const { batch } = this;
    const valueStart = valueStartOf(this.batch, operation);
    const valueEnd = batch.valueEnds?.[operation] ?? valueStart;
    checkValue(batch.values, valueStart, valueEnd, this.#deps.valueBytesMax);
    const expiresAt = this.#deadlineOf(map, partition, operation, start, end);
    const { keys, values } = batch;
    while (!this.#begun().put(map.id, partition, keys, start, end, values, valueStart, valueEnd, expiresAt))
      this.#commit();
    this.puts++;
  }

  #deadlineOf(map: CatalogedMap, partition: PartitionId, operation: number, start: number, end: number): number {
    const ttl = ttlOf(this.batch, operation);
    const { store, clock } = this.#deps;
    if (ttl === TTL_DEFAULT) return 0;
    if (ttl !== TTL_KEEP) return deadlineOf(ttl, clock.now(), undefined);
    const isThere = store.find(map.id, partition, this.batch.keys, start, end, this.#writes);
    return deadlineOf(ttl, 0, isThere ? store.found.expiresAt : undefined);
  }

  /* ---- Processors ------------------------------------------------------------------------------------------------- */

  #process(call: ProcessorCall): void {
    // What was staged before it on this key must be there when the processor reads it (B1).
    this.#commit();
    this.calls++;
    this.#openLate(call.slot);
    this.#deps.processors.submit(call);
  }

  #callOf(operation: number): ProcessorCall {
    const map = this.#checkedMap(operation);
    const { batch } = this;
    const index = sparse(batch.processorOperations, batch.processorIndexes, operation);
    const processor = index === undefined ? undefined : this.#processorAt(index);
    if (processor === undefined) throw new GridError('INVALID_ARGUMENT', 'a PROCESS operation names no processor');
    const valueStart = valueStartOf(this.batch, operation);
    const call = new ProcessorCall(
      map,
      batch.partitions[operation]! as PartitionId,
      batch.keys,
      keyStartOf(this.batch, operation),
      batch.keyEnds[operation]!,
      batch.values,
      valueStart,
      batch.valueEnds?.[operation] ?? valueStart,
      processor,
      this,
      operation,
    );
    call.trace = this.traceOf?.(operation);
    call.isProgress = this.#session?.isForListeners === true;
    return call;
  }

  /** @throws GridError UNKNOWN_MODULE */
  #processorAt(index: number): ProcessorName | undefined {
    const known = this.#processors[index];
    if (known !== undefined) return known;
    const named = this.batch.processors[index];
    if (named === undefined) return undefined;
    if (named.module !== READY_MODULE) this.#deps.control.checkModule(named.module);
    const { module, exportName } = named;
    const processor: ProcessorName = { module, exportName, depth: LANE.processor };
    this.#processors[index] = processor;
    return processor;
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
      this.answers.fail(operation, cause);
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
    const byPartition = new Map<number, number[]>();
    for (let operation = 0; operation < this.batch.count; operation++) {
      const partition = this.batch.partitions[operation]!;
      const group = byPartition.get(partition);
      if (group === undefined) byPartition.set(partition, [operation]);
      else group.push(operation);
    }
    for (const group of byPartition.values()) this.#runGroup(group);
  }

  /** All mutations of one partition, together or not at all; waits until nothing holds any of their keys. */
  #runGroup(group: readonly number[]): void {
    const todo = this.batch.resent ? group.filter((operation) => !this.#isRepeated(operation)) : group;
    try {
      const blocked = todo.find((operation) => this.#holderOf(operation) !== undefined);
      if (blocked !== undefined) {
        const step = this.#later(() => {
          this.#runGroup(todo);
          this.#settle();
        });
        this.#deps.gate.wait(this.#holderOf(blocked)!, step);
        this.#open++;
        return;
      }
      for (const operation of todo) this.#expireBefore(operation);
      for (const operation of todo) {
        if (this.batch.opcodes[operation] === OPCODE.PROCESS)
          throw new GridError('INVALID_ARGUMENT', 'a processor call cannot be part of an atomic batch');
        if (isMutation(this.batch.opcodes[operation]!)) this.#mutate(operation);
        else this.#read(operation);
      }
      this.#commit();
    } catch (error) {
      this.#writes?.abort();
      this.#writes = undefined;
      // One fate, one error: the caller repeats all of them or none.
      for (const operation of todo) this.answers.fail(operation, error);
    }
  }

  /** A key of the group that is due expires at a version of its own (B4). */
  #expireBefore(operation: number): void {
    const { batch } = this;
    const map = this.#maps[mapIndexOf(this.batch, operation)];
    const partition = batch.partitions[operation]! as PartitionId;
    const { store } = this.#deps;
    if (map === undefined || !store.hasDeadlines(map.id, partition)) return;
    store.expireBefore(
      this.#begun(),
      map.id,
      partition,
      batch.keys,
      keyStartOf(this.batch, operation),
      batch.keyEnds[operation]!,
    );
  }

  #isRepeated(operation: number): boolean {
    try {
      return this.#answeredBefore(operation);
    } catch (error) {
      this.answers.fail(operation, error);
      return true;
    }
  }

  /* ---- Common ----------------------------------------------------------------------------------------------------- */

  #begun(): WriteBatch {
    if (this.#writes !== undefined) return this.#writes;
    const { session, firstRequest, atomic } = this.batch;
    const { control, store } = this.#deps;
    this.#writes = store.begin({
      ...{ requestSession: session, requestNumber: firstRequest },
      catalogVersion: control.state.catalogVersion,
      oncePerKey: !atomic,
      isProgress: this.#session?.isForListeners === true,
    });
    return this.#writes;
  }

  #commit(): void {
    if (this.#writes === undefined) return;
    const writes = this.#writes;
    this.#writes = undefined;
    writes.commit();
    this.highestVersion = Math.max(this.highestVersion, writes.version);
  }

  /** @throws GridError STALE_EPOCH, or what the operation's map failed with */
  #checkServed(operation: number): void {
    const failure = this.#failures?.[mapIndexOf(this.batch, operation)];
    if (failure !== undefined) throw failure;
    const { control } = this.#deps;
    const partition = this.batch.partitions[operation]!;
    if (control.serves(partition, this.batch.tableVersion)) return;
    throw new StaleEpochError(partition, this.batch.tableVersion, control.table.tableVersion);
  }

  /** The map of a mutation, its key and partition checked: what another client calls a key must be what we call it. */
  #checkedMap(operation: number): CatalogedMap {
    this.#checkServed(operation);
    const { batch } = this;
    if (batch.session !== 0 && this.#session === undefined) {
      throw new GridError('SESSION_EXPIRED', 'the session is not known here', { hint: 'open a new session' });
    }
    const mapIndex = mapIndexOf(batch, operation);
    if (this.#refusals?.[mapIndex] !== undefined) throw this.#refusals[mapIndex];
    const map = this.#maps[mapIndex];
    if (map === undefined) throw new GridError('INVALID_ARGUMENT', 'a mutation names no map of its batch');
    // It may have waited long.
    if (this.#isStarted && !this.#deps.store.hasMap(map.id)) throw droppedMap(map, this.#deps.control);
    const start = keyStartOf(batch, operation);
    const end = batch.keyEnds[operation]!;
    this.#deps.limits.checkKey(end - start);
    checkKey(batch.keys, start, end);
    const partition = partitionOf(batch.keys, start, end, map.affinityParts, this.#deps.control.partitionCount);
    if (partition === batch.partitions[operation]) return map;
    throw wrongPartition(map, partition, batch.partitions[operation]!);
  }
}
