/**
 * The grid as a listener sees it: calls are gathered for one turn of the event loop, posted to the main thread as one
 * message, and answered the same way.
 *
 *   get, getAll, process, processEach -> by (operation, map, processor) -> one message a turn -> main -> answers
 *
 * Bound: CALLS_WAITING_MAX calls wait for their answers at a time; more are refused with OVERLOADED.
 */
import { type EntryProcessor, type GridKey, type ListenerGrid, READY_MODULE } from '@ashlar/api';
import { GridError } from '@ashlar/core';
import { decodeValue, encodeKey, encodeValue, type Key } from '@ashlar/serialization';
import type { WorkerContext } from '@ashlar/workers';
import { crossed } from './crossing-errors.ts';
import type { AnswersMessage, CallColumns, CallsMessage } from './listener-messages.ts';
import { buffersOf, packBytes, unpackBytes } from './packed-bytes.ts';

/** Runs when the turn's promises are through: what all groups of a task ask for then goes as one message. */
const { nextTick } = process;

export const CALLS_WAITING_MAX = 65_536;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: GridError): void;
}

/** Calls of one kind that wait for the end of the turn. */
interface Gathered {
  readonly operation: 'get' | 'process';
  readonly map: string;
  readonly module: string;
  readonly exportName: string;
  readonly keys: Uint8Array[];
  readonly args: (Uint8Array | undefined)[];
  readonly waiting: Waiting[];
}

export class GridCalls implements ListenerGrid {
  readonly #context: WorkerContext<unknown>;
  readonly #moduleName: string;
  readonly #exports: Readonly<Record<string, unknown>>;
  readonly #gathered = new Map<string, Gathered>();
  readonly #waiting = new Map<number, Waiting>();
  #waitingCount = 0;
  #nextId = 0;

  /** @param exports  of the listener's own module: where its processors have their names */
  constructor(context: WorkerContext<unknown>, moduleName: string, exports: Readonly<Record<string, unknown>>) {
    this.#context = context;
    this.#moduleName = moduleName;
    this.#exports = exports;
    context.onMessage((message) => this.#onAnswers(message as AnswersMessage));
  }

  /** The types of keys and values are the caller's assertion; bytes cross to the member. */
  readonly map: ListenerGrid['map'] = (map: { readonly name: string } | string) =>
    this.#callsOn(typeof map === 'string' ? map : map.name) as never;

  #callsOn(name: string): object {
    const get = (key: GridKey): Promise<unknown> => this.#call('get', name, undefined, key, undefined);
    const process = (key: GridKey, processor: EntryProcessor, args: unknown): Promise<unknown> =>
      this.#call('process', name, processor, key, args);
    return {
      get,
      getAll: (keys: readonly GridKey[]) => Promise.all(keys.map((key) => get(key))),
      process,
      processEach: (calls: readonly (readonly [GridKey, unknown])[], processor: EntryProcessor) =>
        Promise.all(calls.map(([key, args]) => process(key, processor, args))),
    };
  }

  #call(
    operation: Gathered['operation'],
    map: string,
    processor: EntryProcessor | undefined,
    key: GridKey,
    args: unknown,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#waitingCount >= CALLS_WAITING_MAX) {
        throw new GridError('OVERLOADED', `${CALLS_WAITING_MAX} calls of the listener wait for their answers`, {
          hint: 'await calls in smaller groups',
        });
      }
      const { module, exportName } = processor === undefined ? NO_PROCESSOR : this.#nameOf(processor);
      const keyBytes = encodeKey(key as Key);
      const argsBytes = args === undefined ? undefined : encodeValue(args);
      this.#waitingCount += 1;
      const gathered = this.#gather(operation, map, module, exportName);
      gathered.keys.push(keyBytes);
      gathered.args.push(argsBytes);
      gathered.waiting.push({ resolve, reject });
    });
  }

  #gather(operation: Gathered['operation'], map: string, module: string, exportName: string): Gathered {
    const name = `${operation} ${exportName} ${module} ${map}`;
    let gathered = this.#gathered.get(name);
    if (gathered === undefined) {
      gathered = { operation, map, module, exportName, keys: [], args: [], waiting: [] };
      if (this.#gathered.size === 0) nextTick(() => this.#flush());
      this.#gathered.set(name, gathered);
    }
    return gathered;
  }

  /** In the listener's module a processor has no name yet: it is the one that the module exports it under. */
  #nameOf(processor: EntryProcessor): { readonly module: string; readonly exportName: string } {
    if (processor.name?.module === READY_MODULE) return processor.name;
    const exportName = Object.keys(this.#exports).find((name) => this.#exports[name] === processor);
    if (exportName !== undefined) return { module: this.#moduleName, exportName };
    throw new GridError('UNKNOWN_EXPORT', `the processor is not exported by module '${this.#moduleName}'`, {
      hint: 'export it from the file that defines the listener',
      details: { module: this.#moduleName },
    });
  }

  #flush(): void {
    const calls: CallColumns[] = [];
    for (const { operation, map, module, exportName, keys, args, waiting } of this.#gathered.values()) {
      const firstId = this.#nextId;
      this.#nextId += waiting.length;
      for (let index = 0; index < waiting.length; index++) this.#waiting.set(firstId + index, waiting[index]!);
      calls.push({ operation, map, module, exportName, firstId, keys: packBytes(keys), args: packBytes(args) });
    }
    this.#gathered.clear();
    const buffers = calls.flatMap(({ keys, args }) => buffersOf(keys, args));
    this.#context.post({ calls } satisfies CallsMessage, buffers);
  }

  #onAnswers({ firstId, results, errors }: AnswersMessage): void {
    this.#context.beat();
    const failed = new Map(errors);
    const values = unpackBytes(results);
    for (let index = 0; index < values.length; index++) {
      const waiting = this.#waiting.get(firstId + index);
      if (waiting === undefined) continue;
      this.#waiting.delete(firstId + index);
      this.#waitingCount -= 1;
      const error = failed.get(index);
      const value = values[index];
      if (error !== undefined) waiting.reject(crossed(error));
      else waiting.resolve(value === undefined ? undefined : decodeValue(value));
    }
  }
}

const NO_PROCESSOR = { module: '', exportName: '' };
