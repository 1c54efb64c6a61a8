import type { CallScope } from '@ashlar/core';
import type { KvService, SessionRequest } from '@ashlar/transport';
import { FakeGrid, type FakeMember } from '@ashlar/transport/testing';
import { MemberCatalog } from '../control/member-catalog.ts';
import type { MemberParts } from '../member-parts.ts';
import { MemberGrid } from './member-grid.ts';

const scope: CallScope = { signal: new AbortController().signal, trace: undefined };

let fake: FakeGrid;
let member: FakeMember;
/** Of the member, over a socket or not. */
let sessions: SessionRequest[];
const opened: MemberGrid[] = [];

beforeEach(async () => {
  fake = new FakeGrid(1);
  member = fake.members[0]!;
  sessions = [];
  const { kv } = member.services;
  member.services.kv = {
    ...kv,
    openSession: (request, context) => {
      sessions.push(request);
      return kv.openSession(request, context);
    },
  };
  await fake.start();
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((grid) => grid.close()));
  await fake.stop();
});

/** The grid as the one member of it has it; `local`: how often the member's own service is used without a socket. */
function bench({ forListeners = false } = {}) {
  const local = { streams: 0 };
  const own = member.services.kv;
  const kv: KvService = {
    ...own,
    openStream: (...given) => {
      local.streams++;
      return own.openStream(...given);
    },
  };
  const parts = {
    ...{ control: { self: member.id }, catalog: new MemberCatalog(), address: fake.addresses[0]! },
    ...{ config: { limits: { messageBytes: 4 << 20 } }, metrics: { linkFailed: () => undefined } },
    security: { peers: {} },
  };
  const grid = new MemberGrid(parts as unknown as MemberParts, () => kv, forListeners);
  opened.push(grid);
  return { grid, local, parts };
}

describe('the grid as a member has it', () => {
  it('is connected once, when it is first asked for; keys of the member itself take no socket', async () => {
    const { grid, local } = bench();
    expect(sessions).toEqual([]);
    const [first, second] = await Promise.all([grid.within(scope), grid.within(scope)]);
    await first.map<string, number>('m').put('k', 5);
    expect(await second.map('m').get('k')).toBe(5);
    expect([local.streams, member.streamsOpened, sessions.length]).toEqual([1, 1, 1]);
  });

  it.each([false, true])(
    'tells in its session who calls, and whether it is for listeners: %s',
    async (forListeners) => {
      const { grid } = bench({ forListeners });
      await (await grid.within(scope)).map<string, number>('m').put('k', 5);
      expect(sessions).toEqual([expect.objectContaining({ clientName: `member ${member.id}`, forListeners })]);
    },
  );

  it('is asked for anew after it could not be connected', async () => {
    const { grid, parts } = bench();
    const address = parts.address;
    parts.address = '127.0.0.1:1';
    await expect(grid.within(scope)).rejects.toMatchObject({ code: 'CONNECTION_REFUSED' });
    parts.address = address;
    expect(await (await grid.within(scope)).map('m').get('k')).toBeUndefined();
  });

  it('is used within the call that it is asked for', async () => {
    const { grid } = bench();
    const ended = await grid.within({ ...scope, signal: AbortSignal.abort() });
    await expect(ended.map('m').get('k')).rejects.toMatchObject({ code: 'CANCELLED' });
    const going = await grid.within(scope);
    expect(await going.map('m').get('k')).toBeUndefined();
  });

  it('ends with its member, also where it was never connected', async () => {
    const { grid } = bench();
    await bench().grid.close();
    const within = await grid.within(scope);
    await grid.close();
    await expect(within.map('m').get('k')).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
  });
});
