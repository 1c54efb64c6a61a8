/**
 * Questions of one batch to the log: what became of mutations that memory does not know.
 *
 *   operations of a partition -> one search for all that the batch has there --> told in this turn: go on
 *                                                                           '-> takes longer: their keys are held, then
 *                                                                               they take their turn again
 *
 * log-inquiries Q1  While the log is searched the keys are held at the gate: nothing that comes later overtakes. Once it is
 *                   known what became of them the operations have their turn before anybody who waits.
 * log-inquiries Q2  What was found counts within the turn of the event loop in which it was found. Whoever waits for somebody
 *                   else afterwards asks again.
 */
import type { PartitionId } from '@ashlar/core';
import type { EarlierOutcome, LockId } from '@ashlar/partitions';
import type { BatchScope } from './batch-scope.ts';
import { isAnsweredWithOldValue } from './log-answers.ts';
import type { RequestNumbers } from './request-numbers.ts';

/** A search that is under way. */
interface Inquiry {
  readonly partition: number;
  readonly numbers: readonly number[];
  readonly keys: LockId[];
  /** Who asked, in their order, and how they go on. */
  readonly asked: { readonly operations: readonly number[]; readonly again: () => void }[];
}

export class LogInquiries {
  readonly #scope: BatchScope;
  readonly #numbers: RequestNumbers;
  readonly #commit: () => void;
  /** Request numbers of the batch, by partition. */
  #byPartition: Map<number, readonly number[]> | undefined;
  /** Those that are answered with old values, or from them. */
  readonly #wantsValues = new Set<number>();
  /** By number: what was found in this turn (log-inquiries Q2). */
  readonly #found = new Map<number, EarlierOutcome>();
  /** By partition: what others of the same turn may join. */
  readonly #begun = new Map<number, Inquiry>();
  #isClearing = false;

  /** @param commit  submits what was staged since */
  constructor(scope: BatchScope, numbers: RequestNumbers, commit: () => void) {
    this.#scope = scope;
    this.#numbers = numbers;
    this.#commit = commit;
  }

  /** What was found of an operation by ask(). */
  outcomeOf(operation: number): EarlierOutcome {
    return this.#found.get(this.#numbers.of(operation))!;
  }

  /**
   * Asks for operations of one partition whose keys nobody holds.
   *
   * @param all    those that wait for the answer: these, and what is done together with them
   * @param again  called instead where the answer is false, once it is known: their turn comes again
   * @returns whether outcomeOf() knows all of them now
   * @throws GridError SEQUENCE_GONE when the partition is not here
   */
  ask(operations: readonly number[], all: readonly number[], again: () => void): boolean {
    if (operations.every((operation) => this.#found.has(this.#numbers.of(operation)))) return true;
    const { batch } = this.#scope;
    const partition = batch.partitions[operations[0]!]!;
    const inquiry = this.#begun.get(partition) ?? this.#begin(partition);
    if (inquiry === undefined) return true;
    this.#hold(inquiry, all, again);
    return false;
  }

  /** @returns undefined: it is over already */
  #begin(partition: number): Inquiry | undefined {
    const { deps, batch } = this.#scope;
    const { session, firstVersion: floor = 0 } = batch;
    const numbers = this.#numbersIn(partition);
    const found = deps.answerWindow.find(partition as PartitionId, { session, numbers, floor }, this.#wantsValues);
    this.#clearSoon();
    if (!('then' in found)) {
      this.#note(numbers, found);
      return undefined;
    }
    const inquiry: Inquiry = { partition, numbers, keys: [], asked: [] };
    this.#begun.set(partition, inquiry);
    if (!deps.writes.isPrompt) deps.writes.held.note('duplicate');
    found.then(
      (outcomes) => this.#goOn(inquiry, outcomes),
      // The partition went meanwhile: asking again fails for that reason.
      () => this.#goOn(inquiry, []),
    );
    return inquiry;
  }

  /** log-inquiries Q1 */
  #hold({ keys, asked }: Inquiry, operations: readonly number[], again: () => void): void {
    const { deps, progress, targets, waiting } = this.#scope;
    asked.push({ operations, again });
    for (const operation of operations) {
      progress.openLate(operation);
      const key = targets.lockIdOf(operation);
      if (key === undefined || deps.gate.isHeld(key)) continue;
      deps.gate.hold(key);
      waiting.begin(key);
      keys.push(key);
    }
  }

  #goOn({ partition, numbers, keys, asked }: Inquiry, outcomes: readonly EarlierOutcome[]): void {
    const { deps, progress, waiting } = this.#scope;
    this.#begun.delete(partition);
    this.#note(numbers, outcomes);
    for (const key of keys) waiting.end(key);
    deps.gate.releaseAll(keys, () =>
      progress.guard(() => {
        for (const { again } of asked) again();
        this.#commit();
        for (const { operations } of asked) for (const operation of operations) progress.settleLate(operation);
      }),
    );
    this.#found.clear();
  }

  #note(numbers: readonly number[], outcomes: readonly EarlierOutcome[]): void {
    outcomes.forEach((outcome, index) => {
      this.#found.set(numbers[index]!, outcome);
    });
  }

  /** log-inquiries Q2 */
  #clearSoon(): void {
    if (this.#isClearing) return;
    this.#isClearing = true;
    queueMicrotask(() => {
      this.#isClearing = false;
      this.#found.clear();
      this.#begun.clear();
    });
  }

  /** Each once, whatever the caller says. */
  #numbersIn(partition: number): readonly number[] {
    this.#byPartition ??= this.#allNumbers();
    return this.#byPartition.get(partition)!;
  }

  #allNumbers(): Map<number, readonly number[]> {
    const { count, partitions, opcodes } = this.#scope.batch;
    const sets = new Map<number, Set<number>>();
    for (let operation = 0; operation < count; operation++) {
      const number = this.#numbers.of(operation);
      if (number === 0) continue;
      if (isAnsweredWithOldValue(opcodes[operation]!)) this.#wantsValues.add(number);
      const partition = partitions[operation]!;
      const numbers = sets.get(partition);
      if (numbers === undefined) sets.set(partition, new Set([number]));
      else numbers.add(number);
    }
    return new Map([...sets].map(([partition, numbers]) => [partition, [...numbers]]));
  }
}
