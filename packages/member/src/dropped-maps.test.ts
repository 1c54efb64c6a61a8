import { READY_MODULE } from '@ashlar/api';
import { DEFAULT_MAP_SETTINGS, EmbeddedCoordinator, GridView, NO_KEEPER } from '@ashlar/cluster';
import { ModuleRegistry } from '@ashlar/compute';
import { ProcessorCalls } from '@ashlar/compute-runtime';
import { HybridClock, type MapId, type MemberId, seededRandom } from '@ashlar/core';
import { AnswerMemoryPool, type KeyForwarder, kvService, Sessions } from '@ashlar/kv';
import { MemberMetrics, NO_TRACING } from '@ashlar/observe';
import { AnswerWindow, EntryLimits, KeyGate, keyLockId, LogPressure, RoomQueue, WritePath } from '@ashlar/partitions';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import { MemberStore } from '@ashlar/storage';
import { type CallContext, type KvAnswers, type KvBatch, type MapReference, OPCODE, STATUS } from '@ashlar/transport';
import { pino } from 'pino';
import { CatalogFollower } from './catalog-follower.ts';

const SELF = 'a' as MemberId;
const KEY = encodeKey('k');
const SESSION = 7;
const NO_INDEXES = new Uint32Array(0);

/** A member alone, with the map `m`. */
async function bench() {
  const coordinator = new EmbeddedCoordinator({
    ...{ partitionCount: 1, expectedMembers: 1, newGridId: () => 'grid' },
    keeper: NO_KEEPER,
  });
  const clock = new HybridClock();
  const store = MemberStore.create({ maxBytes: 16 << 20, partitionCount: 1, maxWorkers: 0, hashSeed: 1, clock });
  const control = new GridView(SELF, coordinator);
  const follower = new CatalogFollower({
    store,
    control,
    modules: new ModuleRegistry(),
    log: pino({ level: 'silent' }),
  });
  const address = { address: '127.0.0.1:1', httpAddress: '', zone: '' };
  await coordinator.submit({ kind: 'join', member: { id: SELF, incarnation: 'one', ...address } });
  const create = async (): Promise<MapId> => {
    await coordinator.submit({ kind: 'createMap', name: 'm', options: DEFAULT_MAP_SETTINGS });
    return control.maps.get('m')!.id;
  };
  const drop = () => coordinator.submit({ kind: 'dropMap', name: 'm' });
  const gate = new KeyGate(10);
  const sessions = new Sessions({ leaseMs: 10_000, sessionsMax: 10, nowMs: () => 0, newId: () => SESSION });
  sessions.open(SESSION);
  const limits = new EntryLimits({ keyBytesMax: 1024, valueBytesMax: 1024 });
  const writes = new WritePath(store);
  const processors = new ProcessorCalls({
    ...{
      store,
      writes,
      gate,
      clock,
      limits,
      partitionCount: 1,
      random: seededRandom(1),
      tasksMax: 1,
      tracing: NO_TRACING,
    },
    run: () => {
      throw new Error('none are called');
    },
  });
  const service = kvService({
    rooms: new RoomQueue({ isLogFull: () => false, waitingMax: 10 }),
    ...{ store, writes, control, gate, processors, clock, sessions, limits, valueBytesMax: 1024, tracing: NO_TRACING },
    ...{ metrics: new MemberMetrics(), pressure: new LogPressure(store), answerMemory: new AnswerMemoryPool() },
    answerWindow: new AnswerWindow(store),
    forward: {} as KeyForwarder,
  });
  const answers: KvAnswers[] = [];
  const write = (one: KvAnswers): void => {
    answers.push({ ...one, statuses: one.statuses.slice() });
  };
  const sink = service.openStream({ write }, {} as CallContext);
  /** Sends a batch and gives its answers, once they are there. */
  const send = async (batch: KvBatch): Promise<KvAnswers | undefined> => {
    sink.onBatch(batch);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    return answers.find(({ batchId }) => batchId === batch.batchId);
  };
  const count = (): number => store.entryCount(control.maps.get('m')?.id ?? (0 as MapId));
  return { create, drop, send, answers, gate, store, count, close: () => follower.close() };
}

let batchId = 0;

function batch(request: number, map: Partial<MapReference>, changes: Partial<KvBatch> = {}): KvBatch {
  const values = encodeValue({ by: 1 });
  return {
    ...{ batchId: ++batchId, session: SESSION, firstRequest: request, lowestUnanswered: 0, sessionVersion: 0 },
    ...{ deadlineMs: 0, consistency: 0, tableVersion: 1, catalogVersion: 0, atomic: false, resent: false },
    maps: [{ name: 'm', affinityParts: 0, declared: false, ttlMs: 0, maxIdleMs: 0, mapId: 0, newerThan: 0, ...map }],
    processors: [],
    count: 1,
    opcodes: Uint8Array.of(OPCODE.PUT),
    mapIndexes: undefined,
    partitions: Uint32Array.of(0),
    keyEnds: Uint32Array.of(KEY.length),
    keys: KEY,
    valueEnds: Uint32Array.of(values.length),
    values,
    ...{ ttlOperations: NO_INDEXES, ttlMs: new Float64Array(0) },
    ...{ ifVersionOperations: NO_INDEXES, ifVersions: new Float64Array(0) },
    ...{ processorOperations: NO_INDEXES, processorIndexes: NO_INDEXES, requestOffsets: undefined },
    ...{ traces: [], traceIndexes: undefined },
    ...changes,
  };
}

const increment = {
  opcodes: Uint8Array.of(OPCODE.PROCESS),
  processors: [{ module: READY_MODULE, exportName: 'increment' }],
  processorOperations: Uint32Array.of(0),
  processorIndexes: Uint32Array.of(0),
};
const done = { statuses: Uint8Array.of(STATUS.TRUE), errors: [] };
const dropped = (mapId: number, now: number) => ({
  statuses: Uint8Array.of(STATUS.FAILED),
  errors: [{ error: { code: 'MAP_DROPPED', details: { map: 'm', mapId, now } } }],
});

describe('mutations for a map that was dropped', () => {
  it.each<[string, Partial<KvBatch>]>([
    ['puts', {}],
    ['removes', { opcodes: Uint8Array.of(OPCODE.REMOVE), valueEnds: undefined }],
    ['processors', increment],
    ['atomic batches', { atomic: true }],
  ])('change nothing, be they %s, also in the map that took the name', async (_, changes) => {
    const { create, drop, send, count, close } = await bench();
    const old = await create();
    expect(await send(batch(1, { mapId: old }))).toMatchObject(done);
    await drop();
    expect(await send(batch(2, { mapId: old }, changes))).toMatchObject(dropped(old, 0));
    const now = await create();
    expect(await send(batch(3, { mapId: old }, changes))).toMatchObject(dropped(old, now));
    expect(count()).toBe(0);
    expect(await send(batch(4, { mapId: now }))).toMatchObject(done);
    expect(count()).toBe(1);
    close();
  });

  it('are answered alike when they are sent again, and those that were applied as they were then', async () => {
    const { create, drop, send, count, close } = await bench();
    const old = await create();
    await send(batch(1, { mapId: old }));
    await drop();
    await create();
    const refused = await send(batch(2, { mapId: old }));
    expect(await send(batch(2, { mapId: old }, { resent: true }))).toMatchObject({ statuses: refused!.statuses });
    expect(await send(batch(1, { mapId: old }, { resent: true }))).toMatchObject(done);
    expect(count()).toBe(0);
    close();
  });

  it.each<[string, Partial<KvBatch>]>([
    ['a put', {}],
    ['a processor', increment],
    ['an atomic batch', { atomic: true }],
  ])('are refused when they waited for the key meanwhile: %s', async (_, changes) => {
    const { create, drop, send, answers, gate, count, close } = await bench();
    const old = await create();
    const name = keyLockId(old, KEY, 0, KEY.length);
    gate.hold(name);
    expect(await send(batch(1, { mapId: old }, changes))).toBeUndefined();
    await drop();
    const now = await create();
    gate.release(name);
    expect(answers).toMatchObject([dropped(old, now)]);
    expect(count()).toBe(0);
    close();
  });

  it('tell which map has the name, and reads find that one', async () => {
    const { create, drop, send, close } = await bench();
    const old = await create();
    expect([...(await send(batch(1, {})))!.mapIds!]).toEqual([old]);
    expect((await send(batch(2, { mapId: old })))!.mapIds).toBeUndefined();
    await drop();
    const now = await create();
    await send(batch(3, { mapId: now }));
    const read = { opcodes: Uint8Array.of(OPCODE.HAS), valueEnds: undefined };
    const answer = await send(batch(0, { mapId: old }, read));
    expect([[...answer!.statuses], [...answer!.mapIds!]]).toEqual([[STATUS.TRUE], [now]]);
    close();
  });
});
