/** What the benches of gets and puts share: a client process a subject, cases over rounds, one checksum for all subjects. */
import { fileURLToPath } from 'node:url';
import type { Child } from '../child-process.ts';
import { LineProcess } from '../line-process.ts';
import type { Reporter } from '../report.ts';
import { type Metrics, runRounds } from '../rounds.ts';
import type { LoadFigures, LoadRequest, RunFigures, RunRequest } from './client.ts';
import type { SubjectName } from './subjects.ts';

export const SERVER_CORE = 0;
export const CLIENT_CORE = 1;
const CLIENT = fileURLToPath(new URL('client.ts', import.meta.url));

export type Case = Omit<RunRequest, 'seed'> | LoadRequest;

/** A subject at work. */
export interface Running {
  readonly servers: readonly Child[];
  readonly client: LineProcess;
}

/** A client process of a subject, on its core. @param address  host:port, several with commas between them */
export async function startClient(name: SubjectName, servers: readonly Child[], address: string): Promise<Running> {
  const pids = servers.map(({ pid }) => pid).join(',');
  return { servers, client: await LineProcess.start(name, CLIENT, [name, address, pids], CLIENT_CORE) };
}

export async function stopAll(running: Iterable<Running>): Promise<void> {
  for (const { client, servers } of running) {
    await client.stop();
    await Promise.all(servers.map((server) => server.stop()));
  }
}

export interface CasesOptions {
  readonly bench: string;
  readonly cases: Readonly<Record<string, Case>>;
  readonly chosen: readonly string[];
  readonly rounds: number;
  readonly running: ReadonlyMap<string, Running>;
  /** Subjects that have a case. */
  readonly subjectsOf: (caseName: string) => readonly string[];
}

/** Runs the cases one after the other; all subjects of a round have to end with the same entries. */
export async function runCases(options: CasesOptions, reporter: Reporter): Promise<void> {
  const { bench, cases, chosen, rounds, running, subjectsOf } = options;
  const checksums = new Map<string, number>();
  for (const name of chosen) {
    const subjects = subjectsOf(name);
    await runRounds({ bench, cases: [name], subjects, rounds }, reporter, async (_, subject, round) => {
      const { metrics, checksum } = await measure(running.get(subject)!.client, cases[name]!, round);
      agree(checksums, `${name} round ${round}`, checksum);
      return metrics;
    });
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

/** @throws when subjects end up with different entries */
function agree(checksums: Map<string, number>, run: string, checksum: number): void {
  if (checksum === 0) return;
  const known = checksums.get(run) ?? checksum;
  checksums.set(run, known);
  if (known !== checksum) throw new Error(`${run}: subjects differ in their entries: ${known} and ${checksum}`);
}
