import { type AddressInfo, createServer, type Socket } from 'node:net';
import { GridError } from '@ashlar/core';
import type { StatementOutput } from '@ashlar/serialization';
import { ChannelCredentials, Client, type ServiceError } from '@grpc/grpc-js';
import { connectMember, type MemberConnection } from './connection.ts';
import { fromStatus } from './error-status.ts';
import { METHODS } from './methods.ts';
import { OPERATIONS } from './operations.ts';
import { serve } from './server.ts';
import { FakeMember } from './testing/index.ts';

let member: FakeMember;
let connection: MemberConnection;

beforeEach(async () => {
  member = new FakeMember('a');
  connection = connectMember(await member.start());
});

afterEach(async () => {
  connection.close();
  await member.stop();
});

async function collect<T>(answers: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const answer of answers) all.push(answer);
  return all;
}

const REQUEST = { text: 'SELECT 1', parameters: new Uint8Array(0), sessionVersion: 0, rowsMax: 0, strict: false };

/** Header, `count` batches of `bytes` bytes, end; counts what was asked of it. */
function resultOf(count: number, bytes: number, pulled: { count: number; returned: boolean }) {
  return async function* (): AsyncGenerator<StatementOutput> {
    try {
      yield { kind: 'header', columns: [{ name: 'n', type: 'int4' }], notices: ['look'] };
      for (let index = 0; index < count; index++) {
        pulled.count++;
        yield { kind: 'batch', bytes: new Uint8Array(bytes).fill(index) };
      }
      yield { kind: 'end', affected: 1, rows: 2, version: 3, elapsedMs: 4.5, notices: [], batches: count };
    } finally {
      pulled.returned = true;
    }
  };
}

describe('unary calls', () => {
  it('carry the partition table', async () => {
    const hello = await connection.admin.hello({ protocolMin: 1, protocolMax: 1, caller: 'test' });
    expect(hello).toMatchObject({ gridId: 'grid', memberId: 'a', table: { tableVersion: 1 } });
    expect(hello.table.owners).toEqual(member.table.owners);
    expect(hello.table.epochs).toEqual(member.table.epochs);
    expect(await connection.admin.getTable(undefined)).toMatchObject({ gridId: 'grid' });
  });

  it('fail with the error of the member, whole', async () => {
    member.services.compute.undeploy = async () => {
      throw new GridError('UNKNOWN_MODULE', 'no such module', { hint: 'deploy it', details: { nearest: 'fraud' } });
    };
    await expect(connection.compute.undeploy({ name: 'x' })).rejects.toMatchObject({
      code: 'UNKNOWN_MODULE',
      message: 'no such module',
      hint: 'deploy it',
      details: { nearest: 'fraud' },
    });
  });

  it('end at their deadline, and the handler hears of it', async () => {
    let heard: AbortSignal | undefined;
    member.services.admin.ping = (context) => {
      heard = context.signal;
      expect(context.deadlineMs).toBeGreaterThan(performance.now());
      return new Promise(() => undefined);
    };
    await expect(connection.admin.ping(undefined, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    await until(() => heard?.aborted === true);
  });

  it('say OUTCOME_UNKNOWN when a write is overdue, DEADLINE_EXCEEDED of what only reads, which may be repeated', async () => {
    const never = new Promise<never>(() => undefined);
    Object.assign(member.services.admin, { clear: () => never, dropMap: () => never, mapSize: () => never });
    Object.assign(member.services.members, { changeCatalog: () => never });
    const { admin, members } = connection;
    const limits = { timeoutMs: 50 };
    const writes = [() => admin.clear({ map: 'm' }, limits), () => admin.dropMap({ map: 'm' }, limits)];
    for (const write of writes) {
      await expect(write()).rejects.toMatchObject({
        code: 'OUTCOME_UNKNOWN',
        retryable: false,
        message: expect.stringContaining('not answered within 50 ms'),
        cause: { code: 'DEADLINE_EXCEEDED', details: limits },
      });
    }
    const reads = [
      () => admin.mapSize({ map: 'm', grid: true }, limits),
      () => members.changeCatalog({ body: new Uint8Array() }, { ...limits, onlyReads: true }),
    ];
    for (const read of reads) {
      await expect(read()).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', retryable: true, details: limits });
    }
  });

  it('that never left in their time are DEADLINE_EXCEEDED, also writes', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const unheard = connectMember(`127.0.0.1:${(silent.address() as AddressInfo).port}`);
    try {
      await expect(unheard.admin.clear({ map: 'm' }, { timeoutMs: 50 })).rejects.toMatchObject({
        code: 'DEADLINE_EXCEEDED',
        retryable: true,
      });
    } finally {
      unheard.close();
      for (const socket of sockets) socket.destroy();
      silent.close();
    }
  });

  it('that a link is let go under for its member ends as if it had broken; for its caller with CLIENT_CLOSED', async () => {
    const never = new Promise<never>(() => undefined);
    let arrived = 0;
    const hang = (): Promise<never> => {
      arrived++;
      return never;
    };
    Object.assign(member.services.admin, { clear: hang, mapSize: hang });
    const peer = connectMember(connection.address, { peer: 'a' });
    const calls = [connection, peer].flatMap(({ admin }) => [
      admin.clear({ map: 'm' }),
      admin.mapSize({ map: 'm', grid: false }),
    ]);
    const ended = Promise.allSettled(calls);
    await until(() => arrived === 4);
    for (const link of [connection, peer]) link.abandon();
    expect((await ended).map((call) => (call as PromiseRejectedResult).reason.code)).toEqual([
      ...['OUTCOME_UNKNOWN', 'CONNECTION_LOST', 'OUTCOME_UNKNOWN', 'MEMBER_UNREACHABLE'],
    ]);
    await expect(connection.admin.ping(undefined)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await expect(peer.admin.ping(undefined)).rejects.toMatchObject({ code: 'MEMBER_UNREACHABLE' });
    const closed = connectMember(connection.address);
    const call = closed.admin.mapSize({ map: 'm', grid: false });
    await until(() => arrived === 5);
    closed.close();
    await expect(call).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
  });

  it('have no deadline where it lies further than timers reach', async () => {
    const { memberId } = await connection.admin.ping(undefined, { timeoutMs: 2 ** 31 - 1 });
    expect(memberId).toBe('a');
  });

  it('end when they are cancelled, and the handler hears of it', async () => {
    let heard: AbortSignal | undefined;
    member.services.admin.ping = (context) => {
      heard = context.signal;
      return new Promise(() => undefined);
    };
    const abort = new AbortController();
    const call = connection.admin.ping(undefined, { signal: abort.signal });
    await until(() => heard !== undefined);
    abort.abort();
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' });
    await until(() => heard?.aborted === true);
    await expect(connection.admin.ping(undefined, { signal: abort.signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });

  it('say OUTCOME_UNKNOWN when the link breaks under a write, CONNECTION_LOST under a read', async () => {
    const never = new Promise<never>(() => undefined);
    let arrived = 0;
    const hang = (): Promise<never> => {
      arrived++;
      return never;
    };
    member.services.kv.put = hang;
    member.services.admin.ping = hang;
    const write = connection.kv.put({ map: 'm', key: { text: 'a' }, json: '1', ttlMs: 0 });
    const read = connection.admin.ping(undefined);
    write.catch(() => undefined);
    read.catch(() => undefined);
    await until(() => arrived === 2);
    await member.stop();
    await expect(write).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await expect(read).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await expect(connection.kv.put({ map: 'm', key: { text: 'a' }, json: '1', ttlMs: 0 })).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
    });
  });

  it('about a name of 20 KB leave the link as it is', async () => {
    member.services.admin.dropMap = async () => {
      throw new GridError('UNKNOWN_MAP', 'y'.repeat(200_000), { hint: 'z'.repeat(200_000) });
    };
    let finish: (() => void) | undefined;
    member.services.admin.listMaps = async () => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return { maps: [] };
    };
    const other = connection.admin.listMaps(undefined);
    await until(() => finish !== undefined);
    await expect(connection.admin.mapSize({ map: 'x'.repeat(20_000), grid: true })).rejects.toMatchObject({
      code: 'INVALID_NAME',
    });
    await expect(connection.admin.dropMap({ map: 'x' })).rejects.toMatchObject({ code: 'UNKNOWN_MAP' });
    finish!();
    await expect(other).resolves.toEqual({ maps: [] });
  });

  it('that are too large are refused by name, on either side', async () => {
    const small = connectMember(connection.address, { messageBytesMax: 10_000 });
    const deploy = { name: 'm', hash: '', limits: { wallMs: 0, heapBytes: 0 }, exports: [] };
    await expect(small.compute.deploy({ ...deploy, bundle: new Uint8Array(20_000) })).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
    });
    member.services.compute.listModules = async () => ({
      modules: [{ name: 'x'.repeat(20_000), hash: '', exports: [] }],
    });
    await expect(small.compute.listModules(undefined)).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
    small.close();
    await expect(connection.compute.deploy({ ...deploy, bundle: new Uint8Array(40 << 20) })).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
    });
  });
});

describe('a result', () => {
  it('comes as header, batches, end', async () => {
    const pulled = { count: 0, returned: false };
    member.services.sql.execute = resultOf(3, 10, pulled);
    const outputs = await collect(connection.sql.execute(REQUEST));
    expect(outputs.map(({ kind }) => kind)).toEqual(['header', 'batch', 'batch', 'batch', 'end']);
    expect(outputs[0]).toMatchObject({ columns: [{ name: 'n', type: 'int4' }], notices: ['look'] });
    expect(outputs[4]).toMatchObject({ affected: 1, rows: 2, version: 3, elapsedMs: 4.5 });
  });

  it('is computed only as far as the caller has granted credit', async () => {
    const pulled = { count: 0, returned: false };
    member.services.sql.execute = resultOf(1000, 10_000, pulled);
    const outputs = connection.sql.execute(REQUEST, { creditBytes: 50_000 });
    await outputs.next();
    await outputs.next();
    await pause(50);
    expect(pulled.count).toBeLessThanOrEqual(12);
    const rest = await collect(outputs);
    expect(rest.filter(({ kind }) => kind === 'batch')).toHaveLength(999);
  });

  it('ends well when the reader takes the last answers long after they were sent', async () => {
    member.services.sql.execute = resultOf(60, 10_000, { count: 0, returned: false });
    const kinds: string[] = [];
    for await (const { kind } of connection.sql.execute(REQUEST, { creditBytes: 700_000 })) {
      kinds.push(kind);
      await pause(5);
    }
    expect(kinds).toEqual(['header', ...new Array<string>(60).fill('batch'), 'end']);
  });

  it.each([0, 15_000])('under a credit of %i that nobody can raise any more ends by name', async (creditBytes) => {
    const pulled = { count: 0, returned: false };
    member.services.sql.execute = resultOf(1000, 10_000, pulled);
    const client = new Client(connection.address, ChannelCredentials.createInsecure());
    const { path, encodeRequest } = METHODS.execute;
    const call = client.makeBidiStreamRequest(path, encodeRequest, (bytes: Buffer) => bytes);
    call.on('data', () => undefined);
    const failed = new Promise<ServiceError>((resolve) => call.on('error', (error) => resolve(error as ServiceError)));
    call.end({ request: REQUEST, creditBytes });
    expect(fromStatus(await failed, 'Execute')).toMatchObject({
      code: 'INVALID_ARGUMENT',
      hint: expect.stringMatching(/credit_bytes/),
    });
    client.close();
    await until(() => pulled.returned || pulled.count === 0);
  });

  it('that the member found to take too long says what took too long', async () => {
    member.services.sql.execute = async function* () {
      yield { kind: 'header', columns: [], notices: [] };
      throw new GridError('DEADLINE_EXCEEDED', 'planning took too long');
    };
    await expect(collect(connection.sql.execute(REQUEST, { timeoutMs: 60_000 }))).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: 'planning took too long',
    });
  });

  it('ends in the member when the reader leaves', async () => {
    const pulled = { count: 0, returned: false };
    member.services.sql.execute = resultOf(1_000_000, 10_000, pulled);
    for await (const output of connection.sql.execute(REQUEST)) if (output.kind === 'batch') break;
    await until(() => pulled.returned);
    expect(pulled.count).toBeLessThan(1000);
  });

  it('that fails half way throws the error of the member', async () => {
    member.services.sql.execute = async function* () {
      yield { kind: 'header', columns: [], notices: [] };
      throw new GridError('DIVISION_BY_ZERO', 'division by zero');
    };
    await expect(collect(connection.sql.execute(REQUEST))).rejects.toMatchObject({ code: 'DIVISION_BY_ZERO' });
  });

  it('breaks off by name when the member vanishes', async () => {
    member.services.sql.execute = async function* (_, context) {
      yield { kind: 'header', columns: [], notices: [] };
      await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
    };
    const outputs = connection.sql.execute(REQUEST);
    await outputs.next();
    const next = outputs.next();
    next.catch(() => undefined);
    await member.stop();
    await expect(next).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  });
});

describe('permissions', () => {
  const paths = Object.values(METHODS).map(({ path }) => path);

  it('stand in one table for every rpc', () => {
    expect([...OPERATIONS.keys()].sort()).toEqual(
      [...paths, '/ashlar.v1.Kv/Batch', '/ashlar.v1.Replication/Exchange'].sort(),
    );
  });

  it('are asked for on every rpc: who has none gets nowhere', async () => {
    const asked: string[] = [];
    const strict = new FakeMember('a');
    const deny = (permission: string): boolean => {
      asked.push(permission);
      return false;
    };
    const denied = connectMember(await strict.start(0, { authorize: deny }));
    const calls = callsOf(denied);
    expect(Object.keys(calls).sort()).toEqual(Object.keys(METHODS).sort());
    for (const call of Object.values(calls)) {
      await expect(call()).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    }
    expect(asked).toHaveLength(Object.keys(calls).length);
    const closed = new Promise<GridError>((resolve) => {
      denied.kv.openStream({ onAnswers: () => undefined, onClosed: resolve });
    });
    expect(await closed).toMatchObject({ code: 'PERMISSION_DENIED' });
    denied.close();
    await strict.stop();
  });

  it('come from the token', async () => {
    const strict = new FakeMember('a');
    const address = await strict.start(0, {
      authenticate: (token) => {
        if (token !== 'secret') throw new GridError('UNAUTHENTICATED', 'unknown token');
        return { name: 'alice', roles: [] };
      },
      authorize: (permission, _, principal) => principal.name === 'alice' && permission === 'connect',
    });
    const stranger = connectMember(address);
    await expect(stranger.admin.ping(undefined)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    const alice = connectMember(address, { token: () => 'secret' });
    await expect(alice.admin.ping(undefined)).resolves.toMatchObject({ memberId: 'a' });
    await expect(alice.admin.dropMap({ map: 'm' })).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      details: { permission: 'define', map: 'm' },
    });
    stranger.close();
    alice.close();
    await strict.stop();
  });
});

/** Every rpc but the kv stream, with some request. */
function callsOf(to: MemberConnection): Record<string, () => Promise<unknown>> {
  const all: Record<string, unknown> = { ...to.kv, ...to.sql, ...to.compute, ...to.events, ...to.admin, ...to.members };
  delete all['openStream'];
  // Members have one of that name too, to the coordinator.
  all['recoverPartitions'] = to.admin.recover;
  const ask = { step: 'find', body: new Uint8Array(0), tableVersion: 0 } as const;
  all['changePart'] = () => to.members.changePart().ask(ask, 'none');
  const anything = {
    map: 'm',
    key: { text: 'k' },
    text: '',
    name: '',
    member: { id: '', address: '', httpAddress: '', zone: '' },
    exports: [],
    types: [],
    partitions: [],
    onSlow: 'lag',
    buildTables: [],
  };
  return Object.fromEntries(
    Object.entries(all).map(([name, call]) => [
      name,
      async () => {
        const answer = (call as (request: unknown) => unknown)(anything);
        return 'then' in (answer as object) ? answer : collect(answer as AsyncIterable<unknown>);
      },
    ]),
  );
}

describe('the door', () => {
  it('is not opened wider than loopback without TLS and token', async () => {
    const options = { port: 0, services: member.services, authorize: () => true };
    await expect(serve({ ...options, host: '0.0.0.0' })).rejects.toMatchObject({ code: 'INSECURE_BIND' });
    await expect(serve({ ...options, host: '::' })).rejects.toMatchObject({ code: 'INSECURE_BIND' });
    const open = await serve({ ...options, host: '0.0.0.0', insecure: true });
    await open.close();
  });

  it('says when its port is taken', async () => {
    await expect(new FakeMember('b').start(member.port)).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  });

  it('when it drains, finishes what is under way and takes nothing new', async () => {
    let finish: (() => void) | undefined;
    member.services.admin.listMaps = async () => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return { maps: [] };
    };
    const underWay = connection.admin.listMaps(undefined);
    await until(() => finish !== undefined);
    const drained = member.server!.drain(5000);
    await expect(connection.admin.ping(undefined)).rejects.toMatchObject({
      code: expect.stringMatching(/SHUTTING_DOWN|CONNECTION_LOST/),
    });
    finish!();
    await expect(underWay).resolves.toEqual({ maps: [] });
    await drained;
  });

  it('when it drains, ends what has no end of its own: who listens is told of no more, and nobody waits for it', async () => {
    const tables: unknown[] = [];
    member.services.admin.watchTable = async function* ({ signal }) {
      yield member.table;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    };
    const watching = (async () => {
      for await (const table of connection.admin.watchTable(undefined)) tables.push(table);
    })();
    const isRefused = expect(watching).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    await until(() => tables.length === 1);
    await member.server!.drain(2 ** 30);
    await isRefused;
    expect(tables).toHaveLength(1);
  });

  it('cuts what does not end in time', async () => {
    member.services.admin.listMaps = () => new Promise(() => undefined);
    const underWay = connection.admin.listMaps(undefined);
    underWay.catch(() => undefined);
    await pause(20);
    await member.server!.drain(50);
    await expect(underWay).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (condition()) return;
    await pause(10);
  }
  throw new Error('it never came to be');
}
