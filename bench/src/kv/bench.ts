/**
 * `kv`: gets and puts, zipfian, of strings of 100 bytes, 10 and 100 KB and of records of ten fields, and loading them; one
 * client process and one server process, each on a core of its own. Every value read is checked, and every entry at the end (`workload.ts`).
 */
import { fileURLToPath } from 'node:url';
import { type Child, firstLine, spawnNode, stopChild } from '../child-process.ts';
import { LineProcess } from '../line-process.ts';
import { startMember } from '../member-process.ts';
import type { BenchOptions } from '../options.ts';
import { startRedis } from '../peers/redis.ts';
import type { Reporter } from '../report.ts';
import { type Metrics, runRounds } from '../rounds.ts';
import type { LoadFigures, LoadRequest, RunFigures, RunRequest } from './client.ts';
import { SUBJECTS, type SubjectName } from './subjects.ts';

const SERVER_CORE = 0;
const CLIENT_CORE = 1;
const ROUNDS = 5;
const CLIENT = fileURLToPath(new URL('client.ts', import.meta.url));
const ECHO = fileURLToPath(new URL('echo-server.ts', import.meta.url));

/** Echo has answers of the length of a small text. */
const ECHO_CASES = /^(95|50)/;

type Case = Omit<RunRequest, 'seed'> | LoadRequest;

const CASES: Readonly<Record<string, Case>> = {
  '95/5 x1': { count: 30_000, writeShare: 0.05, inFlight: 1, shape: 'text' },
  '95/5 x64': { count: 400_000, writeShare: 0.05, inFlight: 64, shape: 'text' },
  '95/5 x512': { count: 600_000, writeShare: 0.05, inFlight: 512, shape: 'text' },
  '50/50 x512': { count: 500_000, writeShare: 0.5, inFlight: 512, shape: 'text' },
  'rec 95/5 x64': { count: 150_000, writeShare: 0.05, inFlight: 64, shape: 'record' },
  'rec 95/5 x512': { count: 150_000, writeShare: 0.05, inFlight: 512, shape: 'record' },
  'rec 50/50 x64': { count: 150_000, writeShare: 0.5, inFlight: 64, shape: 'record' },
  'rec 50/50 x512': { count: 150_000, writeShare: 0.5, inFlight: 512, shape: 'record' },
  '10k x64': { count: 20_000, writeShare: 0.5, inFlight: 64, shape: 'text-10k' },
  '100k x64': { count: 3_000, writeShare: 0.5, inFlight: 64, shape: 'text-100k' },
  load: { perCall: 10_000, shape: 'text' },
  'rec load': { perCall: 10_000, shape: 'record' },
};

interface Running {
  readonly server: Child;
  readonly client: LineProcess;
}

export async function benchKv(reporter: Reporter, options: BenchOptions): Promise<void> {
  const subjects = options.chosen('subject', SUBJECTS) as readonly SubjectName[];
  const running = new Map<string, Running>();
  try {
    for (const subject of subjects) running.set(subject, await start(subject, reporter));
    const cases = options.chosen('case', Object.keys(CASES));
    const checksums = new Map<string, number>();
    const rounds = options.rounds ?? ROUNDS;
    for (const name of cases) {
      const able = subjects.filter((subject) => subject !== 'echo' || ECHO_CASES.test(name));
      await runRounds({ bench: 'kv', cases: [name], subjects: able, rounds }, reporter, async (_, subject, round) => {
        const { metrics, checksum } = await measure(running.get(subject)!.client, CASES[name]!, round);
        agree(checksums, `${name} round ${round}`, checksum);
        return metrics;
      });
    }
  } finally {
    for (const { client, server } of running.values()) {
      await client.stop();
      await server.stop();
    }
  }
}

async function measure(
  client: LineProcess,
  request: Case,
  seed: number,
): Promise<{ readonly metrics: Metrics; readonly checksum: number }> {
  if ('perCall' in request) {
    const { rowsPerS, checksum } = await client.ask<LoadFigures>(request);
    return { metrics: { rows_per_s: [rowsPerS, '1/s'] }, checksum };
  }
  const figures = await client.ask<RunFigures>({ seed, ...request });
  const metrics: Metrics = {
    ops_per_s: [figures.opsPerS, '1/s'],
    p50_us: [figures.p50Us, 'us'],
    p99_us: [figures.p99Us, 'us'],
    client_us_per_op: [figures.clientUsPerOp, 'us'],
    member_us_per_op: [figures.memberUsPerOp, 'us'],
  };
  return { metrics, checksum: figures.checksum };
}

async function start(subject: SubjectName, reporter: Reporter): Promise<Running> {
  const { server, address } = await startServer(subject, reporter);
  const client = await LineProcess.start(subject, CLIENT, [subject, address, String(server.pid)], CLIENT_CORE);
  return { server, client };
}

async function startServer(subject: SubjectName, reporter: Reporter): Promise<{ server: Child; address: string }> {
  if (subject === 'ashlar') {
    const member = await startMember({}, SERVER_CORE);
    return { server: member, address: member.address };
  }
  if (subject === 'echo') {
    const child = spawnNode(ECHO, [], SERVER_CORE);
    const { address } = await firstLine<{ address: string }>(child, 'the echo server');
    return { server: { process: child, pid: child.pid!, stop: () => stopChild(child) }, address };
  }
  const redis = await startRedis(SERVER_CORE);
  reporter.note(`${subject}: Redis ${redis.version}`);
  return { server: redis, address: `127.0.0.1:${redis.port}` };
}

/** @throws when subjects end up with different entries */
function agree(checksums: Map<string, number>, run: string, checksum: number): void {
  if (checksum === 0) return;
  const known = checksums.get(run) ?? checksum;
  checksums.set(run, known);
  if (known !== checksum) throw new Error(`${run}: subjects differ in their entries: ${known} and ${checksum}`);
}
