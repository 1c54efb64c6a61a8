/**
 * A client process of one subject: gets what to run as lines of JSON on stdin, answers with a line of figures. Processes of other
 * subjects wait meanwhile; those of the same one, where a case has several, have keys of their own.
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
  /** Which part of the keys is this process's, where several run at once: they are filled before (FillRequest). */
  readonly part?: Part;
}

/** One of `of` parts of the keys. */
export interface Part {
  readonly index: number;
  readonly of: number;
}

/** Fills the keys of one process, before all of them begin at once. */
export interface FillRequest {
  readonly fill: ShapeName;
  readonly part: Part;
}

/** Stores every key once, `perCall` entries a call, one call after another. */
export interface LoadRequest {
  readonly perCall: number;
  readonly shape: ShapeName;
}

export interface LoadFigures {
  readonly rowsPerS: number;
  readonly clientUsPerRow: number;
  readonly memberUsPerRow: number;
  readonly checksum: number;
}

export interface RunFigures {
  readonly opsPerS: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly clientUsPerOp: number;
  readonly memberUsPerOp: number;
  /** Beginning and end, milliseconds of the machine's clock. */
  readonly spanMs: readonly [number, number];
  /** Over all entries afterwards; 0 where the subject keeps none. */
  readonly checksum: number;
}

const FILL_IN_FLIGHT = 256;
const WHOLE: Part = { index: 0, of: 1 };

const [name, address, serverPids, connections = '1'] = process.argv.slice(2) as [SubjectName, string, string, string?];
const subjects: KvSubject[] = [];
while (subjects.length < Number(connections)) subjects.push(await openSubject(name, address));
const subject = subjects[0]!;
await serveLines<RunRequest | FillRequest | LoadRequest>(async (request) => {
  if ('perCall' in request) return load(subject, request);
  if (!('fill' in request)) return run(subjects, request);
  await fill(subject, shapeOf(request.fill), request.part);
  return {};
});
await Promise.all(subjects.map((open) => open.close()));
process.exit(0);

/** The keys of a part: so many, from that one on. */
function keysOf({ keyCount }: Shape, { index, of }: Part): { readonly count: number; readonly first: number } {
  const count = Math.floor(keyCount / of);
  return { count, first: index * count };
}

async function fill(subject: KvSubject, shape: Shape, part: Part): Promise<void> {
  const { count, first } = keysOf(shape, part);
  await keepUnderWay(FILL_IN_FLIGHT, count, async (key) => {
    await subject.put(KEYS[first + key]!, shape.make(first + key, -1));
  });
}

async function run(subjects: readonly KvSubject[], request: RunRequest): Promise<RunFigures> {
  const { seed, count, writeShare, inFlight, part = WHOLE } = request;
  const subject = subjects[0]!;
  const shape = shapeOf(request.shape);
  const own = keysOf(shape, part);
  const sequence = makeSequence(seed * part.of + part.index, count, writeShare, own.count, subjects.length);
  if (request.part === undefined) await fill(subject, shape, WHOLE);
  const check = subject.hasValues ? new ReadCheck(shape) : undefined;
  const latenciesUs = new Float32Array(count);
  const cpu = process.cpuUsage();
  const memberMs = serverCpuMs();
  const startedMs = performance.now();
  await drive({ subjects, shape, sequence, firstKey: own.first, inFlight, latenciesUs, check });
  const elapsedMs = performance.now() - startedMs;
  const spanMs = [performance.timeOrigin + startedMs, performance.timeOrigin + startedMs + elapsedMs] as const;
  const { user, system } = process.cpuUsage(cpu);
  const memberUsPerOp = ((serverCpuMs() - memberMs) * 1000) / count;
  latenciesUs.sort();
  return {
    opsPerS: (count / elapsedMs) * 1000,
    p50Us: latenciesUs[Math.floor(count * 0.5)]!,
    p99Us: latenciesUs[Math.floor(count * 0.99)]!,
    clientUsPerOp: (user + system) / count,
    memberUsPerOp,
    spanMs,
    checksum: subject.hasValues ? await verify(subject, shape, own, expectedChecksum(sequence, own)) : 0,
  };
}

/** Sum over all servers. */
function serverCpuMs(): number {
  return serverPids.split(',').reduce((sum, pid) => sum + cpuMsOf(Number(pid)), 0);
}

interface Drive {
  /** Connections: each has one call under way where there are several, else `inFlight`. */
  readonly subjects: readonly KvSubject[];
  readonly shape: Shape;
  readonly sequence: Sequence;
  /** The key that `sequence` counts from. */
  readonly firstKey: number;
  readonly inFlight: number;
  readonly latenciesUs: Float32Array;
  readonly check: ReadCheck | undefined;
}

async function drive({ subjects, shape, sequence, firstKey, inFlight, latenciesUs, check }: Drive): Promise<void> {
  const { keys, writes } = sequence;
  const step = async (operation: number): Promise<void> => {
    const subject = subjects[operation % subjects.length]!;
    const key = firstKey + keys[operation]!;
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
  };
  if (subjects.length === 1) return keepUnderWay(inFlight, keys.length, step);
  const ofOne = async (first: number): Promise<void> => {
    for (let operation = first; operation < keys.length; operation += subjects.length) await step(operation);
  };
  await Promise.all(subjects.map((_, lane) => ofOne(lane)));
}

async function load(subject: KvSubject, { perCall, shape: name }: LoadRequest): Promise<LoadFigures> {
  const shape = shapeOf(name);
  const entries = KEYS.slice(0, shape.keyCount).map((key, index) => [key, shape.make(index, 0)] as const);
  const cpu = process.cpuUsage();
  const memberMs = serverCpuMs();
  const startedMs = performance.now();
  for (let at = 0; at < entries.length; at += perCall) await subject.putAll!(entries.slice(at, at + perCall));
  const elapsedMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(cpu);
  const clientUsPerRow = (user + system) / entries.length;
  const memberUsPerRow = ((serverCpuMs() - memberMs) * 1000) / entries.length;
  const expected = entries.reduce((sum, _, key) => checksumStep(sum, key, 0), 0);
  const all = keysOf(shape, WHOLE);
  return {
    rowsPerS: (entries.length / elapsedMs) * 1000,
    clientUsPerRow,
    memberUsPerRow,
    checksum: await verify(subject, shape, all, expected),
  };
}

/** @throws when an entry is not what the sequence left */
async function verify(
  subject: KvSubject,
  shape: Shape,
  { count, first }: { readonly count: number; readonly first: number },
  expected: number,
): Promise<number> {
  let checksum = 0;
  await keepUnderWay(FILL_IN_FLIGHT, count, async (index) => {
    const key = first + index;
    const operation = shape.operationOf(await subject.get(KEYS[key]!), key);
    checksum = checksumStep(checksum, key, operation);
  });
  if (checksum !== expected) throw new Error(`entries add up to ${checksum}, expected ${expected}`);
  return checksum;
}
