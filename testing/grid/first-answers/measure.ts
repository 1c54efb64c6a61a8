/**
 * Counts which calls in flight end with their first answer when a link is cut, or a member process stands still.
 *
 *   client --- proxy (cuts, loses, holds back) --- member (stops, goes on)
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TestGrid } from '../support/grid.ts';
import { freePort, TcpProxy } from '../support/tcp-proxy.ts';
import { type Outcome, PacedCalls } from './paced-calls.ts';

/** How long bytes are lost, held back, or not read, before the link breaks. */
const FAULT_MS = 20;
/** How long a member process stands still once its links are gone. */
const STANDSTILL_MS = 150;
const PACE_MS = 100;
/** Short, for a session to end while a link is down. */
const SESSION_TTL_MS = 1000;

/** Breaks something below the measured client; leaves the link broken once `snapshot` was called. */
type Fault = (proxy: TcpProxy, pid: number, snapshot: () => void) => Promise<void>;

async function lose(proxy: TcpProxy, loss: 'requests' | 'answers', snapshot: () => void): Promise<void> {
  proxy.loss = loss;
  await sleep(FAULT_MS);
  snapshot();
  proxy.cut();
  proxy.loss = 'none';
}

export const FAULTS = {
  /** The link breaks. */
  'link cut': async (proxy, _pid, snapshot) => {
    snapshot();
    proxy.cut();
  },
  /** What was sent is not there. */
  'requests lost': (proxy, _pid, snapshot) => lose(proxy, 'requests', snapshot),
  /** What was sent is applied. */
  'answers lost': (proxy, _pid, snapshot) => lose(proxy, 'answers', snapshot),
  /** What was sent comes after what was sent again. */
  'link stalled': async (proxy, _pid, snapshot) => {
    proxy.hold();
    await sleep(FAULT_MS);
    snapshot();
    proxy.abandon();
    proxy.flow();
    await sleep(PACE_MS);
    proxy.deliver();
  },
  /** What was sent is applied, and the member has forgotten the session when it is asked again. */
  'session forgotten': async (proxy, _pid, snapshot) => {
    proxy.loss = 'answers';
    await sleep(FAULT_MS);
    proxy.hold();
    snapshot();
    proxy.cut();
    proxy.loss = 'none';
    await sleep(2 * SESSION_TTL_MS);
    proxy.flow();
  },
  /** SIGSTOP; the client comes back on another link before SIGCONT, and the member finds both to be read. */
  'process stopped': async (proxy, pid, snapshot) => {
    process.kill(pid, 'SIGSTOP');
    await sleep(FAULT_MS);
    snapshot();
    proxy.abandon();
    await sleep(STANDSTILL_MS);
    process.kill(pid, 'SIGCONT');
  },
} as const satisfies Readonly<Record<string, Fault>>;

export type FaultName = keyof typeof FAULTS;

/** Calls in flight at the faults of a kind, by what became of them. */
export type Figures = Readonly<Record<Outcome, number>> & { readonly inFlight: number };

export interface MeasureOptions {
  readonly rounds: number;
  readonly callsASecond: number;
  /** Bytes of answers that the member may remember. 0: it has the log alone. Default: the member's. */
  readonly answersMaxBytes?: number;
  readonly faults?: readonly FaultName[];
}

export async function measure(options: MeasureOptions): Promise<ReadonlyMap<FaultName, Figures>> {
  const { faults = Object.keys(FAULTS) as FaultName[], rounds, callsASecond, answersMaxBytes } = options;
  const port = await freePort();
  const proxy = await TcpProxy.listen(port);
  const settings: Record<string, string | number> = {
    ...{ 'grpc.port': port, 'grpc.advertise': proxy.address, 'limits.sessionTtlMs': SESSION_TTL_MS },
  };
  if (answersMaxBytes !== undefined) settings['memory.answersMaxBytes'] = answersMaxBytes;
  const grid = await TestGrid.start({ members: 1, settings });
  try {
    const client = await grid.connect({ timeoutMs: 10_000 });
    await client.deploy(new URL('../fixtures/swap.ts', import.meta.url));
    const { pid } = grid.members[0]!;
    const calls = new PacedCalls(client, callsASecond);
    const figures = new Map<FaultName, Figures>();
    for (const name of faults) {
      const counts = { first: 0, unknown: 0, refused: 0, wrong: 0, inFlight: 0 };
      for (let round = 0; round < rounds; round++)
        await oneRound(calls, counts, (snapshot) => FAULTS[name](proxy, pid, snapshot));
      figures.set(name, counts);
    }
    return figures;
  } finally {
    await grid.stop();
    await proxy.close();
  }
}

async function oneRound(
  calls: PacedCalls,
  counts: { -readonly [Name in keyof Figures]: number },
  fault: (snapshot: () => void) => Promise<void>,
): Promise<void> {
  await calls.prepare();
  calls.start();
  await sleep(PACE_MS);
  const outcomes: Promise<Outcome>[] = [];
  await fault(() => outcomes.push(...calls.underWay.map(({ outcome }) => outcome)));
  await sleep(PACE_MS);
  await calls.stop();
  counts.inFlight += outcomes.length;
  for (const outcome of await Promise.all(outcomes)) counts[outcome]++;
}
