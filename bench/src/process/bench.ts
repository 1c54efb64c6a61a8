/**
 * `process`: a deployed TypeScript function in a user worker, limits on, adds to a field of 100,000 entries, uniformly
 * chosen; beside it the same as a Lua script in Redis; then both without code of the user's own: the ready-made processor
 * and HINCRBY. The counters must add up to what was added.
 */
import { fileURLToPath } from 'node:url';
import type { Child } from '../child-process.ts';
import { LineProcess } from '../line-process.ts';
import { startMember } from '../member-process.ts';
import type { BenchOptions } from '../options.ts';
import { startRedis } from '../peers/redis.ts';
import type { Reporter } from '../report.ts';
import { runRounds } from '../rounds.ts';
import type { RunFigures, RunRequest } from './client.ts';
import { SUBJECTS, type SubjectName } from './subjects.ts';

const ROUNDS = 5;
const CLIENT = fileURLToPath(new URL('client.ts', import.meta.url));
const CASES: Readonly<Record<string, Omit<RunRequest, 'seed'>>> = {
  x64: { count: 150_000, inFlight: 64, isReady: false },
  x512: { count: 300_000, inFlight: 512, isReady: false },
  'ready x64': { count: 150_000, inFlight: 64, isReady: true },
  'ready x512': { count: 300_000, inFlight: 512, isReady: true },
};

export async function benchProcess(reporter: Reporter, options: BenchOptions): Promise<void> {
  const subjects = options.chosen('subject', SUBJECTS) as readonly SubjectName[];
  const running = new Map<string, { readonly server: Child; readonly client: LineProcess }>();
  try {
    for (const subject of subjects) {
      const { server, address } = await startServer(subject, reporter);
      const client = await LineProcess.start(subject, CLIENT, [subject, address]);
      running.set(subject, { server, client });
    }
    const cases = options.chosen('case', Object.keys(CASES));
    const sums = new Map<string, number>();
    const rounds = options.rounds ?? ROUNDS;
    for (const name of cases) {
      const other = CASES[name]!.isReady ? 'redis-evalsha' : 'redis-hincrby';
      const able = subjects.filter((subject) => subject !== other);
      await runRounds(
        { bench: 'process', cases: [name], subjects: able, rounds },
        reporter,
        async (_, subject, round) => {
          const request: RunRequest = { seed: round, ...CASES[name]! };
          const { opsPerS, sum } = await running.get(subject)!.client.ask<RunFigures>(request);
          const run = `${name} round ${round}`;
          if ((sums.get(run) ?? sum) !== sum) throw new Error(`${run}: subjects differ: ${sums.get(run)} and ${sum}`);
          sums.set(run, sum);
          return { ops_per_s: [opsPerS, '1/s'] };
        },
      );
    }
  } finally {
    for (const { client, server } of running.values()) {
      await client.stop();
      await server.stop();
    }
  }
}

async function startServer(subject: SubjectName, reporter: Reporter): Promise<{ server: Child; address: string }> {
  if (subject === 'ashlar') {
    const member = await startMember();
    return { server: member, address: member.address };
  }
  const redis = await startRedis(undefined);
  reporter.note(`${subject}: Redis ${redis.version}`);
  return { server: redis, address: `127.0.0.1:${redis.port}` };
}
