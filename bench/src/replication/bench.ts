/**
 * `replication`: what it costs to have a copy of everything on another member. The same three members on the same core with and
 * without backups, and Redis with one replica whose writes wait for it; the client has the other core. Beside a put alone: what it
 * takes a message to get to another process on that core and back, by links as members have them.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '@ashlar/client';
import type { Child } from '../child-process.ts';
import { type Case, type Running, runCases, SERVER_CORE, startClient, stopAll } from '../kv/harness.ts';
import { type MemberProcess, startMember } from '../member-process.ts';
import type { BenchOptions } from '../options.ts';
import { startRedis } from '../peers/redis.ts';
import type { Figure, Reporter } from '../report.ts';
import { startPing } from './ping.ts';

const ROUNDS = 5;
const MEMBERS = 3;
const LOOK_MS = 100;
/** b0, b1: backups of each partition. 'ping': nothing but the message that a backup is sent, and the one that it answers with. */
const SUBJECTS = ['b0', 'b1', 'redis-wait', 'ping'] as const;
type Subject = (typeof SUBJECTS)[number];

/** 'rec': records of some 1,000 bytes instead of texts of 100. */
const CASES: Readonly<Record<string, Case>> = {
  '95/5 x512': { count: 300_000, writeShare: 0.05, inFlight: 512, shape: 'text' },
  '50/50 x512': { count: 300_000, writeShare: 0.5, inFlight: 512, shape: 'text' },
  'put x1': { count: 10_000, writeShare: 1, inFlight: 1, shape: 'text' },
  'rec 95/5 x64': { count: 100_000, writeShare: 0.05, inFlight: 64, shape: 'record' },
  'rec 95/5 x512': { count: 150_000, writeShare: 0.05, inFlight: 512, shape: 'record' },
  'rec 50/50 x64': { count: 100_000, writeShare: 0.5, inFlight: 64, shape: 'record' },
  'rec 50/50 x512': { count: 150_000, writeShare: 0.5, inFlight: 512, shape: 'record' },
  'rec put x1': { count: 10_000, writeShare: 1, inFlight: 1, shape: 'record' },
};
/** One call at a time: where a put waits for nothing but its backup. */
const ALONE_CASES: ReadonlySet<string> = new Set(['put x1', 'rec put x1']);

export async function benchReplication(reporter: Reporter, options: BenchOptions): Promise<void> {
  const subjects = options.chosen('subject', SUBJECTS) as readonly Subject[];
  const running = new Map<string, Running>();
  const directory = await mkdtemp(join(tmpdir(), 'ashlar-bench-'));
  try {
    for (const subject of subjects) running.set(subject, await start(subject, directory, reporter));
    const chosen = options.chosen('case', Object.keys(CASES));
    const rounds = options.rounds ?? ROUNDS;
    const latencies = new LatencyInPings(reporter);
    const subjectsOf = (name: string): readonly Subject[] =>
      ALONE_CASES.has(name) ? subjects : subjects.filter((subject) => subject !== 'ping');
    await runCases({ bench: 'replication', cases: CASES, chosen, rounds, running, subjectsOf }, latencies);
  } finally {
    await stopAll(running.values());
    await rm(directory, { recursive: true, force: true });
  }
}

/** Passes figures on, and behind those of a case the one that is made of three: what a backup adds to a put, in pings. */
class LatencyInPings implements Reporter {
  readonly #reporter: Reporter;
  readonly #p50Us = new Map<string, Map<string, number>>();

  constructor(reporter: Reporter) {
    this.#reporter = reporter;
  }

  figure(figure: Figure): void {
    this.#reporter.figure(figure);
    if (figure.metric !== 'p50_us' || !ALONE_CASES.has(figure.case)) return;
    let p50Us = this.#p50Us.get(figure.case);
    if (p50Us === undefined) this.#p50Us.set(figure.case, (p50Us = new Map()));
    p50Us.set(figure.subject, figure.value);
    const [b0, b1, ping] = ['b0', 'b1', 'ping'].map((subject) => p50Us.get(subject));
    if (b0 === undefined || b1 === undefined || ping === undefined) return;
    p50Us.clear();
    this.#reporter.figure({ ...figure, subject: 'b1', metric: 'added_in_pings', value: (b1 - b0) / ping, unit: '' });
  }

  note(text: string): void {
    this.#reporter.note(text);
  }

  progress(text: string): void {
    this.#reporter.progress(text);
  }
}

async function start(subject: Subject, directory: string, reporter: Reporter): Promise<Running> {
  if (subject === 'redis-wait') {
    const redis = await startRedis(SERVER_CORE);
    const servers: Child[] = [redis, await startRedis(SERVER_CORE, redis.port)];
    reporter.note(`${subject}: Redis ${redis.version}, one replica`);
    return startClient(subject, servers, `127.0.0.1:${redis.port}`);
  }
  if (subject === 'ping') return startPing();
  const members = await startMembers(subject === 'b1' ? 1 : 0, join(directory, subject));
  return startClient('ashlar', members, members.map(({ address }) => address).join(','));
}

/** They are ready when every partition has its copies: until then those are on their way. */
async function startMembers(backups: number, dataDirectory: string): Promise<MemberProcess[]> {
  const settings = { 'cluster.expectedMembers': MEMBERS, 'cluster.backups': backups };
  const first = await startMember({ ...settings, 'cluster.dataDirectory': dataDirectory }, SERVER_CORE);
  const members = [first];
  while (members.length < MEMBERS)
    members.push(await startMember({ ...settings, 'cluster.join': first.address }, SERVER_CORE));
  if (backups > 0) await untilCopied(first.address, backups + 1);
  return members;
}

async function untilCopied(address: string, copies: number): Promise<void> {
  const grid = await connect({ seeds: [address] });
  try {
    for (;;) {
      const { partitions } = await grid.cluster();
      if (partitions.length > 0 && partitions.every(({ inSync }) => inSync.length === copies)) return;
      await pause(LOOK_MS);
    }
  } finally {
    await grid.close();
  }
}
