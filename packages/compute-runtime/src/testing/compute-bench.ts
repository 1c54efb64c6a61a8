/** Processor calls over a store of two partitions, without workers: processors are functions, commits come when told. */
import type { CatalogedMap } from '@ashlar/cluster';
import type { ProcessorBatch, ProcessorOutcomes, RunningBatch } from '@ashlar/compute';
import { type Epoch, GridError, HybridClock, type MapId, type PartitionId, seededRandom } from '@ashlar/core';
import { NO_TRACING } from '@ashlar/observe';
import { type Committer, EntryLimits, KeyGate, PROMPT_COMMITTER, WritePath } from '@ashlar/partitions';
import { decodeValue, encodeKey, encodeValue } from '@ashlar/serialization';
import { MemberStore, type WriteBatch } from '@ashlar/storage';
import { ProcessorCall, type ProcessorCaller, type ProcessorName } from '../processor-call.ts';
import { ProcessorCalls } from '../processor-calls.ts';
import type { TurnWatch } from '../running-tasks.ts';

export const MAP: CatalogedMap = { id: 1 as MapId, name: 'm', affinityParts: 0, ttlMs: 0, maxIdleMs: 0 };
export const PARTITIONS = 2;
export const SESSION = 7;

/** Commits when the test says so, in the order of sealing. */
export class ManualCommits implements Committer {
  readonly isPrompt = false;
  readonly waiting: WriteBatch[] = [];
  /** As Committer has it. */
  groupOf: (partition: PartitionId) => number = (partition) => partition;

  decide(batch: WriteBatch): void {
    this.waiting.push(batch);
  }

  close(): void {
    this.commitAll();
  }

  /** Commits what waits. @param partition  only batches of this one; undefined: all */
  commitAll(partition?: number): void {
    for (const batch of [...this.waiting]) {
      if (partition !== undefined && !batch.partitionIds.includes(partition as PartitionId)) continue;
      this.waiting.splice(this.waiting.indexOf(batch), 1);
      if (batch.state === 'sealed') batch.commit();
    }
  }
}

/** What a processor of a test does with an entry: the new value (undefined: it goes), or nothing; and what it answers. */
export type TestProcessor = (value: unknown, args: unknown) => { readonly set?: unknown; readonly result: unknown };

/** Adds to a number; answers the sum. */
export const add: TestProcessor = (value, args) => {
  const sum = Number(value ?? 0) + Number(args ?? 1);
  return { set: sum, result: sum };
};
/** Answers the value, and keeps the entry. */
export const look: TestProcessor = (value) => ({ result: value ?? 'nothing' });
export const remove: TestProcessor = (value) => ({ set: undefined, result: value });
export const fail: TestProcessor = () => {
  throw new GridError('USER_CODE_FAILED', 'it threw');
};

export interface Told {
  readonly name: string;
  readonly result?: unknown;
  readonly code?: string;
  readonly isSkipped?: true;
}

export class ComputeBench {
  readonly store: MemberStore;
  readonly gate = new KeyGate(100);
  readonly commits = new ManualCommits();
  readonly writes: WritePath;
  readonly calls: ProcessorCalls;
  /** Answers, in their order. */
  readonly told: Told[] = [];
  /** How many answers there were whenever a part was over. */
  readonly parts: number[] = [];
  readonly processors = new Map<string, TestProcessor>(Object.entries({ add, look, remove, fail }));
  /** Tasks wait here before they run; undefined: none does. */
  beforeTask: Promise<void> | undefined;
  tasks = 0;
  /** Calls of each task that have run by now, while it is not over. */
  completed = 0;
  /** What is done in every turn while the loop is kept turning. */
  look = (): void => undefined;

  constructor(options: { readonly isPrompt?: boolean; readonly turns?: TurnWatch } = {}) {
    const clock = new HybridClock();
    const store = MemberStore.create({
      ...{ maxBytes: 64 << 20, partitionCount: PARTITIONS, maxWorkers: 0, hashSeed: 1, clock },
    });
    store.openMap(MAP.id, { ttlMs: 0, maxIdleMs: 0 } as never);
    for (let id = 0; id < PARTITIONS; id++) store.openPartition(id as PartitionId, 1 as Epoch);
    this.store = store;
    this.writes = new WritePath(store, options.isPrompt === true ? PROMPT_COMMITTER : this.commits);
    this.calls = new ProcessorCalls({
      ...{ store, writes: this.writes, gate: this.gate, clock },
      limits: new EntryLimits({ keyBytesMax: 1024, valueBytesMax: 1024 }),
      ...{ random: seededRandom(1), partitionCount: PARTITIONS, tasksMax: 2, tracing: NO_TRACING },
      run: (batch) => this.#run(batch),
      turnsFor: (look) => {
        this.look = look;
        return options.turns;
      },
    });
  }

  /** A call whose answer is recorded under `name`. */
  call(name: string, key: string, exportName: string, args?: unknown, options: CallOptions = {}): ProcessorCall {
    const caller: ProcessorCaller = {
      onResult: (_, bytes, start, end) => {
        this.told.push({ name, result: end > start ? decodeValue(bytes.slice(start, end)) : undefined });
      },
      onError: (_, error) => this.told.push({ name, code: GridError.wrap(error).code }),
      onRefused: () => this.told.push({ name, code: 'PROCESSOR_REFUSED' }),
      onSkipped: () => this.told.push({ name, isSkipped: true }),
      onPart: () => this.parts.push(this.told.length),
    };
    const processor: ProcessorName = { module: options.module ?? 'test', exportName, depth: 0 };
    const [keyBytes, argBytes] = [encodeKey(key), args === undefined ? new Uint8Array(0) : encodeValue(args)];
    const partition = (options.partition ?? 0) as PartitionId;
    const { length } = argBytes;
    const { isWanted } = options;
    const call = new ProcessorCall(MAP, partition, keyBytes, 0, keyBytes.length, processor, caller, 0);
    call.with(argBytes, 0, length);
    call.isWanted = isWanted;
    if (options.requestNumber !== undefined) {
      call.session = SESSION;
      call.requestNumber = options.requestNumber;
    }
    return call;
  }

  submit(name: string, key: string, exportName: string, args?: unknown, options?: CallOptions): void {
    this.calls.submitWhenFree(this.call(name, key, exportName, args, options));
  }

  /** Seals a put in a batch of its own. */
  put(key: string, value: unknown, partition = 0): WriteBatch {
    const batch = this.writes.begin();
    this.stage(batch, key, value, partition);
    this.writes.submit(batch);
    return batch;
  }

  stage(batch: WriteBatch, key: string, value: unknown, partition = 0, expiresAt = 0): void {
    const [keyBytes, bytes] = [encodeKey(key), encodeValue(value)];
    const staged = batch.value(bytes, 0, bytes.length, expiresAt);
    batch.put(MAP.id, partition as PartitionId, keyBytes, 0, keyBytes.length, staged);
  }

  /** What readers see. */
  get(key: string, partition = 0): unknown {
    const bytes = encodeKey(key);
    if (!this.store.find(MAP.id, partition as PartitionId, bytes, 0, bytes.length)) return undefined;
    const { valueBytes, valueStart, valueEnd } = this.store.found;
    return decodeValue(valueBytes.slice(valueStart, valueEnd));
  }

  /** Loses what is undecided in a partition, from a batch on. */
  drop(first: WriteBatch, partition = 0): void {
    this.store.dropUndecided(partition as PartitionId, first);
  }

  /** Lets tasks that can run do so. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Waits until something has come about, for as long as the test may run. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  /** Open batches that stage nothing, as many as there may be. */
  takeAllWords(): WriteBatch[] {
    const open: WriteBatch[] = [];
    for (;;) {
      try {
        open.push(this.writes.begin());
      } catch (error) {
        if (!GridError.is(error, 'OVERLOADED')) throw error;
        return open;
      }
    }
  }

  #run(batch: ProcessorBatch): RunningBatch {
    this.tasks++;
    return {
      outcomes: this.#outcomesOf(batch),
      finished: Promise.resolve(this.beforeTask),
      look: () => this.completed,
    };
  }

  /** As a worker would: calls on one entry see what the ones before left. */
  #outcomesOf(batch: ProcessorBatch): ProcessorOutcomes {
    const { bytes, entryBounds, callBounds, entryOf, callCount, entryCount } = batch;
    const decoded = (start: number, end: number): unknown =>
      start < 0 ? undefined : decodeValue(bytes.slice(start, end));
    const values = Array.from({ length: entryCount }, (_, entry) =>
      decoded(entryBounds[entry * 4 + 2]!, entryBounds[entry * 4 + 3]!),
    );
    const changed = new Set<number>();
    const changes: boolean[] = Array.from({ length: callCount }, () => false);
    const results: Uint8Array[] = [];
    const errors: (GridError | undefined)[] = [];
    const run = this.processors.get(batch.exportName)!;
    for (let call = 0; call < callCount; call++) {
      const entry = entryOf[call]!;
      try {
        const outcome = run(values[entry], decoded(callBounds[call * 2]!, callBounds[call * 2 + 1]!));
        if ('set' in outcome) {
          values[entry] = outcome.set;
          changed.add(entry);
          changes[call] = true;
        }
        results[call] = outcome.result === undefined ? new Uint8Array(0) : encodeValue(outcome.result);
      } catch (error) {
        errors[call] = GridError.wrap(error);
      }
    }
    return {
      callCount,
      error: (call) => errors[call],
      isRefused: () => false,
      result: (call) => ({ bytes: results[call]!, start: 0, end: results[call]!.length }),
      entry: (entry) => {
        const value = values[entry] === undefined ? new Uint8Array(0) : encodeValue(values[entry]);
        const action = !changed.has(entry) ? 'keep' : values[entry] === undefined ? 'remove' : 'set';
        const lastChange = changes.findLastIndex((isChange, call) => isChange && entryOf[call] === entry);
        return { action, bytes: value, ...whole(value), ttlMs: undefined, isRenewed: false, lastChange };
      },
      hasChanged: (call) => changes[call] === true,
      release: () => undefined,
    };
  }
}

function whole(value: Uint8Array): { readonly valueStart: number; readonly valueEnd: number } {
  return { valueStart: 0, valueEnd: value.length };
}

export interface CallOptions {
  /** Under which it may be sent again. */
  readonly requestNumber?: number;
  readonly module?: string;
  readonly partition?: number;
  readonly isWanted?: () => boolean;
}
