/**
 * When each mutation of a batch is applied: now, behind what holds its key, or once there is room.
 *
 *   operation -> sent before? -> others wait for room? -> key held? -- no --> applied, in its partition's write batch
 *                                                                 \- yes -> waits behind the processor, then applied alone
 *   PROCESS   -> its key is held until the processor's outcome is sealed; not of ready-made ones (ready-mutations.ts)
 *
 * Operations on one key take effect in their order within a batch, and batches of a stream in theirs (batch-run B1).
 */
import { READY_MODULE } from '@ashlar/api';
import type { ProcessorCall, ProcessorCaller } from '@ashlar/compute-runtime';
import { GridError } from '@ashlar/core';
import { type LockId, partitionLockId } from '@ashlar/partitions';
import { OPCODE, STATUS } from '@ashlar/transport';
import type { BatchScope } from './batch-scope.ts';
import type { Mutations } from './mutations.ts';
import type { Attempt } from './room-waits.ts';
import type { StagedWrites } from './staged-writes.ts';

export class MutationTurns implements ProcessorCaller {
  readonly #scope: BatchScope;
  readonly #writes: StagedWrites;
  readonly #mutations: Mutations;
  /** The operation of which the room queue asks whether there is room now. */
  #attempted = -1;
  #refusal: GridError | undefined;
  calls = 0;

  constructor(scope: BatchScope, writes: StagedWrites, mutations: Mutations) {
    this.#scope = scope;
    this.#writes = writes;
    this.#mutations = mutations;
  }

  /** Applies a mutation now, or lets it wait behind what holds its key. Answers with what went wrong, if anything does. */
  mutateWhenFree(operation: number): void {
    try {
      if (this.#scope.isRepeat && this.#scope.repeats.takes(operation)) return;
      const call = this.#callOf(operation);
      if (this.isBehindOthers(operation, call?.name)) {
        this.#scope.rooms.wait(operation);
        return;
      }
      const holder = this.holderOf(operation, call?.name);
      if (holder === undefined) {
        if (call === undefined) this.#mutations.mutate(operation);
        else this.#process(call);
      } else if (call === undefined || !this.#join(call, holder)) this.waitBehind(holder, operation);
    } catch (error) {
      this.#waitOrFail(operation, error);
    }
  }

  /** The lock that a mutation has to wait for. */
  holderOf(operation: number, known?: LockId): LockId | undefined {
    const { deps, batch, targets } = this.#scope;
    const { gate } = deps;
    if (gate.heldCount === 0) return undefined;
    const partition = partitionLockId(batch.partitions[operation]!);
    if (gate.isHeld(partition)) return partition;
    const name = known ?? targets.lockIdOf(operation);
    return name !== undefined && gate.isHeld(name) ? name : undefined;
  }

  /** Whether others wait for room in the partition, and nothing holds the key: then it waits behind them. */
  isBehindOthers(operation: number, known?: LockId): boolean {
    const { deps, batch, targets, isProgress, waiting } = this.#scope;
    const { rooms, gate } = deps;
    if (rooms.count === 0 || !rooms.has(batch.partitions[operation]!)) return false;
    const name = known ?? targets.lockIdOf(operation);
    if (isProgress && (name === undefined || !waiting.has(name))) return false;
    return name === undefined || !gate.isHeld(name);
  }

  /** Whether an error says that there is no room yet. */
  mayWaitFor(error: unknown): error is GridError {
    return isCrowded(error) || (!this.#scope.isProgress && GridError.is(error, 'LOG_FULL'));
  }

  /** Tries a mutation that has waited for room. */
  attempt(operation: number): Attempt {
    this.#refusal = undefined;
    this.#attempted = operation;
    try {
      if (this.#scope.isRepeat && this.#scope.repeats.takes(operation)) return undefined;
      const call = this.#callOf(operation);
      const holder = this.holderOf(operation, call?.name);
      if (holder !== undefined) {
        if (call === undefined || !this.#join(call, holder)) return 'held';
      } else if (call === undefined) this.#mutations.mutate(operation);
      else this.#process(call);
      this.#writes.commit();
    } catch (error) {
      this.#writes.abort();
      this.#scope.answers.clear(operation);
      if (this.mayWaitFor(error)) return error;
      this.#scope.answers.fail(operation, error);
    } finally {
      this.#attempted = -1;
    }
    return this.#refusal;
  }

  /** @returns false: it must wait behind what holds the key */
  #join(call: ProcessorCall, holder: LockId): boolean {
    if (holder !== call.name || !this.#scope.deps.processors.join(call)) return false;
    this.#opened(call.position);
    return true;
  }

  #waitOrFail(operation: number, error: unknown): void {
    const { answers } = this.#scope;
    let cause = error;
    if (this.mayWaitFor(error)) {
      try {
        this.#scope.rooms.wait(operation, error);
        return;
      } catch (refusal) {
        cause = refusal;
      }
    }
    answers.clear(operation);
    answers.fail(operation, cause);
  }

  /** When its turn has come it runs alone, in a write batch of its own. @throws GridError OVERLOADED */
  waitBehind(holder: LockId, operation: number): void {
    const { deps, progress, targets, waiting } = this.#scope;
    const name = targets.lockIdOf(operation)!;
    const step = progress.later(() => {
      this.mutateWhenFree(operation);
      this.#writes.commit();
      progress.settleLate(operation);
    });
    deps.gate.wait(holder, () => {
      waiting.end(name);
      step();
    });
    waiting.begin(name);
    progress.openLate(operation);
  }

  /* ---- Processors ------------------------------------------------------------------------------------------------- */

  /** The call that a PROCESS operation asks for; undefined: it is applied at once, as all else and as ready-made processors. */
  #callOf(operation: number): ProcessorCall | undefined {
    const { batch, targets, traceOf, isProgress } = this.#scope;
    if (batch.opcodes[operation] !== OPCODE.PROCESS) return undefined;
    if (targets.processorOf(operation)?.module === READY_MODULE) return undefined;
    const call = targets.callOf(operation, this, this.#mutations.isLate);
    call.trace = traceOf?.(operation);
    call.isProgress = isProgress;
    call.session = batch.session;
    call.requestNumber = this.#writes.numberOf(operation);
    return call;
  }

  #process(call: ProcessorCall): void {
    // What was staged before it on this key must be there when the processor reads it.
    this.#writes.commitIn(call.partition);
    this.#opened(call.position);
    this.#scope.deps.processors.submit(call);
  }

  #opened(operation: number): void {
    const { progress, undecided, batch } = this.#scope;
    this.calls++;
    progress.openLate(operation);
    if (!this.#writes.isPrompt) undecided.begin(batch.partitions[operation]!);
  }

  #closed(operation: number): void {
    const { undecided, batch } = this.#scope;
    if (!this.#writes.isPrompt) undecided.end(batch.partitions[operation]!);
  }

  onResult(operation: number, bytes: Uint8Array, start: number, end: number, status: number = STATUS.TRUE): void {
    const { progress, answers } = this.#scope;
    this.#closed(operation);
    if (progress.isOver) return;
    try {
      answers.statuses[operation] = status;
      if (end > start) answers.value(operation, bytes, start, end);
      progress.settleLate(operation);
    } catch (error) {
      progress.breakOff(error);
    }
  }

  onPart(): void {
    const { progress } = this.#scope;
    progress.guard(() => progress.tellPart());
  }

  onRefused(operation: number, bytes: Uint8Array, start: number, end: number): void {
    this.onResult(operation, bytes, start, end, STATUS.REFUSED);
  }

  onError(operation: number, cause: unknown): void {
    const { progress } = this.#scope;
    this.#closed(operation);
    progress.guard(() => {
      const mayWait = this.mayWaitFor(cause);
      if (mayWait) this.calls--;
      if (mayWait && operation === this.#attempted) {
        this.#refusal = cause;
        progress.settleUnanswered(operation);
        return;
      }
      this.#waitOrFail(operation, cause);
      progress.settleLate(operation);
    });
  }
}

/** Too many batches are under way, or somebody else stages in the partition. */
function isCrowded(error: unknown): boolean {
  return GridError.is(error, 'OVERLOADED') && error.details?.['isCrowded'] === true;
}
