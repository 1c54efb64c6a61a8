import type { MemberId } from '@ashlar/core';
import { Peers } from './peers.ts';
import { FakeMember } from './testing/fake-member.ts';

const SELF = 'self' as MemberId;
const LOG = { info: () => undefined, warn: () => undefined, error: () => undefined };

let other: FakeMember;
let peers: Peers;
let table: ReturnType<typeof tableOf>;

/** This member and another one. */
function tableOf(address: string) {
  const at = { httpAddress: '', zone: '' };
  return {
    members: [
      { id: SELF, address: '127.0.0.1:1', incarnation: 's', ...at },
      { id: other.id, address, incarnation: 'o', ...at },
    ],
  };
}

beforeEach(async () => {
  other = new FakeMember('other');
  table = tableOf(await other.start());
  peers = new Peers({}, LOG);
  peers.follow(table.members, SELF);
});

afterEach(async () => {
  peers.close();
  await other.stop();
});

describe('a member that stands still', () => {
  const silent = ['other' as MemberId];

  /** Its services take calls and answer none; resolves when `count` have come. */
  function takes(count: number): Promise<void> {
    const came = Promise.withResolvers<void>();
    let left = count;
    const hang = (): Promise<never> => {
      if (--left === 0) came.resolve();
      return new Promise(() => undefined);
    };
    other.services.members.pinSnapshot = hang;
    other.services.members.modifyRows = hang;
    other.services.members.runFragment = async function* () {
      yield { kind: 'batch', bytes: new Uint8Array(1) };
      await hang();
    };
    return came.promise;
  }

  it('is waited for until it is taken for dead: then what reads is told that it cannot be reached, and what writes is in doubt', async () => {
    const came = takes(3);
    const { members } = peers.to(other.id, table);
    const fragment = {
      plan: new Uint8Array(0),
      partitions: [],
      snapshotId: 1,
      version: 1,
      parameters: new Uint8Array(0),
    };
    const rows = members.runFragment({ ...fragment, memoryBytes: 1, buildTables: [], tableVersion: 1 });
    expect(await rows.next()).toMatchObject({ value: { kind: 'batch' } });
    const codes = Promise.all(
      [
        members.pinSnapshot({ version: 1, memberId: SELF }),
        members.modifyRows({ body: new Uint8Array(0), tableVersion: 1 }),
        rows.next(),
      ].map((call) =>
        call.then(
          () => 'answered',
          ({ code }: { code: string }) => code,
        ),
      ),
    );
    await came;
    peers.follow(table.members, SELF, { silent });
    expect(await codes).toEqual(['MEMBER_UNREACHABLE', 'OUTCOME_UNKNOWN', 'MEMBER_UNREACHABLE']);
  });

  it('is asked nothing while it is taken for dead, and everything again when it is heard of (P1)', async () => {
    peers.follow(table.members, SELF, { silent });
    expect(() => peers.to(other.id, { ...table, silent })).toThrow(
      expect.objectContaining({ code: 'MEMBER_UNREACHABLE', details: expect.objectContaining({ member: 'other' }) }),
    );
    peers.follow(table.members, SELF, {});
    expect(await peers.to(other.id, table).members.pinSnapshot({ version: 1, memberId: SELF })).toMatchObject({
      pinId: 1,
    });
  });

  it('ends each wait once: those that begin when it is back are not concerned', async () => {
    peers.follow(table.members, SELF, { silent });
    peers.follow(table.members, SELF, { silent: [] });
    const came = takes(1);
    let isOver = false;
    const pin = peers.to(other.id, table).members.pinSnapshot({ version: 1, memberId: SELF });
    pin.then(
      () => (isOver = true),
      () => (isOver = true),
    );
    await came;
    peers.follow(table.members, SELF, { silent: [] });
    await peers.to(other.id, table).admin.ping(undefined);
    expect(isOver).toBe(false);
  });
});
