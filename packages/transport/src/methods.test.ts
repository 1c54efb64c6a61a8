/** Every method carries all that services.ts says it does: a sample with each field set comes back as it went. */
import type { Epoch, MemberId, PartitionTable } from '@ashlar/core';
import { type CreditInput, METHODS, type Method } from './methods.ts';
import { serviceMethods } from './schema.ts';
import { type KeyText, PART_STATES, PART_STEPS, PARTITION_PHASES } from './services.ts';

type Methods = typeof METHODS;
type Samples = {
  readonly [K in keyof Methods]: Methods[K] extends Method<infer Request, infer Response>
    ? { readonly requests: readonly Request[]; readonly responses: readonly Response[] }
    : never;
};

const BYTES = Uint8Array.of(1, 0, 255);
const KEYS: readonly KeyText[] = [
  ...[{ text: 'k' }, { integer: -5 }, { number: 1.5 }, { raw: BYTES }, { encoded: BYTES }],
  ...[{ text: '' }, { integer: 0 }, { number: 0 }],
];
const MEMBERS = ['a', 'b'].map((id) => ({
  ...{ id: id as MemberId, address: `${id}:1`, httpAddress: `${id}:2`, zone: 'z' },
}));
const TABLE: PartitionTable = {
  ...{ tableVersion: 3, gridId: 'grid', members: MEMBERS, expectedMembers: 2, awaited: ['b' as MemberId] },
  owners: [[0], [1, 0], []],
  epochs: [4, 5, 6] as Epoch[],
  lost: [2],
};
const LIMITS = { keyBytesMax: 1, valueBytesMax: 2, messageBytesMax: 3, batchesMax: 4, batchBytesMax: 5 };
const EXPORT = { name: 'e', kind: 'listener', map: 'm', state: 'running' };
const COLUMNS = [
  { name: 'n', type: 'int8', isCount: true },
  { name: 'v', type: 'text', isCount: false },
];
const END = { affected: 1, rows: 2, version: 3, elapsedMs: 4.5, notices: ['n'], batches: 5 };
const SQL = { text: 'SELECT 1', parameters: BYTES, sessionVersion: 2 ** 52, rowsMax: 3, strict: true };
const SUBSCRIBE = { map: 'm', where: 'x', parameters: BYTES, types: [0, 6], from: 't', partitions: [0, 7] };
const CONTROL = { table: BYTES, catalog: BYTES };
const NOTHING = { requests: [undefined], responses: [undefined] };
const ONE_BODY = { requests: [{ body: BYTES }], responses: [{ body: BYTES }] };

function credited<T>(...requests: readonly T[]): CreditInput<T>[] {
  return [...requests.map((request) => ({ request, creditBytes: 7 })), { creditBytes: 9 }];
}

const SAMPLES: Samples = {
  openSession: {
    requests: [{ session: 2 ** 47, clientName: 'c', forListeners: true }],
    responses: [{ session: 2 ** 47, leaseMs: 2, version: 2 ** 52 }],
  },
  renewSession: {
    requests: [{ session: 1, lowestUnanswered: 2 }],
    responses: [{ session: 1, leaseMs: 2, version: 3 }],
  },
  closeSession: { requests: [{ session: 1 }], responses: [undefined] },
  get: {
    requests: KEYS.map((key) => ({ map: 'm', key })),
    responses: [{ found: true, json: '{}', version: 2 ** 52, expiresAtMs: 1.5e12 }],
  },
  put: {
    requests: KEYS.flatMap((key) => [
      { map: 'm', key, json: '0', ttlMs: 5 },
      { map: 'm', key, messagePack: BYTES, ttlMs: 0 },
    ]),
    responses: [{ version: 1 }],
  },
  remove: { requests: KEYS.map((key) => ({ map: 'm', key })), responses: [{ removed: true }] },
  execute: {
    requests: credited(SQL),
    responses: [
      { kind: 'header', columns: COLUMNS, notices: ['a', 'b'] },
      { kind: 'batch', bytes: BYTES },
      { kind: 'batch', bytes: new Uint8Array(0) },
      { kind: 'end', ...END },
    ],
  },
  query: {
    requests: [SQL],
    responses: [{ columns: COLUMNS, rows: ['[1]'], affected: 1, notices: ['n'], version: 2, elapsedMs: 0.5 }],
  },
  deploy: {
    requests: [{ name: 'm', hash: 'h', bundle: BYTES, limits: { wallMs: 1, heapBytes: 2 }, exports: [EXPORT] }],
    responses: [{ module: 'm', hash: 'h' }],
  },
  undeploy: { requests: [{ name: 'm' }], responses: [{ existed: true }] },
  listModules: { ...NOTHING, responses: [{ modules: [{ name: 'm', hash: 'h', exports: [EXPORT] }] }] },
  runJob: {
    requests: [{ module: 'm', exportName: 'e', map: 'x', arguments: BYTES, sessionVersion: 1 }],
    responses: [
      { kind: 'progress', share: 0 },
      { kind: 'progress', share: 0.5 },
      { kind: 'result', bytes: BYTES },
    ],
  },
  processWhere: {
    requests: [
      {
        ...{ map: 'm', where: 'w', parameters: BYTES, module: 'p', exportName: 'e', arguments: BYTES },
        ...{ sessionVersion: 1, strict: true },
      },
    ],
    responses: [{ affected: 1, version: 2, notices: ['n'] }],
  },
  subscribe: {
    requests: credited(...(['lag', 'conflate', 'cut'] as const).map((onSlow) => ({ ...SUBSCRIBE, onSlow }))),
    responses: [],
  },
  hello: {
    requests: [{ protocolMin: 1, protocolMax: 2, caller: 'c' }],
    responses: [
      {
        ...{ protocolMin: 1, protocolMax: 2, features: 3, gridId: 'grid', incarnation: 'i', memberId: 'a' },
        ...{ partitionCount: 3, table: TABLE, limits: LIMITS },
      },
    ],
  },
  getTable: { ...NOTHING, responses: [TABLE] },
  watchTable: {
    ...NOTHING,
    responses: [
      TABLE,
      { ...TABLE, silent: ['a' as MemberId] },
      { ...TABLE, owners: [], epochs: [], members: [], awaited: [], lost: [] },
    ],
  },
  ping: { ...NOTHING, responses: [{ memberId: 'a', address: 'a:1', version: 2 }] },
  listMaps: {
    ...NOTHING,
    responses: [{ maps: [{ name: 'm', id: 1, affinityParts: 2, ttlMs: 3, maxIdleMs: 4, entries: 5, bytes: 6 }] }],
  },
  mapSize: {
    requests: [{ map: 'm', grid: true, mapId: 3, decided: true, partitions: [1, 4], tableVersion: 7 }],
    responses: [{ entries: 1, bytes: 2 ** 40 }],
  },
  clear: { requests: [{ map: 'm' }], responses: [{ removed: 1, version: 2 }] },
  dropMap: { requests: [{ map: 'm' }], responses: [{ existed: true, mapId: 2 }] },
  dropColumns: { requests: [{ map: 'm' }], responses: [undefined] },
  stats: {
    ...NOTHING,
    responses: [{ memberId: 'a', figures: [{ name: 'f', labels: [{ name: 'l', value: 'v' }], value: 0.5 }] }],
  },
  join: {
    requests: [
      {
        ...{ member: MEMBERS[0]!, incarnation: 'i', version: 1, gridId: 'g', protocolMin: 1, protocolMax: 2 },
        held: BYTES,
      },
    ],
    responses: [{ ...CONTROL, version: 1, leaseMs: 2 }],
  },
  leave: { requests: [{ memberId: 'a', incarnation: 'i' }], responses: [undefined] },
  heartbeat: {
    requests: [{ memberId: 'a', incarnation: 'i', version: 1, tableVersion: 2, catalogVersion: 3 }],
    responses: [{ leaseMs: 1, version: 2 }],
  },
  watchControl: { requests: [{ memberId: 'a' }], responses: [CONTROL] },
  changeCatalog: { requests: [{ body: BYTES }], responses: [{ catalogVersion: 1, body: BYTES }] },
  readControl: { requests: [{ gridId: 'g', tableVersion: 1, catalogVersion: 2 }], responses: [CONTROL] },
  followCatalog: { requests: [{ catalogVersion: 1, bundleHash: 'h' }], responses: [{ catalogVersion: 1 }] },
  transact: { requests: [{ body: BYTES }], responses: [{ table: BYTES }] },
  renew: {
    requests: [{ replica: 'a#1', number: 3, ceiling: 2 ** 50 }],
    responses: [{ granted: true, number: 3, tableVersion: 9 }],
  },
  getReplicas: {
    ...NOTHING,
    responses: [
      {
        ...{ memberId: 'a', tableVersion: 9, backups: 1, minInSync: 1 },
        members: [{ id: 'a', address: 'h:1', zone: 'z', incarnation: 'one', alive: true }],
        partitions: PARTITION_PHASES.map((phase, index) => ({
          ...{ phase, epoch: index, primary: 'a', inSync: ['a', 'b'], gone: ['b'], wanted: ['a', 'c'] },
        })),
      },
    ],
  },
  recoverPartitions: { requests: [{ partitions: [] }, { partitions: [7] }], responses: [{ recovered: [7] }] },
  recover: { requests: [{ partitions: [1, 2] }], responses: [{ recovered: [2], table: BYTES }] },
  fetchBundle: { requests: [{ hash: 'h' }], responses: [{ text: BYTES }] },
  pinSnapshot: { requests: [{ version: 1, memberId: 'a' }], responses: [{ pinId: 1, version: 2 }] },
  openSnapshot: {
    requests: [{ pinId: 1, version: 2, partitions: [0, 300], tableVersion: 3 }],
    responses: [{ snapshotId: 1 }],
  },
  releaseSnapshot: { requests: [{ snapshotId: 1 }], responses: [undefined] },
  findPaths: { requests: [{ mapId: 1 }], responses: [{ body: BYTES }] },
  runFragment: {
    requests: credited({
      ...{ plan: BYTES, partitions: [0, 5], snapshotId: 1, version: 2, parameters: BYTES },
      ...{ buildTables: [BYTES, new Uint8Array(0)], memoryBytes: 2 ** 40, tableVersion: 3 },
    }),
    responses: [
      { kind: 'batch', bytes: BYTES },
      { kind: 'scanned' },
      { kind: 'end', rows: 1, body: BYTES, batches: 2 },
    ],
  },
  runJobPart: {
    requests: [
      {
        ...{ module: 'm', exportName: 'e', map: 'x', mapId: 1, arguments: BYTES, partitions: [0], snapshotId: 2 },
        version: 3,
      },
    ],
    responses: [
      { kind: 'progress', share: 0.25 },
      { kind: 'partial', bytes: BYTES },
      { kind: 'end', partials: 3 },
    ],
  },
  modifyRows: { requests: [{ body: BYTES, tableVersion: 1 }], responses: [{ affected: 1, version: 2, body: BYTES }] },
  changePart: {
    requests: PART_STEPS.map((step) => ({ body: BYTES, step, tableVersion: 1 })),
    responses: PART_STATES.map((state) => ({ state, rows: 1, version: 2, body: BYTES, leaseMs: 3 })),
  },
  deliverWrites: ONE_BODY,
};

/** Buffers are bytes like others; what is nothing is an empty message. */
function plain(value: unknown): unknown {
  if (value === undefined) return {};
  return JSON.parse(JSON.stringify(value), (_name, one: unknown) => bytesOf(one));
}

function bytesOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const { type, data } = value as { readonly type?: unknown; readonly data?: unknown };
  if (type === 'Buffer') return data;
  const names = Object.keys(value);
  return !Array.isArray(value) && names.length > 0 && names.every((name, at) => name === String(at))
    ? Object.values(value)
    : value;
}

const names = Object.keys(METHODS) as (keyof Methods)[];
const methodNamed = (name: keyof Methods): Method<unknown, unknown> => METHODS[name] as Method<unknown, unknown>;

describe('the methods', () => {
  it.each(names)('%s carries its requests', (name) => {
    const { encodeRequest, decodeRequest } = methodNamed(name);
    for (const request of SAMPLES[name].requests) {
      expect(plain(decodeRequest(encodeRequest(request)))).toMatchObject(plain(request) as object);
    }
  });

  it.each(names)('%s carries its answers', (name) => {
    const { encodeResponse, decodeResponse } = methodNamed(name);
    for (const response of SAMPLES[name].responses) {
      expect(plain(decodeResponse(encodeResponse(response)))).toMatchObject(plain(response) as object);
    }
  });

  it('make the bytes of an answer that many ask for once', () => {
    const answer = { memberId: 'a', figures: [] };
    expect(METHODS.stats.encodeResponse(answer)).toBe(METHODS.stats.encodeResponse(answer));
  });

  it('are those of the schema, all of them', () => {
    const paths = ['Kv', 'Sql', 'Compute', 'Events', 'Admin', 'Members'].flatMap((service) =>
      Object.values(serviceMethods(service)).map(({ path }) => path),
    );
    const known = names.map((name) => METHODS[name].path);
    expect([...known, '/ashlar.v1.Kv/Batch'].sort()).toEqual(paths.sort());
  });
});

describe('a message of a kind that there is not', () => {
  const code = (expected: string) => expect.objectContaining({ code: expected });

  it('is refused, not taken for the nearest', () => {
    const { subscribe, changePart, execute, runFragment, runJob, runJobPart } = METHODS;
    const bytes = subscribe.encodeRequest({ request: { ...SUBSCRIBE, onSlow: 'cut' }, creditBytes: 1 });
    // on_slow is field 6 of the request: its last value becomes one that no release has.
    const at = bytes.indexOf(Buffer.from([0x30, 2]));
    bytes[at + 1] = 9;
    expect(() => subscribe.decodeRequest(bytes)).toThrow(code('INVALID_ARGUMENT'));
    const step = changePart.encodeRequest({ body: BYTES, step: 'commit', tableVersion: 1 });
    step[step.indexOf(PART_STEPS.indexOf('commit'))] = 99;
    expect(() => changePart.decodeRequest(step)).toThrow(code('INVALID_ARGUMENT'));
    for (const one of [execute, runFragment, runJob, runJobPart]) {
      expect(() => one.decodeResponse(Buffer.alloc(0))).toThrow(code('INVALID_ARGUMENT'));
    }
    expect(() => subscribe.decodeResponse(Buffer.alloc(0))).toThrow(code('INVALID_ARGUMENT'));
  });

  it('is refused also where columns of a table disagree, or what must be there is not', () => {
    const { getTable, hello } = METHODS;
    const broken = [
      { ...TABLE, epochs: [1] as unknown as Epoch[] },
      { ...TABLE, lost: [3] },
      { ...TABLE, owners: [[0], [2], []] },
    ];
    for (const table of broken) {
      expect(() => getTable.decodeResponse(getTable.encodeResponse(table))).toThrow(code('INVALID_ARGUMENT'));
    }
    expect(() => hello.decodeResponse(Buffer.alloc(0))).toThrow(code('INVALID_ARGUMENT'));
  });
});
