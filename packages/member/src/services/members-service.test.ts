import { bundleHash } from '@ashlar/cluster';
import { BUNDLE, completions, creates, deploys, joins } from '@ashlar/cluster/testing';
import { GridError, type MemberId, type ReplicaId, type Version } from '@ashlar/core';
import { NO_TRACING } from '@ashlar/observe';
import { Ownership } from '@ashlar/partitions';
import { decodeValue, encodeMessage, encodeValue } from '@ashlar/serialization';
import { HeldMemory } from '@ashlar/sql-runtime';
import {
  type FragmentOutput,
  type FragmentRequest,
  type JoinRequest,
  LOCAL_PEER,
  type MembersService,
  type PartInput,
} from '@ashlar/transport';
import { callContext, SELF, type TestGridOptions, testGrid } from '../testing/test-grid.ts';
import { PROTOCOL } from './admin-service.ts';
import { type MembersDependencies, membersService } from './members-service.ts';

const OTHER = 'b' as MemberId;
const context = callContext();
const NO_BYTES = new Uint8Array(0);
const JOIN: JoinRequest = {
  ...{ member: { id: OTHER, address: '127.0.0.1:1', httpAddress: '', zone: '' }, incarnation: 'one', version: 900 },
  ...{ gridId: '', protocolMin: PROTOCOL.min, protocolMax: PROTOCOL.max },
};
const SCAN = { kind: 'Scan', map: 'm', mapId: 1, columns: [], filter: undefined };

interface BenchOptions extends TestGridOptions {
  readonly holdsCoordinator?: boolean;
  /** What the query workers send while they scan, and with their end. */
  readonly batches?: readonly (readonly Uint8Array[])[];
}

async function bench({ holdsCoordinator = true, batches = [], ...options }: BenchOptions = {}) {
  const grid = await testGrid({ partitionCount: 2, members: [SELF], ...options });
  const { control } = grid;
  const told = { observed: [] as number[], pins: [] as object[], ran: [] as string[] };
  const held = new HeldMemory({ bytesMax: 1 << 20, statementBytesMax: 1 << 20, unreadMaxMs: 1000, nowMs: () => 0 });
  const tasks = [...batches];
  const deps = {
    ...{ control, ownership: new Ownership(control), holdsCoordinator, tracing: NO_TRACING },
    hello: () => Promise.reject(new GridError('CONNECTION_LOST', 'nobody is there')),
    clock: { now: () => 1000 as Version, observe: (version: Version) => void told.observed.push(version) },
    snapshots: {
      pin: (version: Version, owner?: MemberId) => {
        told.pins.push({ version, owner });
        return { pinId: told.pins.length, version };
      },
      open: async () => 7,
      release: (id: number) => void told.ran.push(`release ${id}`),
    },
    fragments: {
      held,
      store: { hasMap: () => true, hasVersions: () => true, entryCount: () => 1 },
      needMap: () => Promise.reject(new Error('it is there')),
      pool: {
        stats: () => ({ threads: 1 }),
        run: (_kind: string, _task: object, { onMessage }: { onMessage(bytes: Uint8Array): void }) => {
          const [last, ...first] = [...(tasks.shift() ?? [])].reverse();
          for (const bytes of first.reverse()) onMessage(bytes);
          const rest = last === undefined ? [] : [last];
          const result = Promise.resolve({ batches: rest, rowsScanned: 5, rowsOut: 3, odd: [] });
          return { result, post: () => undefined, kill: () => undefined };
        },
      },
      columns: {
        warmLease: () => undefined,
        lease: () => ({ leasedPages: [], columnNumbers: [], settle: () => undefined, giveBack: () => undefined }),
      },
      snapshots: { touch: () => undefined, checkHeld: () => undefined },
    },
    findPaths: async () => ({ paths: [] }),
    change: async (request: { kind: string }) => {
      told.ran.push(request.kind);
      return { affected: 2, version: 9, odd: [{ what: 'x', rows: 1 }], keysFound: ['k'] };
    },
    changePart: () => {
      told.ran.push('part');
      return {
        find: async () => ({ work: { rowCount: 4 }, odd: [], keysFound: [] }),
        close: () => told.ran.push('closed'),
      };
    },
    jobPart: async function* () {
      yield { kind: 'end', partials: 0 };
    },
    deliver: async (body: Uint8Array) => body,
  } as unknown as MembersDependencies;
  const service: MembersService = membersService(deps);
  return { ...grid, service, told, tableVersion: () => control.table.tableVersion };
}

type Bench = Awaited<ReturnType<typeof bench>>;

function fragment(tableVersion: number, partitions: readonly number[] = [0]): FragmentRequest {
  const plan = encodeMessage({ fragment: SCAN, mapId: 1, clockMs: 0, strict: false, buildStages: [] });
  return {
    ...{ plan, partitions, snapshotId: 7, version: 1, parameters: NO_BYTES, buildTables: [], memoryBytes: 1 << 20 },
    tableVersion,
  };
}

const INSERT = {
  ...{ kind: 'insert', map: 'm', mapId: 1 },
  rows: { partitions: [0], keys: [Uint8Array.of(1)], values: [Uint8Array.of(1)], onConflict: 'error' },
};
const TASK = {
  ...{ kind: 'update', scan: SCAN, assignments: [], partitions: [0], snapshotId: 7, snapshotVersion: 1 },
  ...{ parameters: NO_BYTES, clockMs: 0, strict: false },
};

async function all<T>(answers: AsyncIterable<T>): Promise<T[]> {
  const taken: T[] = [];
  for await (const answer of answers) taken.push(answer);
  return taken;
}

async function* inputs(...bodies: readonly object[]): AsyncGenerator<PartInput> {
  for (const body of bodies) yield { body: encodeMessage(body), step: 'find', tableVersion: 1 };
}

describe('a member that joins', () => {
  it('is answered with the grid that it is in from then on, and its clock is heard', async () => {
    const { service, control, told } = await bench({ members: [SELF, OTHER], joined: 1 });
    const answer = await service.join(JOIN, context);
    expect(decodeValue(answer.table)).toMatchObject({ gridId: 'grid', members: [{ id: SELF }, { id: OTHER }] });
    expect(decodeValue(answer.catalog)).toMatchObject({ maps: [] });
    expect(answer).toMatchObject({ version: 1000, leaseMs: expect.any(Number) });
    expect([told.observed, control.isComplete]).toEqual([[900], true]);
  });

  it.each<[string, Partial<JoinRequest>, string]>([
    ['a later protocol', { protocolMin: PROTOCOL.max + 1, protocolMax: PROTOCOL.max + 1 }, 'UNSUPPORTED_PROTOCOL'],
    ['an earlier protocol', { protocolMin: 0, protocolMax: PROTOCOL.min - 1 }, 'UNSUPPORTED_PROTOCOL'],
    ['no member', { member: null as unknown as JoinRequest['member'] }, 'INVALID_ARGUMENT'],
    ['no incarnation', { incarnation: '' }, 'INVALID_ARGUMENT'],
    ['the name of a member that lives', { member: { ...JOIN.member, id: SELF }, incarnation: 'two' }, 'INVALID_CONFIG'],
    ['a grid that cannot be read', { held: Uint8Array.of(0xc1) }, 'CORRUPT_DATA'],
  ])('with %s is refused, with what to do', async (_what, changes, code) => {
    const { service, control } = await bench({ members: [SELF, OTHER], joined: 1 });
    const before = control.table;
    const failure = await service.join({ ...JOIN, ...changes }, context).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code });
    if (code !== 'CORRUPT_DATA') expect(failure).toMatchObject({ hint: expect.any(String) });
    expect(control.table).toBe(before);
  });

  it('is sent to the member that has the coordinator', async () => {
    const { service } = await bench({ holdsCoordinator: false, members: [SELF, OTHER], joined: 1 });
    const asked = [
      () => service.join(JOIN, context),
      () => service.changeCatalog({ body: encodeValue(creates('m')) }, context),
      () => service.readControl({ gridId: '', tableVersion: 0, catalogVersion: 0 }, context),
      () => service.transact({ body: encodeValue({ id: 1, changes: [] }) }, context),
      () => service.renew({ replica: `${SELF}#one`, number: 1, ceiling: 1 }, context),
      () => service.recover({ partitions: [] }, context),
    ];
    for (const call of asked) {
      await expect(call()).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        hint: expect.stringContaining('127.0.0.1:1'),
      });
    }
  });
});

describe('changes of who holds what', () => {
  const copied = () => bench({ members: [SELF, OTHER], backups: 1 });
  const row = { partition: 0, epoch: 2, revision: 2 };
  const replica = `${SELF}#one`;

  it('are those that members make, and are answered with the table that holds them', async () => {
    const { service, control } = await copied();
    const both = [replica, `${OTHER}#one`] as ReplicaId[];
    const changes = completions(control.table, both);
    const { table } = await service.transact({ body: encodeValue({ id: 1, changes }) }, context);
    expect(decodeValue(table)).toMatchObject({
      tableVersion: control.table.tableVersion,
      owners: control.table.owners,
    });
    expect(control.table.owners.every((owners) => owners.length === 2)).toBe(true);
  });

  it.each([
    ['that cannot be read', Uint8Array.of(0xc1)],
    ['of no kind', encodeValue({ id: 1, changes: [{ kind: 'dance' }] })],
    ['that name nobody', encodeValue({ id: 1, changes: [{ kind: 'leaveSet', ...row, by: 'a' }] })],
    [
      'that only the controller makes',
      encodeValue({ id: 1, changes: [{ kind: 'nominate', ...row, primary: replica }] }),
    ],
    ['that take a member for dead', encodeValue({ id: 1, changes: [{ kind: 'expire', replica }] })],
    ['that only an operator makes', encodeValue({ id: 1, changes: [{ kind: 'declareLost', ...row }] })],
  ])('%s are refused, all of them', async (_what, body) => {
    const { service, control } = await copied();
    const { table } = control;
    await expect(service.transact({ body }, context)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(control.table).toBe(table);
  });

  it('need a lease, which only who is registered gets', async () => {
    const { service, control } = await copied();
    expect(await service.renew({ replica, number: 4, ceiling: 9 }, context)).toEqual({
      ...{ granted: true, number: 4, tableVersion: control.table.tableVersion },
    });
    for (const other of [`${SELF}#two`, 'x#one', '', '#']) {
      expect(await service.renew({ replica: other, number: 5, ceiling: 9 }, context)).toMatchObject({ granted: false });
    }
  });
});

describe('the grid that members follow', () => {
  it('changes by what is asked for, which is answered with the catalog that holds it', async () => {
    const { service, control } = await bench();
    const { catalogVersion, body } = await service.changeCatalog({ body: encodeValue(creates('m')) }, context);
    expect(decodeValue(body)).toMatchObject({ catalogVersion, maps: [{ name: 'm' }] });
    expect(control.maps.has('m')).toBe(true);
  });

  it.each([
    ['that cannot be read', Uint8Array.of(0xc1)],
    ['of no kind', encodeValue({ kind: 'dance' })],
    ['that only join makes', encodeValue(joins('c'))],
    ['that is no object', encodeValue(5)],
  ])('does not change by a command %s', async (_what, body) => {
    const { service, coordinator } = await bench();
    const before = coordinator.state;
    await expect(service.changeCatalog({ body }, context)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(coordinator.state).toBe(before);
  });

  it('is told in the parts that are newer than what its reader has', async () => {
    const { service, control } = await bench();
    const { tableVersion } = control.table;
    const { catalogVersion } = control.catalog;
    const has = { gridId: 'grid', tableVersion, catalogVersion };
    expect(await service.readControl(has, context)).toEqual({ table: NO_BYTES, catalog: NO_BYTES });
    const older = await service.readControl({ ...has, tableVersion: tableVersion - 1 }, context);
    expect([older.table.length > 0, older.catalog.length]).toEqual([true, 0]);
    const stranger = await service.readControl({ ...has, gridId: 'another' }, context);
    expect([stranger.table.length > 0, stranger.catalog.length > 0]).toEqual([true, true]);
  });

  it('is watched: both values first, then each with its changes, until the watcher leaves', async () => {
    const { service, createMap } = await bench();
    const abort = new AbortController();
    const stream = service.watchControl({ memberId: OTHER }, callContext({ signal: abort.signal }));
    const updates = stream[Symbol.asyncIterator]();
    const { value: first } = await updates.next();
    expect([first.table.length > 0, first.catalog.length > 0]).toEqual([true, true]);
    const next = updates.next();
    await createMap('m');
    const { value: second } = await next;
    expect([second.table.length, decodeValue(second.catalog)]).toEqual([
      0,
      expect.objectContaining({ gridId: 'grid' }),
    ]);
    abort.abort();
    expect(await updates.next()).toMatchObject({ done: true });
  });

  it('is followed to a version: the answer comes when it stands here, with its bundle', async () => {
    const { service, control, coordinator, createMap } = await bench();
    const standing = Promise.withResolvers<void>();
    control.addStanding(() => standing.promise);
    await createMap('m');
    await coordinator.submit(deploys());
    const { catalogVersion } = control.catalog;
    let isAnswered = false;
    const asked = { catalogVersion, bundleHash: bundleHash(BUNDLE) };
    const answer = service.followCatalog(asked, context).finally(() => {
      isAnswered = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isAnswered).toBe(false);
    standing.resolve();
    expect(await answer).toEqual({ catalogVersion });
    const { text } = await service.fetchBundle({ hash: bundleHash(BUNDLE) }, context);
    expect(Buffer.from(text).toString()).toBe(BUNDLE);
    await expect(service.fetchBundle({ hash: 'none' }, context)).rejects.toMatchObject({ code: 'BUNDLE_MISSING' });
  });

  it('is waited for no longer than who asks waits', async () => {
    const { service, control } = await bench();
    const { catalogVersion } = control.catalog;
    const left = service.followCatalog(
      { catalogVersion: catalogVersion + 1 },
      callContext({ signal: AbortSignal.abort() }),
    );
    await expect(left).rejects.toMatchObject({ code: 'CANCELLED' });
    const over = service.followCatalog({ catalogVersion: catalogVersion + 1 }, callContext({ deadlineMs: 0 }));
    await expect(over).rejects.toMatchObject({ code: 'LEASE_EXPIRED' });
  });

  it('has no lease to lose: heartbeats tell clocks', async () => {
    const { service, told } = await bench();
    const beat = { memberId: OTHER, incarnation: 'one', version: 800, tableVersion: 1, catalogVersion: 1 };
    expect(await service.heartbeat(beat, context)).toMatchObject({ version: 1000 });
    expect(told.observed).toEqual([800]);
  });
});

describe('what needs partitions', () => {
  const PART_CALLS: readonly [string, (of: Bench, tableVersion: number) => Promise<unknown>][] = [
    [
      'a snapshot',
      ({ service }, tableVersion) =>
        service.openSnapshot({ pinId: 1, version: 1, partitions: [0], tableVersion }, context),
    ],
    ['a fragment', ({ service }, tableVersion) => all(service.runFragment(fragment(tableVersion), context))],
    [
      'a change',
      ({ service }, tableVersion) => service.modifyRows({ body: encodeMessage(INSERT), tableVersion }, context),
    ],
    [
      'a part of a statement',
      ({ service }, tableVersion) => {
        const asked = async function* (): AsyncGenerator<PartInput> {
          yield { body: encodeMessage(INSERT), step: 'find', tableVersion };
        };
        return all(service.changePart(asked(), context));
      },
    ],
  ];

  it.each(PART_CALLS)('is refused where they are not held as the caller thinks: %s', async (_what, call) => {
    const made = await bench();
    made.loseAndRegain(0);
    await expect(call(made, made.tableVersion() - 1)).rejects.toMatchObject({ code: 'STALE_EPOCH', retryable: true });
    expect(made.told.ran).toEqual([]);
    await expect(call(made, made.tableVersion())).resolves.toBeDefined();
  });

  it.each(PART_CALLS)('is judged by the newest table where the caller has a later one: %s', async (_what, call) => {
    const made = await bench();
    let asked = 0;
    const { refresh } = made.coordinator;
    made.coordinator.refresh = () => {
      asked++;
      return refresh.call(made.coordinator);
    };
    await call(made, made.tableVersion());
    expect(asked).toBe(0);
    // The coordinator has none so new either: nobody can tell who holds what by it.
    await expect(call(made, made.tableVersion() + 1)).rejects.toMatchObject({ code: 'STALE_EPOCH', retryable: true });
    expect(asked).toBe(1);
  });

  it('waits for a complete grid', async () => {
    const { service } = await bench({ members: [SELF, OTHER], joined: 1 });
    const calls: (() => unknown)[] = [
      () => service.pinSnapshot({ version: 1, memberId: '' }, callContext({ peer: LOCAL_PEER })),
      () => service.findPaths({ mapId: 1 }, context),
      () => service.deliverWrites({ body: NO_BYTES }, context),
      async () => service.runJobPart({} as never, context),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'GRID_INCOMPLETE' });
  });
});

describe('a snapshot', () => {
  it('belongs to the member that pinned it, and to nobody where it is this one', async () => {
    const { service, told } = await bench({ members: [SELF, OTHER] });
    await service.pinSnapshot({ version: 5, memberId: OTHER }, context);
    await service.pinSnapshot({ version: 6, memberId: SELF }, callContext({ peer: LOCAL_PEER }));
    expect(told.pins).toEqual([
      { version: 5, owner: OTHER },
      { version: 6, owner: undefined },
    ]);
  });

  it.each(['', 'c', SELF])("is not pinned for who is no other member of the grid: '%s'", async (memberId) => {
    const { service, told } = await bench({ members: [SELF, OTHER] });
    const pin = service.pinSnapshot({ version: 5, memberId }, context);
    await expect(pin).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(told.pins).toEqual([]);
  });
});

describe("a member's part of a query", () => {
  const [ONE, TWO, THREE] = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)];
  const kinds = (outputs: readonly FragmentOutput[]): string => outputs.map(({ kind }) => kind).join(' ');

  it('is its batches and an end that counts them, so that none is missed', async () => {
    const { service, tableVersion } = await bench({ batches: [[ONE, TWO, THREE]] });
    const outputs = await all(service.runFragment(fragment(tableVersion()), context));
    const end = outputs.at(-1) as Extract<FragmentOutput, { kind: 'end' }>;
    expect(outputs.filter(({ kind }) => kind === 'batch')).toHaveLength(3);
    expect(end).toMatchObject({ kind: 'end', batches: 3, rows: 3 });
    expect(decodeValue(end.body)).toMatchObject({ rowsScanned: 5, rowsOut: 3, tasks: 1 });
  });

  it('says once that nothing more is scanned, while batches wait for their reader', async () => {
    const { service, tableVersion } = await bench({ batches: [[ONE, TWO, THREE]] });
    const outputs = await all(service.runFragment(fragment(tableVersion()), context));
    expect(kinds(outputs)).toMatch(/^batch( batch)*( scanned)?( batch)* end$/);
    expect(kinds(outputs).match(/scanned/g)?.length ?? 0).toBeLessThan(2);
  });

  it('of no rows is an end', async () => {
    const { service, tableVersion } = await bench({ batches: [[]] });
    expect(await all(service.runFragment(fragment(tableVersion()), context))).toMatchObject([
      { kind: 'end', batches: 0 },
    ]);
  });

  it.each([
    ['cannot be read', Uint8Array.of(0xc1)],
    ['is none', encodeMessage({ fragment: { kind: 'Dance' }, mapId: 1, clockMs: 0, strict: false, buildStages: [] })],
  ])('by a plan that %s is refused', async (_what, plan) => {
    const { service, tableVersion } = await bench();
    const asked = { ...fragment(tableVersion()), plan };
    await expect(all(service.runFragment(asked, context))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('a change that another member coordinates', () => {
  it('is answered with its count, its version and what was odd', async () => {
    const { service, told, tableVersion } = await bench();
    const body = encodeMessage({ kind: 'check', task: TASK });
    const answer = await service.modifyRows({ body, tableVersion: tableVersion() }, context);
    expect(answer).toMatchObject({ affected: 2, version: 9 });
    expect(decodeValue(answer.body)).toEqual({ odd: [{ what: 'x', rows: 1 }], keysFound: ['k'] });
    expect(told.ran).toEqual(['check']);
  });

  it('in parts is opened once, and closed with its conversation', async () => {
    const { service, told } = await bench();
    expect(await all(service.changePart(inputs(INSERT, {}), context))).toMatchObject([
      { state: 'found', rows: 4 },
      { state: 'found', rows: 4 },
    ]);
    expect(told.ran).toEqual(['part', 'closed']);
  });

  it.each([
    ['a check', { kind: 'check', task: TASK }],
    ['a processor', { kind: 'process', task: TASK, processor: { module: 'm', exportName: 'e', args: NO_BYTES } }],
    ['nothing', {}],
  ])('has no parts where it is %s', async (_what, body) => {
    const { service, told } = await bench();
    const part = all(service.changePart(inputs(body), context));
    await expect(part).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', hint: expect.any(String) });
    expect(told.ran).toEqual([]);
  });
});
