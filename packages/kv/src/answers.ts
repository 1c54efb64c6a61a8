/**
 * The answers of one batch as they come about: most in the order of the operations, some later (a processor's result,
 * a mutation that waited). Values lie in one buffer in the order in which they came; a piece of the answers puts its own
 * in order if they are not already.
 *
 * answers N1  Values of reads that were sent give their memory to those that come: what a batch holds of long values is about
 *             a piece of them, in memory that the next batch uses again. Values of mutations stay: they are kept for whoever
 *             asks again.
 */
import { GridError } from '@ashlar/core';
import { copyBytes } from '@ashlar/serialization';
import { isMutation, type KvAnswers, type OperationErrors, STATUS } from '@ashlar/transport';
import type { KeptAnswer, KeptAnswers } from './batch-record.ts';

const NO_BYTES = new Uint8Array(0);
const NO_ERRORS: readonly GridError[] = [];
const FIRST_COUNT = 64;
const FIRST_BYTES = 8 << 10;
/** Distinct errors kept for one batch; beyond, errors of one code share the first of them. */
const ERRORS_MAX = 1024;
const KEPT_MAX = 32;
const KEPT_BYTES_MAX = 256 << 10;
/** Bytes of values that are worth a message of their own: with what else it has, it fits a buffer that is used again. */
const PIECE_BYTES = 64 << 10;

/** An error, and the operations that it befell. */
interface Failure {
  readonly operations: number[];
  readonly error: GridError;
  /** So many of them are known by operation. */
  looked: number;
}

/** Arrays of answers, used again for the next batch. */
class AnswerMemory {
  statuses = new Uint8Array(FIRST_COUNT);
  starts = new Uint32Array(FIRST_COUNT);
  ends = new Uint32Array(FIRST_COUNT);
  valueEnds = new Uint32Array(FIRST_COUNT);
  bytes = new Uint8Array(FIRST_BYTES);

  /** Room for `count` operations, all without a value and with status 0. */
  reset(count: number): void {
    if (count > this.statuses.length) {
      this.statuses = new Uint8Array(count);
      this.starts = new Uint32Array(count);
      this.ends = new Uint32Array(count);
      this.valueEnds = new Uint32Array(count);
      return;
    }
    this.statuses.fill(0, 0, count);
    this.starts.fill(0, 0, count);
    this.ends.fill(0, 0, count);
  }
}

/** Memory for answers of which at most some is kept: a batch that needs more makes its own. */
export class AnswerMemoryPool {
  readonly #kept: AnswerMemory[] = [];

  take(): AnswerMemory {
    return this.#kept.pop() ?? new AnswerMemory();
  }

  give(memory: AnswerMemory): void {
    if (this.#kept.length < KEPT_MAX && memory.bytes.length <= KEPT_BYTES_MAX) this.#kept.push(memory);
  }
}

/** All arrays that piece() and kept() answer may lie in the memory: they are good until release(). */
export class Answers {
  readonly statuses: Uint8Array;
  readonly #memory: AnswerMemory;
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;
  #length = 0;
  /** Values below it stay until the end. */
  #floor = 0;
  /** Value of `#length` at which isLong becomes true. */
  #longAt = PIECE_BYTES;
  /** The operation whose value was appended last: values are in order as long as it grows. */
  #lastWithValue = -1;
  #isOrdered = true;
  #versions: Float64Array | undefined;
  #expiresAtMs: Float64Array | undefined;
  readonly #errors = new Map<string, Failure>();
  /** Made when somebody asks for one. */
  #errorByOperation: Map<number, GridError> | undefined;

  constructor(count: number, memory: AnswerMemory) {
    memory.reset(count);
    this.#memory = memory;
    this.statuses = count === memory.statuses.length ? memory.statuses : memory.statuses.subarray(0, count);
    this.#starts = memory.starts;
    this.#ends = memory.ends;
  }

  /** Nobody looks at the answers any more. */
  release(pool: AnswerMemoryPool): void {
    pool.give(this.#memory);
  }

  /** Copies source[start, end) in as the operation's value. */
  value(operation: number, source: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (this.#length + size > this.#memory.bytes.length) this.#grow(this.#length + size);
    copyBytes(source, start, end, this.#memory.bytes, this.#length);
    this.#starts[operation] = this.#length;
    this.#length += size;
    this.#ends[operation] = this.#length;
    if (operation < this.#lastWithValue) this.#isOrdered = false;
    this.#lastWithValue = operation;
  }

  /** The values that were not sent are worth a message. */
  get isLong(): boolean {
    return this.#length >= this.#longAt;
  }

  /** They can't be sent yet: isLong is false until there are twice as many, so that asking again stays rare. */
  notSent(): void {
    this.#longAt = this.#length * 2;
  }

  /** The answers of operations [first, end) were sent, which are all that have a value (answers N1). */
  sent(first: number, end: number, opcodes: Uint8Array): void {
    let hasKept = false;
    for (let operation = first; operation < end && !hasKept; operation++) {
      hasKept = this.#ends[operation] !== this.#starts[operation] && isMutation(opcodes[operation]!);
    }
    if (hasKept) this.#floor = this.#length;
    else this.#length = this.#floor;
    this.#longAt = this.#length + PIECE_BYTES;
  }

  /** Version and deadline of the entry that GET_ENTRY read. */
  entry(operation: number, version: number, expiresAtMs: number): void {
    this.#versions ??= new Float64Array(this.statuses.length);
    this.#expiresAtMs ??= new Float64Array(this.statuses.length);
    this.#versions[operation] = version;
    this.#expiresAtMs[operation] = expiresAtMs;
  }

  /** Takes back the answer of an operation before it is sent: the operation is answered anew. */
  clear(operation: number): void {
    this.statuses[operation] = STATUS.FALSE;
    if (this.#versions !== undefined) this.#versions[operation] = 0;
    if (this.#expiresAtMs !== undefined) this.#expiresAtMs[operation] = 0;
    if (this.#ends[operation] === this.#starts[operation]) return;
    this.#ends[operation] = this.#starts[operation]!;
    this.#isOrdered = false;
  }

  /** The first error of an operation is the one that it is answered with, without a value. */
  fail(operation: number, cause: unknown): void {
    if (this.statuses[operation] === STATUS.FAILED) return;
    const error = GridError.wrap(cause);
    this.clear(operation);
    this.statuses[operation] = STATUS.FAILED;
    const key = this.#errors.size < ERRORS_MAX ? `${error.code} ${error.message}` : error.code;
    const known = this.#errors.get(key);
    if (known === undefined) this.#errors.set(key, { operations: [operation], error, looked: 0 });
    else known.operations.push(operation);
  }

  /** The first of the errors; undefined: no operation failed. */
  get firstError(): GridError | undefined {
    return this.#errors.size === 0 ? undefined : this.#errors.values().next().value?.error;
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

  get hasFailures(): boolean {
    return this.#errors.size > 0;
  }

  /** Each error and the operations that failed with it. */
  get failures(): Iterable<{ readonly operations: readonly number[]; readonly error: GridError }> {
    return this.#errors.values();
  }

  /** What the mutations were answered, for whoever asks again: copies. */
  kept(opcodes: Uint8Array): KeptAnswers {
    const mutations = mutationsOf(opcodes);
    const statuses = new Uint8Array(mutations.length);
    const valueEnds = new Uint32Array(mutations.length);
    let bytes = 0;
    for (let index = 0; index < mutations.length; index++) {
      const operation = mutations[index]!;
      statuses[index] = this.statuses[operation]!;
      bytes += this.#ends[operation]! - this.#starts[operation]!;
      valueEnds[index] = bytes;
    }
    return {
      statuses,
      valueEnds: bytes === 0 ? [] : valueEnds,
      values: bytes === 0 ? NO_BYTES : this.#gathered(mutations, bytes),
      errors: this.#errors.size === 0 ? NO_ERRORS : [...this.#errors.values()].map(({ error }) => error),
      errorOf: this.#errors.size === 0 ? NO_BYTES : this.#keptErrorOf(mutations),
    };
  }

  /** What one operation is answered, for whoever asks again: a copy. */
  keptOf(operation: number): KeptAnswer {
    const status = this.statuses[operation]!;
    const [start, end] = [this.#starts[operation]!, this.#ends[operation]!];
    const value = end > start ? this.#memory.bytes.slice(start, end) : undefined;
    return {
      status,
      value,
      valueDropped: false,
      error: status === STATUS.FAILED ? this.#errorOf(operation) : undefined,
    };
  }

  #errorOf(operation: number): GridError | undefined {
    this.#errorByOperation ??= new Map();
    for (const group of this.#errors.values()) {
      const { operations, error } = group;
      for (; group.looked < operations.length; group.looked++)
        this.#errorByOperation.set(operations[group.looked]!, error);
    }
    return this.#errorByOperation.get(operation);
  }

  /** errorOf[mutation], as KeptAnswers has it. */
  #keptErrorOf(mutations: Uint32Array): ArrayLike<number> {
    const byOperation = new Uint16Array(this.statuses.length);
    let index = 0;
    for (const { operations } of this.#errors.values()) {
      index++;
      for (const operation of operations) byOperation[operation] = index;
    }
    return Uint16Array.from(mutations, (operation) => byOperation[operation]!);
  }

  /** Values of [first, end) in their order; ends count from their beginning. */
  #valuesOf(first: number, end: number): { valueEnds: Uint32Array | undefined; values: Uint8Array } {
    if (this.#length === 0) return { valueEnds: undefined, values: NO_BYTES };
    const ends = this.#memory.valueEnds;
    let bytes = 0;
    for (let operation = first; operation < end; operation++) {
      bytes += this.#ends[operation]! - this.#starts[operation]!;
      ends[operation] = bytes;
    }
    if (bytes === 0) return { valueEnds: undefined, values: NO_BYTES };
    const values = this.#isOrdered ? this.#run(first, end) : this.#gathered(range(first, end), bytes);
    return { valueEnds: ends.subarray(first, end), values };
  }

  /** Where values lie in the order of their operations: a view. */
  #run(first: number, end: number): Uint8Array {
    let start = first;
    while (this.#ends[start] === this.#starts[start]) start++;
    let last = end - 1;
    while (this.#ends[last] === this.#starts[last]) last--;
    return this.#memory.bytes.subarray(this.#starts[start]!, this.#ends[last]!);
  }

  /** The values of `operations`, one after the other. */
  #gathered(operations: Uint32Array, bytes: number): Uint8Array {
    const values = new Uint8Array(bytes);
    let at = 0;
    for (const operation of operations) {
      const start = this.#starts[operation]!;
      const stop = this.#ends[operation]!;
      if (stop === start) continue;
      copyBytes(this.#memory.bytes, start, stop, values, at);
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
    const memory = this.#memory;
    const grown = new Uint8Array(Math.max(wanted, memory.bytes.length * 2));
    grown.set(memory.bytes.subarray(0, this.#length));
    memory.bytes = grown;
  }
}

/** The operations that are mutations. */
export function mutationsOf(opcodes: Uint8Array): Uint32Array {
  const mutations = new Uint32Array(opcodes.length);
  let count = 0;
  for (let operation = 0; operation < opcodes.length; operation++) {
    mutations[count] = operation;
    if (isMutation(opcodes[operation]!)) count++;
  }
  return count === opcodes.length ? mutations : mutations.subarray(0, count);
}

/** first .. end - 1 */
function range(first: number, end: number): Uint32Array {
  const operations = new Uint32Array(end - first);
  for (let index = 0; index < operations.length; index++) operations[index] = first + index;
  return operations;
}

/** What every message of answers says. */
export interface AnswerHeader {
  readonly batchId: number;
  readonly highestVersion: number;
  readonly tableVersion: number;
  /** Undefined: the caller named the maps that it got. */
  readonly mapIds: Uint32Array | undefined;
}
