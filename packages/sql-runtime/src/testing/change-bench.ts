/** One member's half of statements that change rows, over a real store: scans run here, commits come when a test says so. */

import type { CatalogedMap } from '@ashlar/cluster';
import { ProcessorCalls } from '@ashlar/compute-runtime';
import { type Epoch, HybridClock, type MapId, type PartitionId, seededRandom } from '@ashlar/core';
import {
  type Committer,
  EntryLimits,
  KeyGate,
  type Ownership,
  type OwnershipStamp,
  PROMPT_COMMITTER,
  WritePath,
} from '@ashlar/partitions';
import { decodeValue, encodeKey, encodeParameters, encodeValue, type Key, partitionOf } from '@ashlar/serialization';
import { type ChangeTask, scanForChanges } from '@ashlar/sql-executor';
import type { ModifyPlan } from '@ashlar/sql-plan';
import { planStatement } from '@ashlar/sql-planner';
import { MemberStore, StoreReader, type WriteBatch } from '@ashlar/storage';
import type { WorkerPool } from '@ashlar/workers';
import { ChangePart } from '../changes/change-part.ts';
import type { InsertRows, RowChange } from '../changes/change-request.ts';
import { ChangeRunner } from '../changes/change-runner.ts';
import type { StagingDependencies } from '../changes/staged-change.ts';

export const MAP: CatalogedMap = { id: 1 as MapId, name: 'm', affinityParts: 0, ttlMs: 0, maxIdleMs: 0 };

/** What documents have. */
const PATHS = [['n'], ['by'], ['text']];
const KINDS = PATHS.map(() => 0);

/** Decides when the test says so. */
export class HeldCommits implements Committer {
  readonly isPrompt = false;
  readonly waiting: WriteBatch[] = [];

  decide(batch: WriteBatch): void {
    this.waiting.push(batch);
  }

  commitAll(): void {
    for (const batch of this.waiting.splice(0)) batch.commit();
  }

  /** All of them are lost. */
  dropAll(): void {
    for (const batch of this.waiting.splice(0).reverse()) batch.abort();
  }

  close(): void {
    this.commitAll();
  }
}

export interface ChangeBenchOptions {
  readonly partitionCount?: number;
  readonly maxBytes?: number;
  readonly committer?: Committer;
}

export class ChangeBench {
  readonly store: MemberStore;
  readonly gate: KeyGate = new KeyGate(1000);
  readonly writes: WritePath;
  readonly staging: StagingDependencies;
  readonly runner: ChangeRunner;
  /** A partition that is lost: checks of it fail from then on. */
  lost = -1;
  readonly #partitionCount: number;

  constructor({ partitionCount = 4, maxBytes = 16 << 20, committer = PROMPT_COMMITTER }: ChangeBenchOptions = {}) {
    const clock = new HybridClock();
    this.#partitionCount = partitionCount;
    this.store = MemberStore.create({ maxBytes, partitionCount, maxWorkers: 1, hashSeed: 1, clock });
    this.store.openMap(MAP.id, { affinityParts: 0, ttlMs: 0, maxIdleMs: 0 });
    for (let id = 0; id < partitionCount; id++) this.store.openPartition(id as PartitionId, 1 as Epoch);
    this.writes = new WritePath(this.store, committer);
    const { store, writes, gate } = this;
    const limits = new EntryLimits({ keyBytesMax: 1024, valueBytesMax: 1 << 20 });
    const processors = new ProcessorCalls({
      ...{ store, writes, gate, limits, clock, random: seededRandom(1), partitionCount, tasksMax: 1 },
      tracing: { begin: () => ({ trace: undefined, end: () => undefined }) },
      run: (batch) => ({
        outcomes: { callCount: batch.callCount } as never,
        finished: new Promise(() => undefined),
        look: () => 0,
      }),
    });
    const ownership: Pick<Ownership, 'stamp' | 'checkAll'> = {
      stamp: 0 as OwnershipStamp,
      checkAll: (partitions) => {
        for (const partition of partitions) if (partition === this.lost) throw new Error(`lost ${partition}`);
      },
    };
    this.staging = { store, writes, ownership, gate, processors };
    const pool = this.#scansHere();
    this.runner = new ChangeRunner({
      ...{ ...this.staging, limits, clock, pool, needMap: async () => MAP },
      snapshots: { checkHeld: (_, partitions) => ownership.checkAll(partitions, ownership.stamp) },
    });
  }

  /** Scans run at once, in this thread. */
  #scansHere(): WorkerPool {
    const reader = StoreReader.attach(this.store.handle, 0);
    const context = { reader, throwIfCancelled: () => undefined };
    const run = (_kind: string, task: ChangeTask): { readonly result: Promise<unknown> } => ({
      result: (async () => scanForChanges(task, context as never))(),
    });
    return { stats: () => ({ threads: 1 }), run } as unknown as WorkerPool;
  }

  partitionOf(key: Key): PartitionId {
    const bytes = encodeKey(key);
    return partitionOf(bytes, 0, bytes.length, 0, this.#partitionCount) as PartitionId;
  }

  put(key: Key, value: unknown): void {
    const batch = this.writes.begin();
    const [bytes, encoded] = [encodeKey(key), encodeValue(value)];
    batch.put(MAP.id, this.partitionOf(key), bytes, 0, bytes.length, batch.value(encoded, 0, encoded.length));
    this.writes.submit(batch);
  }

  /** What readers see. */
  get(key: Key): unknown {
    const bytes = encodeKey(key);
    if (!this.store.find(MAP.id, this.partitionOf(key), bytes, 0, bytes.length)) return undefined;
    const { valueBytes, valueStart, valueEnd } = this.store.found;
    return decodeValue(valueBytes, valueStart, valueEnd);
  }

  /** UPDATE or DELETE over all partitions, as of now. */
  change(text: string, parameters: readonly unknown[] = [], more: Partial<ChangeTask> = {}): RowChange {
    const catalog = {
      catalogVersion: 1,
      maps: [{ name: 'm', mapId: MAP.id, affinityParts: 0, paths: PATHS, valueKinds: KINDS, entries: 10 }],
    };
    const { plan } = planStatement(text, catalog as never, new Set(['m'])) as unknown as { readonly plan: ModifyPlan };
    const { id: snapshotId, version: snapshotVersion } = this.store.openSnapshot();
    const task: ChangeTask = {
      ...{ kind: plan.kind, scan: plan.scan, assignments: plan.assignments, snapshotId, snapshotVersion },
      partitions: Array.from({ length: this.#partitionCount }, (_, id) => id as PartitionId),
      ...{ parameters: encodeParameters(parameters), clockMs: 0, strict: false, ambiguousTexts: [] },
      ...more,
    };
    return { kind: 'change', task };
  }

  insert(rows: readonly (readonly [Key, unknown])[], onConflict: InsertRows['onConflict'] = 'error'): RowChange {
    const columns = {
      partitions: rows.map(([key]) => this.partitionOf(key)),
      keys: rows.map(([key]) => encodeKey(key)),
      values: rows.map(([, value]) => encodeValue(value)),
    };
    return { kind: 'insert', map: 'm', mapId: MAP.id, rows: { ...columns, onConflict } };
  }

  part(change: RowChange, leaseMs = Number.POSITIVE_INFINITY): ChangePart {
    return new ChangePart((signal) => this.runner.find(change, signal), this.staging, leaseMs);
  }

  run(change: RowChange, signal: AbortSignal = new AbortController().signal) {
    return this.runner.run(change, signal);
  }

  /** Open batches that stage nothing, as many as there may be. */
  takeAllBatches(): WriteBatch[] {
    return Array.from({ length: this.store.freeBatches }, () => this.writes.begin());
  }

  /** Whether nothing is held, and no batch is under way. */
  isQuiet(): boolean {
    const partitions = Array.from({ length: this.#partitionCount }, (_, id) => id as PartitionId);
    return this.gate.heldCount === 0 && !partitions.some((id) => this.store.isPartitionBusy(id));
  }
}
