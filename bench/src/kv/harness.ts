/** What the benches of gets and puts share: a client process a subject, cases over rounds, one checksum for all subjects. */
import { fileURLToPath } from 'node:url';
import type { Child } from '../child-process.ts';
import { LineProcess } from '../line-process.ts';
import type { Reporter } from '../report.ts';
import { type Metrics, runRounds } from '../rounds.ts';
import type { FillRequest, LoadFigures, LoadRequest, RunFigures, RunRequest } from './client.ts';
import type { SubjectName } from './subjects.ts';

export const SERVER_CORE = 0;
export const CLIENT_CORE = 1;
const CLIENT = fileURLToPath(new URL('client.ts', import.meta.url));

export type Case = Omit<RunRequest, 'seed' | 'part'> | LoadRequest;

/** A subject at work. */
export interface Running {
  readonly servers: readonly Child[];
  /** One, or several that run at once. */
  readonly clients: readonly LineProcess[];
}

/** How many processes a subject's client is, and the connections of each. */
export interface Crowd {
  readonly processes: number;
  readonly connections: number;
}

const ALONE: Crowd = { processes: 1, connections: 1 };

/** Client processes of a subject, on their core. @param address  host:port, several with commas between them */
export async function startClient(
  name: SubjectName,
  servers: readonly Child[],
  address: string,
  { processes, connections }: Crowd = ALONE,
): Promise<Running> {
  const pids = servers.map(({ pid }) => pid).join(',');
  const start = (): Promise<LineProcess> =>
    LineProcess.start(name, CLIENT, [name, address, pids, String(connections)], CLIENT_CORE);
  return { servers, clients: await Promise.all(Array.from({ length: processes }, start)) };
}

export async function stopAll(running: Iterable<Running>): Promise<void> {
  for (const { clients, servers } of running) {
    await Promise.all(clients.map((client) => client.stop()));
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
      const { metrics, checksum } = await measure(running.get(subject)!.clients, cases[name]!, round);
      agree(checksums, `${name} round ${round}`, checksum);
      return metrics;
    });
  }
}

async function measure(
  clients: readonly LineProcess[],
  request: Case,
  seed: number,
): Promise<{ readonly metrics: Metrics; readonly checksum: number }> {
  if ('perCall' in request) {
    const { rowsPerS, checksum } = await clients[0]!.ask<LoadFigures>(request);
    return { metrics: { rows_per_s: [rowsPerS, '1/s'] }, checksum };
  }
  const figures = await (clients.length === 1
    ? clients[0]!.ask<RunFigures>({ seed, ...request })
    : askCrowd(clients, { seed, ...request }));
  const metrics: Metrics = {
    ops_per_s: [figures.opsPerS, '1/s'],
    p50_us: [figures.p50Us, 'us'],
    p99_us: [figures.p99Us, 'us'],
    client_us_per_op: [figures.clientUsPerOp, 'us'],
    member_us_per_op: [figures.memberUsPerOp, 'us'],
  };
  return { metrics, checksum: figures.checksum };
}

/** All fill their keys, then all begin at once; the figures are those of all together. */
async function askCrowd(clients: readonly LineProcess[], request: RunRequest): Promise<RunFigures> {
  const of = clients.length;
  const parts = clients.map((_, index) => ({ index, of }));
  await Promise.all(
    clients.map((client, index) => client.ask({ fill: request.shape, part: parts[index]! } satisfies FillRequest)),
  );
  const all = await Promise.all(
    clients.map((client, index) => client.ask<RunFigures>({ ...request, part: parts[index]! })),
  );
  const sum = (read: (figures: RunFigures) => number): number => all.reduce((total, each) => total + read(each), 0);
  const began = Math.min(...all.map(({ spanMs }) => spanMs[0]));
  const ended = Math.max(...all.map(({ spanMs }) => spanMs[1]));
  return {
    opsPerS: (request.count * of * 1000) / (ended - began),
    p50Us: sum(({ p50Us }) => p50Us) / of,
    p99Us: Math.max(...all.map(({ p99Us }) => p99Us)),
    clientUsPerOp: sum(({ clientUsPerOp }) => clientUsPerOp) / of,
    // Each has seen what the member did for all of them.
    memberUsPerOp: sum(({ memberUsPerOp }) => memberUsPerOp) / of / of,
    spanMs: [began, ended],
    checksum: sum(({ checksum }) => checksum),
  };
}

/** @throws when subjects end up with different entries */
function agree(checksums: Map<string, number>, run: string, checksum: number): void {
  if (checksum === 0) return;
  const known = checksums.get(run) ?? checksum;
  checksums.set(run, known);
  if (known !== checksum) throw new Error(`${run}: subjects differ in their entries: ${known} and ${checksum}`);
}
