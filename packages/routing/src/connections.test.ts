import {
  type ErrorCode,
  GridError,
  type MemberAddress,
  type MemberId,
  MemberUnreachableError,
  type PartitionTable,
} from '@ashlar/core';
import type { ConnectionOptions, HelloResponse, LinkDown, MemberConnection } from '@ashlar/transport';
import { jest } from '@jest/globals';
import { Connections, type OpenOptions } from './connections.ts';

const error = (code: ErrorCode): GridError => new GridError(code, `said ${code}`);
const failing = (code: ErrorCode) => (): Promise<never> => Promise.reject(error(code));

/** A connection that does what its test says. */
class FakeConnection {
  readonly address: string;
  readonly options: ConnectionOptions;
  isUp = false;
  down: LinkDown | undefined;
  ended: 'closed' | 'abandoned' | undefined;
  /** How often what waited for its member was given up. */
  givenUp = 0;
  greets: () => Promise<HelloResponse> = failing('CONNECT_TIMEOUT');
  fault: GridError | undefined;
  readonly reach = async (): Promise<void> => undefined;
  readonly admin = { hello: () => this.greets() };
  readonly findFault = async () => this.fault;

  constructor(address: string, options: ConnectionOptions) {
    this.address = address;
    this.options = options;
  }

  close(): void {
    this.ended = 'closed';
  }

  abandon(): void {
    this.ended = 'abandoned';
  }

  giveUp(): void {
    this.givenUp += 1;
  }
}

function member(id: string, address = `${id}:1`): MemberAddress {
  return { id: id as MemberId, address, httpAddress: '', zone: '' };
}

function tableOf(...members: readonly MemberAddress[]): PartitionTable {
  const rest = { tableVersion: 1, gridId: 'grid', awaited: [], owners: [], epochs: [], lost: [] };
  return { members, expectedMembers: members.length, ...rest };
}

function hello(id: string, table: PartitionTable, protocol: readonly [min: number, max: number] = [1, 1]) {
  const [protocolMin, protocolMax] = protocol;
  return { memberId: id, table, protocolMin, protocolMax, limits: { messageBytesMax: 9000 } } as HelloResponse;
}

/** @param seeds  by address: what befalls each connection that is made to it */
function bench(seeds: Readonly<Record<string, (connection: FakeConnection) => void>> = {}) {
  const made: FakeConnection[] = [];
  const connect = (address: string, options: ConnectionOptions = {}): MemberConnection => {
    const connection = new FakeConnection(address, options);
    seeds[address]?.(connection);
    made.push(connection);
    return connection as unknown as MemberConnection;
  };
  const connections = new Connections({}, 'tester', connect);
  const of = (one: MemberAddress) => connections.of(one) as unknown as FakeConnection;
  const open = (options: Partial<OpenOptions> = {}) =>
    connections.open(Object.keys(seeds), { timeoutMs: 5000, waitForMembers: false, ...options });
  return { connections, made, of, open };
}

/** What comes of it once all the time that it may take has passed. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  await jest.advanceTimersByTimeAsync(60_000);
  return work;
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

describe('finding a grid through its seeds', () => {
  it('keeps the seed that answers under the name that it gives, and lets the others go', async () => {
    const table = tableOf(member('a'), member('b', 'inner:2'));
    const { connections, made, of, open } = bench({
      'silent:1': (connection) => (connection.greets = () => new Promise(() => undefined)),
      'outer:2': (connection) => (connection.greets = async () => hello('b', table)),
    });
    expect(await open()).toMatchObject({ memberId: 'b' });
    expect(made.map(({ ended }) => ended)).toEqual(['closed', undefined]);
    connections.follow(table);
    expect([of(member('b', 'inner:2')) === made[1], made[1]!.ended, made.length]).toEqual([true, undefined, 2]);
  });

  it('learns from it how long messages may be, for the connections to all members', async () => {
    const table = tableOf(member('a'), member('b'));
    const { of, open } = bench({ 'a:1': (connection) => (connection.greets = async () => hello('a', table)) });
    expect(of(member('b')).options.memberMessageBytesMax).toBeUndefined();
    await open();
    expect(of(member('c')).options.memberMessageBytesMax).toBe(9000);
  });

  it('asks again, with connections of their own, until somebody is there', async () => {
    let tries = 0;
    const { made, open } = bench({
      'a:1': (connection) => {
        if (++tries === 4) connection.greets = async () => hello('a', tableOf(member('a')));
      },
    });
    expect(await inTime(open())).toMatchObject({ memberId: 'a' });
    expect(made.map(({ ended }) => ended)).toEqual(['closed', 'closed', 'closed', undefined]);
  });

  it('gives up when its time is over, and names the seeds', async () => {
    const { made, open } = bench({ 'a:1': () => undefined, 'b:1': () => undefined });
    await expect(inTime(open())).rejects.toMatchObject({
      ...{ code: 'CONNECT_TIMEOUT', hint: expect.any(String), details: { seeds: ['a:1', 'b:1'], timeoutMs: 5000 } },
    });
    expect(made.every(({ ended }) => ended === 'closed')).toBe(true);
  });

  it.each(['UNAUTHENTICATED', 'PERMISSION_DENIED', 'INVALID_ARGUMENT'] as const)(
    'says at once what no waiting mends, whatever the other seeds say: %s',
    async (code) => {
      const { made, open } = bench({
        'silent:1': () => undefined,
        'strict:1': (connection) => (connection.greets = failing(code)),
      });
      await expect(open({ waitForMembers: true })).rejects.toMatchObject({ code });
      expect(made).toHaveLength(2);
    },
  );

  it('does not mind what one seed says where another answers', async () => {
    const { open } = bench({
      'strict:1': (connection) => (connection.greets = failing('UNAUTHENTICATED')),
      'a:1': (connection) => (connection.greets = async () => hello('a', tableOf(member('a')))),
    });
    expect(await open()).toMatchObject({ memberId: 'a' });
  });

  it.each([
    [[1, 3], true],
    [[0, 1], true],
    [[2, 3], false],
    [[0, 0], false],
  ] as const)('needs a member that speaks its protocol: %j, %s', async (protocol, isSpoken) => {
    const table = tableOf(member('a'));
    const { open } = bench({ 'a:1': (connection) => (connection.greets = async () => hello('a', table, protocol)) });
    if (isSpoken) expect(await open()).toMatchObject({ memberId: 'a' });
    else await expect(open()).rejects.toMatchObject({ code: 'UNSUPPORTED_PROTOCOL', hint: expect.any(String) });
  });

  it('waits for a member that has not joined its grid, and says so if it never does', async () => {
    let tries = 0;
    const { open } = bench({
      'a:1': (connection) => {
        // The last rounds hear nothing: the reason was told before.
        if (++tries < 3) connection.greets = async () => hello('a', tableOf(member('b')));
      },
    });
    await expect(inTime(open())).rejects.toMatchObject({ code: 'GRID_INCOMPLETE' });
  });

  it('ends with its signal', async () => {
    const { made, open } = bench({ 'a:1': () => undefined });
    await expect(open({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(made).toHaveLength(1);
  });
});

describe('what stands between a caller and all its seeds', () => {
  const broken = (fault: ErrorCode | undefined) => (connection: FakeConnection) => {
    connection.greets = failing('CONNECTION_LOST');
    if (fault === undefined) return;
    connection.fault = new GridError(fault, `found ${fault}`, { details: { address: connection.address } });
  };

  it.each(['CONNECTION_REFUSED', 'UNKNOWN_HOST', 'TLS_MISMATCH', 'UNTRUSTED_CERTIFICATE'] as const)(
    'is told at once: %s',
    async (code) => {
      const { made, open } = bench({ 'a:1': broken(code) });
      await expect(open()).rejects.toMatchObject({ code });
      expect(made).toHaveLength(1);
    },
  );

  it('is the most telling of their faults; where all are closed, all are named', async () => {
    const mixed = bench({ 'a:1': broken('CONNECTION_REFUSED'), 'b:1': broken('TLS_MISMATCH') });
    await expect(mixed.open()).rejects.toMatchObject({ code: 'TLS_MISMATCH' });
    const closed = bench({ 'a:1': broken('CONNECTION_REFUSED'), 'b:1': broken('CONNECTION_REFUSED') });
    await expect(closed.open()).rejects.toMatchObject({
      ...{ code: 'CONNECTION_REFUSED', message: expect.stringMatching(/a:1.*b:1/) },
    });
  });

  it('may go away where one of them says nothing of the kind: it is asked again', async () => {
    const { made, open } = bench({ 'a:1': broken('CONNECTION_REFUSED'), 'b:1': broken(undefined) });
    await expect(inTime(open())).rejects.toMatchObject({ code: 'CONNECT_TIMEOUT' });
    expect(made.length).toBeGreaterThan(2);
  });

  it('is waited for where members are about to be started; a wrong certificate is not', async () => {
    let tries = 0;
    const { open } = bench({
      'a:1': (connection) => {
        if (++tries < 3) broken('CONNECTION_REFUSED')(connection);
        else connection.greets = async () => hello('a', tableOf(member('a')));
      },
    });
    expect(await inTime(open({ waitForMembers: true }))).toMatchObject({ memberId: 'a' });
    const wrong = bench({ 'a:1': broken('UNTRUSTED_CERTIFICATE') });
    await expect(wrong.open({ waitForMembers: true })).rejects.toMatchObject({ code: 'UNTRUSTED_CERTIFICATE' });
  });
});

describe('connections to the members of a table', () => {
  it('are one a member, made when they are first asked for', () => {
    const { made, of } = bench();
    const [a, b] = [of(member('a')), of(member('b'))];
    expect([of(member('a')) === a, of(member('b')) === b, made.length]).toEqual([true, true, 2]);
    expect(made.map(({ address }) => address)).toEqual(['a:1', 'b:1']);
  });

  it('end with a member that leaves or moves, and stay with those that do not', () => {
    const { connections, of } = bench();
    const [stays, leaves, moves] = [of(member('a')), of(member('b')), of(member('c'))];
    connections.follow(tableOf(member('a'), member('c', 'elsewhere:1')));
    expect([stays, leaves, moves].map(({ ended }) => ended)).toEqual([undefined, 'abandoned', 'abandoned']);
    expect([of(member('a')) === stays, of(member('c', 'elsewhere:1')).address]).toEqual([true, 'elsewhere:1']);
  });

  it('that are down are made anew with a new table, and know since when the member was not reached', () => {
    const { connections, of } = bench();
    const table = tableOf(member('a'));
    const before = of(member('a'));
    before.down = { sinceMs: 77 };
    connections.follow(table);
    const after = of(member('a'));
    expect([before.ended, after === before, after.options.lostMs]).toEqual(['abandoned', false, 77]);
    connections.follow(tableOf());
    expect(of(member('a')).options.lostMs).toBeUndefined();
  });

  it('know nothing of what was lost before a member left', () => {
    const { connections, of } = bench();
    of(member('a')).down = { sinceMs: 77 };
    connections.follow(tableOf(member('a')));
    connections.follow(tableOf());
    connections.follow(tableOf(member('a')));
    expect(of(member('a')).options.lostMs).toBeUndefined();
  });

  it('take turns: those with a link first, those that are known to be down last', () => {
    const { connections, of } = bench();
    const table = tableOf(member('a'), member('b'), member('c'), member('d'));
    of(member('a')).down = { sinceMs: 1 };
    for (const id of ['b', 'd']) of(member(id)).isUp = true;
    const turns = Array.from({ length: 4 }, () =>
      connections
        .inTurn(table)
        .map(({ address }) => address[0])
        .join(''),
    );
    expect(turns.every((turn) => turn.endsWith('ca'))).toBe(true);
    expect(new Set(turns.map((turn) => turn[0]))).toEqual(new Set(['b', 'd']));
  });

  it('to a member that is taken for dead stay, and what waits for it is given up once; it is asked last', () => {
    const { connections, of } = bench();
    const table = tableOf(member('a'), member('b'));
    const [a, b] = [of(member('a')), of(member('b'))];
    a.isUp = b.isUp = true;
    const dead = { ...table, silent: [member('a').id] };
    for (const now of [dead, dead]) connections.follow(now);
    expect([a.givenUp, a.ended, b.givenUp]).toEqual([1, undefined, 0]);
    for (let turn = 0; turn < 4; turn++) expect(connections.inTurn(dead)[0]!.address).toBe('b:1');
    connections.follow(table);
    connections.follow(dead);
    expect(a.givenUp).toBe(2);
  });

  it('all end when the caller closes', () => {
    const { connections, of } = bench();
    const all = [of(member('a')), of(member('b'))];
    connections.close();
    expect(all.map(({ ended }) => ended)).toEqual(['closed', 'closed']);
  });
});

describe('asking any member', () => {
  const TABLE = tableOf(member('a'), member('b'));

  /** Asks for 5 s; each attempt gets the next of these answers, the last one for ever. */
  function asking(answers: readonly (() => Promise<string>)[], options: { signal?: AbortSignal } = {}) {
    const { connections } = bench();
    const asked: { readonly address: string; readonly timeoutMs: number }[] = [];
    const call = { timeoutMs: 5000, ...options };
    const outcome = connections.any(
      () => TABLE,
      call,
      ({ address }, { timeoutMs }) => {
        asked.push({ address, timeoutMs: timeoutMs! });
        return answers[Math.min(asked.length, answers.length) - 1]!();
      },
    );
    outcome.catch(() => undefined);
    return { outcome, asked };
  }

  const answer = async (): Promise<string> => 'answer';

  it.each(['CONNECTION_LOST', 'CONNECT_TIMEOUT', 'STALE_EPOCH', 'LEASE_EXPIRED', 'SHUTTING_DOWN'] as const)(
    'goes on to the next after %s',
    async (code) => {
      const { outcome, asked } = asking([failing(code), answer]);
      expect(await outcome).toBe('answer');
      expect(new Set(asked.map(({ address }) => address))).toEqual(new Set(['a:1', 'b:1']));
    },
  );

  it.each(['OUTCOME_UNKNOWN', 'PERMISSION_DENIED', 'UNKNOWN_MAP', 'INTERNAL', 'IN_DOUBT', 'PARTIAL'] as const)(
    'asks nobody else after %s',
    async (code) => {
      const { outcome, asked } = asking([failing(code), answer]);
      await expect(outcome).rejects.toMatchObject({ code });
      expect(asked).toHaveLength(1);
    },
  );

  it('asks each other member once where one cannot reach a third one, and says so at once where none can', async () => {
    const third = (): Promise<never> => Promise.reject(new MemberUnreachableError('c', 'c:1', 0));
    const some = asking([third, answer]);
    expect(await some.outcome).toBe('answer');
    const none = asking([third]);
    await expect(none.outcome).rejects.toMatchObject({ code: 'MEMBER_UNREACHABLE', details: { member: 'c' } });
    expect([some.asked, none.asked].map((asked) => new Set(asked.map(({ address }) => address)).size)).toEqual([2, 2]);
    expect(none.asked).toHaveLength(2);
  });

  it('goes on asking, with the time that is left, until the grid is complete', async () => {
    const { outcome, asked } = asking([...new Array(7).fill(failing('GRID_INCOMPLETE')), answer]);
    expect(await inTime(outcome)).toBe('answer');
    const times = asked.map(({ timeoutMs }) => timeoutMs);
    expect(times).toEqual(times.toSorted((a, b) => b - a));
    expect([asked.length, times[0]! <= 5000, times.at(-1)! < times[0]!]).toEqual([8, true, true]);
  });

  it('asks the members of the newest table', async () => {
    const { connections } = bench();
    let table = TABLE;
    const asked: string[] = [];
    const outcome = connections.any(
      () => table,
      { timeoutMs: 5000 },
      async ({ address }) => {
        asked.push(address);
        if (address === 'c:1') return 'answer';
        table = tableOf(member('c'));
        throw error('CONNECTION_LOST');
      },
    );
    expect(await inTime(outcome)).toBe('answer');
    expect(asked.at(-1)).toBe('c:1');
  });

  it('says at the end of its time that nobody was there, or why nobody would answer', async () => {
    await expect(inTime(asking([failing('CONNECTION_LOST')]).outcome)).rejects.toMatchObject({
      ...{ code: 'MEMBER_UNREACHABLE', hint: expect.any(String) },
      details: { members: ['a at a:1', 'b at b:1'], timeoutMs: 5000 },
    });
    await expect(inTime(asking([failing('GRID_INCOMPLETE')]).outcome)).rejects.toMatchObject({
      code: 'GRID_INCOMPLETE',
    });
    const late = asking([failing('GRID_INCOMPLETE'), failing('DEADLINE_EXCEEDED')]);
    await expect(inTime(late.outcome)).rejects.toMatchObject({ code: 'GRID_INCOMPLETE' });
    await expect(asking([failing('DEADLINE_EXCEEDED')]).outcome).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  it('ends with its signal', async () => {
    const { outcome, asked } = asking([failing('CONNECTION_LOST')], { signal: AbortSignal.abort() });
    await expect(outcome).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(asked).toHaveLength(2);
  });

  it('of a table without members ends too', async () => {
    const { connections } = bench();
    const outcome = connections.any(() => tableOf(), { timeoutMs: 5000 }, answer);
    await expect(inTime(outcome)).rejects.toMatchObject({ code: 'MEMBER_UNREACHABLE' });
  });
});
