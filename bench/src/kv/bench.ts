/**
 * `kv`: gets and puts of 100-byte strings, 100,000 keys, zipfian, one client process and one server process, each on a
 * core of its own. Every value read is checked, and every entry at the end (`workload.ts`).
 */
import { fileURLToPath } from 'node:url';
import { type Child, firstLine, spawnNode, stopChild } from '../child-process.ts';
import { LineProcess } from '../line-process.ts';
import { startMember } from '../member-process.ts';
import type { BenchOptions } from '../options.ts';
import { startRedis } from '../peers/redis.ts';
import type { Reporter } from '../report.ts';
import { runRounds } from '../rounds.ts';
import type { RunFigures, RunRequest } from './client.ts';
import { SUBJECTS, type SubjectName } from './subjects.ts';

const SERVER_CORE = 0;
const CLIENT_CORE = 1;
const ROUNDS = 5;
const CLIENT = fileURLToPath(new URL('client.ts', import.meta.url));
const ECHO = fileURLToPath(new URL('echo-server.ts', import.meta.url));

const CASES: Readonly<Record<string, Omit<RunRequest, 'seed'>>> = {
  '95/5 x1': { count: 30_000, writeShare: 0.05, inFlight: 1 },
  '95/5 x64': { count: 400_000, writeShare: 0.05, inFlight: 64 },
  '95/5 x512': { count: 600_000, writeShare: 0.05, inFlight: 512 },
  '50/50 x512': { count: 500_000, writeShare: 0.5, inFlight: 512 },
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
    await runRounds(
      { bench: 'kv', cases, subjects, rounds: options.rounds ?? ROUNDS },
      reporter,
      async (name, subject, round) => {
        const request: RunRequest = { seed: round, ...CASES[name]! };
        const figures = await running.get(subject)!.client.ask<RunFigures>(request);
        agree(checksums, `${name} round ${round}`, figures.checksum);
        return {
          ops_per_s: [figures.opsPerS, '1/s'],
          p50_us: [figures.p50Us, 'us'],
          p99_us: [figures.p99Us, 'us'],
          client_us_per_op: [figures.clientUsPerOp, 'us'],
          member_us_per_op: [figures.memberUsPerOp, 'us'],
        };
      },
    );
  } finally {
    for (const { client, server } of running.values()) {
      await client.stop();
      await server.stop();
    }
  }
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
