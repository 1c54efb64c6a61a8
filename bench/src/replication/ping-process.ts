/**
 * One of two processes that have nothing of a member but its links to other replicas: the least that an acknowledgement of
 * another member can cost.
 *
 *   asker --message as long as the append of one put--> other --message as long as its acknowledgement--> asker ...
 *
 * Lines on stdin: Meet tells where the other one listens, a RunRequest makes this one ask.
 */
import type { ReplicaId } from '@ashlar/core';
import { encodeValue } from '@ashlar/serialization';
import { ReplicaLinks, type ReplicaMessage } from '@ashlar/transport';
import { FakeMember } from '@ashlar/transport/testing';
import { cpuMsOf } from '../cpu-time.ts';
import type { RunFigures, RunRequest } from '../kv/client.ts';
import { shapeOf } from '../kv/shapes.ts';
import { serveLines } from '../serve-lines.ts';

/** Which of the two it is to talk to, from now on. */
export interface Meet {
  readonly address: string;
  readonly pid: number;
}

/** Bytes of a head with one run, or one acknowledgement, and of a record beside its value. */
const HEAD_BYTES = 40;
const RECORD_BYTES = 90;
const RETRY_MS = 5;

const [self, other] = process.argv.slice(2) as [ReplicaId, ReplicaId];
const head = new Uint8Array(HEAD_BYTES);
const log = { warn: (facts: object, message: string) => process.stderr.write(`${message} ${JSON.stringify(facts)}\n`) };
const member = new FakeMember(self);
const links = new ReplicaLinks({}, { self, log });
let otherPid = 0;

/** Others are answered, until it asks itself. */
let heard = ({ payloads }: ReplicaMessage): void => {
  if (payloads.length > 0) send([]);
};
member.services.replication = { onMessage: (message) => heard(message) };
const address = await member.start();

await serveLines<Meet | RunRequest>(
  async (request) => {
    if ('seed' in request) return run(request);
    links.follow([{ replica: other, address: request.address }]);
    otherPid = request.pid;
    await untilLinked();
    return {};
  },
  { address, pid: process.pid },
);
links.close();
process.exit(0);

function send(payloads: readonly Uint8Array[]): boolean {
  return links.send({ from: self, to: other, head, payloads });
}

async function untilLinked(): Promise<void> {
  while (!send([])) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
}

async function run({ count, shape }: RunRequest): Promise<RunFigures> {
  const payloads = [new Uint8Array(encodeValue(shapeOf(shape).make(0, 0)).length + RECORD_BYTES)];
  const cpu = process.cpuUsage();
  const otherMs = cpuMsOf(otherPid);
  const startedMs = performance.now();
  const latenciesUs = await ask(count, payloads);
  const elapsedMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(cpu);
  const spanMs = [performance.timeOrigin + startedMs, performance.timeOrigin + startedMs + elapsedMs] as const;
  latenciesUs.sort();
  return {
    opsPerS: (count / elapsedMs) * 1000,
    p50Us: latenciesUs[Math.floor(count * 0.5)]!,
    p99Us: latenciesUs[Math.floor(count * 0.99)]!,
    clientUsPerOp: (user + system) / count,
    memberUsPerOp: ((cpuMsOf(otherPid) - otherMs) * 1000) / count,
    spanMs,
    checksum: 0,
  };
}

/** One after the other; the next one leaves when the answer has come. */
function ask(count: number, payloads: readonly Uint8Array[]): Promise<Float32Array> {
  const latenciesUs = new Float32Array(count);
  return new Promise((resolve) => {
    let asked = 0;
    let sentMs = performance.now();
    heard = () => {
      latenciesUs[asked++] = (performance.now() - sentMs) * 1000;
      if (asked === count) resolve(latenciesUs);
      else {
        sentMs = performance.now();
        send(payloads);
      }
    };
    send(payloads);
  });
}
