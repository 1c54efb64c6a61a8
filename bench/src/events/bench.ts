/**
 * `events`: from a put to a subscriber of the map, one client process and one server process, each on a core of its own.
 * Every change has to arrive, once, and those of a key in their order.
 */
import { fileURLToPath } from 'node:url';
import type { Child } from '../child-process.ts';
import { LineProcess } from '../line-process.ts';
import { startMember } from '../member-process.ts';
import type { BenchOptions } from '../options.ts';
import { startRedis } from '../peers/redis.ts';
import type { Reporter } from '../report.ts';
import { runRounds } from '../rounds.ts';
import { liveHeapOf, TELLS_LIVE_HEAP } from './live-heap.ts';
import type { RunFigures, RunRequest } from './run.ts';
import { SUBJECTS, type SubjectName } from './subjects.ts';

const SERVER_CORE = 0;
const CLIENT_CORE = 1;
const ROUNDS = 5;
const CLIENT = fileURLToPath(new URL('client.ts', import.meta.url));
const CASES: Readonly<Record<string, RunRequest>> = {
  'paced-5k': { count: 20_000, perSecond: 5_000, inFlight: 0, inVain: 0 },
  full: { count: 200_000, inFlight: 512, inVain: 0 },
  'paced-5k s100': { count: 20_000, perSecond: 5_000, inFlight: 0, inVain: 99 },
};

/**
 * Asked of every subject before its rounds: paced writers would take a minute to make all of a process hot, and who notifies
 * others for hours is not measured by its first seconds. `start` measures those.
 */
const WARM_UP: RunRequest = { count: 200_000, inFlight: 512, inVain: 0 };

interface Running {
  readonly server: Child;
  readonly client: LineProcess;
}

export async function benchEvents(reporter: Reporter, options: BenchOptions): Promise<void> {
  const subjects = options.chosen('subject', SUBJECTS) as readonly SubjectName[];
  const cases = options.chosen('case', Object.keys(CASES));
  if (options.liveHeap) {
    for (const name of cases) await watchHeap(name, reporter);
    return;
  }
  for (const name of cases) await benchCase(name, subjects, reporter, options);
}

/** Each case has servers of its own: subscribers of another would still be there. */
async function benchCase(
  name: string,
  subjects: readonly SubjectName[],
  reporter: Reporter,
  options: BenchOptions,
): Promise<void> {
  const running = new Map<string, Running>();
  try {
    for (const subject of subjects) running.set(subject, await start(subject));
    for (const { client } of running.values()) await client.ask<RunFigures>(WARM_UP);
    const rounds = options.rounds ?? ROUNDS;
    await runRounds({ bench: 'events', cases: [name], subjects, rounds }, reporter, async (_, subject) => {
      const figures = await running.get(subject)!.client.ask<RunFigures>(CASES[name]!);
      return {
        events_per_s: [figures.eventsPerS, '1/s'],
        p50_us: [figures.p50Us, 'us'],
        p99_us: [figures.p99Us, 'us'],
        put_p50_us: [figures.putP50Us, 'us'],
        put_p99_us: [figures.putP99Us, 'us'],
      };
    });
  } finally {
    for (const { client, server } of running.values()) {
      await client.stop();
      await server.stop();
    }
  }
}

/** What a member holds meanwhile; its peers are written in other languages. */
async function watchHeap(name: string, reporter: Reporter): Promise<void> {
  const { server, client } = await start('ashlar', TELLS_LIVE_HEAP);
  try {
    await client.ask<RunFigures>(WARM_UP);
    const metrics = await liveHeapOf(server, client, CASES[name]!);
    for (const [metric, [value, unit]] of Object.entries(metrics)) {
      reporter.figure({ bench: 'events', case: name, subject: 'ashlar', metric, value, unit });
    }
  } finally {
    await client.stop();
    await server.stop();
  }
}

async function start(subject: SubjectName, memberFlags: readonly string[] = []): Promise<Running> {
  const { server, address } = await startServer(subject, memberFlags);
  return { server, client: await LineProcess.start(subject, CLIENT, [subject, address], CLIENT_CORE) };
}

async function startServer(
  subject: SubjectName,
  memberFlags: readonly string[],
): Promise<{ server: Child; address: string }> {
  if (subject === 'ashlar') {
    const member = await startMember({}, SERVER_CORE, memberFlags);
    return { server: member, address: member.address };
  }
  const redis = await startRedis(SERVER_CORE);
  return { server: redis, address: `127.0.0.1:${redis.port}` };
}
