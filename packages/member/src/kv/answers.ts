/**
 * The answers of one batch as they come about: most in the order of the operations, some later (a processor's result,
 * a mutation that waited). Values lie in one buffer in the order in which they came; a piece of the answers puts its own
 * in order if they are not already.
 */
import { GridError } from '@ashlar/core';
import { type KvAnswers, type OperationErrors, STATUS } from '@ashlar/transport';
import type { KeptAnswers } from './sessions.ts';

/** Room that is made for values at first. */
const BYTES_A_VALUE = 128;
const FIRST_VALUES = 512;
const NO_BYTES = new Uint8Array(0);

export class Answers {
  readonly statuses: Uint8Array;
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;
  #bytes: Uint8Array = NO_BYTES;
  #length = 0;
  /** The operation whose value was appended last: values are in order as long as it grows. */
  #lastWithValue = -1;
  #isOrdered = true;
  #versions: Float64Array | undefined;
  #expiresAtMs: Float64Array | undefined;
  readonly #errors = new Map<string, { operations: number[]; error: GridError }>();

  constructor(count: number) {
    this.statuses = new Uint8Array(count);
    this.#starts = new Uint32Array(count);
    this.#ends = new Uint32Array(count);
  }

  /** Copies source[start, end) in as the operation's value. */
  value(operation: number, source: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (this.#length + size > this.#bytes.length) this.#grow(this.#length + size);
    this.#bytes.set(source.subarray(start, end), this.#length);
    this.#starts[operation] = this.#length;
    this.#length += size;
    this.#ends[operation] = this.#length;
    if (operation < this.#lastWithValue) this.#isOrdered = false;
    this.#lastWithValue = operation;
  }

  /** Version and deadline of the entry that GET_ENTRY read. */
  entry(operation: number, version: number, expiresAtMs: number): void {
    this.#versions ??= new Float64Array(this.statuses.length);
    this.#expiresAtMs ??= new Float64Array(this.statuses.length);
    this.#versions[operation] = version;
    this.#expiresAtMs[operation] = expiresAtMs;
  }

  fail(operation: number, cause: unknown): void {
    const error = GridError.wrap(cause);
    this.statuses[operation] = STATUS.FAILED;
    const key = `${error.code} ${error.message}`;
    const known = this.#errors.get(key);
    if (known === undefined) this.#errors.set(key, { operations: [operation], error });
    else known.operations.push(operation);
  }

  /** Operations [first, end) as they go onto the wire. The arrays are the caller's. */
  piece(first: number, end: number, header: AnswerHeader): KvAnswers {
    return {
      ...header,
      firstOperation: first,
      statuses: this.statuses.subarray(first, end),
      ...this.#valuesOf(first, end),
      versions: this.#versions?.subarray(first, end),
      expiresAtMs: this.#expiresAtMs?.subarray(first, end),
      errors: this.#errors.size === 0 ? [] : this.#errorsOf(first, end),
    };
  }

  /** Each error and the operations that it befell. */
  get failures(): Iterable<{ readonly operations: readonly number[]; readonly error: GridError }> {
    return this.#errors.values();
  }

  /** Everything, for whoever asks again. */
  kept(): KeptAnswers {
    const { valueEnds = [], values } = this.#valuesOf(0, this.statuses.length);
    return { statuses: this.statuses, valueEnds, values, errors: [...this.#errors.values()] };
  }

  /** Values of [first, end) in their order; ends count from their beginning. */
  #valuesOf(first: number, end: number): { valueEnds: Uint32Array | undefined; values: Uint8Array } {
    if (this.#length === 0) return { valueEnds: undefined, values: NO_BYTES };
    const ends = new Uint32Array(end - first);
    let bytes = 0;
    for (let operation = first; operation < end; operation++) {
      bytes += this.#ends[operation]! - this.#starts[operation]!;
      ends[operation - first] = bytes;
    }
    if (bytes === 0) return { valueEnds: undefined, values: NO_BYTES };
    return { valueEnds: ends, values: this.#isOrdered ? this.#run(first, end) : this.#gathered(first, end, bytes) };
  }

  /** Where values lie in the order of their operations: a view. */
  #run(first: number, end: number): Uint8Array {
    let start = first;
    while (this.#ends[start] === this.#starts[start]) start++;
    let last = end - 1;
    while (this.#ends[last] === this.#starts[last]) last--;
    return this.#bytes.subarray(this.#starts[start]!, this.#ends[last]!);
  }

  #gathered(first: number, end: number, bytes: number): Uint8Array {
    const values = new Uint8Array(bytes);
    let at = 0;
    for (let operation = first; operation < end; operation++) {
      const start = this.#starts[operation]!;
      const stop = this.#ends[operation]!;
      if (stop === start) continue;
      values.set(this.#bytes.subarray(start, stop), at);
      at += stop - start;
    }
    return values;
  }

  #errorsOf(first: number, end: number): OperationErrors[] {
    const errors: OperationErrors[] = [];
    for (const { operations, error } of this.#errors.values()) {
      const inside = operations.filter((operation) => operation >= first && operation < end);
      if (inside.length === 0) continue;
      errors.push({ operations: Uint32Array.from(inside, (operation) => operation - first), error: error.toWire() });
    }
    return errors;
  }

  #grow(wanted: number): void {
    const grown = new Uint8Array(
      Math.max(wanted, this.#bytes.length * 2, Math.min(this.statuses.length, FIRST_VALUES) * BYTES_A_VALUE),
    );
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** What every message of answers says. */
export interface AnswerHeader {
  readonly batchId: number;
  readonly highestVersion: number;
  readonly tableVersion: number;
}
