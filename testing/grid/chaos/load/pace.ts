/**
 * How fast the load goes: as many calls a second as were asked for, and fewer where the machine would be busy for more than its
 * share, so that what is slow is the grid and not the machine.
 */
import { cpus } from 'node:os';

const BUSY_SHARE_MAX = 0.7;
const BUSY_SHARE_LOW = 0.6;
const TURN_MS = 20;
const LOOK_MS = 1000;
const SLOWER = 0.8;
const FASTER = 1.1;

export interface PaceOptions {
  readonly callsASecond: number;
  readonly callsASecondMin: number;
}

/** Calls `begin` at the pace until the signal fires. */
export async function atPace(options: PaceOptions, begin: () => void, signal: AbortSignal): Promise<void> {
  let rate = options.callsASecond;
  let owed = 0;
  let busy = busyTimes();
  let [turnMs, lookMs] = [performance.now(), performance.now()];
  while (!signal.aborted) {
    await pause(TURN_MS, signal);
    const nowMs = performance.now();
    // A driver that was held up does not catch up: that would be a burst.
    owed += (rate * Math.min(nowMs - turnMs, TURN_MS * 5)) / 1000;
    turnMs = nowMs;
    for (; owed >= 1; owed--) begin();
    if (nowMs - lookMs < LOOK_MS) continue;
    lookMs = nowMs;
    const before = busy;
    busy = busyTimes();
    rate = adapted(rate, (busy.busyMs - before.busyMs) / Math.max(1, busy.allMs - before.allMs), options);
  }
}

function adapted(rate: number, busyShare: number, { callsASecond, callsASecondMin }: PaceOptions): number {
  if (busyShare > BUSY_SHARE_MAX) return Math.max(callsASecondMin, rate * SLOWER);
  return busyShare < BUSY_SHARE_LOW ? Math.min(callsASecond, rate * FASTER) : rate;
}

/** Of all cores since the machine started. */
function busyTimes(): { busyMs: number; allMs: number } {
  let [busyMs, allMs] = [0, 0];
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.idle + times.irq;
    busyMs += all - times.idle;
    allMs += all;
  }
  return { busyMs, allMs };
}

/** Nothing of a time below 0. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, Math.max(0, ms));
    signal?.addEventListener('abort', done, { once: true });
    if (signal?.aborted === true) done();
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
  });
}
