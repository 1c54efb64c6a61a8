/** A line below a statement that takes its time: how long it runs, and whether the grid can be reached at all. */
import type { Grid } from '@ashlar/api';
import { type Screen, startLiveBlock } from '@ashlar/terminal';

const FIRST_SHOWN_MS = 2000;
const EVERY_MS = 1000;
const PING_TIMEOUT_MS = 1000;

export interface WaitingLine {
  /** Takes the line away. Idempotent; must come before anything else is written. */
  stop(): void;
}

/** Only on a terminal. */
export function startWaitingLine(screen: Screen, grid: Grid): WaitingLine {
  if (!screen.isTerminal) return { stop: () => {} };
  const startedMs = performance.now();
  const block = startLiveBlock(screen);
  let isReachable = true;
  let isPinging = false;
  const ping = async (): Promise<void> => {
    if (isPinging) return;
    isPinging = true;
    isReachable = await grid.ping({ timeoutMs: PING_TIMEOUT_MS }).then(
      () => true,
      () => false,
    );
    isPinging = false;
  };
  const timer = setInterval(() => {
    const elapsedMs = performance.now() - startedMs;
    void ping();
    if (elapsedMs < FIRST_SHOWN_MS) return;
    const state = isReachable ? 'running' : 'no answer from the grid, still trying';
    block.draw([screen.colours.dim(`${state}, ${Math.round(elapsedMs / 1000)} s; Ctrl-C cancels`)]);
  }, EVERY_MS);
  return {
    stop: () => {
      clearInterval(timer);
      block.stop();
    },
  };
}
