/**
 * `kv`: gets and puts, zipfian, of strings of 100 bytes, 10 and 100 KB and of records of ten fields, and loading them; one
 * client process and one server process, each on a core of its own. Every value read is checked, and every entry at the end (`workload.ts`).
 */
import { fileURLToPath } from 'node:url';
import { type Child, firstLine, spawnNode, stopChild } from '../child-process.ts';
import { startMember } from '../member-process.ts';
import type { BenchOptions } from '../options.ts';
import { startRedis } from '../peers/redis.ts';
import type { Reporter } from '../report.ts';
import { type Case, type Crowd, type Running, runCases, SERVER_CORE, startClient, stopAll } from './harness.ts';
import { SUBJECTS, type SubjectName } from './subjects.ts';

const ROUNDS = 5;
const ECHO = fileURLToPath(new URL('echo-server.ts', import.meta.url));

/** Clients of many connections, one call under way on each: 64 in 8 processes. */
const CROWD: Crowd = { processes: 8, connections: 8 };
const CROWD_CASES: Readonly<Record<string, Case>> = {
  'c64 x1': { count: 30_000, writeShare: 0.05, inFlight: CROWD.connections, shape: 'text' },
};

/** Echo has answers of the length of a small text. */
const ECHO_CASES = /^(95|50|c64)/;
/** One call under way: the only case in which spinning is meant to matter. */
const SPIN_CASES = /x1$/;

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
  '10k load': { perCall: 1_000, shape: 'text-10k' },
};

export async function benchKv(reporter: Reporter, options: BenchOptions): Promise<void> {
  const subjects = options.chosen('subject', SUBJECTS) as readonly SubjectName[];
  const running = new Map<string, Running>();
  const crowds = new Map<string, Running>();
  const serving = new Map<SubjectName, { readonly servers: readonly Child[]; readonly address: string }>();
  try {
    for (const subject of subjects) {
      const { server, address } = await startServer(subject, reporter);
      serving.set(subject, { servers: [server], address });
      running.set(subject, await startClient(subject, [server], address));
    }
    const chosen = options.chosen('case', [...Object.keys(CASES), ...Object.keys(CROWD_CASES)]);
    const subjectsOf = (name: string): readonly string[] =>
      subjects.filter((subject) => {
        if (subject === 'echo') return ECHO_CASES.test(name);
        if (subject === 'echo-shared') return name in CROWD_CASES;
        return subject !== 'ashlar-spin-off' || SPIN_CASES.test(name);
      });
    const rounds = options.rounds ?? ROUNDS;
    const alone = chosen.filter((name) => name in CASES);
    await runCases({ bench: 'kv', cases: CASES, chosen: alone, rounds, running, subjectsOf }, reporter);
    const crowded = chosen.filter((name) => name in CROWD_CASES);
    if (crowded.length === 0) return;
    for (const [subject, { servers, address }] of serving) {
      crowds.set(subject, await startClient(subject, servers, address, CROWD));
    }
    await runCases({ bench: 'kv', cases: CROWD_CASES, chosen: crowded, rounds, running: crowds, subjectsOf }, reporter);
  } finally {
    await stopAll([...running.values(), ...crowds.values()]);
  }
}

async function startServer(subject: SubjectName, reporter: Reporter): Promise<{ server: Child; address: string }> {
  if (subject === 'ashlar' || subject === 'ashlar-spin-off') {
    const member = await startMember(subject === 'ashlar' ? {} : { spin: 'off' }, SERVER_CORE);
    return { server: member, address: member.address };
  }
  if (subject === 'echo' || subject === 'echo-shared') {
    const child = spawnNode(ECHO, [], SERVER_CORE);
    const { address } = await firstLine<{ address: string }>(child, 'the echo server');
    return { server: { process: child, pid: child.pid!, stop: () => stopChild(child) }, address };
  }
  const redis = await startRedis(SERVER_CORE);
  reporter.note(`${subject}: Redis ${redis.version}`);
  return { server: redis, address: `127.0.0.1:${redis.port}` };
}
