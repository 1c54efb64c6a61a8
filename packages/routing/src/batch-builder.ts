/**
 * A batch in the making: operations for one member, column by column, in memory that is used again after each batch.
 *
 *   writeValue (may be refused, nothing has happened) -> writeKey -> add: opcode, partition ... -> seal() -> one message
 *
 * batch-builder B1  A refused value leaves the builder as it was.
 * batch-builder B2  The sealed message is a copy: the builder may be filled again at once.
 */
import { assert, type TraceContext } from '@ashlar/core';
import { ValueWriter } from '@ashlar/serialization';
import {
  encodeBatch,
  isMutation,
  type KvBatch,
  type MapReference,
  type ProcessorReference,
  takeMessage,
} from '@ashlar/transport';
import type { CallTarget } from './call-target.ts';
import type { MapHandle } from './map-handle.ts';
import type { DetachedOperation } from './sealed-batch.ts';

/** A batch with that many operations, or that many bytes, is sent without waiting for the end of the turn. */
export const BATCH_OPERATIONS_MAX = 1024;
export const BATCH_BYTES_MAX = 512 << 10;
const FIRST_CAPACITY = 16;
const FIRST_KEY_BYTES = 1024;
/** What one operation takes besides key and value: opcode, indexes, ends. */
const OPERATION_BYTES = 1 + 5 * 4;
/** What one extra takes: operation and value. */
const SPARSE_BYTES = 12;
const HEADER_BYTES_MAX = 4096;
const UNTRACED: Pick<KvBatch, 'traces' | 'traceIndexes'> = { traces: [], traceIndexes: undefined };
const DEADLINES_ALIKE_MS = 100;
const NO_VALUE = Symbol('no value');

const NO_INDEXES = new Uint32Array(0);
const NO_NUMBERS = new Float64Array(0);
/** The positions where each operation is its target's only one. Never written to. */
const ALL_ZERO = new Uint32Array(BATCH_OPERATIONS_MAX);

/** For operations without a value. */
export const NOTHING: unknown = NO_VALUE;

/** What an operation may carry besides key and value. */
export interface OperationExtras {
  /** A number of core's time-to-live.ts. */
  readonly ttlMs?: number | undefined;
  readonly ifVersion?: number | undefined;
  readonly processor?: ProcessorReference | undefined;
}

/** The part of a batch that is known only when it is sent. */
export interface BatchHeader {
  readonly batchId: number;
  readonly session: number;
  readonly firstRequest: number;
  readonly lowestUnanswered: number;
  readonly sessionVersion: number;
  readonly deadlineMs: number;
  readonly tableVersion: number;
  readonly catalogVersion: number;
  readonly resent: boolean;
  readonly firstVersion: number;
}

export class BatchBuilder {
  readonly atomic: boolean;
  readonly consistency: number;
  count = 0;
  mutations = 0;
  minDeadlineMs = Number.POSITIVE_INFINITY;
  #maxDeadlineMs = 0;
  targets: CallTarget[] = [];
  positions = ALL_ZERO;
  maps: MapHandle[] = [];
  /** By map index: the id of the map that what is sent again was meant for. */
  #pinned: (number | undefined)[] = [];
  processors: ProcessorReference[] = [];
  readonly #values: ValueWriter;
  #hasValues = false;
  /** An operation belongs to a trace. */
  #isTraced = false;
  #opcodes = new Uint8Array(FIRST_CAPACITY);
  #partitions = new Uint32Array(FIRST_CAPACITY);
  #mapIndexes = new Uint32Array(FIRST_CAPACITY);
  #keyEnds = new Uint32Array(FIRST_CAPACITY);
  #valueEnds = new Uint32Array(FIRST_CAPACITY);
  #keys = new Uint8Array(FIRST_KEY_BYTES);
  #keyBytes = 0;
  readonly #ttlOperations: number[] = [];
  readonly #ttlMs: number[] = [];
  readonly #ifVersionOperations: number[] = [];
  readonly #ifVersions: number[] = [];
  readonly #processorOperations: number[] = [];
  readonly #processorIndexes: number[] = [];
  readonly #requestNumbers: number[] = [];
  #rawValues: Uint8Array[] = [];
  #rawValueBytes = 0;

  constructor(options: { readonly valueBytesMax: number; readonly atomic?: boolean; readonly consistency?: number }) {
    this.#values = new ValueWriter(options.valueBytesMax);
    this.atomic = options.atomic ?? false;
    this.consistency = options.consistency ?? 0;
  }

  /** Bytes of keys and values so far. */
  get bytes(): number {
    return this.#keyBytes + this.#values.end + this.#rawValueBytes;
  }

  /**
   * First step of an operation, where it has a value. A getter of the value may run: nothing else is added meanwhile.
   *
   * @param value  NOTHING for kinds without one
   * @throws GridError INVALID_VALUE, VALUE_TOO_LARGE: nothing was added
   */
  writeValue(value: unknown): void {
    if (value === NO_VALUE) return;
    this.#values.write(value);
    this.#hasValues = true;
  }

  /** Second step: the key, keys[start, end). */
  writeKey(keys: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (this.#keyBytes + length > this.#keys.length) {
      const grown = new Uint8Array(Math.max(this.#keys.length * 2, this.#keyBytes + length));
      grown.set(this.#keys.subarray(0, this.#keyBytes));
      this.#keys = grown;
    }
    // Most keys are short: a loop is faster than a view and a copy.
    const target = this.#keys;
    const base = this.#keyBytes - start;
    for (let at = start; at < end; at++) target[base + at] = keys[at]!;
    this.#keyBytes += length;
  }

  /** Last step: the operation with the value and the key that were just written. */
  add(
    opcode: number,
    map: MapHandle,
    partition: number,
    extras: OperationExtras | undefined,
    target: CallTarget,
    position: number,
  ): void {
    this.#append(opcode, this.#mapIndex(map), partition, extras, target, position);
  }

  /** Most bytes that the message will have, where it is for one map and one target. */
  get wireBytes(): number {
    const sparse = (this.#ttlMs.length + this.#ifVersions.length + this.#processorIndexes.length) * SPARSE_BYTES;
    return this.bytes + this.count * OPERATION_BYTES + sparse + HEADER_BYTES_MAX;
  }

  /**
   * First step of an operation whose value is encoded already; for the rare cases (sent again, sent elsewhere). Only before
   * those with values to encode.
   */
  writeEncoded(value: Uint8Array): void {
    assert(this.#values.end === 0, 'encoded values come first');
    this.#rawValues.push(value);
    this.#rawValueBytes += value.length;
    if (value.length > 0) this.#hasValues = true;
  }

  /** Last step for an operation that was sent before: under its number, for the map that it was meant for. */
  addAgain(operation: DetachedOperation, partition: number): void {
    const { opcode, map, mapId, ttlMs, ifVersion, processor, target, position, request } = operation;
    if (request !== undefined) {
      while (this.#requestNumbers.length < this.count) this.#requestNumbers.push(0);
      this.#requestNumbers.push(request.number);
    }
    const mapIndex = mapId === undefined ? this.#mapIndex(map) : this.#pinnedIndex(map, mapId);
    this.#append(opcode, mapIndex, partition, { ttlMs, ifVersion, processor }, target, position);
  }

  #append(
    opcode: number,
    mapIndex: number,
    partition: number,
    extras: OperationExtras | undefined,
    target: CallTarget,
    position: number,
  ): void {
    const index = this.count;
    if (index === this.#opcodes.length) this.#grow();
    this.#opcodes[index] = opcode;
    this.#partitions[index] = partition;
    this.#mapIndexes[index] = mapIndex;
    this.#keyEnds[index] = this.#keyBytes;
    this.#valueEnds[index] = this.#values.end + this.#rawValueBytes;
    this.targets.push(target);
    if (position !== 0 || index >= ALL_ZERO.length) this.#notePosition(index, position);
    if (extras !== undefined) this.#appendExtras(index, extras);
    if (target.deadlineMs < this.minDeadlineMs) this.minDeadlineMs = target.deadlineMs;
    if (target.deadlineMs > this.#maxDeadlineMs) this.#maxDeadlineMs = target.deadlineMs;
    if (isMutation(opcode)) this.mutations++;
    if (target.trace !== undefined) this.#isTraced = true;
    this.count = index + 1;
  }

  /** Single calls all have position 0 and share an array of zeros. */
  #notePosition(index: number, position: number): void {
    if (this.positions === ALL_ZERO) this.positions = new Uint32Array(Math.max(this.#opcodes.length, FIRST_CAPACITY));
    this.positions[index] = position;
  }

  #mapIndex(map: MapHandle): number {
    if (this.maps[0] === map && this.#pinned.length === 0) return 0;
    const index = this.#pinned.length === 0 ? this.maps.indexOf(map) : this.#indexOf(map, undefined);
    return index < 0 ? this.maps.push(map) - 1 : index;
  }

  #pinnedIndex(map: MapHandle, mapId: number): number {
    const index = this.#indexOf(map, mapId);
    if (index >= 0) return index;
    this.#pinned[this.maps.length] = mapId;
    return this.maps.push(map) - 1;
  }

  #indexOf(map: MapHandle, mapId: number | undefined): number {
    return this.maps.findIndex((known, at) => known === map && this.#pinned[at] === mapId);
  }

  /** As the message names them. */
  #references(): readonly MapReference[] {
    if (this.#pinned.length === 0) return this.maps;
    return this.maps.map((map, index) => {
      const mapId = this.#pinned[index];
      return mapId === undefined ? map : { ...map, mapId, newerThan: 0 };
    });
  }

  #appendExtras(index: number, { ttlMs, ifVersion, processor }: OperationExtras): void {
    if (ttlMs !== undefined) {
      this.#ttlOperations.push(index);
      this.#ttlMs.push(ttlMs);
    }
    if (ifVersion !== undefined) {
      this.#ifVersionOperations.push(index);
      this.#ifVersions.push(ifVersion);
    }
    if (processor !== undefined) {
      this.#processorOperations.push(index);
      this.#processorIndexes.push(this.#processorIndex(processor));
    }
  }

  #processorIndex(processor: ProcessorReference): number {
    const { module, exportName } = processor;
    const index = this.processors.findIndex((known) => known.module === module && known.exportName === exportName);
    return index < 0 ? this.processors.push(processor) - 1 : index;
  }

  #grow(): void {
    const capacity = this.#opcodes.length * 2;
    const grown = (column: Uint32Array): Uint32Array<ArrayBuffer> => {
      const larger = new Uint32Array(capacity);
      larger.set(column);
      return larger;
    };
    const opcodes = new Uint8Array(capacity);
    opcodes.set(this.#opcodes);
    this.#opcodes = opcodes;
    this.#partitions = grown(this.#partitions);
    this.#mapIndexes = grown(this.#mapIndexes);
    this.#keyEnds = grown(this.#keyEnds);
    this.#valueEnds = grown(this.#valueEnds);
    if (this.positions !== ALL_ZERO) this.positions = grown(this.positions);
  }

  /** A copy of the opcodes. */
  get opcodes(): Uint8Array {
    return this.#opcodes.slice(0, this.count);
  }

  /** The message (batch-builder B2). */
  seal(header: BatchHeader): Buffer {
    const batch: KvBatch = {
      ...header,
      consistency: this.consistency,
      atomic: this.atomic,
      maps: this.#references(),
      processors: this.processors,
      count: this.count,
      opcodes: this.#opcodes,
      mapIndexes: this.maps.length > 1 ? this.#mapIndexes : undefined,
      partitions: this.#partitions,
      keyEnds: this.#keyEnds,
      keys: this.#keys,
      valueEnds: this.#hasValues ? this.#valueEnds : undefined,
      values: this.#allValues(),
      ttlOperations: indexesOf(this.#ttlOperations),
      ttlMs: numbersOf(this.#ttlMs),
      ifVersionOperations: indexesOf(this.#ifVersionOperations),
      ifVersions: numbersOf(this.#ifVersions),
      processorOperations: indexesOf(this.#processorOperations),
      processorIndexes: indexesOf(this.#processorIndexes),
      requestOffsets: this.#requestOffsets(header.firstRequest),
      ...this.#traces(),
      deadlineExtras: this.#deadlineExtras(),
    };
    return encodeBatch(batch, takeMessage);
  }

  /** Where callers have given themselves about the same time, that of the first counts for all. */
  #deadlineExtras(): Uint32Array | undefined {
    const first = this.minDeadlineMs;
    if (!(this.#maxDeadlineMs - first > DEADLINES_ALIKE_MS)) return undefined;
    return Uint32Array.from(this.targets, ({ deadlineMs }) => Math.min(0xffff_ffff, deadlineMs - first));
  }

  /** The bytes of all values; what lies behind the last value's end is not part of them. */
  #allValues(): Uint8Array {
    const { bytes, end } = this.#values;
    return this.#rawValueBytes === 0 ? bytes : Buffer.concat([...this.#rawValues, bytes.subarray(0, end)]);
  }

  /**
   * Hands all operations over to other builders, chosen by partition. This one must not be used again: its memory goes
   * with them.
   */
  moveTo(builderOf: (partition: number) => BatchBuilder, extras: OperationExtras | undefined): void {
    const values = this.#allValues();
    for (let index = 0; index < this.count; index++) {
      const partition = this.#partitions[index]!;
      const builder = builderOf(partition);
      const valueStart = index === 0 ? 0 : this.#valueEnds[index - 1]!;
      builder.writeEncoded(values.subarray(valueStart, this.#valueEnds[index]!));
      builder.writeKey(this.#keys, index === 0 ? 0 : this.#keyEnds[index - 1]!, this.#keyEnds[index]!);
      const map = this.maps[this.#mapIndexes[index]!]!;
      builder.add(this.#opcodes[index]!, map, partition, extras, this.targets[index]!, this.positions[index]!);
    }
  }

  /** The lowest request number of those that were sent before. */
  get firstRequestNumber(): number {
    return Math.min(...this.#requestNumbers.filter((number) => number > 0), Number.MAX_SAFE_INTEGER);
  }

  #requestOffsets(first: number): Uint32Array | undefined {
    if (this.#requestNumbers.length === 0) return undefined;
    while (this.#requestNumbers.length < this.count) this.#requestNumbers.push(0);
    return Uint32Array.from(this.#requestNumbers, (number) => (number === 0 ? 0 : number - first));
  }

  /** The distinct traces of the operations, and a column of them where there are several. */
  #traces(): Pick<KvBatch, 'traces' | 'traceIndexes'> {
    if (!this.#isTraced) return UNTRACED;
    const traces: TraceContext[] = [];
    const known = new Map<TraceContext | undefined, number>([[undefined, 0]]);
    const traceIndexes = Uint32Array.from(this.targets, ({ trace }) => {
      let index = known.get(trace);
      if (index === undefined) known.set(trace, (index = traces.push(trace!)));
      return index;
    });
    const isOne = traces.length === 1 && !traceIndexes.includes(0);
    return { traces, traceIndexes: isOne ? undefined : traceIndexes };
  }

  /** Empties it for the next batch. */
  reset(): void {
    this.count = 0;
    this.mutations = 0;
    this.minDeadlineMs = Number.POSITIVE_INFINITY;
    this.#maxDeadlineMs = 0;
    this.targets = [];
    this.positions = ALL_ZERO;
    this.maps = [];
    this.#pinned = [];
    this.processors = [];
    this.#values.reset();
    this.#hasValues = false;
    this.#isTraced = false;
    this.#keyBytes = 0;
    this.#rawValues = [];
    this.#rawValueBytes = 0;
    for (const sparse of [
      this.#ttlOperations,
      this.#ttlMs,
      this.#ifVersionOperations,
      this.#ifVersions,
      this.#processorOperations,
      this.#processorIndexes,
      this.#requestNumbers,
    ]) {
      sparse.length = 0;
    }
  }
}

function indexesOf(indexes: readonly number[]): Uint32Array {
  return indexes.length === 0 ? NO_INDEXES : Uint32Array.from(indexes);
}

function numbersOf(numbers: readonly number[]): Float64Array {
  return numbers.length === 0 ? NO_NUMBERS : Float64Array.from(numbers);
}
