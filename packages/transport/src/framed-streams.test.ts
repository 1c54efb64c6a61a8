/** A kv stream past the library behaves as by it: every case is tried on both ways. */
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { GridError } from '@ashlar/core';
import { jest } from '@jest/globals';
import type { KvStream } from './client-kv-stream.ts';
import { connectMember, type MemberConnection } from './connection.ts';
import { FrameReader, frameHeader } from './data-frames.ts';
import { ClientFrames, ServerFrames } from './framed-streams.ts';
import { type KvAnswers, OPCODE } from './kv-batch.ts';
import { decodeAnswers, encodeAnswers } from './kv-codec.ts';
import { claimStreams, DoorStreams } from './stream-claims.ts';
import { FakeMember } from './testing/index.ts';
import { batchOf } from './testing/kv-messages.ts';

const WAYS = [
  ['past the library', true],
  ['by the library', false],
] as const;

const closing: (() => unknown)[] = [];

afterEach(async () => {
  claimStreams(true);
  jest.restoreAllMocks();
  for (const close of closing.splice(0).reverse()) await close();
});

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it never came to be');
}

function framed(message: Buffer, flag = 0): Buffer {
  const header = frameHeader(message.length);
  header[0] = flag;
  return Buffer.concat([header, message]);
}

async function startMember(options: Parameters<FakeMember['start']>[1] = {}): Promise<FakeMember> {
  const member = new FakeMember('a');
  await member.start(0, options);
  closing.push(() => member.stop());
  return member;
}

interface RawCall {
  readonly stream: ClientHttp2Stream;
  readonly answers: KvAnswers[];
  /** Resolves when the stream is over: its trailers, if there were any. */
  readonly ended: Promise<IncomingHttpHeaders>;
}

/** A caller that writes its own frames. */
function rawCall(session: ClientHttp2Session, headers: OutgoingHttpHeaders = {}): RawCall {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/ashlar.v1.Kv/Batch',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  const answers: KvAnswers[] = [];
  let told: IncomingHttpHeaders = {};
  const reader = new FrameReader(1 << 30, (message) => answers.push(decodeAnswers(message)));
  stream.on('data', (chunk: Buffer) => reader.read(chunk));
  stream.on('response', (head) => {
    if (head['grpc-status'] !== undefined) told = head;
  });
  stream.on('trailers', (trailers) => {
    told = trailers;
    stream.end();
  });
  stream.on('error', () => undefined);
  const ended = new Promise<IncomingHttpHeaders>((resolve) => stream.on('close', () => resolve(told)));
  return { stream, answers, ended };
}

function sessionTo(member: FakeMember): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${member.port}`);
  session.on('error', () => undefined);
  closing.push(() => session.destroy());
  return session;
}

it('M1, S1: what the library and Node publish still lets a kv stream go past the library, on both sides', async () => {
  const claim = jest.spyOn(DoorStreams.prototype, 'claim');
  const toMember = jest.spyOn(ClientFrames.prototype, 'write');
  const toCaller = jest.spyOn(ServerFrames.prototype, 'write');
  const read = jest.spyOn(FrameReader.prototype, 'read');
  const member = await startMember();
  const connection = connectMember(`127.0.0.1:${member.port}`);
  closing.push(() => connection.close());
  const answers: KvAnswers[] = [];
  const stream = connection.kv.openStream({ onAnswers: (some) => answers.push(some), onClosed: () => undefined });
  for (let batchId = 1; batchId <= 3; batchId++) {
    stream.write(batchOf(batchId, [OPCODE.GET]));
    await until(() => answers.length === batchId);
  }
  expect(claim.mock.results[0]?.value).toBeDefined();
  // The first message goes by the library: its stream is not there yet. M2: it was counted when it came there.
  expect(toMember).toHaveBeenCalledTimes(2);
  expect(toCaller).toHaveBeenCalledTimes(3);
  expect(read.mock.calls.length).toBeGreaterThanOrEqual(6);
});

it('memory of messages that span chunks, and of answers, is used again: by the next ones of the same length', async () => {
  const member = new FakeMember('a');
  const memories = new Set<unknown>();
  const value = new Uint8Array(100_000);
  const valueEnds = Uint32Array.of(value.length);
  member.services.kv = {
    ...member.services.kv,
    openStream: (sink) => ({
      onBatch: (batch) => {
        memories.add(batch.values.buffer);
        expect(batch.values.every((byte) => byte === (batch.batchId & 0xff))).toBe(true);
        const { batchId } = batch;
        const columns = { statuses: Uint8Array.of(1), valueEnds, values: value.fill(batchId), errors: [] };
        const nothing = { versions: undefined, expiresAtMs: undefined };
        sink.write({ batchId, highestVersion: 0, tableVersion: 0, ...columns, ...nothing });
        sink.over?.(batch);
      },
      onClose: () => undefined,
    }),
  };
  const connection = connectMember(await member.start());
  closing.push(() => member.stop());
  closing.push(() => connection.close());
  let answered = 0;
  const stream: KvStream = connection.kv.openStream({
    onAnswers: ({ batchId, values }) => {
      expect(values.length).toBe(value.length);
      expect(values.every((byte) => byte === (batchId & 0xff))).toBe(true);
      memories.add(values.buffer);
      stream.giveBack?.(values);
      answered += 1;
    },
    onClosed: () => undefined,
  });
  for (let batchId = 1; batchId <= 300; batchId++) {
    stream.write(batchOf(batchId, [OPCODE.PUT], { valueEnds, values: new Uint8Array(value.length).fill(batchId) }));
    if (batchId % 3 === 0) await until(() => answered === batchId);
  }
  expect(memories.size).toBeLessThan(40);
});

describe.each(WAYS)('a caller of its own make, read %s,', (_, claimed) => {
  beforeEach(() => claimStreams(claimed));

  it('is answered whatever way its frames are cut', async () => {
    const member = await startMember();
    const { stream, answers, ended } = rawCall(sessionTo(member));
    const bytes = Buffer.concat([1, 2, 3].map((id) => framed(batchOf(id, [OPCODE.GET, OPCODE.HAS]))));
    for (const byte of bytes) stream.write(Buffer.of(byte));
    await until(() => answers.length === 3);
    stream.end();
    expect(await ended).toMatchObject({ 'grpc-status': '0' });
    expect(member.server?.stats().kvStreams).toBe(0);
  });

  it('that sends a batch and no more at once is owed its answer', async () => {
    const member = await startMember({ limits: { batchesMax: 1 } });
    const { stream, answers, ended } = rawCall(sessionTo(member));
    stream.end(Buffer.concat([1, 2, 3].map((id) => framed(batchOf(id, [OPCODE.GET])))));
    expect(await ended).toMatchObject({ 'grpc-status': '0' });
    expect(answers.map(({ batchId }) => batchId)).toEqual([1, 2, 3]);
  });

  it('that announces more than a message may have gets RESOURCE_EXHAUSTED and the figures', async () => {
    const member = await startMember({ limits: { messageBytesMax: 1 << 16 } });
    const { stream, answers, ended } = rawCall(sessionTo(member));
    stream.write(framed(batchOf(1, [OPCODE.GET])));
    await until(() => answers.length === 1);
    stream.write(frameHeader((1 << 16) + 1));
    const { 'grpc-status': code, 'grpc-message': text } = await ended;
    expect(code).toBe('8');
    expect(decodeURIComponent(String(text))).toBe('Received message larger than max (65537 vs 65536)');
    await until(() => member.server?.stats().kvStreams === 0);
  });

  it('that is cut off in a message is done, and the part of it is nothing', async () => {
    const member = await startMember();
    const { stream, ended } = rawCall(sessionTo(member));
    stream.end(framed(batchOf(1, [OPCODE.GET])).subarray(0, 20));
    expect(await ended).toMatchObject({ 'grpc-status': '0' });
    expect(member.batches).toHaveLength(0);
  });

  it('that resets its stream in a message is forgotten', async () => {
    const member = await startMember();
    const { stream, answers } = rawCall(sessionTo(member));
    stream.write(Buffer.concat([framed(batchOf(1, [OPCODE.GET])), framed(batchOf(2, [OPCODE.GET])).subarray(0, 20)]));
    await until(() => answers.length === 1);
    stream.close(8);
    await until(() => member.server?.stats().kvStreams === 0);
    expect(member.batches).toHaveLength(1);
  });

  it('that marks messages of a plain stream as compressed is taken at its word about the stream', async () => {
    const member = await startMember();
    const { stream, answers } = rawCall(sessionTo(member));
    stream.write(framed(batchOf(1, [OPCODE.GET]), 1));
    await until(() => answers.length === 1);
  });

  it('S3: that compresses is understood', async () => {
    const member = await startMember();
    const { stream, answers } = rawCall(sessionTo(member), { 'grpc-encoding': 'gzip' });
    stream.write(framed(gzipSync(batchOf(1, [OPCODE.GET])), 1));
    stream.write(framed(batchOf(2, [OPCODE.GET])));
    await until(() => answers.length === 2);
  });

  it('that has a deadline gets DEADLINE_EXCEEDED, also with answers owed', async () => {
    const member = await startMember();
    member.beforeAnswer = ({ batchId }) => (batchId === 2 ? new Promise(() => undefined) : undefined);
    const { stream, answers, ended } = rawCall(sessionTo(member), { 'grpc-timeout': '300m' });
    for (const id of [1, 2]) stream.write(framed(batchOf(id, [OPCODE.GET])));
    expect(await ended).toMatchObject({ 'grpc-status': '4' });
    expect(answers).toHaveLength(1);
    await until(() => member.server?.stats().kvStreams === 0);
  });

  it('S2: gets its own stream, whatever key it sends', async () => {
    const member = await startMember();
    const session = sessionTo(member);
    const calls = ['1', '2', '3'].map((key) => rawCall(session, { 'ashlar-door-stream': key }));
    calls.forEach(({ stream }, index) => {
      stream.write(framed(batchOf(index + 1, [OPCODE.GET])));
    });
    await until(() => calls.every(({ answers }) => answers.length === 1));
    expect(calls.map(({ answers }) => answers[0]?.batchId)).toEqual([1, 2, 3]);
  });

  it('that does not read its answers is not read either, and nothing is lost when it goes on', async () => {
    const member = await startMember();
    const { stream, answers, ended } = rawCall(sessionTo(member));
    stream.pause();
    const sent = 200;
    const opcodes = Array.from({ length: 200 }, () => OPCODE.HAS);
    for (let batchId = 1; batchId <= sent; batchId++) stream.write(framed(batchOf(batchId, opcodes)));
    stream.resume();
    await until(() => answers.length === sent);
    stream.end();
    expect(await ended).toMatchObject({ 'grpc-status': '0' });
    expect(answers.map(({ batchId }) => batchId)).toEqual(Array.from({ length: sent }, (__, index) => index + 1));
  });
});

interface FakeDoor {
  readonly port: number;
}

/** A server of its own make; what it hands to `serve` is read no further than that reads it. */
async function doorThat(serve: (stream: ServerHttp2Stream, call: number) => void): Promise<FakeDoor> {
  const server: Http2Server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  let calls = 0;
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    if (headers[':path'] === '/ashlar.v1.Kv/Batch') serve(stream, ++calls);
    else stream.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port };
}

const HEAD = { ':status': 200, 'content-type': 'application/grpc+proto', 'grpc-encoding': 'identity' };

function answerTo(batchId: number, values: Uint8Array = new Uint8Array(0)): Buffer {
  return encodeAnswers({
    batchId,
    highestVersion: 1,
    tableVersion: 1,
    statuses: Uint8Array.of(1),
    valueEnds: Uint32Array.of(values.length),
    values,
    versions: undefined,
    expiresAtMs: undefined,
    errors: [],
  });
}

/** Headers, and the trailers that end the stream once `end()` is called. */
function respond(stream: ServerHttp2Stream, status: number, headers: OutgoingHttpHeaders = {}): void {
  stream.respond({ ...HEAD, ...headers }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status, 'grpc-message': 'so' }));
}

describe.each(WAYS)('a caller that reads %s', (_, claimed) => {
  beforeEach(() => claimStreams(claimed));

  let connection: MemberConnection;
  let stream: KvStream;
  let answers: KvAnswers[];
  let closed: GridError | undefined;

  function call(port: number, messageBytesMax?: number): void {
    connection = connectMember(`127.0.0.1:${port}`, { messageBytesMax });
    closing.push(() => connection.close());
    const mine: KvAnswers[] = [];
    answers = mine;
    closed = undefined;
    stream = connection.kv.openStream({
      onAnswers: (some) => mine.push(some),
      // The stream of the test before may end only now.
      onClosed: (error) => {
        if (answers === mine) closed = error;
      },
    });
    stream.write(batchOf(1, [OPCODE.GET]));
  }

  async function endOf(serve: (door: ServerHttp2Stream) => void, messageBytesMax?: number): Promise<GridError> {
    const { port } = await doorThat(serve);
    call(port, messageBytesMax);
    await until(() => closed !== undefined);
    return closed!;
  }

  it('understands answers whatever way they are cut', async () => {
    const value = new Uint8Array(70_000).fill(7);
    const { port } = await doorThat((door) => {
      respond(door, 0);
      const bytes = Buffer.concat([framed(answerTo(1)), framed(answerTo(2, value)), framed(answerTo(3))]);
      for (const byte of bytes.subarray(0, 100)) door.write(Buffer.of(byte));
      door.write(bytes.subarray(100));
    });
    call(port);
    await until(() => answers.length === 3);
    expect(Buffer.from(answers[1]!.values).equals(value)).toBe(true);
    expect(closed).toBeUndefined();
  });

  it('takes all answers before the end, which is a lost connection', async () => {
    const error = await endOf((door) => {
      respond(door, 0);
      door.write(framed(answerTo(1)));
      door.end(framed(answerTo(2)));
    });
    expect(answers.map(({ batchId }) => batchId)).toEqual([1, 2]);
    expect(error).toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('ends with MESSAGE_TOO_LARGE on an answer above its bound', async () => {
    const error = await endOf((door) => {
      respond(door, 0);
      door.write(frameHeader(1001));
    }, 1000);
    expect(error).toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
    expect(error.message).toContain('has 1001 bytes, more than the 1000 of a message');
  });

  it('ends with INTERNAL on a compressed answer of a plain stream', async () => {
    const error = await endOf((door) => {
      respond(door, 0);
      door.write(framed(answerTo(1), 1));
    });
    expect(error).toMatchObject({ code: 'INTERNAL' });
  });

  it('S3: understands a stream of compressed answers', async () => {
    const { port } = await doorThat((door) => {
      respond(door, 0, { 'grpc-encoding': 'gzip' });
      door.write(framed(gzipSync(answerTo(1)), 1));
    });
    call(port);
    await until(() => answers.length === 1);
  });

  it('is told what the trailers say, also behind half an answer', async () => {
    for (const [status, code] of [
      [14, 'CONNECTION_LOST'],
      [7, 'PERMISSION_DENIED'],
      [0, 'CONNECTION_LOST'],
    ] as const) {
      const error = await endOf((door) => {
        respond(door, status);
        door.end(framed(answerTo(1)).subarray(0, 9));
      });
      expect(error).toMatchObject({ code });
      expect(answers).toHaveLength(0);
    }
  });

  it('is told of a refusal without any message', async () => {
    const error = await endOf((door) => door.respond({ ...HEAD, 'grpc-status': 16 }, { endStream: true }));
    expect(error).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('takes a reset for a lost connection, and a page of a proxy for what it is', async () => {
    const reset = await endOf((door) => {
      respond(door, 0);
      door.write(framed(answerTo(1)).subarray(0, 9), () => door.close(2));
    });
    expect(reset).toMatchObject({ code: 'CONNECTION_LOST' });
    const page = await endOf((door) => {
      door.respond({ ':status': 503, 'content-type': 'text/html' });
      door.end('<html>no</html>');
    });
    expect(page).toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('takes a cut link for a lost connection', async () => {
    const error = await endOf((door) => {
      respond(door, 0);
      door.write(framed(answerTo(1)).subarray(0, 9), () => door.session?.destroy());
    });
    expect(error).toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('sends again what a stream was refused with, in its order', async () => {
    const ids: number[] = [];
    const { port } = await doorThat((door, count) => {
      if (count === 1) {
        door.close(7);
        return;
      }
      respond(door, 0);
      const reader = new FrameReader(1 << 20, () => {
        ids.push(ids.length + 1);
        door.write(framed(answerTo(ids.length)));
      });
      door.on('data', (chunk: Buffer) => reader.read(chunk));
    });
    call(port);
    stream.write(batchOf(2, [OPCODE.GET]));
    await until(() => closed !== undefined || answers.length === 2);
    if (closed !== undefined) expect(closed).toMatchObject({ code: 'CONNECTION_LOST' });
    else expect(answers.map(({ batchId }) => batchId)).toEqual([1, 2]);
  });

  it('sends messages in the order they were given, from before there is a link', async () => {
    const member = new FakeMember('a');
    const address = await member.start();
    closing.push(() => member.stop());
    call(Number(address.split(':')[1]));
    for (let batchId = 2; batchId <= 400; batchId++) {
      stream.write(
        batchOf(
          batchId,
          Array.from({ length: (batchId * 37) % 900 }, () => OPCODE.HAS),
        ),
      );
      if (batchId % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => member.batches.length === 400);
    expect(member.batches.map(({ batchId }) => batchId)).toEqual(Array.from({ length: 400 }, (__, at) => at + 1));
  });
});
