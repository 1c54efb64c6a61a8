/** The spinning of this thread: its one spinner over Node's event loop, and whether there is a core to do it on. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { setImmediate } from 'node:timers';
import type { SpinFigures } from '@ashlar/core';
import { BatchWatch, CallWatch } from './spin-watch.ts';
import { Spinner } from './spinner.ts';

/** Whether a process keeps its event loop turning for a moment where answers, or calls, are about to come. */
export type SpinMode = 'auto' | 'off';
export const SPIN_MODES: readonly SpinMode[] = ['auto', 'off'];

/** What the machine leaves to this process. */
export interface Cores {
  /** Cores worth of time that it gets: of its affinity, its quota. */
  readonly available: number;
  /** Cores of the machine. */
  readonly machine: number;
  /** Cores that its threads may run on; undefined: not known. */
  readonly affinity: number | undefined;
}

/**
 * Why a process must not spin on such cores; empty: it may. A single core is shared with those that are waited for, unless it is one
 * of several that this process was pinned to: then a trial decides whether it is the process's own (spinner S4).
 */
export function noSpinReason({ available, machine, affinity }: Cores): string {
  if (available > 1) return '';
  if (machine === 1) return 'the machine has one core';
  return affinity === 1 ? '' : 'a quota leaves no more than one core';
}

/** The real clock, and above the real loop, also where a test of an application has put others in their place. */
const nowMs = performance.now.bind(performance);

function involuntarySwitches(): number {
  return process.resourceUsage().involuntaryContextSwitches;
}

let own: Spinner | undefined;

function ownSpinner(): Spinner {
  own ??= new Spinner(
    {
      nowMs,
      nextTurn: (turn) => setImmediate(turn),
      involuntarySwitches,
    },
    noSpinReason({ available: availableParallelism(), machine: cpus().length, affinity: affinityCores() }),
  );
  return own;
}

let ownCalls: CallWatch | undefined;

/** What all connections of this thread tell of their calls; undefined: they never spin. */
export function callWatch(mode: SpinMode): CallWatch | undefined {
  if (mode === 'off' || !ownSpinner().isAllowed) return undefined;
  ownCalls ??= new CallWatch(ownSpinner());
  return ownCalls;
}

/** What a stream of a door tells of the batches that come by it; undefined: the door never spins. */
export function batchWatch(mode: SpinMode): BatchWatch | undefined {
  return mode === 'off' || !ownSpinner().isAllowed ? undefined : new BatchWatch(ownSpinner());
}

/**
 * What keeps the event loop of this thread turning where work of other threads of the process is about to come back; counted in
 * spinFigures(). Undefined: nothing does.
 *
 * @param look  called in every turn
 */
export function turnsFor(mode: SpinMode, look: () => void): Spinner | undefined {
  if (mode === 'off' || !ownSpinner().isAllowed) return undefined;
  let turn = (): void => undefined;
  const lookAndTurn = (): void => {
    look();
    turn();
  };
  const nextTurn = (next: () => void): void => {
    turn = next;
    setImmediate(lookAndTurn);
  };
  return new Spinner({ nowMs, nextTurn, involuntarySwitches }, '', ownSpinner());
}

/** What this thread spun, for connections and doors of that mode. */
export function spinFigures(mode: SpinMode): SpinFigures {
  if (mode === 'auto') return ownSpinner().figures();
  return new Spinner(
    { nowMs: () => 0, nextTurn: () => undefined, involuntarySwitches: () => 0 },
    "spin is 'off'",
  ).figures();
}

/** Linux tells: `Cpus_allowed_list: 0-2,5`. */
function affinityCores(): number | undefined {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return list === undefined ? undefined : coresIn(list);
  } catch {
    return undefined;
  }
}

/** Number of cores in a list such as 0-2,5. */
export function coresIn(list: string): number {
  return list.split(',').reduce((sum, range) => {
    const [first, last = first] = range.split('-').map(Number) as [number, number?];
    return sum + last - first + 1;
  }, 0);
}
