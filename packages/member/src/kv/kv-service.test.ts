import type { CatalogedMap } from '@ashlar/cluster';
import { type Epoch, HybridClock, type MapId, type PartitionId, seededRandom } from '@ashlar/core';
import { decodeValue, encodeKey, encodeValue } from '@ashlar/serialization';
import { MemberStore } from '@ashlar/storage';
import { type CallContext, type KvAnswers, type KvBatch, OPCODE } from '@ashlar/transport';
import type { GridControl } from '../control/grid-control.ts';
import { MemberMetrics } from '../observe/metrics.ts';
import { NO_TRACING } from '../observe/tracing.ts';
import { AnswerMemoryPool } from './answers.ts';
import { EntryLimits } from './entry-limits.ts';
import { KeyGate } from './key-gate.ts';
import { type KeyForwarder, kvService } from './kv-service.ts';
import { LogPressure } from './log-pressure.ts';
import { ProcessorCalls } from './processor-calls.ts';
import { Sessions } from './sessions.ts';

const MAP: CatalogedMap = { id: 1 as MapId, name: 'm', affinityParts: 0, ttlMs: 0, maxIdleMs: 0 };
const KEY = encodeKey('k');
const SESSION = 7;

/** A service over one partition whose map is made when the test says so. */
function bench() {
  const clock = new HybridClock();
  const store = MemberStore.create({ maxBytes: 16 << 20, partitionCount: 1, maxWorkers: 0, hashSeed: 1, clock });
  store.openMap(MAP.id, { ttlMs: 0, maxIdleMs: 0 } as never);
  store.openPartition(0 as PartitionId, 1 as Epoch);
  const maps = new Map<string, CatalogedMap>();
  const made = Promise.withResolvers<CatalogedMap>();
  const control = {
    maps,
    partitionCount: 1,
    state: { catalogVersion: 1 },
    table: { tableVersion: 1 },
    serves: () => true,
    mapFor: () => made.promise,
  } as unknown as GridControl;
  const gate = new KeyGate(10);
  const metrics = new MemberMetrics();
  const sessions = new Sessions({ leaseMs: 10_000, sessionsMax: 10, nowMs: () => 0, newId: () => SESSION });
  sessions.open(SESSION);
  const limits = new EntryLimits({ keyBytesMax: 1024, valueBytesMax: 1024 });
  const processors = new ProcessorCalls({
    ...{ store, gate, clock, limits, partitionCount: 1, random: seededRandom(1), tasksMax: 1, tracing: NO_TRACING },
    run: () => Promise.reject(new Error('none are called')),
  });
  const service = kvService({
    ...{ store, control, gate, processors, clock, sessions, metrics, pressure: new LogPressure(store) },
    ...{
      limits,
      valueBytesMax: 1024,
      answerMemory: new AnswerMemoryPool(),
      tracing: NO_TRACING,
      forward: {} as KeyForwarder,
    },
  });
  const stream = () => {
    const answers: KvAnswers[] = [];
    const sink = service.openStream({ write: (one) => answers.push(one) }, {} as CallContext);
    return { answers, send: (batch: KvBatch) => sink.onBatch(batch), close: () => sink.onClose() };
  };
  const value = (): unknown => {
    if (!store.find(MAP.id, 0 as PartitionId, KEY, 0, KEY.length)) return undefined;
    const { valueBytes, valueStart, valueEnd } = store.found;
    return decodeValue(valueBytes, valueStart, valueEnd);
  };
  return { stream, value, metrics, mapIsKnown: () => maps.set(MAP.name, MAP), mapIsMade: () => made.resolve(MAP) };
}

function put(value: number, firstRequest: number, changes: Partial<KvBatch> = {}): KvBatch {
  const values = encodeValue(value);
  return {
    batchId: firstRequest,
    session: SESSION,
    firstRequest,
    lowestUnanswered: 0,
    ...{ sessionVersion: 0, deadlineMs: 0, consistency: 0, tableVersion: 1, atomic: false, resent: false },
    maps: [{ name: MAP.name, affinityParts: 0, declared: false, ttlMs: 0, maxIdleMs: 0 }],
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

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a batch that waited for its map while its link broke', () => {
  it('does not overwrite what the caller wrote after sending it again', async () => {
    const { stream, value, metrics, mapIsKnown, mapIsMade } = bench();
    const broken = stream();
    broken.send(put(1, 1));
    broken.close();
    mapIsKnown();
    const fresh = stream();
    fresh.send(put(1, 1, { resent: true }));
    fresh.send(put(2, 2));
    expect([fresh.answers.length, value()]).toEqual([2, 2]);
    mapIsMade();
    await turn();
    expect(value()).toBe(2);
    expect(metrics.maps.all.map(({ counts }) => counts[2])).toEqual([2]);
  });

  it('is applied when nobody sent it again', async () => {
    const { stream, value, mapIsMade } = bench();
    const waiting = stream();
    waiting.send(put(1, 1));
    mapIsMade();
    await turn();
    expect([waiting.answers.length, value()]).toEqual([1, 1]);
  });
});
