/**
 * The answers of one batch to its mutations, by number: for whoever asks again while the member remembers.
 *
 *   worked on -> each mutation is joined for itself, and answered again as soon as it is answered
 *   finished  -> the same answer again
 *
 * batch-record K1  A record is finished once all of its answers are final. What ended in doubt (IN_DOUBT), or was never sealed
 *                  (STALE_EPOCH ...), it answers no more: its repetition asks the log.
 * batch-record K2  Values are kept up to KEPT_VALUE_BYTES a batch, and as far as the session's budget goes; beyond only outcomes
 *                  and refusals. The log knows the values of what was applied.
 */
import { type GridError, wasNeverSealed } from '@ashlar/core';
import { STATUS } from '@ashlar/transport';

const KEPT_VALUE_BYTES = 64 * 1024;
const NO_BYTES = new Uint8Array(0);
/** What a record takes beside the values: itself, and each of its mutations. */
const RECORD_BYTES = 256;
const MUTATION_BYTES = 24;
/** Numbers of a record from which on a table is quicker than looking at each. */
const TABLE_FROM = 16;

/** The answer of one mutation. `value` undefined though one was sent: it was not kept (batch-record K2). */
export interface KeptAnswer {
  readonly status: number;
  readonly value: Uint8Array | undefined;
  readonly valueDropped: boolean;
  readonly error: GridError | undefined;
}

/** By mutation, in the order of the batch. */
export interface KeptAnswers {
  readonly statuses: Uint8Array;
  /** Empty: no answer has a value. */
  readonly valueEnds: ArrayLike<number>;
  readonly values: Uint8Array;
  /** Where each value ends of those that are kept; undefined: `valueEnds` says so, for all or none are. */
  readonly keptEnds?: ArrayLike<number>;
  readonly errors: readonly GridError[];
  /** errorOf[mutation]: 1 + index into errors, 0: none; empty where there are no errors. */
  readonly errorOf: ArrayLike<number>;
}

/** A batch that is worked on. Mutations are named by their place among those of the batch. */
export interface RunningBatch {
  isAnswered(mutation: number): boolean;
  /** Calls `tell` once the mutation is answered, which it is not yet. */
  whenAnswered(mutation: number, tell: () => void): void;
  /** The answer of a mutation that is answered. Valid during the call. */
  answerTo(mutation: number): KeptAnswer;
}

/** The keeper of records, with its budget. */
export interface RecordKeeper {
  /** More bytes for a record. @returns false: there are none left */
  takeMore(record: BatchRecord, bytes: number): boolean;
  /** The record is finished, and may be given up. */
  onFinished(): void;
}

export class BatchRecord {
  readonly first: number;
  readonly last: number;
  /** numbers[i] is that of mutation i; undefined: they count up from `first`. */
  readonly #numbers: ArrayLike<number> | undefined;
  /** places.get(number) in #numbers, once somebody asks for one of many. */
  #places: Map<number, number> | undefined;
  #answers: KeptAnswers | undefined;
  /** Numbers that it does not answer (batch-record K1). */
  #open: Set<number> | undefined;
  /** The batch, while it is worked on. */
  running: RunningBatch | undefined;
  /** Undefined: none keeps it (any more). */
  keeper: RecordKeeper | undefined;
  /** Bytes of the budget that it takes. */
  bytes: number;

  constructor(first: number, last: number, numbers?: ArrayLike<number>) {
    this.first = first;
    this.last = last;
    this.#numbers = numbers;
    this.bytes = RECORD_BYTES + MUTATION_BYTES * (numbers?.length ?? last - first + 1);
  }

  /** Whether all of its mutations have their final answers. */
  get isFinished(): boolean {
    return this.#answers !== undefined;
  }

  /** The batch is answered. */
  finish(answers: KeptAnswers): void {
    this.running = undefined;
    this.#answers = this.#keep(answers);
    if (answers.errors.some(isNoAnswer)) this.#open = this.#numbersOpen(answers);
    this.keeper?.onFinished();
  }

  #numbersOpen({ errors, errorOf }: KeptAnswers): Set<number> {
    const open = new Set<number>();
    let index = 0;
    for (const number of this.#allNumbers()) {
      const error = errors[(errorOf[index++] ?? 0) - 1];
      if (error !== undefined && isNoAnswer(error)) open.add(number);
    }
    return open;
  }

  /** What of a batch's answers is kept (batch-record K2). */
  #keep(answers: KeptAnswers): KeptAnswers {
    const { length } = answers.values;
    if (length === 0) return answers;
    if (length <= KEPT_VALUE_BYTES && this.#takes(length)) return answers;
    const refusals = refusalsOf(answers);
    if (refusals !== undefined && this.#takes(refusals.values.length)) return refusals;
    return { ...answers, values: NO_BYTES };
  }

  #takes(bytes: number): boolean {
    return this.keeper?.takeMore(this, bytes) !== false;
  }

  /** The place of a number among the mutations; -1: it is not here, or not answered by this record (batch-record K1). */
  indexOf(number: number): number {
    if (number < this.first || number > this.last || this.#open?.has(number) === true) return -1;
    const numbers = this.#numbers;
    if (numbers === undefined) return number - this.first;
    if (numbers.length > TABLE_FROM) return (this.#places ??= placesOf(numbers)).get(number) ?? -1;
    for (let index = 0; index < numbers.length; index++) if (numbers[index] === number) return index;
    return -1;
  }

  /** Whether the number came with it, and is not answered by it (batch-record K1): what became of it the log may know. */
  isOpen(number: number): boolean {
    return this.#open?.has(number) === true;
  }

  get hasOpen(): boolean {
    return this.#open !== undefined;
  }

  /** The numbers that it answers, in the order of its mutations. */
  *numbers(): Iterable<number> {
    for (const number of this.#allNumbers()) if (this.#open?.has(number) !== true) yield number;
  }

  *#allNumbers(): Iterable<number> {
    if (this.#numbers === undefined) for (let number = this.first; number <= this.last; number++) yield number;
    else for (let index = 0; index < this.#numbers.length; index++) yield this.#numbers[index]!;
  }

  /** What a mutation of a finished batch was answered. @param mutation  as indexOf() returns it */
  answerTo(mutation: number): KeptAnswer {
    const { statuses, valueEnds, values, keptEnds = valueEnds, errors, errorOf } = this.#answers!;
    const status = statuses[mutation]!;
    const error = errors[(errorOf[mutation] ?? 0) - 1];
    if (startOf(valueEnds, mutation) === (valueEnds[mutation] ?? 0))
      return { status, value: undefined, valueDropped: false, error };
    const value = values.subarray(startOf(keptEnds, mutation), keptEnds[mutation]!);
    const valueDropped = value.length === 0;
    return { status, value: valueDropped ? undefined : value, valueDropped, error };
  }
}

/** batch-record K1 */
function isNoAnswer({ code }: GridError): boolean {
  return code === 'IN_DOUBT' || wasNeverSealed(code);
}

/** The answers with the values of refusals alone, which no log knows; undefined where nothing was refused. */
function refusalsOf(answers: KeptAnswers): KeptAnswers | undefined {
  const { statuses, valueEnds, values } = answers;
  if (!statuses.includes(STATUS.REFUSED)) return undefined;
  const kept: Uint8Array[] = [];
  let bytes = 0;
  const keptEnds = Uint32Array.from(statuses, (status, index) => {
    if (status !== STATUS.REFUSED) return bytes;
    const value = values.subarray(startOf(valueEnds, index), valueEnds[index]!);
    kept.push(value);
    return (bytes += value.length);
  });
  return { ...answers, values: Buffer.concat(kept, bytes), keptEnds };
}

/** The first place of each number. */
function placesOf(numbers: ArrayLike<number>): Map<number, number> {
  const places = new Map<number, number>();
  for (let index = numbers.length - 1; index >= 0; index--) places.set(numbers[index]!, index);
  return places;
}

function startOf(ends: ArrayLike<number>, index: number): number {
  return index === 0 ? 0 : (ends[index - 1] ?? 0);
}
