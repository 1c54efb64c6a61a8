/**
 * A partition that is lost and comes back between two steps of whatever acts on it: every path notices, and nothing that was
 * begun before goes on in what lies there now. A member alone, its services called as its doors would call them.
 */
import { createHash } from 'node:crypto';
import type { JoinedMember } from '@ashlar/cluster';
import { type Epoch, GridError, type PartitionId } from '@ashlar/core';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import {
  type CallContext,
  type GridServices,
  type KvAnswers,
  type KvBatch,
  type MembersService,
  OPCODE,
  type PartInput,
  STATUS,
  type SubscribeOutput,
} from '@ashlar/transport';
import { pino } from 'pino';
import { CatalogFollower } from './catalog-follower.ts';
import { type Closers, type MemberParts, makeParts } from './member-parts.ts';
import { memberServices } from './services/member-services.ts';
import { configOf } from './start.ts';

const KEYS = ['a', 'b', 'c', 'd'];
const NONE = new Uint8Array(0);
const NO_INDEXES = new Uint32Array(0);
const STALE = { code: 'STALE_EPOCH', retryable: true };
const TEXT = `
export const count = { kind: 'job', name: undefined, map: (rows) => rows.count, reduce: (all) => all.length };
export const add = { kind: 'processor', name: undefined, run: (entry) => { entry.value = { n: entry.value.n + 1 }; } };
`;

let parts: MemberParts;
let services: GridServices;
const closers: Closers = [];
let incarnation = 0;

function context(signal = new AbortController().signal): CallContext {
  return {
    ...{ signal, deadlineMs: undefined, trace: undefined, peer: 'local' },
    principal: { name: 'member', roles: ['member'] },
    require: () => undefined,
  };
}

/** All partitions are lost with a process of our name, and begin anew here. */
async function loseAndRegain(): Promise<void> {
  const { id, address, httpAddress, zone } = parts.control.table.members[0]!;
  const member: JoinedMember = { id, address, httpAddress, zone, incarnation: `${++incarnation}` };
  await parts.control.submit({ kind: 'join', member });
  await parts.control.recover([]);
}

beforeAll(async () => {
  const { config } = configOf({
    flags: { 'cluster.partitionCount': 4, 'memory.maxBytes': '128MiB', 'workers.queryThreads': 1 },
    configFile: '/dev/null',
    env: {},
  });
  parts = await makeParts(config, () => true, pino({ level: 'silent' }), closers, {});
  const follower = new CatalogFollower(parts);
  closers.push(() => follower.close());
  parts.control.onCatalog(() => parts.hub.mapsChanged());
  const made = memberServices(parts);
  closers.push(made.close);
  services = made.services;
  parts.address = '127.0.0.1:1';
  const place = { address: '127.0.0.1:1', httpAddress: '127.0.0.1:2', zone: '' };
  await parts.control.submit({ kind: 'join', member: { id: parts.control.self, ...place, incarnation: '0' } });
  const hash = createHash('sha256').update(TEXT).digest('hex');
  const exports = [
    { name: 'count', kind: 'job', map: '' },
    { name: 'add', kind: 'processor', map: '' },
  ];
  const limits = { wallMs: 0, heapBytes: 0 };
  await services.compute.deploy({ name: 'm', hash, bundle: Buffer.from(TEXT), limits, exports }, context());
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

/** What comes of it when the member asks its coordinator for the newest the next time. */
function asNextRefresh(answer: () => Promise<void>): void {
  const { control } = parts;
  control.refresh = () => {
    Reflect.deleteProperty(control, 'refresh');
    return answer();
  };
}

async function run(text: string): Promise<void> {
  const request = { text, parameters: NONE, sessionVersion: 0, rowsMax: 0, strict: false };
  for await (const _ of services.sql.execute(request, context()));
}

beforeEach(() => run(`INSERT INTO t (__key, n) VALUES ${KEYS.map((key) => `('${key}', 1)`).join()}`));
afterEach(() => run('DELETE FROM t'));

/** The next call of a method of this member by itself: something happens between its sending and its handling. */
function beforeNext<Name extends keyof MembersService>(name: Name, happens: () => Promise<void>): void {
  const members = services.members as unknown as Record<string, (...given: unknown[]) => unknown>;
  const own = members[name]!;
  members[name] = (...given) => {
    members[name] = own;
    if (name === 'modifyRows') return happens().then(() => own(...given));
    return (async function* () {
      await happens();
      yield* own(...given) as AsyncIterable<unknown>;
    })();
  };
}

/* ---- Statements, jobs, processors over a condition ------------------------------------------------------------------ */

const WHERE = { map: 't', where: 'n = 1', parameters: NONE, arguments: NONE, sessionVersion: 0, strict: false };
const JOB = { module: 'm', exportName: 'count', map: 't', arguments: NONE, sessionVersion: 0 };

async function runJob(): Promise<void> {
  for await (const _ of services.compute.runJob(JOB, context()));
}

const insert = (): Promise<void> => run("INSERT INTO t (__key, n) VALUES ('e', 1)");

describe('lost and regained between a coordinator and its part', () => {
  it.each<[string, keyof MembersService, () => Promise<unknown>]>([
    ['a query', 'runFragment', () => run('SELECT n FROM t WHERE n > 0')],
    ['UPDATE', 'modifyRows', () => run('UPDATE t SET n = n + 1 WHERE n > 0')],
    ['INSERT', 'modifyRows', insert],
  ])('%s begins once more by itself', async (_, method, ask) => {
    let isLost = false;
    beforeNext(method, () => {
      isLost = true;
      return loseAndRegain();
    });
    await ask();
    expect(isLost).toBe(true);
  });

  it.each<[string, keyof MembersService, () => Promise<unknown>]>([
    ['a query', 'runFragment', () => run('SELECT n FROM t WHERE n > 0')],
    ['UPDATE', 'modifyRows', () => run('UPDATE t SET n = n + 1 WHERE n > 0')],
    ['DELETE', 'modifyRows', () => run('DELETE FROM t WHERE n > 0')],
    ['INSERT', 'modifyRows', insert],
    ['clear', 'modifyRows', () => services.admin.clear({ map: 't' }, context())],
    [
      'processWhere',
      'modifyRows',
      () => services.compute.processWhere({ ...WHERE, module: 'm', exportName: 'add' }, context()),
    ],
    ['a job', 'runJobPart', runJob],
  ])('%s says so where it happens again and again, and has done nothing', async (_, method, ask) => {
    const again = (): Promise<void> => {
      beforeNext(method, again);
      return loseAndRegain();
    };
    const members = { ...services.members };
    await again();
    const code = ask === insert ? 'STALE_EPOCH' : 'SNAPSHOT_EXPIRED';
    await expect(ask()).rejects.toMatchObject({ code, retryable: true });
    Object.assign(services.members, members);
    expect(parts.store.entryCount(parts.control.maps.get('t')!.id)).toBe(0);
  });

  it.each(['stage', 'commit'] as const)(
    'a part of a statement over several members says so before its %s',
    async (at) => {
      const answered: unknown[] = [];
      const given = services.members.modifyRows;
      services.members.modifyRows = async ({ body, tableVersion }, call) => {
        services.members.modifyRows = given;
        async function* steps(): AsyncGenerator<PartInput> {
          yield { body, step: 'find', tableVersion };
          if (at === 'commit') yield { body: NONE, step: 'stage', tableVersion };
          await loseAndRegain();
          yield { body: NONE, step: at, tableVersion };
        }
        const ended = async (): Promise<void> => {
          for await (const { state } of services.members.changePart(steps(), call)) answered.push(state);
        };
        await expect(ended()).rejects.toMatchObject({ code: 'STALE_EPOCH' });
        throw new GridError('INVALID_ARGUMENT', 'seen');
      };
      await expect(run('UPDATE t SET n = 5 WHERE n > 0')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(answered).toEqual(at === 'stage' ? ['found'] : ['found', 'staged']);
    },
  );
});

/* ---- Key-value batches ---------------------------------------------------------------------------------------------- */

let batchId = 0;

function batch(opcode: number, tableVersion: number, deadlineMs = 0): KvBatch {
  const [key, value] = [encodeKey('a'), encodeValue({ n: 7 })];
  const { id: mapId } = parts.control.maps.get('t')!;
  return {
    ...{ batchId: ++batchId, session: 0, firstRequest: 0, lowestUnanswered: 0, sessionVersion: 0, deadlineMs },
    ...{ consistency: 0, tableVersion, catalogVersion: 0, atomic: false, resent: false, count: 1 },
    maps: [{ name: 't', affinityParts: 0, declared: false, ttlMs: 0, maxIdleMs: 0, mapId, newerThan: 0 }],
    processors: opcode === OPCODE.PROCESS ? [{ module: 'm', exportName: 'add' }] : [],
    opcodes: Uint8Array.of(opcode),
    partitions: Uint32Array.of(partitionOfA()),
    ...{ mapIndexes: undefined, requestOffsets: undefined, traces: [], traceIndexes: undefined },
    ...{ keyEnds: Uint32Array.of(key.length), keys: key },
    ...(opcode === OPCODE.PUT ? { valueEnds: Uint32Array.of(value.length), values: value } : NO_VALUES),
    ...{ ttlOperations: NO_INDEXES, ttlMs: new Float64Array(0), ifVersionOperations: NO_INDEXES },
    ...{ ifVersions: new Float64Array(0) },
    processorOperations: opcode === OPCODE.PROCESS ? Uint32Array.of(0) : NO_INDEXES,
    processorIndexes: opcode === OPCODE.PROCESS ? Uint32Array.of(0) : NO_INDEXES,
  } as KvBatch;
}

const NO_VALUES = { valueEnds: undefined, values: NONE };

function partitionOfA(): number {
  const key = encodeKey('a');
  const { id } = parts.control.maps.get('t')!;
  return parts.control.ownPartitions.find((partition) => parts.store.find(id, partition, key, 0, key.length)) ?? home;
}

let home = 0;

function send(...batches: readonly KvBatch[]): Promise<KvAnswers[]> {
  return new Promise((resolve) => {
    const answers: KvAnswers[] = [];
    const write = (one: KvAnswers): void => {
      answers.push({ ...one, statuses: one.statuses.slice() });
      if (answers.length === batches.length) resolve(answers);
    };
    const stream = services.kv.openStream({ write }, context());
    for (const one of batches) stream.onBatch(one);
  });
}

const errorsOf = (answers: readonly KvAnswers[]) =>
  answers.flatMap(({ errors }) => errors.map(({ error }) => error.code));

describe('a key-value batch', () => {
  beforeEach(() => {
    home = partitionOfA();
  });

  it.each([
    ['GET', OPCODE.GET],
    ['PUT', OPCODE.PUT],
    ['PROCESS', OPCODE.PROCESS],
  ])('%s: that was routed before is refused after', async (_, opcode) => {
    const { tableVersion } = parts.control.table;
    await loseAndRegain();
    expect(errorsOf(await send(batch(opcode, tableVersion)))).toEqual(['STALE_EPOCH']);
  });

  it('PROCESS: that waits for a thread is refused, and one that was routed after runs', async () => {
    const { tableVersion } = parts.control.table;
    const waiting = send(batch(OPCODE.PROCESS, tableVersion));
    await loseAndRegain();
    expect(errorsOf(await waiting)).toEqual(['STALE_EPOCH']);
  });

  it.each([
    ['GET', OPCODE.GET],
    ['PUT', OPCODE.PUT],
  ])(
    '%s: that was routed by a newer table waits for it, those behind it too, and is served by that',
    async (_, opcode) => {
      const { tableVersion } = parts.control.table;
      const order: number[] = [];
      const regained = tableVersion + 2;
      const asked = [batch(opcode, regained), batch(OPCODE.GET, regained)];
      asNextRefresh(loseAndRegain);
      const answers = send(...asked);
      for (const { batchId: id, errors } of await answers) order.push(id, errors.length);
      expect(order).toEqual([asked[0]!.batchId, 0, asked[1]!.batchId, 0]);
    },
  );

  it.each([
    ['GET', OPCODE.GET],
    ['PUT', OPCODE.PUT],
  ])('%s: whose table does not come within its time is refused as never sealed', async (_, opcode) => {
    const { tableVersion } = parts.control.table;
    asNextRefresh(() => Promise.reject(new GridError('MEMBER_UNREACHABLE', 'the coordinator is away')));
    const [answer] = await send(batch(opcode, tableVersion + 1, 50));
    expect([errorsOf([answer!]), answer!.statuses[0]]).toEqual([['LEASE_EXPIRED'], STATUS.FAILED]);
  });

  it('that was routed by a table which the grid never had is refused at once', async () => {
    expect(errorsOf(await send(batch(OPCODE.PUT, 99_999)))).toEqual(['STALE_EPOCH']);
  });
});

describe('a call between members that was routed by a newer table', () => {
  it.each<[string, (tableVersion: number) => Promise<unknown>]>([
    [
      'openSnapshot',
      (tableVersion) => {
        const { members } = services;
        return members
          .pinSnapshot({ version: 0, memberId: '' }, context())
          .then(({ pinId, version }) =>
            members.openSnapshot({ pinId, version, partitions: [0], tableVersion }, hurried()),
          );
      },
    ],
  ])('%s: is not answered by the older one', async (_, ask) => {
    await expect(ask(parts.control.table.tableVersion + 1)).rejects.toMatchObject(STALE);
    asNextRefresh(() => Promise.reject(new GridError('MEMBER_UNREACHABLE', 'the coordinator is away')));
    await expect(ask(parts.control.table.tableVersion + 1)).rejects.toMatchObject({ code: 'LEASE_EXPIRED' });
  });
});

function hurried(): CallContext {
  return { ...context(), deadlineMs: performance.now() + 20 };
}

/* ---- What goes on by itself ------------------------------------------------------------------------------------------ */

describe('what follows the logs', () => {
  it.each(['lag', 'conflate', 'cut'] as const)('a subscription (%s) ends with STALE_EPOCH', async (onSlow) => {
    const request = { map: 't', where: '', parameters: NONE, types: [], from: '', onSlow, partitions: [] };
    const abort = new AbortController();
    const feed = services.events.subscribe(request, context(abort.signal))[Symbol.asyncIterator]();
    expect((await feed.next()).value).toMatchObject({ kind: 'standing' });
    await loseAndRegain();
    await expect(untilEnd(feed)).rejects.toMatchObject(STALE);
    abort.abort();
  });
});

async function untilEnd(feed: AsyncIterator<SubscribeOutput>): Promise<void> {
  for (;;) if ((await feed.next()).done === true) return;
}

describe('a write batch that names the epoch it was begun in', () => {
  it('stages nothing in a later one: deliveries, checkpoints, expiry', async () => {
    const { store, writes, control } = parts;
    const { id } = control.maps.get('t')!;
    const partition = 0 as PartitionId;
    const epoch = control.epochOf(partition);
    await loseAndRegain();
    const key = encodeKey('late');
    const late = writes.begin({ epoch });
    const put = (): unknown => late.put(id, partition, key, 0, key.length, late.value(key, 0, key.length));
    expect(put).toThrow(expect.objectContaining(STALE) as GridError);
    late.abort();
    expect(store.epochOf(partition)).toBe((epoch + 1) as Epoch);
  });
});
