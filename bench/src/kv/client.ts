/**
 * The client process of one subject: gets what to run as lines of JSON on stdin, answers with a line of figures.
 * It is the only one at work while it runs; the others wait for their turn.
 */
import { cpuMsOf } from '../cpu-time.ts';
import { keepUnderWay } from '../keep-under-way.ts';
import { serveLines } from '../serve-lines.ts';
import { ReadCheck } from './read-check.ts';
import { type KvSubject, openSubject, type SubjectName } from './subjects.ts';
import {
  checksumStep,
  expectedChecksum,
  KEY_COUNT,
  KEYS,
  makeSequence,
  operationOf,
  type Sequence,
  writtenValue,
} from './workload.ts';

export interface RunRequest {
  readonly seed: number;
  readonly count: number;
  readonly writeShare: number;
  readonly inFlight: number;
}

export interface RunFigures {
  readonly opsPerS: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly clientUsPerOp: number;
  readonly memberUsPerOp: number;
  /** Over all entries afterwards; 0 where the subject keeps none. */
  readonly checksum: number;
}

const FILL_IN_FLIGHT = 256;

const [name, address, serverPid] = process.argv.slice(2) as [SubjectName, string, string];
const subject = await openSubject(name, address);
await serveLines<RunRequest>((request) => run(subject, request));
await subject.close();
process.exit(0);

async function run(subject: KvSubject, { seed, count, writeShare, inFlight }: RunRequest): Promise<RunFigures> {
  const sequence = makeSequence(seed, count, writeShare);
  await keepUnderWay(FILL_IN_FLIGHT, KEY_COUNT, async (key) => {
    await subject.put(KEYS[key]!, writtenValue(key, -1));
  });
  const check = subject.hasValues ? new ReadCheck() : undefined;
  const latenciesUs = new Float32Array(count);
  const cpu = process.cpuUsage();
  const memberMs = cpuMsOf(Number(serverPid));
  const startedMs = performance.now();
  await drive(subject, sequence, inFlight, latenciesUs, check);
  const elapsedMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(cpu);
  const memberUsPerOp = ((cpuMsOf(Number(serverPid)) - memberMs) * 1000) / count;
  latenciesUs.sort();
  return {
    opsPerS: (count / elapsedMs) * 1000,
    p50Us: latenciesUs[Math.floor(count * 0.5)]!,
    p99Us: latenciesUs[Math.floor(count * 0.99)]!,
    clientUsPerOp: (user + system) / count,
    memberUsPerOp,
    checksum: subject.hasValues ? await verify(subject, sequence) : 0,
  };
}

async function drive(
  subject: KvSubject,
  { keys, writes }: Sequence,
  inFlight: number,
  latenciesUs: Float32Array,
  check: ReadCheck | undefined,
): Promise<void> {
  await keepUnderWay(inFlight, keys.length, async (operation) => {
    const key = keys[operation]!;
    const startedMs = performance.now();
    if (writes[operation] === 1) {
      check?.onWrite(key, operation);
      await subject.put(KEYS[key]!, writtenValue(key, operation));
      check?.onWritten(key, operation);
    } else {
      const least = check?.leastFor(key) ?? 0;
      const value = await subject.get(KEYS[key]!);
      check?.onRead(key, value, least);
    }
    latenciesUs[operation] = (performance.now() - startedMs) * 1000;
  });
}

/** @throws when an entry is not what the sequence left */
async function verify(subject: KvSubject, sequence: Sequence): Promise<number> {
  let checksum = 0;
  await keepUnderWay(FILL_IN_FLIGHT, KEY_COUNT, async (key) => {
    const operation = operationOf(await subject.get(KEYS[key]!), key);
    checksum = checksumStep(checksum, key, operation);
  });
  const expected = expectedChecksum(sequence);
  if (checksum !== expected) throw new Error(`entries add up to ${checksum}, expected ${expected}`);
  return checksum;
}
