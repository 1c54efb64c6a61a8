/**
 * A compute half of a member for the tests: pools over real threads, a registry with one module: under the name of its
 * file with the limits asked for, and as 'patient' with a wall clock that no test reaches.
 */
import type { ModuleLimits } from '@ashlar/api';
import { bundleModule } from '@ashlar/modules';
import { decodeValue, encodeKey, encodeValue } from '@ashlar/serialization';
import { IndexAllocator, USER_HEAP_BACKSTOP, WorkerPools } from '@ashlar/workers';
import { BatchPacker, type EntryOutcome, ModuleRegistry, type ProcessorOutcomes } from '../src/index.ts';

export interface Fixture {
  readonly pools: WorkerPools;
  readonly modules: ModuleRegistry;
  close(): Promise<void>;
}

export async function makeFixture(options: {
  readonly file: string;
  readonly limits?: ModuleLimits;
  readonly threads?: readonly [number, number, number];
  readonly store?: unknown;
  readonly onWorkerGone?: (index: number) => void;
}): Promise<Fixture> {
  const pools = new WorkerPools({
    name: 'user',
    entry: new URL('./user-worker.ts', import.meta.url),
    threads: options.threads ?? [1, 1, 1],
    store: options.store,
    workerIndexes: new IndexAllocator(16),
    onWorkerGone: options.onWorkerGone ?? (() => undefined),
    queueMax: 100,
    resourceLimits: USER_HEAP_BACKSTOP,
  });
  const modules = new ModuleRegistry();
  const { hash, text, exports, defaultName } = await bundleModule(new URL(`./files/${options.file}`, import.meta.url));
  modules.add({ name: defaultName, hash, text, exports, limits: options.limits });
  modules.add({ name: 'patient', hash, text, exports, limits: { wallMs: 20_000, heapBytes: 64 << 20 } });
  return { pools, modules, close: () => pools.close() };
}

export interface CallOf {
  readonly entry: number;
  readonly args?: unknown;
}

/** A batch over entries with keys k0, k1 ...; undefined: no such entry. */
export function batchOf(
  exportName: string,
  values: readonly unknown[],
  calls: readonly CallOf[],
  module = 'bank',
): BatchPacker {
  const batch = new BatchPacker().begin(module, exportName);
  values.forEach((value, index) => {
    const key = encodeKey(`k${index}`);
    const entry = batch.addEntry(key, 0, key.length);
    const bytes = value === undefined ? undefined : encodeValue(value);
    if (bytes !== undefined) batch.setValue(entry, bytes, 0, bytes.length, Number.NaN);
  });
  calls.forEach((call, index) => {
    const args = call.args === undefined ? undefined : encodeValue(call.args);
    batch.addCall(call.entry, args, 0, args?.length ?? 0, 1_700_000_000_000 + index, index * 7 - 3);
  });
  return batch;
}

/** What a call answered: its result decoded, or the code of its error. */
export function resultOf(outcomes: ProcessorOutcomes, call: number): unknown {
  const error = outcomes.error(call);
  if (error !== undefined) return error.code;
  const { bytes, start, end } = outcomes.result(call);
  return end > start ? decodeValue(bytes, start, end) : undefined;
}

/** The value that the calls left in an entry, decoded. */
export function newValueOf({ bytes, valueStart, valueEnd }: EntryOutcome): unknown {
  return decodeValue(bytes, valueStart, valueEnd);
}
