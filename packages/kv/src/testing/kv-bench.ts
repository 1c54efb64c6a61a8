/** A kv service over a store of its own, whose map is made when the test says so, for unit tests. */
import type { CatalogedMap, GridView, Serving } from '@ashlar/cluster';
import { ProcessorCalls } from '@ashlar/compute-runtime';
import { type Epoch, HybridClock, type MapId, type PartitionId, seededRandom } from '@ashlar/core';
import { MemberMetrics, NO_TRACING } from '@ashlar/observe';
import {
  AnswerWindow,
  type Committer,
  EntryLimits,
  KeyGate,
  LogPressure,
  RoomQueue,
  WritePath,
} from '@ashlar/partitions';
import { decodeValue, encodeKey, encodeValue } from '@ashlar/serialization';
import { MemberStore } from '@ashlar/storage';
import { type CallContext, type KvAnswers, type KvBatch, OPCODE } from '@ashlar/transport';
import { AnswerMemoryPool } from '../answers.ts';
import { type KeyForwarder, kvService } from '../kv-service.ts';
import { Sessions } from '../sessions.ts';
import type { StatementDoor } from '../statements.ts';

export const MAP: CatalogedMap = { id: 1 as MapId, name: 'm', affinityParts: 0, ttlMs: 0, maxIdleMs: 0 };
export const KEY = encodeKey('k');
export const SESSION = 7;

export interface BenchOptions {
  /** Mutations that may wait for room. */
  readonly waitingMax?: number;
  readonly partitionCount?: number;
  /** Bytes of answers that sessions may keep. */
  readonly answerBytesMax?: number;
  /** Records of the log that are looked at in one turn. */
  readonly sliceRecords?: number;
  /** Default: prompt. */
  readonly committer?: (store: MemberStore) => Committer;
  /** As where members replicate. Default: the member serves what its table names. */
  readonly serving?: Partial<Serving>;
  /** Who answers statements. Default: nobody. */
  readonly statements?: StatementDoor;
}

/** A service over one partition, or more, whose map is made when the test says so. */
export function bench(options: BenchOptions = {}) {
  const { partitionCount = 1 } = options;
  let aheadMs = 0;
  const now = (): number => performance.now() + aheadMs;
  const clock = new HybridClock({ monotonicMs: now, wallMs: now });
  const store = MemberStore.create({ maxBytes: 16 << 20, partitionCount, maxWorkers: 0, hashSeed: 1, clock });
  store.openMap(MAP.id, { ttlMs: 0, maxIdleMs: 0 } as never);
  for (let id = 0; id < partitionCount; id++) store.openPartition(id as PartitionId, 1 as Epoch);
  const maps = new Map<string, CatalogedMap>();
  const made = Promise.withResolvers<CatalogedMap>();
  const control = {
    maps,
    partitionCount,
    catalog: { catalogVersion: 1 },
    table: { tableVersion: 1 },
    serves: () => true,
    serving: options.serving,
    waitForTable: () => undefined,
    mapFor: () => made.promise,
  } as unknown as GridView;
  const gate = new KeyGate(10);
  const rooms = new RoomQueue({
    isLogFull: (partition) => store.isLogFull(partition),
    waitingMax: options.waitingMax ?? 1000,
  });
  const metrics = new MemberMetrics();
  const sessions = new Sessions({
    ...{ leaseMs: 10_000, sessionsMax: 10, nowMs: () => 0, newId: () => SESSION, versionNow: () => clock.now() },
    ...(options.answerBytesMax === undefined ? {} : { answerBytesMax: options.answerBytesMax }),
  });
  sessions.open(SESSION);
  const since = clock.tick();
  const limits = new EntryLimits({ keyBytesMax: 1024, valueBytesMax: 1024 });
  const writes = new WritePath(store, options.committer?.(store));
  const processors = new ProcessorCalls({
    ...{
      store,
      writes,
      gate,
      clock,
      limits,
      partitionCount,
      random: seededRandom(1),
      tasksMax: 1,
      tracing: NO_TRACING,
    },
    run: () => {
      throw new Error('none are called');
    },
  });
  const pressure = new LogPressure(store);
  const service = kvService({
    ...{ store, writes, control, gate, rooms, processors, clock, sessions, metrics, pressure },
    ...{
      limits,
      valueBytesMax: 1024,
      answerMemory: new AnswerMemoryPool(),
      answerWindow: new AnswerWindow(store, options.sliceRecords),
      tracing: NO_TRACING,
      forward: {} as KeyForwarder,
      statements: options.statements,
    },
  });
  const stream = (generation?: number) => {
    const answers: KvAnswers[] = [];
    /** Ids of batches that were said to be over. */
    const over: number[] = [];
    const sink = service.openStream(
      {
        over: ({ batchId }) => over.push(batchId),
        write: (one) =>
          answers.push({
            ...one,
            statuses: one.statuses.slice(),
            values: one.values.slice(),
            valueEnds: one.valueEnds?.slice(),
          }),
      },
      { require: () => undefined } as unknown as CallContext,
      generation,
    );
    return {
      answers,
      over,
      send: (batch: KvBatch) => sink.onBatch(batch.resent ? { firstVersion: since, ...batch } : batch),
      close: () => sink.onClose(),
    };
  };
  const value = (): unknown => {
    if (!store.find(MAP.id, 0 as PartitionId, KEY, 0, KEY.length)) return undefined;
    const { valueBytes, valueStart, valueEnd } = store.found;
    return decodeValue(valueBytes, valueStart, valueEnd);
  };
  /** What the log tells, in its order. */
  const told = (): { kind: number; version: number; value: unknown }[] => {
    const records: { kind: number; version: number; value: unknown }[] = [];
    store.readLog(0 as PartitionId, 1 as never, 100, (record) => {
      record.positionValue();
      const there = record.hasValue ? decodeValue(record.bytes, record.start, record.stop) : undefined;
      records.push({ kind: record.kind, version: record.version, value: there });
    });
    return records;
  };
  const later = (ms: number): void => {
    aheadMs += ms;
  };
  return {
    service,
    pressure,
    stream,
    value,
    told,
    later,
    metrics,
    sessions,
    gate,
    store,
    writes,
    clock,
    mapIsKnown: () => maps.set(MAP.name, MAP),
    mapIsMade: () => made.resolve(MAP),
  };
}

export function put(value: unknown, firstRequest: number, changes: Partial<KvBatch> = {}): KvBatch {
  const values = encodeValue(value);
  return {
    batchId: firstRequest,
    session: SESSION,
    firstRequest,
    lowestUnanswered: 0,
    ...{
      sessionVersion: 0,
      deadlineMs: 0,
      consistency: 0,
      tableVersion: 1,
      catalogVersion: 0,
      atomic: false,
      resent: false,
    },
    maps: [{ name: MAP.name, affinityParts: 0, declared: false, ttlMs: 0, maxIdleMs: 0, mapId: 0, newerThan: 0 }],
    processors: [],
    count: 1,
    opcodes: Uint8Array.of(OPCODE.PUT),
    mapIndexes: undefined,
    partitions: Uint32Array.of(0),
    keyEnds: Uint32Array.of(KEY.length),
    keys: KEY,
    valueEnds: Uint32Array.of(values.length),
    values,
    ttlOperations: new Uint32Array(0),
    ttlMs: new Float64Array(0),
    ifVersionOperations: new Uint32Array(0),
    ifVersions: new Float64Array(0),
    processorOperations: new Uint32Array(0),
    processorIndexes: new Uint32Array(0),
    requestOffsets: undefined,
    traces: [],
    traceIndexes: undefined,
    ...changes,
  };
}
