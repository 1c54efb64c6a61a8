/**
 * The client process of one subject: gets what to run as lines of JSON on stdin, answers with a line of figures.
 * It is the only one at work while it runs; the others wait for their turn.
 */
import { cpuMsOf } from '../cpu-time.ts';
import { keepUnderWay } from '../keep-under-way.ts';
import { serveLines } from '../serve-lines.ts';
import { ReadCheck } from './read-check.ts';
import { type Shape, type ShapeName, shapeOf } from './shapes.ts';
import { type KvSubject, openSubject, type SubjectName } from './subjects.ts';
import { checksumStep, expectedChecksum, KEYS, makeSequence, type Sequence } from './workload.ts';

export interface RunRequest {
  readonly seed: number;
  readonly count: number;
  readonly writeShare: number;
  readonly inFlight: number;
  readonly shape: ShapeName;
}

/** Stores every key once, `perCall` entries a call, one call after another. */
export interface LoadRequest {
  readonly perCall: number;
  readonly shape: ShapeName;
}

export interface LoadFigures {
  readonly rowsPerS: number;
  readonly checksum: number;
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

const [name, address, serverPids] = process.argv.slice(2) as [SubjectName, string, string];
const subject = await openSubject(name, address);
await serveLines<RunRequest | LoadRequest>((request) =>
  'perCall' in request ? load(subject, request) : run(subject, request),
);
await subject.close();
process.exit(0);

async function run(subject: KvSubject, request: RunRequest): Promise<RunFigures> {
  const { seed, count, writeShare, inFlight } = request;
  const shape = shapeOf(request.shape);
  const sequence = makeSequence(seed, count, writeShare, shape.keyCount);
  await keepUnderWay(FILL_IN_FLIGHT, shape.keyCount, async (key) => {
    await subject.put(KEYS[key]!, shape.make(key, -1));
  });
  const check = subject.hasValues ? new ReadCheck(shape) : undefined;
  const latenciesUs = new Float32Array(count);
  const cpu = process.cpuUsage();
  const memberMs = serverCpuMs();
  const startedMs = performance.now();
  await drive({ subject, shape, sequence, inFlight, latenciesUs, check });
  const elapsedMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(cpu);
  const memberUsPerOp = ((serverCpuMs() - memberMs) * 1000) / count;
  latenciesUs.sort();
  return {
    opsPerS: (count / elapsedMs) * 1000,
    p50Us: latenciesUs[Math.floor(count * 0.5)]!,
    p99Us: latenciesUs[Math.floor(count * 0.99)]!,
    clientUsPerOp: (user + system) / count,
    memberUsPerOp,
    checksum: subject.hasValues ? await verify(subject, shape, expectedChecksum(sequence, shape.keyCount)) : 0,
  };
}

/** Sum over all servers. */
function serverCpuMs(): number {
  return serverPids.split(',').reduce((sum, pid) => sum + cpuMsOf(Number(pid)), 0);
}

interface Drive {
  readonly subject: KvSubject;
  readonly shape: Shape;
  readonly sequence: Sequence;
  readonly inFlight: number;
  readonly latenciesUs: Float32Array;
  readonly check: ReadCheck | undefined;
}

async function drive({ subject, shape, sequence, inFlight, latenciesUs, check }: Drive): Promise<void> {
  const { keys, writes } = sequence;
  await keepUnderWay(inFlight, keys.length, async (operation) => {
    const key = keys[operation]!;
    const startedMs = performance.now();
    if (writes[operation] === 1) {
      check?.onWrite(key, operation);
      await subject.put(KEYS[key]!, shape.make(key, operation));
      check?.onWritten(key, operation);
    } else {
      const least = check?.leastFor(key) ?? 0;
      const value = await subject.get(KEYS[key]!);
      check?.onRead(key, value, least);
    }
    latenciesUs[operation] = (performance.now() - startedMs) * 1000;
  });
}

async function load(subject: KvSubject, { perCall, shape: name }: LoadRequest): Promise<LoadFigures> {
  const shape = shapeOf(name);
  const entries = KEYS.slice(0, shape.keyCount).map((key, index) => [key, shape.make(index, 0)] as const);
  const startedMs = performance.now();
  for (let at = 0; at < entries.length; at += perCall) await subject.putAll!(entries.slice(at, at + perCall));
  const elapsedMs = performance.now() - startedMs;
  const expected = entries.reduce((sum, _, key) => checksumStep(sum, key, 0), 0);
  return { rowsPerS: (entries.length / elapsedMs) * 1000, checksum: await verify(subject, shape, expected) };
}

/** @throws when an entry is not what the sequence left */
async function verify(subject: KvSubject, shape: Shape, expected: number): Promise<number> {
  let checksum = 0;
  await keepUnderWay(FILL_IN_FLIGHT, shape.keyCount, async (key) => {
    const operation = shape.operationOf(await subject.get(KEYS[key]!), key);
    checksum = checksumStep(checksum, key, operation);
  });
  if (checksum !== expected) throw new Error(`entries add up to ${checksum}, expected ${expected}`);
  return checksum;
}
