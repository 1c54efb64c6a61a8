/**
 * A batch as a message, on its way or waiting for its way, and what it takes apart into when its way breaks.
 *
 * Only batches that failed (a broken link, another owner) are taken apart; that path is slow, and objects stand for
 * operations on it.
 */
import type { WireError } from '@ashlar/core';
import { decodeBatch, isMutation, type ProcessorReference, withDeadline } from '@ashlar/transport';
import type { BatchBuilder } from './batch-builder.ts';
import type { CallTarget } from './call-target.ts';
import type { Gathering } from './gathering.ts';
import type { MapHandle } from './map-handle.ts';
import type { NumberRange, RequestNumbers } from './request-numbers.ts';

/** The number a mutation was sent under and must be sent again under. */
export interface Request {
  readonly range: NumberRange;
  readonly number: number;
}

/** An operation outside of a batch. */
export interface DetachedOperation {
  readonly opcode: number;
  readonly map: MapHandle;
  /** What was sent before is sent again for the same map; undefined: for the one that has the name. */
  readonly mapId: number | undefined;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly ttlMs: number | undefined;
  readonly ifVersion: number | undefined;
  readonly processor: ProcessorReference | undefined;
  readonly consistency: number;
  readonly atomic: boolean;
  readonly target: CallTarget;
  readonly position: number;
  /** Undefined: it was not sent, or not applied for sure. */
  readonly request: Request | undefined;
}

/** What a batch is sealed with. */
export interface SealContext {
  readonly numbers: RequestNumbers;
  readonly sessionVersion: number;
  readonly tableVersion: number;
  readonly catalogVersion: number;
  readonly nowMs: number;
}

const WAITED_LONG_MS = 50;

let nextBatchId = 1;

function newBatchId(): number {
  nextBatchId = nextBatchId >= 0xffff_ffff ? 1 : nextBatchId + 1;
  return nextBatchId;
}

export class SealedBatch {
  readonly batchId: number;
  readonly message: Buffer;
  readonly count: number;
  readonly opcodes: Uint8Array;
  readonly targets: readonly CallTarget[];
  readonly positions: Uint32Array;
  readonly session: number;
  /** Whether it was given to a stream: then its mutations may have been applied. */
  wasSent = false;
  /** Whether all of it is answered, or was refused. */
  isOver = false;
  /** Whether any of its operations failed, or went to another member: its bytes may be read for longer. */
  hadFailures = false;
  /** Where its operations gathered, which counts what is owed; undefined: it was made elsewhere. */
  gathering: Gathering | undefined;
  minDeadlineMs: number;
  readonly #deadlineMs: number;
  readonly #sealedMs: number;
  answeredCount = 0;
  readonly #maps: readonly MapHandle[];
  readonly #processors: readonly ProcessorReference[];
  readonly #consistency: number;
  readonly #atomic: boolean;
  /** The request numbers of a first sending; undefined: the batch is sent again. */
  readonly #range: NumberRange | undefined;
  /** Numbers of the range that this batch answers for: not those of operations that went on in doubt. */
  #ownNumbers: number;
  /** The requests of a batch that is sent again, by operation; undefined: it is sent for the first time. */
  readonly #requests: readonly Request[] | undefined;
  /** Operations of a batch that is sent again whose numbers were given back. */
  #settled: Set<number> | undefined;
  /** Operations of a batch that is sent again which were certainly not applied, now as then. */
  #refused: Set<number> | undefined;
  /** 1 for operations answered, once answers came in pieces. */
  #answered: Uint8Array | undefined;
  /** 1 for operations that are asked of another member by now: what this one says of them is passed over. */
  #moved: Uint8Array | undefined;

  /**
   * Seals `builder` and empties it.
   *
   * @param requests  by operation, when all of it is sent again
   */
  constructor(builder: BatchBuilder, context: SealContext, requests?: readonly Request[]) {
    this.batchId = newBatchId();
    this.count = builder.count;
    this.opcodes = builder.opcodes;
    this.targets = builder.targets;
    this.positions = builder.positions;
    this.minDeadlineMs = builder.minDeadlineMs;
    this.#maps = builder.maps;
    this.#processors = builder.processors;
    this.#consistency = builder.consistency;
    this.#atomic = builder.atomic;
    this.#requests = requests;
    this.#range = requests === undefined ? context.numbers.take(builder.mutations, context.sessionVersion) : undefined;
    this.#ownNumbers = builder.mutations;
    this.session = builder.mutations === 0 ? 0 : (requests?.[0]?.range.session ?? context.numbers.session);
    this.#sealedMs = context.nowMs;
    this.#deadlineMs = deadlineFor(builder.minDeadlineMs, context.nowMs);
    this.message = builder.seal({
      batchId: this.batchId,
      session: this.session,
      firstRequest: this.#range?.first ?? builder.firstRequestNumber,
      lowestUnanswered: this.session === context.numbers.session ? context.numbers.lowest : 0,
      sessionVersion: context.sessionVersion,
      deadlineMs: this.#deadlineMs,
      tableVersion: context.tableVersion,
      catalogVersion: context.catalogVersion,
      resent: requests !== undefined,
      firstVersion: requests === undefined ? 0 : Math.min(...requests.map(({ range }) => range.version)),
    });
    builder.reset();
  }

  /** The message to send now: where it has waited long, its callers have less time left than when it was sealed. */
  messageAt(nowMs: number): Buffer {
    const waitedMs = nowMs - this.#sealedMs;
    if (this.#deadlineMs === 0 || waitedMs < WAITED_LONG_MS) return this.message;
    return withDeadline(this.message, Math.max(1, Math.ceil(this.#deadlineMs - waitedMs)));
  }

  get wasResent(): boolean {
    return this.#requests !== undefined;
  }

  isMutation(operation: number): boolean {
    return isMutation(this.opcodes[operation]!);
  }

  /** Notes that operations [first, first + count) are answered; true when all are. */
  noteAnswered(first: number, count: number): boolean {
    this.answeredCount += count;
    if (this.answeredCount >= this.count) return true;
    this.#answered ??= new Uint8Array(this.count);
    this.#answered.fill(1, first, first + count);
    return false;
  }

  /** Whether any of operations [first, first + count) was answered in an earlier piece. */
  wasAnswered(first: number, count: number): boolean {
    return this.#answered?.subarray(first, first + count).includes(1) === true;
  }

  isAnswered(operation: number): boolean {
    return this.#answered?.[operation] === 1;
  }

  /** Whether it went to another member (takeMoved). */
  hasMoved(operation: number): boolean {
    return this.#moved?.[operation] === 1;
  }

  /** Of operations [first, first + count), how many went to another member. */
  movedOf(first: number, count: number): number {
    return this.#moved?.subarray(first, first + count).reduce((sum, flag) => sum + flag, 0) ?? 0;
  }

  /** Whether its answer is to come in this batch. */
  isAwaited(operation: number): boolean {
    return !(this.isAnswered(operation) || this.hasMoved(operation));
  }

  /** By operation. */
  get partitions(): Uint32Array {
    return decodeBatch(this.message).partitions;
  }

  /** Whether any operation is for such a partition. */
  concerns(isMeant: (partition: number) => boolean): boolean {
    return this.partitions.some(isMeant);
  }

  /**
   * Takes out what is unanswered for partitions that are another member's by now. What may have been applied keeps its number.
   *
   * @returns what somebody still waits for
   */
  takeMoved(isMoved: (partition: number) => boolean): DetachedOperation[] {
    const { partitions } = this;
    const leaves = (operation: number): boolean => isMoved(partitions[operation]!) && this.isAwaited(operation);
    const loose = this.takeApart((operation) => leaves(operation) && !this.targets[operation]!.done, always);
    const moved = this.#moved ?? new Uint8Array(this.count);
    for (let operation = 0; operation < this.count; operation++) {
      if (!leaves(operation)) continue;
      if (this.targets[operation]!.done) this.settle(operation);
      moved[operation] = 1;
    }
    this.#moved = moved;
    this.hadFailures = true;
    return loose;
  }

  /** Whether nothing of it is left to be answered. */
  get isEmpty(): boolean {
    for (let operation = 0; operation < this.count; operation++) {
      if (this.isAwaited(operation)) return false;
    }
    return true;
  }

  /** Operation `operation` is over for good: the number it was sent under before, if any, is given back, once. */
  settle(operation: number): void {
    const request = this.#requests?.[operation];
    if (request === undefined) return;
    this.#settled ??= new Set();
    if (this.#settled.has(operation)) return;
    this.#settled.add(operation);
    request.range.left--;
  }

  /** The whole batch is over: what goes on of a first sending does so under new numbers, or was taken out in doubt. */
  settleAll(): void {
    if (this.#range !== undefined) this.#range.left -= this.#ownNumbers;
    this.#ownNumbers = 0;
  }

  /** From now on only `kept`, mutations that were taken out of this batch, may be sent again. */
  keepOnly(kept: readonly DetachedOperation[]): void {
    if (this.#range !== undefined) {
      this.settleAll();
      return;
    }
    const numbers = new Set(kept.map(({ request }) => request?.number));
    this.#requests?.forEach((request, operation) => {
      if (this.isAnswered(operation) || this.hasMoved(operation) || numbers.has(request.number)) return;
      this.settle(operation);
    });
  }

  /**
   * The operations for which `wanted` says so, outside of the batch.
   *
   * @param isInDoubt  it may have been applied: a mutation keeps its number, and answers for it from here on
   */
  takeApart(
    wanted: (operation: number) => boolean,
    isInDoubt: (operation: number) => boolean = neverInDoubt,
  ): DetachedOperation[] {
    const batch = decodeBatch(this.message);
    const loose: DetachedOperation[] = [];
    let mutation = 0;
    for (let operation = 0; operation < this.count; operation++) {
      const number = (this.#range?.first ?? 0) + mutation;
      if (this.isMutation(operation)) mutation++;
      if (!wanted(operation)) continue;
      const start = operation === 0 ? 0 : batch.keyEnds[operation - 1]!;
      const valueStart = operation === 0 ? 0 : (batch.valueEnds?.[operation - 1] ?? 0);
      const mapIndex = batch.mapIndexes?.[operation] ?? 0;
      const request = this.#requestOf(operation, number, isInDoubt);
      loose.push({
        opcode: this.opcodes[operation]!,
        map: this.#maps[mapIndex]!,
        mapId: request === undefined ? undefined : batch.maps[mapIndex]!.mapId || undefined,
        key: batch.keys.subarray(start, batch.keyEnds[operation]!),
        value: batch.values.subarray(valueStart, batch.valueEnds?.[operation] ?? 0),
        ttlMs: sparse(batch.ttlOperations, batch.ttlMs, operation),
        ifVersion: sparse(batch.ifVersionOperations, batch.ifVersions, operation),
        processor: this.#processors[sparse(batch.processorOperations, batch.processorIndexes, operation) ?? -1],
        consistency: this.#consistency,
        atomic: this.#atomic,
        target: this.targets[operation]!,
        position: this.positions[operation]!,
        request,
      });
    }
    return loose;
  }

  #requestOf(operation: number, number: number, isInDoubt: (operation: number) => boolean): Request | undefined {
    if (this.#refused?.has(operation) === true) return undefined;
    if (this.#requests !== undefined) return this.#requests[operation];
    if (this.#range === undefined || !this.isMutation(operation) || !isInDoubt(operation)) return undefined;
    this.#ownNumbers--;
    return { range: this.#range, number };
  }

  /**
   * A map of the batch has other affinity parts than we thought.
   *
   * @param details  of the MAP_CONFLICT: `map` and `affinityParts`
   * @returns whether routing `operation` anew will help: its map was learnt, or another map of the batch was to blame
   */
  learnAffinity(operation: number, details: WireError['details']): boolean {
    const map = this.#maps[decodeBatch(this.message).mapIndexes?.[operation] ?? 0]!;
    const { map: blamed, affinityParts } = details ?? {};
    if (typeof blamed === 'string' && blamed !== map.name) return true;
    if (map.declared || typeof affinityParts !== 'number') return false;
    map.affinityParts = affinityParts;
    return true;
  }

  /** @param mapIds  of KvAnswers: which maps have the names of the batch's */
  learnMaps(mapIds: Uint32Array): void {
    mapIds.forEach((mapId, index) => {
      this.#maps[index]?.learn(mapId);
    });
  }

  /**
   * The map that `operation` was meant for is gone, and nothing was applied: it may go on under a new number.
   *
   * @param details  of the MAP_DROPPED: `mapId` and `now`
   */
  learnDropped(operation: number, details: WireError['details']): void {
    const { mapId, now } = details ?? {};
    const batch = decodeBatch(this.message);
    const index = batch.mapIndexes?.[operation] ?? 0;
    const dropped = typeof mapId === 'number' && mapId > 0 ? mapId : batch.maps[index]!.mapId;
    this.#maps[index]!.drop(dropped, typeof now === 'number' ? now : 0);
    if (this.#requests === undefined) return;
    this.settle(operation);
    this.#refused ??= new Set();
    this.#refused.add(operation);
  }

  /** The key of one operation, for messages. */
  keyOf(operation: number): Uint8Array {
    const { keyEnds, keys } = decodeBatch(this.message);
    return keys.subarray(operation === 0 ? 0 : keyEnds[operation - 1]!, keyEnds[operation]!);
  }
}

function neverInDoubt(): boolean {
  return false;
}

function always(): boolean {
  return true;
}

function sparse(operations: Uint32Array, values: Uint32Array | Float64Array, operation: number): number | undefined {
  const index = operations.indexOf(operation);
  return index < 0 ? undefined : values[index];
}

/** Milliseconds that a member has for it; 0: no limit. */
function deadlineFor(minDeadlineMs: number, nowMs: number): number {
  if (!Number.isFinite(minDeadlineMs)) return 0;
  return Math.max(1, Math.min(0xffff_ffff, Math.ceil(minDeadlineMs - nowMs)));
}
