/**
 * The mutations of an atomic batch, partition by partition: those of one apply together or not at all. They wait until
 * nothing holds any of their keys; where one is refused, all are answered with its error. A read between them is answered
 * with them.
 */
import { GridError } from '@ashlar/core';
import { isMutation, OPCODE } from '@ashlar/transport';
import { operationsByPartition } from './batch-columns.ts';
import type { BatchScope } from './batch-scope.ts';
import type { MutationTurns } from './mutation-turns.ts';
import type { Mutations } from './mutations.ts';
import type { Reads } from './reads.ts';
import type { Attempt } from './room-waits.ts';
import type { StagedWrites } from './staged-writes.ts';

export interface GroupParts {
  readonly writes: StagedWrites;
  readonly mutations: Mutations;
  readonly reads: Reads;
  readonly turns: MutationTurns;
}

export class AtomicGroups {
  readonly #scope: BatchScope;
  readonly #parts: GroupParts;
  readonly #groups: readonly (readonly number[])[];
  #next = 0;

  constructor(scope: BatchScope, parts: GroupParts) {
    this.#scope = scope;
    this.#parts = parts;
    this.#groups = [...operationsByPartition(scope.batch)];
  }

  /** @returns false: there are no more */
  runNext(): boolean {
    if (this.#next === this.#groups.length) return false;
    this.#run(this.#groups[this.#next++]!);
    return true;
  }

  /** Tries a group that has waited for room. */
  attempt(group: readonly number[]): Attempt {
    const { turns } = this.#parts;
    if (group.some((operation) => turns.holderOf(operation) !== undefined)) return 'held';
    try {
      this.#apply(group);
    } catch (error) {
      if (turns.mayWaitFor(error)) return error;
      for (const operation of group) this.#scope.answers.fail(operation, error);
    }
    return undefined;
  }

  #run(group: readonly number[]): void {
    const { turns } = this.#parts;
    const { isRepeat } = this.#scope;
    let rest = isRepeat ? group.filter((operation) => !this.#scope.repeats.isKnown(operation)) : group;
    try {
      const blocked = rest.find((operation) => turns.holderOf(operation) !== undefined);
      if (blocked !== undefined) {
        this.#waitFor(rest, blocked);
        return;
      }
      if (isRepeat) {
        const asked = rest;
        const unknown = this.#scope.repeats.restOf(asked, () => this.#run(asked));
        if (unknown === undefined) return;
        rest = unknown;
      }
      if (rest.length > 0 && turns.isBehindOthers(rest[0]!)) this.#scope.rooms.waitAll(rest);
      else this.#apply(rest);
    } catch (error) {
      this.#refused(rest, error);
    }
  }

  #waitFor(rest: readonly number[], blocked: number): void {
    const { deps, progress } = this.#scope;
    const step = progress.later(() => {
      this.#run(rest);
      for (const operation of rest) progress.settleLate(operation);
    });
    deps.gate.wait(this.#parts.turns.holderOf(blocked)!, step);
    for (const operation of rest) progress.openLate(operation);
  }

  /** @throws whatever one of the mutations is refused with: none of them applies */
  #apply(rest: readonly number[]): void {
    const { mutations, reads, writes } = this.#parts;
    const { opcodes } = this.#scope.batch;
    try {
      for (const operation of rest) mutations.expireBefore(operation);
      for (const operation of rest) {
        if (opcodes[operation] === OPCODE.PROCESS)
          throw new GridError('INVALID_ARGUMENT', 'a processor call cannot be part of an atomic batch');
        if (isMutation(opcodes[operation]!)) mutations.mutate(operation);
        else reads.tryRead(operation);
      }
      writes.commit();
    } catch (error) {
      writes.abort();
      throw error;
    }
  }

  #refused(rest: readonly number[], error: unknown): void {
    const { turns } = this.#parts;
    let cause = error;
    if (turns.mayWaitFor(error)) {
      try {
        this.#scope.rooms.waitAll(rest, error);
        return;
      } catch (refusal) {
        cause = refusal;
      }
    }
    // One fate, one error: the caller repeats all of them or none.
    for (const operation of rest) this.#scope.answers.fail(operation, cause);
  }
}
