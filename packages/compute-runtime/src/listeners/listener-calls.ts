/**
 * Calls that listeners make into the grid: keys of this member at once, those of others through the member's grid.
 * So are keys of this member that are due while the record of their expiry is not committed.
 *
 * listener-calls C1  A call is answered within CALL_MAX_MS, and within the run that it is made in, wherever its key lies:
 *                    what has been handed on by then is OUTCOME_UNKNOWN, what nobody waits for is let go.
 */
import type { Grid, GridKey } from '@ashlar/api';
import { DEFAULT_MAP_SETTINGS } from '@ashlar/cluster';
import { CALL_DEPTH, type ListenerCall, type ListenerCallAnswer } from '@ashlar/compute';
import {
  type CallScope,
  CancelledError,
  GridError,
  type MapId,
  OutcomeUnknownError,
  type PartitionId,
} from '@ashlar/core';
import { namedProcessor } from '@ashlar/grid';
import { decodeKey, decodeRefusal, decodeValue, encodeValue, partitionOf } from '@ashlar/serialization';
import { ProcessorCall, type ProcessorCaller, type ProcessorName } from '../processor-call.ts';
import type { ListenerDependencies } from './listener-spec.ts';

/** Longer than a call ordinarily waits: for a full queue before its key, for a processor's wall clock. */
const CALL_MAX_MS = 30_000;
const NO_BYTES = new Uint8Array(0);

export type ListenerCallsDependencies = Pick<ListenerDependencies, 'parts' | 'grid' | 'processors'> & {
  readonly callMaxMs?: number;
};

export class ListenerCalls {
  readonly #deps: ListenerCallsDependencies;
  readonly #callMaxMs: number;
  /** What the last look found. */
  #found: Uint8Array | undefined;

  constructor(deps: ListenerCallsDependencies) {
    this.#deps = deps;
    this.#callMaxMs = deps.callMaxMs ?? CALL_MAX_MS;
  }

  /**
   * Answers aligned with the call's keys. Calls on one key are handed on in their order.
   *
   * @param run  of the listener's code: its calls end with it, and are of its trace
   */
  readonly handle = async (call: ListenerCall, run: CallScope): Promise<ListenerCallAnswer> => {
    const { control } = this.#deps.parts;
    const map = await control.mapFor(call.map, DEFAULT_MAP_SETTINGS, false);
    const scope: CallScope = { ...run, deadlineMs: performance.now() + this.#callMaxMs };
    const answers = new AnswersOf(call.keys.length);
    const { module, exportName } = call;
    const processor: ProcessorName = { module, exportName, depth: CALL_DEPTH.processor };
    let grid: Promise<Grid> | undefined;
    for (const [index, key] of call.keys.entries()) {
      const partition = partitionOf(key, 0, key.length, map.affinityParts, control.partitionCount) as PartitionId;
      const isMine = control.isMine(partition);
      const isRead = isMine && call.operation === 'get';
      if (isRead && this.#look(map.id, partition, key)) answers.succeed(index, this.#found);
      else if (!isMine || isRead) {
        grid ??= this.#deps.grid(scope);
        this.#remote(grid, call, index).then(
          (result) => answers.succeed(index, result),
          (error) => answers.onError(index, error),
        );
      } else {
        const args = call.args[index] ?? NO_BYTES;
        const { length } = args;
        const made = new ProcessorCall(map, partition, key, 0, key.length, processor, answers, index);
        made.with(args, 0, length);
        made.trace = run.trace;
        made.isProgress = true;
        this.#deps.processors.submitWhenFree(made);
      }
    }
    return answers.all(scope);
  };

  /**
   * Reads a key of this member.
   *
   * @returns false: it is due, and absent only once the record of that is committed; the grid's way waits for it
   */
  #look(mapId: MapId, partition: PartitionId, key: Uint8Array): boolean {
    const { store } = this.#deps.parts;
    const isFound = store.find(mapId, partition, key, 0, key.length);
    const { undecided, valueBytes, valueStart, valueEnd } = store.found;
    this.#found = isFound ? valueBytes.slice(valueStart, valueEnd) : undefined;
    return undecided === undefined;
  }

  async #remote(grid: Promise<Grid>, call: ListenerCall, index: number): Promise<Uint8Array | undefined> {
    const map = (await grid).map(call.map);
    const key = decodeKey(call.keys[index]!) as GridKey;
    const result = call.operation === 'get' ? await map.get(key) : await map.process(key, ...processing(call, index));
    return result === undefined ? undefined : encodeValue(result);
  }
}

function processing({ module, exportName, args }: ListenerCall, index: number) {
  const encoded = args[index];
  return [namedProcessor({ module, exportName }), encoded === undefined ? undefined : decodeValue(encoded)] as const;
}

/** The answers of one message of calls, as they come. */
class AnswersOf implements ProcessorCaller {
  readonly #results: (Uint8Array | undefined)[];
  readonly #errors: (readonly [index: number, error: GridError])[] = [];
  readonly #isAnswered: Uint8Array;
  readonly #all = Promise.withResolvers<void>();
  #open: number;

  constructor(count: number) {
    this.#results = new Array(count).fill(undefined);
    this.#isAnswered = new Uint8Array(count);
    this.#open = count;
  }

  onResult(index: number, bytes: Uint8Array, start: number, end: number): void {
    this.succeed(index, start === end ? undefined : bytes.slice(start, end));
  }

  onError(index: number, error: unknown): void {
    if (this.#isFirst(index)) this.#errors.push([index, GridError.wrap(error)]);
  }

  onRefused(index: number, bytes: Uint8Array, start: number, end: number): void {
    this.onError(index, decodeRefusal(bytes, start, end));
  }

  succeed(index: number, result: Uint8Array | undefined): void {
    if (this.#isFirst(index)) this.#results[index] = result;
  }

  /** Resolves once all are there, or nobody waits for the rest any more (listener-calls C1). */
  async all({ signal, deadlineMs }: CallScope): Promise<ListenerCallAnswer> {
    if (this.#open > 0) {
      const cancel = (): void => this.#giveUp(new CancelledError('the call'));
      const overdue = (): void => this.#giveUp(new OutcomeUnknownError('the call', undefined, 'and took too long'));
      const timer = setTimeout(overdue, Math.max(1, deadlineMs! - performance.now()));
      signal.addEventListener('abort', cancel, { once: true });
      if (signal.aborted) cancel();
      await this.#all.promise;
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
    }
    return { results: this.#results, errors: this.#errors };
  }

  #giveUp(error: GridError): void {
    for (let index = 0; index < this.#isAnswered.length; index++) this.onError(index, error);
  }

  #isFirst(index: number): boolean {
    if (this.#isAnswered[index] === 1) return false;
    this.#isAnswered[index] = 1;
    if (--this.#open === 0) this.#all.resolve();
    return true;
  }
}
