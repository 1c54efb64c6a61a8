/**
 * The answers of one batch as they come about: most in the order of the operations, some later (a processor's result,
 * a mutation that waited). Values lie in one buffer; they are put in order once, at the end, if they are not already.
 */
import { GridError, type WireError } from '@ashlar/core';
import { type KvAnswers, type OperationErrors, STATUS } from '@ashlar/transport';

const FIRST_BYTES = 4096;
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

  /** Everything, as it goes onto the wire. The arrays are the caller's. */
  finish(
    batchId: number,
    highestVersion: number,
    tableVersion: number,
  ): KvAnswers & { readonly failures: readonly Failure[] } {
    const failures = [...this.#errors.values()];
    return {
      batchId,
      highestVersion,
      tableVersion,
      statuses: this.statuses,
      ...this.#ordered(),
      versions: this.#versions,
      expiresAtMs: this.#expiresAtMs,
      errors: failures.map(wireErrors),
      failures,
    };
  }

  #ordered(): { valueEnds: Uint32Array | undefined; values: Uint8Array } {
    if (this.#length === 0) return { valueEnds: undefined, values: NO_BYTES };
    const ends = new Uint32Array(this.statuses.length);
    const values = this.#isOrdered ? this.#bytes.subarray(0, this.#length) : new Uint8Array(this.#length);
    let at = 0;
    for (let operation = 0; operation < ends.length; operation++) {
      const start = this.#starts[operation]!;
      const end = this.#ends[operation]!;
      if (!this.#isOrdered && end > start) values.set(this.#bytes.subarray(start, end), at);
      at += end - start;
      ends[operation] = at;
    }
    return { valueEnds: ends, values };
  }

  #grow(wanted: number): void {
    const grown = new Uint8Array(Math.max(wanted, this.#bytes.length * 2, FIRST_BYTES));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

export interface Failure {
  readonly operations: readonly number[];
  readonly error: GridError;
}

function wireErrors({ operations, error }: Failure): OperationErrors {
  const wire: WireError = error.toWire();
  return { operations: Uint32Array.from(operations), error: wire };
}
