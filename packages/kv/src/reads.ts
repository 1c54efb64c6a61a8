/**
 * Reads of one batch.
 *
 * reads R1  A read sees what is committed, and what its own batch has staged. Where its session has undecided mutations in
 *           the partition it sees the newest state instead, and is held until that is committed: so a session reads what it
 *           wrote, and nobody reads what may be lost.
 * reads R2  An absence by deadline is answered once the record of the expiry is committed; where an open batch will write
 *           that record, the key is looked at again when the batch is decided.
 * reads R3  A read waits behind mutations of its own stream that wait; it sees what was committed before a processor that
 *           runs.
 */
import type { CatalogedMap } from '@ashlar/cluster';
import type { PartitionId } from '@ashlar/core';
import type { WriteBatch } from '@ashlar/storage';
import { OPCODE, STATUS } from '@ashlar/transport';
import { keyStartOf } from './batch-columns.ts';
import type { BatchScope } from './batch-scope.ts';
import type { StagedWrites } from './staged-writes.ts';
import { answerStatement } from './statements.ts';

/** Whether a look found an entry; 'hidden': nobody knows yet, the key is looked at again. */
type Look = boolean | 'hidden';

export class Reads {
  readonly #scope: BatchScope;
  readonly #writes: StagedWrites;
  hits = 0;
  misses = 0;

  constructor(scope: BatchScope, writes: StagedWrites) {
    this.#scope = scope;
    this.#writes = writes;
  }

  /** Answers with what went wrong, if anything does. */
  read(operation: number): void {
    try {
      this.tryRead(operation);
    } catch (error) {
      this.#scope.answers.fail(operation, error);
    }
  }

  /** What was read depended on a batch that is lost: it is read once more, as if for the first time. */
  readAgain(operation: number): void {
    const { answers } = this.#scope;
    if (answers.statuses[operation] === STATUS.TRUE) this.hits--;
    else this.misses--;
    answers.clear(operation);
    this.read(operation);
  }

  /** @throws GridError: nothing was read */
  tryRead(operation: number): void {
    const { batch, answers, deps, targets } = this.#scope;
    const opcode = batch.opcodes[operation]!;
    if (opcode === OPCODE.STATEMENT) {
      answerStatement(this.#scope, operation);
      return;
    }
    const map = targets.mapOf(operation);
    targets.checkServed(operation);
    if (map === undefined || this.#look(map, operation) !== true) {
      this.misses++;
      return;
    }
    this.hits++;
    answers.statuses[operation] = STATUS.TRUE;
    if (opcode === OPCODE.HAS) return;
    const { found } = deps.store;
    answers.value(operation, found.valueBytes, found.valueStart, found.valueEnd);
    if (opcode === OPCODE.GET_ENTRY) answers.entry(operation, found.version, found.expiresAt / 1000);
  }

  /** What its own batch has staged has no version before it is sealed: GET_ENTRY, which answers the version, submits. */
  #look(map: CatalogedMap, operation: number): Look {
    const { store } = this.#scope.deps;
    const partition = this.#scope.batch.partitions[operation]!;
    const own = this.#writes.in(partition);
    const isFound = this.#findNewest(map, operation, own);
    const isOwn = own !== undefined && isFound && Number.isNaN(store.found.version);
    if (isOwn && this.#scope.batch.opcodes[operation] === OPCODE.GET_ENTRY) {
      this.#writes.commitIn(partition);
      return this.#look(map, operation);
    }
    if (store.found.undecided !== undefined) return this.#lookPast(map, operation, own, store.found.undecided, isFound);
    if (!this.#writes.isPrompt && (isOwn || (own !== undefined && !isFound))) this.#noteOwn(partition, operation);
    return isFound;
  }

  #noteOwn(partition: number, operation: number): void {
    this.#scope.deps.writes.held.note('own-read');
    this.#writes.note(partition, operation);
  }

  /** The newest state is not decided: reads of others see what is committed. */
  #lookPast(
    map: CatalogedMap,
    operation: number,
    own: WriteBatch | undefined,
    newest: WriteBatch,
    isFound: boolean,
  ): Look {
    const { undecided, batch, deps } = this.#scope;
    if (newest.state === 'open') return this.#hide(newest, operation);
    if (own !== undefined || undecided.has(batch.partitions[operation]!)) {
      deps.writes.held.note('own-read');
      this.#scope.held.hang(newest, operation);
      return isFound;
    }
    return this.#lookAtCommitted(map, operation);
  }

  #lookAtCommitted(map: CatalogedMap, operation: number): Look {
    const { batch, deps } = this.#scope;
    const { store, writes } = deps;
    const start = keyStartOf(batch, operation);
    const partition = batch.partitions[operation]! as PartitionId;
    const isFound = store.find(map.id, partition, batch.keys, start, batch.keyEnds[operation]!);
    const { undecided } = store.found;
    if (undecided === undefined) return isFound;
    if (undecided.state === 'open') return this.#hide(undecided, operation);
    writes.held.note('absence');
    this.#scope.held.hang(undecided, operation);
    return isFound;
  }

  #hide(batch: WriteBatch, operation: number): 'hidden' {
    this.#scope.held.hide(batch, operation);
    return 'hidden';
  }

  #findNewest(map: CatalogedMap, operation: number, own: WriteBatch | undefined): boolean {
    const { batch, deps } = this.#scope;
    const start = keyStartOf(batch, operation);
    const partition = batch.partitions[operation]! as PartitionId;
    return deps.store.findNewest(map.id, partition, batch.keys, start, batch.keyEnds[operation]!, own);
  }
}
