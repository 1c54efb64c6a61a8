/** Links between replicas over real HTTP/2: every case of messages is tried on both ways, past the library and by it. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { GridError, type ReplicaId } from '@ashlar/core';
import { jest } from '@jest/globals';
import { connectMember } from './connection.ts';
import { ClientFrames } from './framed-streams.ts';
import { giveBackMessage } from './message-buffers.ts';
import { ReplicaFrameWriter } from './replica-codec.ts';
import { ReplicaLinks, type ReplicaLinksOptions } from './replica-links.ts';
import type { ReplicaMessage } from './services.ts';
import { claimStreams } from './stream-claims.ts';
import { FakeMember } from './testing/index.ts';

const WAYS = [
  ['past the library', true],
  ['by the library', false],
] as const;

const A = 'a#1' as ReplicaId;
const B = 'b#1' as ReplicaId;
const NO_PAYLOADS: readonly Uint8Array[] = [];

const closing: (() => unknown)[] = [];

afterEach(async () => {
  claimStreams(true);
  jest.restoreAllMocks();
  for (const close of closing.splice(0).reverse()) await close();
});

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('it never came to be');
}

/** What a replica heard. */
interface Heard {
  readonly member: FakeMember;
  readonly messages: ReplicaMessage[];
}

async function startReplica(port = 0, options: Parameters<FakeMember['start']>[1] = {}): Promise<Heard> {
  const member = new FakeMember('b');
  const messages: ReplicaMessage[] = [];
  member.services.replication = { onMessage: (message) => messages.push(message) };
  await member.start(port, options);
  closing.push(() => member.stop());
  return { member, messages };
}

interface Warning {
  readonly facts: object;
  readonly message: string;
}

interface Linked {
  readonly links: ReplicaLinks;
  readonly warnings: Warning[];
  /** Sends as long as it takes until a link takes it. */
  sent(head: number, payloads?: readonly Uint8Array[], to?: ReplicaId): Promise<void>;
}

function linksTo(peers: readonly (readonly [ReplicaId, number])[], options: Partial<ReplicaLinksOptions> = {}): Linked {
  const warnings: Warning[] = [];
  const log = { warn: (facts: object, message: string) => warnings.push({ facts, message }) };
  const links = new ReplicaLinks({}, { self: A, log, ...options });
  links.follow(peers.map(([replica, port]) => ({ replica, address: `127.0.0.1:${port}` })));
  closing.push(() => links.close());
  return {
    links,
    warnings,
    sent: (head, payloads = NO_PAYLOADS, to = B) =>
      until(() => links.send({ from: A, to, head: Uint8Array.of(head), payloads })),
  };
}

function heads({ messages }: Heard): number[] {
  return messages.map(({ head }) => head[0]!);
}

/** A way between a link and a door, on which bytes may stop. */
class Way {
  readonly #server: Server;
  readonly #pairs: (readonly [Socket, Socket])[] = [];
  #isStopped = false;
  accepted = 0;

  constructor(target: number) {
    this.#server = createServer((near) => {
      this.accepted += 1;
      const far = connect(target, '127.0.0.1');
      near.on('error', () => far.destroy()).on('close', () => far.destroy());
      far.on('error', () => near.destroy()).on('close', () => near.destroy());
      this.#pairs.push([near, far]);
      if (!this.#isStopped) this.#join(near, far);
    });
  }

  #join(near: Socket, far: Socket): void {
    near.pipe(far);
    far.pipe(near);
  }

  async open(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    closing.push(() => this.close());
    return (this.#server.address() as { port: number }).port;
  }

  /** Nothing is read at either end, and nothing says so. */
  stop(): void {
    this.#isStopped = true;
    for (const [near, far] of this.#pairs) {
      near.unpipe(far).pause();
      far.unpipe(near).pause();
    }
  }

  goOn(): void {
    this.#isStopped = false;
    for (const [near, far] of this.#pairs) this.#join(near, far);
  }

  close(): void {
    this.#server.close();
    for (const [near, far] of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }
}

it('messages go past the library from the second on', async () => {
  const past = jest.spyOn(ClientFrames.prototype, 'writePieces');
  const b = await startReplica();
  const { sent } = linksTo([[B, b.member.port]]);
  for (let head = 1; head <= 4; head++) {
    await sent(head);
    await until(() => b.messages.length === head);
  }
  expect(past).toHaveBeenCalledTimes(3);
});

describe.each(WAYS)('messages between replicas, %s,', (_, claimed) => {
  beforeEach(() => claimStreams(claimed));

  it('arrive in their order, whole, whatever their length, and each with its ends', async () => {
    const b = await startReplica();
    const { links, sent } = linksTo([[B, b.member.port]]);
    const lengths = [0, 1, 100, 4096, 4097, 70_000, 3_000_000];
    for (let round = 0; round < 5; round++) {
      const payloads = lengths.map((length) => new Uint8Array(length).fill(round + 1));
      await sent(round, payloads);
      await sent(round + 100);
    }
    await until(() => b.messages.length === 10);
    expect(heads(b)).toEqual([0, 100, 1, 101, 2, 102, 3, 103, 4, 104]);
    for (const { from, to, head, payloads } of b.messages) {
      expect([from, to]).toEqual([A, B]);
      if (head[0]! >= 100) expect(payloads).toEqual([]);
      else expect(payloads.map(({ length }) => length)).toEqual(lengths);
      expect(payloads.every((payload) => payload.every((byte) => byte === head[0]! + 1))).toBe(true);
    }
    await until(() => links.stats()[0]!.unsentBytes === 0);
    expect(links.stats()).toMatchObject([{ replica: B, isUp: true, messages: 10, streams: 1 }]);
  });

  it('keep their bytes when many are sent at once and what came is given back for others', async () => {
    const b = await startReplica();
    let wrong = 0;
    let heard = 0;
    b.member.services.replication = {
      onMessage: ({ head, payloads }) => {
        heard += 1;
        if (!payloads.every((payload) => payload.every((byte) => byte === head[0]))) wrong += 1;
        giveBackMessage(head);
      },
    };
    await b.member.stop();
    const port = Number((await b.member.start()).split(':')[1]);
    const { links, sent } = linksTo([[B, port]]);
    for (let head = 0; head < 200; head++) {
      const payloads = [30, 500, 30_000].map((length) => new Uint8Array(length).fill(head));
      await sent(head, payloads);
      if (head % 20 === 19) await until(() => links.stats()[0]!.unsentBytes === 0);
    }
    await until(() => heard === 200);
    expect(wrong).toBe(0);
  });

  it('that are none end their stream by name, and the next one is taken by a new stream', async () => {
    const b = await startReplica();
    const connection = connectMember(`127.0.0.1:${b.member.port}`);
    closing.push(() => connection.close());
    const ended = new Promise<GridError>((resolve) => {
      const stream = connection.replication.openStream({ onAccepted: () => undefined, onEnd: resolve });
      stream.sendFrame([Uint8Array.of(0, 0, 0, 0, 2), Uint8Array.of(0x1a, 200)], () => undefined);
    });
    expect(await ended).toMatchObject({ code: 'INVALID_ARGUMENT' });
    const again = new Promise<GridError>((resolve) => {
      const stream = connection.replication.openStream({ onAccepted: () => undefined, onEnd: resolve });
      const { pieces } = new ReplicaFrameWriter(A, B).frame(Uint8Array.of(1), []);
      stream.sendFrame(pieces, () => undefined);
      void until(() => b.messages.length === 1).then(() => stream.fail(new GridError('CLIENT_CLOSED', 'done')));
    });
    expect(await again).toMatchObject({ code: 'CLIENT_CLOSED' });
  });
});

it('a record may be longer than other messages of the door: what a client could write can be replicated', async () => {
  const b = await startReplica(0, { limits: { messageBytesMax: 1 << 16 } });
  const { sent } = linksTo([[B, b.member.port]]);
  await sent(1);
  await until(() => b.messages.length === 1);
  await sent(2, [new Uint8Array(1 << 20)]);
  await until(() => b.messages.length === 2);
  expect(b.messages[1]!.payloads[0]!.length).toBe(1 << 20);
});

describe('a link between replicas', () => {
  it('drops what nobody can take now, and goes on by itself when its member comes (K1)', async () => {
    const free = await startReplica();
    const { port } = free.member;
    await free.member.stop();
    const { links, sent } = linksTo([[B, port]]);
    expect(links.send({ from: A, to: B, head: Uint8Array.of(1), payloads: [] })).toBe(false);
    expect(links.send({ from: A, to: 'nobody#1', head: Uint8Array.of(1), payloads: [] })).toBe(false);
    expect(links.stats()).toMatchObject([{ isUp: false, messages: 0, dropped: 1, unsentBytes: 0 }]);
    const b = await startReplica(port);
    await sent(2);
    await until(() => b.messages.length === 1);
    expect(heads(b)).toEqual([2]);
  });

  it('tells when it has come up, first and again, so that nobody has to try', async () => {
    const free = await startReplica();
    const { port } = free.member;
    await free.member.stop();
    const ups: ReplicaId[] = [];
    const { links } = linksTo([[B, port]], { onUp: (replica) => ups.push(replica) });
    const b = await startReplica(port);
    await until(() => ups.length === 1);
    expect(links.send({ from: A, to: B, head: Uint8Array.of(1), payloads: [] })).toBe(true);
    await until(() => b.messages.length === 1);
    await b.member.stop();
    await startReplica(port);
    await until(() => ups.length === 2);
    expect(ups).toEqual([B, B]);
  });

  it('goes on after its stream broke, without anybody asking for it', async () => {
    const b = await startReplica();
    const { links, sent } = linksTo([[B, b.member.port]]);
    await sent(1);
    await until(() => b.messages.length === 1);
    const { port } = b.member;
    await b.member.stop();
    await b.member.start(port);
    await until(() => {
      links.send({ from: A, to: B, head: Uint8Array.of(2), payloads: [] });
      return heads(b).includes(2);
    });
    expect(links.stats()[0]!.streams).toBeGreaterThanOrEqual(2);
  });

  it('belongs to one incarnation: the next one of the same member gets a connection of its own at once (K2)', async () => {
    const b = await startReplica();
    const { links, sent } = linksTo([[B, b.member.port]]);
    await sent(1);
    const { port } = b.member;
    await b.member.stop();
    const next = await startReplica(port);
    const later = 'b#2' as ReplicaId;
    links.follow([{ replica: later, address: `127.0.0.1:${port}` }]);
    expect(links.send({ from: A, to: B, head: Uint8Array.of(9), payloads: [] })).toBe(false);
    await sent(3, NO_PAYLOADS, later);
    await until(() => next.messages.length === 1);
    expect(next.messages[0]).toMatchObject({ to: later });
    expect(links.stats().map(({ replica }) => replica)).toEqual([later]);
  });

  it('takes a bounded number of bytes while its member reads nothing, drops the rest, and loses none of the first', async () => {
    const b = await startReplica();
    const way = new Way(b.member.port);
    const { links, sent } = linksTo([[B, await way.open()]], { unsentBytesMax: 4 << 20 });
    await sent(0);
    await until(() => b.messages.length === 1);
    way.stop();
    const { dropped } = links.stats()[0]!;
    let taken = 0;
    const payloads = [new Uint8Array(1 << 20)];
    while (links.send({ from: A, to: B, head: Uint8Array.of(1), payloads })) taken += 1;
    const [full] = links.stats();
    expect(full!.unsentBytes).toBeGreaterThanOrEqual(4 << 20);
    expect(full!.unsentBytes).toBeLessThan(6 << 20);
    expect(full!.dropped).toBe(dropped + 1);
    way.goOn();
    await until(() => b.messages.length === taken + 1);
    await until(() => links.stats()[0]!.unsentBytes === 0);
    await sent(2);
    await until(() => b.messages.length === taken + 2);
  });

  it('is tried anew while nothing comes of it, though nothing is refused (K3)', async () => {
    const b = await startReplica();
    const way = new Way(b.member.port);
    const port = await way.open();
    way.stop();
    let nowMs = 0;
    const { links } = linksTo([[B, port]], { nowMs: () => nowMs });
    await until(() => way.accepted === 1);
    const send = (): boolean => links.send({ from: A, to: B, head: Uint8Array.of(1), payloads: [] });
    nowMs = 900;
    expect(send()).toBe(false);
    expect(way.accepted).toBe(1);
    nowMs = 1000;
    expect(send()).toBe(false);
    await until(() => way.accepted === 2);
    way.goOn();
    await until(send);
    await until(() => b.messages.length === 1);
  });

  it('that is refused says why once, and goes on when it is let in', async () => {
    let isMember = false;
    const b = await startReplica(0, { authorize: (permission) => permission !== 'member' || isMember });
    let nowMs = 0;
    const { links, warnings, sent } = linksTo([[B, b.member.port]], { nowMs: () => nowMs });
    await sent(1);
    await until(() => warnings.length === 1);
    expect(warnings[0]).toMatchObject({ facts: { member: 'b', code: 'PERMISSION_DENIED' } });
    expect(links.send({ from: A, to: B, head: Uint8Array.of(2), payloads: [] })).toBe(false);
    nowMs += 1000;
    const { streams } = links.stats()[0]!;
    await sent(2);
    await until(() => links.send({ from: A, to: B, head: Uint8Array.of(2), payloads: [] }) === false);
    expect(links.stats()[0]!.streams).toBe(streams + 1);
    isMember = true;
    nowMs += 1000;
    await sent(3);
    await until(() => heads(b).includes(3));
    expect(warnings).toHaveLength(1);
  });

  it('to a member without copies is refused by name', async () => {
    const member = new FakeMember('b');
    await member.start();
    closing.push(() => member.stop());
    const { warnings, sent } = linksTo([[B, member.port]]);
    await sent(1);
    await until(() => warnings.length === 1);
    expect(warnings[0]).toMatchObject({ facts: { code: 'INVALID_CONFIG', hint: expect.stringContaining('backups') } });
  });

  it('loses, doubles and delays what a test wants it to', async () => {
    const b = await startReplica();
    const late: (() => void)[] = [];
    const disturb: ReplicaLinksOptions['disturb'] = ({ head }, send) => {
      if (head[0] === 2) return;
      if (head[0] === 3) late.push(send);
      else send();
      if (head[0] === 4) send();
    };
    const { links, sent } = linksTo([[B, b.member.port]], { disturb });
    await until(() => links.stats()[0]!.isUp);
    for (const head of [1, 2, 3, 4, 5]) await sent(head);
    await until(() => b.messages.length === 4);
    expect(heads(b)).toEqual([1, 4, 4, 5]);
    for (const send of late) send();
    await until(() => b.messages.length === 5);
    expect(heads(b).at(-1)).toBe(3);
  });
});

describe('a door that drains', () => {
  it('keeps replication going until its last other call is answered, then ends it (server D3)', async () => {
    const b = await startReplica();
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<{ removed: boolean }>();
    b.member.services.kv = {
      ...b.member.services.kv,
      remove: () => {
        asked.resolve();
        return answer.promise;
      },
    };
    await b.member.stop();
    const address = await b.member.start();
    const { links, sent } = linksTo([[B, Number(address.split(':')[1])]]);
    await sent(1);
    await until(() => b.messages.length === 1);
    const connection = connectMember(address);
    closing.push(() => connection.close());
    const removed = connection.kv.remove({ map: 'm', key: { text: 'k' } });
    await asked.promise;
    const drained = b.member.server!.drain(60_000);
    await sent(2);
    await until(() => b.messages.length === 2);
    answer.resolve({ removed: true });
    expect(await removed).toEqual({ removed: true });
    await drained;
    await until(() => !links.send({ from: A, to: B, head: Uint8Array.of(3), payloads: [] }));
  });

  it('ends it at its deadline', async () => {
    const b = await startReplica();
    const asked = Promise.withResolvers<void>();
    const put = (): Promise<never> => {
      asked.resolve();
      return new Promise(() => undefined);
    };
    b.member.services.kv = { ...b.member.services.kv, put };
    await b.member.stop();
    const address = await b.member.start();
    const { sent } = linksTo([[B, Number(address.split(':')[1])]]);
    await sent(1);
    await until(() => b.messages.length === 1);
    const connection = connectMember(address);
    closing.push(() => connection.close());
    const request = { map: 'm', key: { text: 'k' }, json: '1', ttlMs: 0 };
    const cut = expect(connection.kv.put(request)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await asked.promise;
    await b.member.server!.drain(50);
    await cut;
  });
});
