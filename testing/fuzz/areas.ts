/** The doors that are fuzzed: each area makes one input after the other until it is stopped. */
import { connect as connectTcp } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeAnswers } from '../../packages/transport/src/index.ts';
import { type SchemaMethod, schemaMethods } from '../../packages/transport/src/testing/by-hand.ts';
import type { Chance } from './chance.ts';
import type { Findings } from './findings.ts';
import { type GrpcAnswer, GrpcLink } from './grpc-link.ts';
import { batchOf } from './kv-batches.ts';
import { largeInput } from './large.ts';
import { messageOf } from './messages.ts';
import { sqlText } from './sql-text.ts';

export interface Target {
  /** host:port of the gRPC door, and of the HTTP door. */
  readonly address: string;
  readonly httpAddress: string;
  /** The members' secret: every method is open. */
  readonly token: string;
}

export interface AreaRun {
  readonly target: Target;
  readonly chance: Chance;
  readonly findings: Findings;
  readonly isOver: () => boolean;
}

const KV_BATCH = '/ashlar.v1.Kv/Batch';
/** Methods that follow something for ever: they end by the deadline of their call. */
const ENDLESS = /\/(WatchTable|WatchControl|Subscribe)$/;
const HTTP_MS = 3000;
const LARGE_EVERY_MS = 300;
const BATCHES_A_STREAM = 20;

export const AREAS: Readonly<Record<string, (run: AreaRun) => Promise<void>>> = {
  grpc: (run) => withLink(run, grpc),
  kv: (run) => withLink(run, kv),
  sql: (run) => withLink(run, sql),
  values: (run) => withLink(run, values),
  large: (run) => withLink(run, large),
  http,
};

async function withLink(run: AreaRun, one: (link: GrpcLink, run: AreaRun) => Promise<void>): Promise<void> {
  const link = new GrpcLink(run.target.address, run.target.token);
  while (!run.isOver()) await one(link, run);
  link.close();
}

/** Any bytes to any method. */
async function grpc(link: GrpcLink, { chance, findings }: AreaRun): Promise<void> {
  const methods = schemaMethods().filter(({ path }) => path.startsWith('/ashlar.v1.') && path !== KV_BATCH);
  const calls = Array.from({ length: 8 }, async () => {
    const method = chance.pick(methods);
    const messages = messagesFor(method, chance);
    if (chance.once(15)) link.abandon(method.path, messages[0]!);
    const answer = await link.call(method.path, messages, !method.isRequestStream || chance.once(2));
    judge(method.path, answer, findings, () => messages.map((one) => one.toString('hex')).join(' '));
  });
  await Promise.all(calls);
}

function messagesFor({ request, isRequestStream }: SchemaMethod, chance: Chance): Buffer[] {
  const count = isRequestStream ? 1 + chance.below(3) : 1;
  return Array.from({ length: count }, () => {
    if (chance.once(8)) return chance.bytes(80);
    const message = messageOf(request, chance);
    return chance.once(4) ? chance.mutated(message) : message;
  });
}

/** One stream of batches. An INTERNAL is found within the answers. */
async function kv(link: GrpcLink, { chance, findings }: AreaRun): Promise<void> {
  const batches = Array.from({ length: 1 + chance.below(BATCHES_A_STREAM) }, () => batchOf(chance));
  const input = (): string => batches.map((one) => one.toString('hex')).join(' ');
  const answer = await link.call(KV_BATCH, batches, chance.once(2));
  judge(KV_BATCH, answer, findings, input);
  for (const message of answer.messages) {
    for (const { error } of decodeAnswers(message).errors) findings.answered('kv', error.code, error.message, input);
  }
}

async function sql(link: GrpcLink, { chance, findings }: AreaRun): Promise<void> {
  const text = sqlText(chance);
  const message = Buffer.concat([field(1, Buffer.from(text)), field(2, chance.messagePack([1, 'a']))]);
  const path = '/ashlar.v1.Sql/Query';
  judge(path, await link.call(path, [message]), findings, () => text);
}

/** A value goes in, comes out and is read by a statement. */
async function values(link: GrpcLink, { chance, findings }: AreaRun): Promise<void> {
  const bytes = chance.messagePack();
  const key = field(2, field(1, Buffer.from(`v${chance.below(20)}`)));
  const put = Buffer.concat([field(1, Buffer.from('other')), key, field(4, bytes)]);
  const input = (): string => bytes.toString('hex');
  judge('values put', await link.call('/ashlar.v1.Kv/Put', [put]), findings, input);
  const get = Buffer.concat([field(1, Buffer.from('other')), key]);
  judge('values get', await link.call('/ashlar.v1.Kv/Get', [get]), findings, input);
  const select = field(1, Buffer.from('SELECT a, b.c, n + 1, lower(k), tags[1], __key FROM other ORDER BY n'));
  judge('values select', await link.call('/ashlar.v1.Sql/Query', [select]), findings, input);
}

/** One that is large in some way, and a rest: other areas shall have their turn. */
async function large(link: GrpcLink, { chance, findings }: AreaRun): Promise<void> {
  const { path, messages, what } = largeInput(chance);
  judge(`large ${path}`, await link.call(path, messages), findings, () => what);
  await sleep(LARGE_EVERY_MS);
}

function field(number: number, bytes: Uint8Array): Buffer {
  const length: number[] = [];
  let rest = bytes.length;
  for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.of(number * 8 + 2, ...length, rest), bytes]);
}

function judge(area: string, answer: GrpcAnswer, findings: Findings, input: () => string): void {
  findings.answered(area, answer.code, answer.message, input);
  if (!answer.hasEnded && !ENDLESS.test(area)) findings.add('hang', `${area}: a call without an end`, input());
}

/* ---- HTTP ---------------------------------------------------------------------------------------------------------- */

async function http({ target, chance, findings, isOver }: AreaRun): Promise<void> {
  while (!isOver()) {
    const text = httpText(chance);
    const status = await httpAnswer(target.httpAddress, text);
    findings.answered('http', status === '500' ? 'INTERNAL' : undefined, `status ${status}`, () => text);
  }
}

function httpText(chance: Chance): string {
  const path = chance.pick([
    '/metrics',
    '/healthz',
    '/readyz',
    '//',
    '/%',
    '*',
    'http://x',
    `/${chance.text()}`,
    chance.text(),
  ]);
  const method = chance.pick(['GET', 'HEAD', 'POST', 'OPTIONS', 'CONNECT', chance.text()]);
  const headers = Array.from({ length: chance.below(4) }, () => `${chance.text()}: ${chance.text()}\r\n`).join('');
  const request = `${method} ${path} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`;
  const text = request.repeat(chance.once(8) ? 1 + chance.below(100) : 1);
  return chance.once(4) ? chance.mutated(Buffer.from(text)).toString('latin1') : text;
}

/** The status of the first answer; undefined: none came. */
function httpAnswer(address: string, text: string): Promise<string | undefined> {
  const [host, port] = address.split(':');
  const socket = connectTcp(Number(port), host!);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const settle = (status: string | undefined): void => {
    clearTimeout(timer);
    resolve(status);
    socket.destroy();
  };
  const timer = setTimeout(() => settle(undefined), HTTP_MS);
  socket.on('error', () => settle(undefined));
  socket.on('close', () => settle(undefined));
  socket.once('data', (bytes) => settle(/^HTTP\/1\.1 (\d+)/.exec(bytes.toString('latin1'))?.[1]));
  socket.write(Buffer.from(text, 'latin1'));
  return promise;
}
