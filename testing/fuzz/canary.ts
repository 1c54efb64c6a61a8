/**
 * A client that puts and gets a key all the while, in a thread of its own: what the other callers of a member see while it
 * is being fuzzed. A probe without an answer within HANG_MS is a hang of the member if its main thread was busy meanwhile (on a
 * loaded machine it may not have been given time), or if it takes DEAD_MS.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { connect } from '../../packages/client/src/index.ts';

const EVERY_MS = 20;
const HANG_MS = 1000;
const DEAD_MS = 15_000;
/** A tick of the scheduler's clock, as /proc counts it. */
const TICK_MS = 10;

export interface CanaryReport {
  readonly probes: number;
  readonly longestMs: number;
  /** Milliseconds of each hang. */
  readonly hangs: readonly number[];
}

interface CanaryTask {
  readonly address: string;
  readonly token: string;
  readonly pid: number;
}

export class Canary {
  readonly #worker: Worker;
  readonly #report: Promise<CanaryReport>;

  constructor(task: CanaryTask) {
    this.#worker = new Worker(new URL(import.meta.url), { workerData: task });
    this.#report = new Promise((resolve, reject) => {
      this.#worker.once('message', resolve);
      this.#worker.once('error', reject);
    });
    this.#report.catch(() => undefined);
  }

  /** Ends it and answers what it saw. */
  async stop(): Promise<CanaryReport> {
    this.#worker.postMessage('stop');
    const report = await this.#report;
    await this.#worker.terminate();
    return report;
  }
}

/** Milliseconds of processor time that the main thread of a process has had; undefined where the system does not show it. */
function cpuMs(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return undefined;
  }
}

async function watch({ address, token, pid }: CanaryTask): Promise<void> {
  const grid = await connect({ seeds: [address], token, timeoutMs: DEAD_MS });
  const map = grid.map<number>('canary');
  const hangs: number[] = [];
  let [probes, longestMs, isStopped] = [0, 0, false];
  parentPort!.once('message', () => {
    isStopped = true;
  });
  while (!isStopped) {
    const startedMs = performance.now();
    const cpuBefore = cpuMs(pid);
    // Whatever it answers, it answers.
    await (probes % 2 === 0 ? map.put('alive', probes) : map.get('alive')).then(
      () => undefined,
      () => undefined,
    );
    const ms = performance.now() - startedMs;
    const cpuAfter = cpuMs(pid);
    const busyMs = cpuBefore === undefined || cpuAfter === undefined ? ms : cpuAfter - cpuBefore;
    probes++;
    longestMs = Math.max(longestMs, Math.min(ms, busyMs));
    if (ms >= DEAD_MS || Math.min(ms, busyMs) >= HANG_MS) hangs.push(ms);
    await sleep(EVERY_MS);
  }
  await grid.close();
  parentPort!.postMessage({ probes, longestMs, hangs } satisfies CanaryReport);
}

if (!isMainThread) await watch(workerData as CanaryTask);
