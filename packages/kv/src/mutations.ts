/**
 * Mutations of one batch on the store. What else may stand in their way (a processor, a full log, an earlier sending) is
 * the business of mutation-turns.ts.
 *
 * mutations M1  Conditions and old values are those of the newest state, sealed changes included; the answer hangs on what
 *               it was derived from (held-operations H1).
 * mutations M2  A refused mutation has changed nothing.
 * mutations M3  What was answered can be told from the log: from the record of the change, or beside it where an atomic batch
 *               has written the key before.
 */
import type { CatalogedMap } from '@ashlar/cluster';
import { GridError, type PartitionId, TTL_DEFAULT, TTL_KEEP } from '@ashlar/core';
import { deadlineOf, type HeldKind } from '@ashlar/partitions';
import { checkValue } from '@ashlar/serialization';
import type { WriteBatch } from '@ashlar/storage';
import { OPCODE, STATUS } from '@ashlar/transport';
import { fitsCondition, keyStartOf, ttlOf, valueStartOf } from './batch-columns.ts';
import type { BatchScope } from './batch-scope.ts';
import { partitionBusy } from './partition-busy.ts';
import { ReadyMutations } from './ready-mutations.ts';
import type { StagedWrites } from './staged-writes.ts';

const NO_BYTES = new Uint8Array(0);

export class Mutations {
  readonly #scope: BatchScope;
  readonly #writes: StagedWrites;
  /** Made with the first call. */
  #ready: ReadyMutations | undefined;
  /** Operations come later than the batch: maps may have been dropped meanwhile. */
  isLate = false;
  puts = 0;
  removes = 0;

  constructor(scope: BatchScope, writes: StagedWrites) {
    this.#scope = scope;
    this.#writes = writes;
  }

  /** Calls of ready-made processors. */
  get calls(): number {
    return this.#ready?.calls ?? 0;
  }

  /** @throws GridError: it has changed nothing (mutations M2) */
  mutate(operation: number): void {
    const { batch, answers, targets } = this.#scope;
    const map = targets.checkedMap(operation, this.isLate);
    const opcode = batch.opcodes[operation];
    if (opcode === OPCODE.PROCESS) {
      this.#ready ??= new ReadyMutations(this.#scope, this.#writes);
      this.#ready.mutate(map, operation);
      return;
    }
    if (opcode !== OPCODE.PUT) {
      this.#mutateBySight(map, operation);
      return;
    }
    this.#put(map, operation);
    answers.statuses[operation] = STATUS.TRUE;
    if (!this.#writes.isPrompt) this.#note(operation, 'put');
  }

  /** A mutation whose effect depends on the entry that is there. */
  #mutateBySight(map: CatalogedMap, operation: number): void {
    const partition = this.#scope.batch.partitions[operation]!;
    const own = this.#writes.in(partition);
    const changesBefore = own?.changeCount ?? 0;
    const exists = this.#find(map, operation, own);
    const { undecided } = this.#scope.deps.store.found;
    if (undecided?.state === 'open' && undecided !== own) throw partitionBusy(partition);
    const isOwn = own !== undefined && (!exists || Number.isNaN(this.#scope.deps.store.found.version));
    const isDone = this.#apply(map, operation, exists);
    this.#scope.answers.statuses[operation] = isDone ? STATUS.TRUE : STATUS.FALSE;
    if (isRemoval(this.#scope.batch.opcodes[operation]!)) this.removes++;
    if (isOwn && this.#scope.batch.atomic) this.#keepAnswer(map, operation, isDone);
    if (this.#writes.isPrompt) return;
    const now = this.#writes.in(partition);
    if (now !== own || (now !== undefined && now.changeCount !== changesBefore)) {
      this.#note(operation, kindOfChange(this.#scope.batch.opcodes[operation]!, undecided));
    } else if (undecided !== undefined && undecided !== own) {
      this.#scope.deps.writes.held.note(exists ? 'condition' : 'absence');
      this.#scope.held.hang(undecided, operation);
    } else if (isOwn) {
      this.#note(operation, exists ? 'condition' : 'absence');
    }
  }

  /** @returns what is answered: whether it took effect, or, where a value is answered, whether there was one */
  #apply(map: CatalogedMap, operation: number, exists: boolean): boolean {
    const { batch, deps } = this.#scope;
    const isWanted = exists && fitsCondition(batch, operation, deps.store.found.version);
    const opcode = batch.opcodes[operation]!;
    switch (opcode) {
      case OPCODE.PUT_IF_ABSENT:
        if (!exists) this.#put(map, operation);
        return !exists;
      case OPCODE.REPLACE:
        if (isWanted) this.#put(map, operation, true);
        return isWanted;
      case OPCODE.GET_AND_PUT:
        if (exists) this.#answerOld(operation);
        this.#put(map, operation, exists);
        return exists;
      case OPCODE.GET_AND_REMOVE:
        if (exists) this.#answerOld(operation);
        return this.#remove(map, operation, exists);
      case OPCODE.REMOVE:
        return this.#remove(map, operation, isWanted);
      default:
        throw new GridError('INVALID_ARGUMENT', `unknown operation ${opcode}`);
    }
  }

  #answerOld(operation: number): void {
    const { answers, deps } = this.#scope;
    const { found } = deps.store;
    answers.value(operation, found.valueBytes, found.valueStart, found.valueEnd);
  }

  /** The key had been written before in the same step: the state that was seen of it is in no record (mutations M3). */
  #keepAnswer(map: CatalogedMap, operation: number, isDone: boolean): void {
    const { batch, answers } = this.#scope;
    const isChange = isDone || batch.opcodes[operation] === OPCODE.GET_AND_PUT;
    if (batch.session === 0 || !isChange) return;
    const { value = NO_BYTES } = answers.keptOf(operation);
    const partition = batch.partitions[operation]! as PartitionId;
    this.#writes.begun(partition, operation).answer(map.id, partition, value, 0, value.length);
  }

  /** Its answer hangs on the commit of whatever it staged, or saw, in its own batch (late commits only). */
  #note(operation: number, kind: HeldKind): void {
    const partition = this.#scope.batch.partitions[operation]!;
    this.#scope.deps.writes.held.note(kind);
    this.#writes.note(partition, operation);
  }

  #find(map: CatalogedMap, operation: number, own: WriteBatch | undefined): boolean {
    const { batch, deps } = this.#scope;
    const start = keyStartOf(batch, operation);
    const partition = batch.partitions[operation]! as PartitionId;
    return deps.store.findNewest(map.id, partition, batch.keys, start, batch.keyEnds[operation]!, own);
  }

  /** In a write batch of its own where the present one has written the key already (staged-writes S2). */
  #remove(map: CatalogedMap, operation: number, isWanted: boolean): boolean {
    if (!isWanted) return false;
    const { keys, keyEnds, partitions } = this.#scope.batch;
    const partition = partitions[operation]! as PartitionId;
    const start = keyStartOf(this.#scope.batch, operation);
    const end = keyEnds[operation]!;
    const writes = this.#writes.begun(partition, operation);
    const isRemoved = writes.remove(map.id, partition, keys, start, end);
    if (!writes.wantsCut) return isRemoved;
    this.#writes.commitIn(partition);
    return this.#writes.begun(partition, operation).remove(map.id, partition, keys, start, end);
  }

  /** @param isFound  the last look found its entry */
  #put(map: CatalogedMap, operation: number, isFound = false): void {
    const { batch, deps } = this.#scope;
    const { keys, values } = batch;
    const partition = batch.partitions[operation]! as PartitionId;
    const start = keyStartOf(batch, operation);
    const end = batch.keyEnds[operation]!;
    const valueStart = valueStartOf(batch, operation);
    const valueEnd = batch.valueEnds?.[operation] ?? valueStart;
    checkValue(values, valueStart, valueEnd, deps.valueBytesMax);
    const expiresAt = this.#deadlineOf(map, operation);
    for (let isLast = isFound; ; isLast = false) {
      const writes = this.#writes.begun(partition, operation);
      const value = writes.value(values, valueStart, valueEnd, expiresAt);
      if (isLast) value.putBack(deps.store.found);
      if (writes.put(map.id, partition, keys, start, end, value)) break;
      this.#writes.commitIn(partition);
    }
    this.puts++;
  }

  #deadlineOf(map: CatalogedMap, operation: number): number {
    const ttl = ttlOf(this.#scope.batch, operation);
    const { store, clock } = this.#scope.deps;
    if (ttl === TTL_DEFAULT) return 0;
    if (ttl !== TTL_KEEP) return deadlineOf(ttl, clock.now(), undefined);
    const isThere = this.#find(map, operation, this.#writes.in(this.#scope.batch.partitions[operation]!));
    return deadlineOf(ttl, 0, isThere ? store.found.expiresAt : undefined);
  }

  /** A key of an atomic group that is due expires at a version of its own (staged-writes S2). */
  expireBefore(operation: number): void {
    const { batch, deps, targets } = this.#scope;
    const map = targets.mapOf(operation);
    const partition = batch.partitions[operation]! as PartitionId;
    if (map === undefined || !deps.store.hasDeadlines(map.id, partition)) return;
    const start = keyStartOf(batch, operation);
    const writes = this.#writes.begun(partition, operation);
    deps.store.expireBefore(writes, map.id, partition, batch.keys, start, batch.keyEnds[operation]!);
  }
}

function kindOfChange(opcode: number, seen: WriteBatch | undefined): HeldKind {
  const isOld = opcode === OPCODE.GET_AND_PUT || opcode === OPCODE.GET_AND_REMOVE;
  if (isOld && seen !== undefined) return 'old-value';
  return isRemoval(opcode) ? 'remove' : 'put';
}

function isRemoval(opcode: number): boolean {
  return opcode === OPCODE.REMOVE || opcode === OPCODE.GET_AND_REMOVE;
}
