/** Strangers and clients at the doors of members: every method, with and without what it asks for. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GridError } from '@ashlar/core';
import { connectMember, type MemberConnection, OPERATIONS } from '@ashlar/transport';
import { memberFlags, TestGrid } from './support/grid.ts';
import { MemberProcess } from './support/member-process.ts';

const TOKEN = 'the token of clients';
const SECRET = 'the secret of members';
const KV_BATCH = '/ashlar.v1.Kv/Batch';
const EXCHANGE = '/ashlar.v1.Replication/Exchange';

/** A request of no map that is there, and of nobody's module. */
const ANYTHING = {
  map: 'none',
  name: 'none',
  module: 'none',
  key: { text: 'k' },
  text: 'SELECT 1',
  protocolMin: 1,
  protocolMax: 1,
  member: { id: 'stranger', address: '127.0.0.1:1', httpAddress: '', zone: '' },
  incarnation: 'stranger',
  limits: { wallMs: 0, heapBytes: 0 },
  exports: [],
  types: [],
  partitions: [],
  buildTables: [],
  onSlow: 'lag',
};

/** What every method answers, by its path: OK, or the code of its refusal. */
async function answers(connection: MemberConnection): Promise<Map<string, string>> {
  const { kv, sql, compute, events, admin, members } = connection;
  const services = { Kv: kv, Sql: sql, Compute: compute, Events: events, Admin: admin, Members: members };
  const codes = new Map<string, string>();
  for (const path of OPERATIONS.keys()) {
    if (path === KV_BATCH) codes.set(path, await codeOfKv(connection));
    else if (path === EXCHANGE) codes.set(path, await codeOfExchange(connection));
    else {
      const [, service, method] = /^\/ashlar\.v1\.(\w+)\/(\w+)$/.exec(path)!;
      const calls = services[service as keyof typeof services] as unknown as Record<string, Call>;
      codes.set(path, await codeOf(calls[method![0]!.toLowerCase() + method!.slice(1)]!));
    }
  }
  return codes;
}

type Call = (
  request: object,
  options: { timeoutMs: number },
) => Promise<unknown> | AsyncGenerator | { ask(input: object, effect: 'none'): Promise<unknown> };

async function codeOf(call: Call): Promise<string> {
  try {
    const answer = call(ANYTHING, { timeoutMs: 2000 });
    if ('then' in answer) await answer;
    else if ('ask' in answer) await answer.ask({ ...ANYTHING, step: 'find' }, 'none');
    else for await (const _ of answer) break;
    return 'OK';
  } catch (error) {
    return GridError.wrap(error).code;
  }
}

/** @param open  opens a stream: what it ends with is told to `onEnd`; answers how to close it */
function codeOfStream(open: (onEnd: (error: GridError) => void) => () => void): Promise<string> {
  return new Promise((resolve) => {
    const close = open(({ code }) => resolve(code));
    setTimeout(() => {
      resolve('OK');
      close();
    }, 500);
  });
}

function codeOfKv(connection: MemberConnection): Promise<string> {
  return codeOfStream((onClosed) => {
    const stream = connection.kv.openStream({ onAnswers: () => undefined, onClosed });
    return () => stream.close();
  });
}

function codeOfExchange(connection: MemberConnection): Promise<string> {
  return codeOfStream((onEnd) => {
    const stream = connection.replication.openStream({ onAccepted: () => undefined, onEnd });
    return () => stream.fail(new GridError('CLIENT_CLOSED', 'the test is done'));
  });
}

function isMembers(path: string): boolean {
  return OPERATIONS.get(path)!.permission === 'member';
}

describe('the methods of a grid with a token', () => {
  let grid: TestGrid;
  const connections: MemberConnection[] = [];
  const connected = (token?: string): MemberConnection => {
    const connection = connectMember(grid.members[0]!.address, token === undefined ? {} : { token });
    connections.push(connection);
    return connection;
  };

  beforeAll(async () => {
    grid = await TestGrid.start({ members: 2, settings: { 'security.token': TOKEN, 'security.memberToken': SECRET } });
  });
  afterEach(() => {
    for (const connection of connections.splice(0)) connection.close();
  });
  afterAll(() => grid.stop());

  it.each([undefined, 'another token'])('are closed to a caller that shows %s', async (token) => {
    const codes = await answers(connected(token));
    expect([...codes].filter(([, code]) => code !== 'UNAUTHENTICATED')).toEqual([]);
  });

  it("are open to a client, but for the members' own", async () => {
    const codes = await answers(connected(TOKEN));
    for (const [path, code] of codes) expect([path, code === 'PERMISSION_DENIED']).toEqual([path, isMembers(path)]);
    expect([...codes.values()]).not.toContain('UNAUTHENTICATED');
  });

  it('are open to a member, and a pin wants to know whose it is', async () => {
    const { members } = connected(SECRET);
    const table = await connected(TOKEN).admin.getTable(undefined);
    await expect(members.pinSnapshot({ version: 0, memberId: 'stranger' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    const other = table.members.find(({ address }) => address !== grid.members[0]!.address)!;
    const { pinId } = await members.pinSnapshot({ version: 0, memberId: other.id });
    await members.releaseSnapshot({ snapshotId: pinId });
  });

  it('refuse a join under the name of a member that answers', async () => {
    const { members } = connected(SECRET);
    const [first, second] = (await connected(TOKEN).admin.getTable(undefined)).members;
    for (const { id } of [first!, second!]) {
      const stolen = { ...ANYTHING.member, id };
      const request = { ...ANYTHING, member: stolen, version: 0, gridId: '' };
      await expect(members.join(request)).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
    }
    const now = await connected(TOKEN).admin.getTable(undefined);
    expect(now.members.map(({ address }) => address)).toEqual([first!.address, second!.address]);
  });

  it('serve SQL to clients while strangers ask for pins', async () => {
    const { members } = connected(TOKEN);
    const pins = Array.from({ length: 600 }, () => members.pinSnapshot({ version: 0, memberId: 'a' }));
    const settled = await Promise.allSettled(pins);
    expect(settled.every(({ status }) => status === 'rejected')).toBe(true);
    const client = await grid.connect({ token: TOKEN });
    expect(await client.sql('SELECT 1 AS n').all()).toEqual([{ n: 1 }]);
  });
});

describe('members without settings', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'ashlar-home-'));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  async function pair(env: Record<string, string>, otherEnv = env): Promise<string> {
    const first = await MemberProcess.start(memberFlags({}, 2, undefined), env);
    try {
      const second = await MemberProcess.start(memberFlags({}, 2, first.address), otherEnv);
      await second.end('SIGKILL');
      return 'joined';
    } catch (error) {
      return (error as Error).message;
    } finally {
      await first.end('SIGKILL');
    }
  }

  it('of one user join by the cookie that the first of them made', async () => {
    expect(await pair({ HOME: home })).toBe('joined');
    expect(statSync(join(home, '.ashlar/member-secret')).mode & 0o777).toBe(0o600);
  });

  it('join where the home cannot be written, by the folder of temporary files', async () => {
    expect(await pair({ HOME: '/proc/none', TMPDIR: home })).toBe('joined');
  });

  it('of two users do not, and are told what members share', async () => {
    const other = mkdtempSync(join(tmpdir(), 'ashlar-home-'));
    expect(await pair({ HOME: home }, { HOME: other })).toMatch(/security\.memberToken|ASHLAR_MEMBER_SECRET/);
    expect(
      await pair({ HOME: home, ASHLAR_MEMBER_SECRET: SECRET }, { HOME: other, ASHLAR_MEMBER_SECRET: SECRET }),
    ).toBe('joined');
    rmSync(other, { recursive: true });
  });

  it('let clients in without a token, but not as members', async () => {
    const member = await MemberProcess.start(memberFlags({}, 1, undefined), { HOME: home });
    const connection = connectMember(member.address);
    try {
      const codes = await answers(connection);
      for (const [path, code] of codes) expect([path, code === 'PERMISSION_DENIED']).toEqual([path, isMembers(path)]);
    } finally {
      connection.close();
      await member.end('SIGKILL');
    }
  });
});
