/** Calls that listeners make into the grid: keys of this member at once, those of others through the router. */

import { DEFAULT_MAP_SETTINGS } from '@ashlar/cluster';
import { CALL_DEPTH, type ListenerCall, type ListenerCallAnswer } from '@ashlar/compute';
import { GridError, type MapId, type PartitionId, type TraceContext } from '@ashlar/core';
import { NOTHING, type Router } from '@ashlar/routing';
import { decodeKey, decodeRefusal, decodeValue, encodeValue, partitionOf } from '@ashlar/serialization';
import { OPCODE } from '@ashlar/transport';
import { ProcessorCall, type ProcessorCaller, type ProcessorName } from '../processor-call.ts';
import type { ProcessorCalls } from '../processor-calls.ts';
import type { ListenerParts } from './listener-parts.ts';

export interface ListenerCallsDependencies {
  readonly parts: ListenerParts;
  readonly router: () => Promise<Router>;
  readonly processors: ProcessorCalls;
}

export class ListenerCalls {
  readonly #deps: ListenerCallsDependencies;

  constructor(deps: ListenerCallsDependencies) {
    this.#deps = deps;
  }

  /** Answers aligned with the call's keys. Calls on one key are handed on in their order. */
  readonly handle = async (call: ListenerCall, trace: TraceContext | undefined): Promise<ListenerCallAnswer> => {
    const { control } = this.#deps.parts;
    const map = await control.mapFor(call.map, DEFAULT_MAP_SETTINGS, false);
    const results: (Uint8Array | undefined)[] = new Array(call.keys.length).fill(undefined);
    const errors: (readonly [number, GridError])[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    let open = call.keys.length + 1;
    const settle = (): void => {
      if (--open === 0) resolve();
    };
    const { module, exportName } = call;
    const processor: ProcessorName = { module, exportName, depth: CALL_DEPTH.processor };
    const succeed = (index: number, result: Uint8Array | undefined): void => {
      results[index] = result;
      settle();
    };
    const fail = (index: number, error: unknown): void => {
      errors.push([index, GridError.wrap(error)]);
      settle();
    };
    const caller: ProcessorCaller = {
      onResult: (index, bytes, start, end) => succeed(index, start === end ? undefined : bytes.slice(start, end)),
      onError: fail,
      onRefused: (index, bytes, start, end) => fail(index, decodeRefusal(bytes, start, end)),
    };
    for (const [index, key] of call.keys.entries()) {
      const partition = partitionOf(key, 0, key.length, map.affinityParts, control.partitionCount) as PartitionId;
      if (!control.isMine(partition))
        this.#remote(call, index, trace).then(
          (result) => succeed(index, result),
          (error) => fail(index, error),
        );
      else if (call.operation === 'get') succeed(index, this.#get(map.id, partition, key));
      else {
        const args = call.args[index] ?? NO_BYTES;
        const { length } = args;
        const made = new ProcessorCall(map, partition, key, 0, key.length, args, 0, length, processor, caller, index);
        made.trace = trace;
        made.isProgress = true;
        this.#deps.processors.submitWhenFree(made);
      }
    }
    settle();
    await promise;
    return { results, errors };
  };

  #get(mapId: MapId, partition: PartitionId, key: Uint8Array): Uint8Array | undefined {
    const { store } = this.#deps.parts;
    if (!store.find(mapId, partition, key, 0, key.length)) return undefined;
    const { valueBytes, valueStart, valueEnd } = store.found;
    return valueBytes.slice(valueStart, valueEnd);
  }

  async #remote(call: ListenerCall, index: number, trace: TraceContext | undefined): Promise<Uint8Array | undefined> {
    const limits = { trace };
    const router = await this.#deps.router();
    const key = decodeKey(call.keys[index]!);
    const map = router.map(call.map, undefined);
    const { module, exportName } = call;
    const args = call.args[index];
    const result =
      call.operation === 'get'
        ? await router.call(OPCODE.GET, map, key, NOTHING, undefined, limits)
        : await router.call(
            OPCODE.PROCESS,
            map,
            key,
            args === undefined ? NOTHING : decodeValue(args),
            { processor: { module, exportName } },
            limits,
          );
    return result === undefined ? undefined : encodeValue(result);
  }
}

const NO_BYTES = new Uint8Array(0);
