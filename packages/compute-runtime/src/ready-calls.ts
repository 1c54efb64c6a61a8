/**
 * Ready-made processors that are called from elsewhere than a batch of operations (processWhere, listeners): run at once by the
 * partition's writer, each in a write batch of its own. Those in a batch are mutations of it (kv/src/ready-mutations.ts).
 *
 *   run -> newest state -> function -> stage, submit --> committed: answer
 *    |                        '-- keeps the entry ----> what it was read from is committed: answer
 *    '-- no batch, or an open one hides the entry: its key is held, and it is tried again --> ...
 *
 * ready-calls R1  Calls on a key take effect in the order in which they came, also those that wait for a batch.
 * ready-calls R2  At most `waitingMax` wait; the next one is refused and has changed nothing.
 * ready-calls R3  A record bears the number of its call. The call's answer is not kept: the function is pure, and is run again
 *                 on the old value that the record has (readyResult).
 */
import { ReadyRun } from '@ashlar/compute';
import { GridError, MapDroppedError, TTL_KEEP } from '@ashlar/core';
import { keyText } from '@ashlar/expressions';
import { checkOneGo, deadlineOf, type EntryLimits, type WritePath } from '@ashlar/partitions';
import { decodeKey } from '@ashlar/serialization';
import { type BatchHeader, type MemberStore, RecordCause, type WriteBatch } from '@ashlar/storage';
import { numberAs } from './call-answers.ts';
import type { ProcessorCall } from './processor-call.ts';
import { changeInDoubt, checkEpoch, isBlocked, isVoid, readLost } from './undecided.ts';

export interface ReadyCallsDependencies {
  readonly store: MemberStore;
  readonly writes: WritePath;
  readonly limits: EntryLimits;
  readonly clock: { now(): number };
  /** Holds the key of a call that waits for a batch. */
  readonly hold: (call: ProcessorCall) => void;
  readonly release: (call: ProcessorCall) => void;
  readonly waitingMax: number;
}

const ONCE_PER_KEY: BatchHeader = { oncePerKey: true };
const PROGRESS_ONCE_PER_KEY: BatchHeader = { oncePerKey: true, isProgress: true };
const UNDEFINED_RESULT = new Uint8Array(0);
/** All calls of a member run on one thread. */
const ready = new ReadyRun();
/** How often waiting calls are tried: the batches in their way are decided within about a network round trip. */
const LOOK_MS = 1;
/** Failed attempts after which one look ends. */
const MISSES_A_LOOK = 32;

export class ReadyCalls {
  readonly #deps: ReadyCallsDependencies;
  #waiting: ProcessorCall[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** What hangs on the call that runs: what was seen, or the batch that it staged in. */
  #hangsOn: WriteBatch | undefined;
  #isStaged = false;
  /** What it answers; empty: undefined. */
  #result: Uint8Array = UNDEFINED_RESULT;

  constructor(deps: ReadyCallsDependencies) {
    this.#deps = deps;
  }

  /** Calls that wait for a batch. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** The key must be free. Answers through the call's caller. */
  run(call: ProcessorCall): void {
    if (this.#attempt(call)) return;
    const { waitingMax, hold } = this.#deps;
    if (this.#waiting.length >= waitingMax) {
      const error = new GridError('OVERLOADED', `${waitingMax} calls wait for commits`, { hint: 'send fewer at once' });
      call.caller.onError(call.position, error);
      return;
    }
    // Nothing joins it: it is not on its way to a worker.
    call.isSent = true;
    hold(call);
    this.#waiting.push(call);
    this.#timer ??= setTimeout(() => this.#look(), LOOK_MS).unref();
  }

  #look(): void {
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    const left: ProcessorCall[] = [];
    let at = 0;
    for (; at < waiting.length && left.length < MISSES_A_LOOK; at++) {
      const call = waiting[at]!;
      if (this.#attempt(call)) this.#deps.release(call);
      else left.push(call);
    }
    // Calls that a release let through may wait by now, too: behind these.
    this.#waiting = [...left, ...waiting.slice(at), ...this.#waiting];
    if (this.#waiting.length > 0) this.#timer ??= setTimeout(() => this.#look(), LOOK_MS).unref();
  }

  /** @returns false: it has done nothing, and is to be tried again */
  #attempt(call: ProcessorCall): boolean {
    this.#hangsOn = undefined;
    this.#isStaged = false;
    this.#result = UNDEFINED_RESULT;
    let error: unknown;
    let outcome: 'skipped' | 'blocked' | undefined;
    try {
      outcome = this.#outcome(call);
    } catch (failure) {
      if (isBlocked(failure)) return false;
      error = atKey(failure, call.keys, call.keyStart, call.keyEnd);
    }
    if (outcome === 'blocked') return false;
    this.#answer(call, error, outcome === 'skipped');
    return true;
  }

  /** Leaves the answer in #result. @returns otherwise: that the call is not wanted, or that an open batch hides what it reads */
  #outcome(call: ProcessorCall): 'skipped' | 'blocked' | undefined {
    const { store, limits, clock } = this.#deps;
    const { map, partition, keys, keyStart, keyEnd, args, argsStart, argsEnd } = call;
    checkEpoch(call, store);
    if (!store.hasMap(map.id)) throw new MapDroppedError(map.name, { mapId: map.id });
    const { found } = store;
    if (call.isWanted?.() === false) {
      this.#hangsOn = found.undecided;
      return found.undecided?.state === 'open' ? 'blocked' : 'skipped';
    }
    const exists = store.findNewest(map.id, partition, keys, keyStart, keyEnd);
    this.#hangsOn = found.undecided;
    if (found.undecided?.state === 'open') return 'blocked';
    const { valueStart, valueEnd } = found;
    const value = exists ? found.valueBytes : undefined;
    if (value !== undefined) checkOneGo(value, valueStart, valueEnd);
    checkOneGo(args, argsStart, argsEnd);
    ready.run(call.processor.exportName, value, valueStart, valueEnd, args, argsStart, argsEnd);
    // What follows may decide other batches, whose callers call again.
    this.#result = ready.result();
    const { action, ttl = TTL_KEEP } = ready;
    if (action === 'remove') this.#write(call, undefined, 0);
    if (action !== 'set') return undefined;
    limits.checkValue(ready.end - ready.start);
    const deadline = deadlineOf(ttl, clock.now(), exists ? found.expiresAt : undefined);
    this.#write(call, ready.bytes.slice(ready.start, ready.end), deadline);
    return undefined;
  }

  /** @param bytes  undefined: the entry is removed */
  #write(call: ProcessorCall, bytes: Uint8Array | undefined, deadline: number): void {
    const { writes } = this.#deps;
    const header = call.isProgress ? PROGRESS_ONCE_PER_KEY : ONCE_PER_KEY;
    let batch = writes.begin(header);
    numberAs(batch, call);
    try {
      while (!stage(batch, call, bytes, deadline)) {
        writes.submit(batch);
        batch = writes.begin(header);
        numberAs(batch, call);
      }
    } catch (error) {
      if (batch.state === 'open') batch.abort();
      throw error;
    }
    if (batch.changeCount > 0) {
      this.#hangsOn = batch;
      this.#isStaged = true;
    }
    writes.submit(batch);
  }

  #answer(call: ProcessorCall, error: unknown, isSkipped: boolean): void {
    const batch = this.#hangsOn;
    const result = this.#result;
    // A full log says nothing about the entry: a caller that wants to wait for room does so now.
    if (batch === undefined || GridError.is(error, 'LOG_FULL')) {
      tell(call, result, error, isSkipped);
      return;
    }
    const isStaged = this.#isStaged;
    if (batch.state === 'sealed') {
      this.#deps.writes.held.note('ready-made');
      batch.whenDecided(() => tell(call, result, lossOf(call, batch, isStaged) ?? error, isSkipped));
    } else tell(call, result, lossOf(call, batch, isStaged) ?? error, isSkipped);
  }
}

/**
 * What a ready-made processor that changed its entry answered, from the value that it replaced.
 *
 * @param oldValue  MessagePack; undefined: there was none
 * @param args      MessagePack args[argsStart, argsEnd); empty: called without arguments
 * @returns MessagePack; empty: undefined
 */
export function readyResult(
  exportName: string,
  oldValue: Uint8Array | undefined,
  args: Uint8Array,
  argsStart: number,
  argsEnd: number,
): Uint8Array {
  ready.run(exportName, oldValue, 0, oldValue?.length ?? 0, args, argsStart, argsEnd);
  return ready.result();
}

function tell({ caller, position }: ProcessorCall, result: Uint8Array, error: unknown, isSkipped: boolean): void {
  if (error !== undefined) caller.onError(position, error);
  else if (isSkipped) caller.onSkipped?.(position);
  else caller.onResult(position, result, 0, result.length);
}

/** Why the answer that hangs on a decided batch must not be sent. */
function lossOf({ partition }: ProcessorCall, batch: WriteBatch, isStaged: boolean): GridError | undefined {
  if (!isVoid(batch, partition)) return undefined;
  return isStaged ? changeInDoubt(partition) : readLost(partition);
}

/** @returns false: the batch is to be cut first */
function stage(
  batch: WriteBatch,
  { map, partition, keys, keyStart, keyEnd }: ProcessorCall,
  bytes: Uint8Array | undefined,
  deadline: number,
): boolean {
  const cause = RecordCause.processor;
  if (bytes === undefined) return batch.remove(map.id, partition, keys, keyStart, keyEnd, cause) || !batch.wantsCut;
  return batch.put(map.id, partition, keys, keyStart, keyEnd, batch.value(bytes, 0, bytes.length, deadline, cause));
}

/** An error of a value that a processor cannot use, with the key of the entry, keys[start, end); others as they are. */
export function atKey(error: unknown, keys: Uint8Array, start: number, end: number): unknown {
  if (!GridError.is(error, 'TYPE_MISMATCH')) return error;
  const key = keyText(decodeKey(keys, start, end));
  const { hint, details } = error;
  return new GridError(error.code, `${error.message}: the entry with the key ${key}`, {
    hint,
    details: { ...details, key },
    cause: error,
  });
}
