/**
 * Key-value operations of one batch on the store: reads, and mutations into one write batch, which is cut where a key comes
 * again. What else may stand in their way (a processor, a full log, an earlier sending) is the caller's.
 */
import type { CatalogedMap, GridView } from '@ashlar/cluster';
import { GridError, type PartitionId, TTL_DEFAULT, TTL_KEEP } from '@ashlar/core';
import { deadlineOf, type WritePath } from '@ashlar/partitions';
import { checkValue } from '@ashlar/serialization';
import type { MemberStore, WriteBatch } from '@ashlar/storage';
import { type KvBatch, OPCODE, STATUS } from '@ashlar/transport';
import type { Answers } from './answers.ts';
import { fitsCondition, keyStartOf, ttlOf, valueStartOf } from './batch-columns.ts';
import type { BatchTargets } from './batch-targets.ts';

export interface OperationDependencies {
  readonly store: MemberStore;
  readonly writes: WritePath;
  readonly control: GridView;
  readonly clock: { now(): number };
  readonly valueBytesMax: number;
}

export class BatchOperations {
  readonly #batch: KvBatch;
  readonly #answers: Answers;
  readonly #targets: BatchTargets;
  readonly #deps: OperationDependencies;
  readonly #isProgress: boolean;
  #writes: WriteBatch | undefined;
  /** Operations come later than the batch: maps may have been dropped meanwhile. */
  isLate = false;
  hits = 0;
  misses = 0;
  puts = 0;
  removes = 0;
  highestVersion = 0;

  /** @param isProgress  a listener writes to get on: full logs take it */
  constructor(
    batch: KvBatch,
    answers: Answers,
    targets: BatchTargets,
    deps: OperationDependencies,
    isProgress: boolean,
  ) {
    this.#batch = batch;
    this.#answers = answers;
    this.#targets = targets;
    this.#deps = deps;
    this.#isProgress = isProgress;
  }

  /** @throws GridError: nothing was read */
  read(operation: number): void {
    const batch = this.#batch;
    const answers = this.#answers;
    const { store } = this.#deps;
    const map = this.#targets.mapOf(operation);
    this.#targets.checkServed(operation);
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
    const batch = this.#batch;
    const { store } = this.#deps;
    const partition = batch.partitions[operation]! as PartitionId;
    const start = keyStartOf(batch, operation);
    const end = batch.keyEnds[operation]!;
    const isFound = store.find(map.id, partition, batch.keys, start, end, this.#writes);
    const isStaged = batch.opcodes[operation] === OPCODE.GET_ENTRY && isFound && Number.isNaN(store.found.version);
    if (!isStaged) return isFound;
    this.commit();
    return store.find(map.id, partition, batch.keys, start, end);
  }

  /* ---- Mutations -------------------------------------------------------------------------------------------------- */

  /** @throws GridError: it has changed nothing */
  mutate(operation: number): void {
    const map = this.#targets.checkedMap(operation, this.isLate);
    const batch = this.#batch;
    const answers = this.#answers;
    const partition = batch.partitions[operation]! as PartitionId;
    const start = keyStartOf(this.#batch, operation);
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
    this.commit();
    return this.#begun().remove(map.id, partition, keys, start, end);
  }

  #put(map: CatalogedMap, partition: PartitionId, operation: number, start: number, end: number): void {
    const batch = this.#batch;
    const valueStart = valueStartOf(this.#batch, operation);
    const valueEnd = batch.valueEnds?.[operation] ?? valueStart;
    checkValue(batch.values, valueStart, valueEnd, this.#deps.valueBytesMax);
    const expiresAt = this.#deadlineOf(map, partition, operation, start, end);
    const { keys, values } = batch;
    while (!this.#begun().put(map.id, partition, keys, start, end, values, valueStart, valueEnd, expiresAt))
      this.commit();
    this.puts++;
  }

  #deadlineOf(map: CatalogedMap, partition: PartitionId, operation: number, start: number, end: number): number {
    const ttl = ttlOf(this.#batch, operation);
    const { store, clock } = this.#deps;
    if (ttl === TTL_DEFAULT) return 0;
    if (ttl !== TTL_KEEP) return deadlineOf(ttl, clock.now(), undefined);
    const isThere = store.find(map.id, partition, this.#batch.keys, start, end, this.#writes);
    return deadlineOf(ttl, 0, isThere ? store.found.expiresAt : undefined);
  }

  /** A key of the group that is due expires at a version of its own (B4). */
  expireBefore(operation: number): void {
    const batch = this.#batch;
    const map = this.#targets.mapOf(operation);
    const partition = batch.partitions[operation]! as PartitionId;
    const { store } = this.#deps;
    if (map === undefined || !store.hasDeadlines(map.id, partition)) return;
    store.expireBefore(
      this.#begun(),
      map.id,
      partition,
      batch.keys,
      keyStartOf(this.#batch, operation),
      batch.keyEnds[operation]!,
    );
  }

  /* ---- The write batch ------------------------------------------------------------------------------------------- */

  #begun(): WriteBatch {
    if (this.#writes !== undefined) return this.#writes;
    const { session, firstRequest, atomic } = this.#batch;
    const { control, writes } = this.#deps;
    this.#writes = writes.begin({
      ...{ requestSession: session, requestNumber: firstRequest },
      catalogVersion: control.catalog.catalogVersion,
      oncePerKey: !atomic,
      isProgress: this.#isProgress,
    });
    return this.#writes;
  }

  /** Makes visible what is staged, if anything is. */
  commit(): void {
    if (this.#writes === undefined) return;
    const writes = this.#writes;
    this.#writes = undefined;
    this.#deps.writes.submit(writes);
    this.highestVersion = Math.max(this.highestVersion, writes.version);
  }

  /** Takes back what is staged, if anything is. */
  abort(): void {
    if (this.#writes?.state === 'open') this.#writes.abort();
    this.#writes = undefined;
  }
}
