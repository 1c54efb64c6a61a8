import type { GridError } from '@ashlar/core';
import { Client, credentials } from '@grpc/grpc-js';
import type { KvStream } from './client-kv-stream.ts';
import { connectMember, type MemberConnection } from './connection.ts';
import { type KvAnswers, type KvBatch, OPCODE, STATUS } from './kv-batch.ts';
import { decodeAnswers } from './kv-codec.ts';
import { KV_BATCH_PATH } from './methods.ts';
import type { ServeOptions } from './server-types.ts';
import { claimStreams } from './stream-claims.ts';
import { FakeMember } from './testing/index.ts';
import { batchOf } from './testing/kv-messages.ts';

let member: FakeMember;
let connection: MemberConnection;
let stream: KvStream;
const answers: KvAnswers[] = [];
let closed: GridError | undefined;

async function open(options: Partial<ServeOptions> = {}): Promise<void> {
  connection = connectMember(await member.start(0, options));
  stream = connection.kv.openStream({
    onAnswers: (answer) => answers.push(answer),
    onClosed: (error) => {
      closed = error;
    },
  });
}

beforeEach(() => {
  member = new FakeMember('a');
  answers.length = 0;
  closed = undefined;
});

afterEach(async () => {
  claimStreams(true);
  connection.close();
  await member.stop();
});

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it never came to be');
}

describe.each([
  ['past the library', true],
  ['by the library', false],
])('a kv stream %s', (_, claimed) => {
  beforeEach(() => claimStreams(claimed));

  it('answers batches in the order they are ready', async () => {
    await open();
    member.beforeAnswer = ({ batchId }) =>
      batchId === 1 ? new Promise((resolve) => setTimeout(resolve, 100)) : undefined;
    stream.write(batchOf(1, [OPCODE.GET]));
    stream.write(batchOf(2, [OPCODE.GET, OPCODE.HAS]));
    await until(() => answers.length === 2);
    expect(answers.map(({ batchId, statuses }) => [batchId, statuses.length])).toEqual([
      [2, 2],
      [1, 1],
    ]);
  });

  it('whose caller sends no more tells what it is owed, then ends', async () => {
    const late = Promise.withResolvers<void>();
    member.beforeAnswer = ({ batchId }) => (batchId === 1 ? late.promise : undefined);
    const client = new Client(await member.start(), credentials.createInsecure());
    const asIs = (bytes: Buffer): Buffer => bytes;
    const call = client.makeBidiStreamRequest(KV_BATCH_PATH, asIs, asIs);
    const told: number[] = [];
    const ended = new Promise((resolve, reject) => call.on('end', resolve).on('error', reject));
    call.on('data', (bytes: Buffer) => {
      told.push(decodeAnswers(bytes).batchId);
      late.resolve();
    });
    for (const batchId of [1, 2]) call.write(batchOf(batchId, [OPCODE.GET]));
    call.end();
    await ended;
    expect(told).toEqual([2, 1]);
    client.close();
    connection = connectMember('127.0.0.1:1');
  });

  it('of a caller without the permission refuses only what it is for', async () => {
    const asked: string[] = [];
    const authorize = (permission: string, map: string | undefined): boolean => {
      asked.push(`${permission} ${map}`);
      return permission !== 'write' || map !== 'm';
    };
    await open({ authorize });
    stream.write(batchOf(1, [OPCODE.GET, OPCODE.PUT, OPCODE.PROCESS]));
    await until(() => answers.length === 1);
    expect([...answers[0]!.statuses]).toEqual([STATUS.NOT_RUN, STATUS.FAILED, STATUS.NOT_RUN]);
    expect(answers[0]!.errors[0]!.error).toMatchObject({ code: 'PERMISSION_DENIED', details: { permission: 'write' } });
    expect(member.batches).toHaveLength(0);
    stream.write(batchOf(2, [OPCODE.GET, OPCODE.PROCESS]));
    await until(() => answers.length === 2);
    expect(member.batches).toHaveLength(1);
    expect(asked).toEqual(['connect undefined', 'read m', 'write m', 'execute m']);
  });

  it('remembers the permissions of a bounded number of maps', async () => {
    let asked = 0;
    await open({ authorize: () => ++asked > 0 });
    const named = (name: string): Partial<KvBatch> => ({
      maps: [{ name, affinityParts: 0, declared: false, ttlMs: 0, maxIdleMs: 0, mapId: 0, newerThan: 0 }],
    });
    for (let map = 0; map < 1100; map++) stream.write(batchOf(map, [OPCODE.GET], named(`m${map}`)));
    await until(() => answers.length === 1100);
    expect(asked).toBe(1101);
    stream.write(batchOf(1100, [OPCODE.GET], named('m1099')));
    stream.write(batchOf(1101, [OPCODE.GET], named('m0')));
    await until(() => answers.length === 1102);
    // The last one is known still, the first one was forgotten.
    expect(asked).toBe(1102);
  });

  it('with too much unanswered is not read further', async () => {
    await open({ limits: { batchesMax: 4 } });
    let release: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    member.beforeAnswer = () => gate;
    for (let batchId = 1; batchId <= 200; batchId++) stream.write(batchOf(batchId, [OPCODE.GET]));
    await new Promise((resolve) => setTimeout(resolve, 100));
    // What was read ahead of the pause may come in, no more.
    expect(member.batches.length).toBeLessThan(50);
    release!();
    await until(() => answers.length === 200);
  });

  it('ends on a message that is no batch, with a reason', async () => {
    await open();
    stream.write(Buffer.from([0xff, 0xff, 0xff]));
    await until(() => closed !== undefined);
    expect(closed).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(() => stream.write(batchOf(1, [OPCODE.GET]))).toThrow(expect.objectContaining({ code: 'CONNECTION_LOST' }));
  });

  it('ends on a batch id that is under way', async () => {
    await open();
    member.beforeAnswer = () => new Promise(() => undefined);
    stream.write(batchOf(1, [OPCODE.GET]));
    stream.write(batchOf(1, [OPCODE.GET]));
    await until(() => closed !== undefined);
    expect(closed).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('refuses by name what is larger than a message, before it is sent', async () => {
    await open();
    expect(() => stream.write(Buffer.alloc(40 << 20))).toThrow(expect.objectContaining({ code: 'MESSAGE_TOO_LARGE' }));
    stream.write(batchOf(1, [OPCODE.GET]));
    await until(() => answers.length === 1);
  });

  it('of a member that drains: what is under way is answered, what comes is refused, then it ends', async () => {
    await open();
    let release: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    member.beforeAnswer = () => gate;
    stream.write(batchOf(1, [OPCODE.GET]));
    await until(() => member.batches.length === 1);
    const drained = member.server!.drain(5000);
    stream.write(batchOf(2, [OPCODE.GET]));
    await until(() => answers.length === 1);
    expect(answers[0]!.errors[0]!.error).toMatchObject({ code: 'SHUTTING_DOWN' });
    release!();
    await until(() => answers.length === 2 && closed !== undefined);
    expect(answers[1]).toMatchObject({ batchId: 1 });
    await drained;
  });
});
