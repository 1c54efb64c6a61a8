/**
 * One seed from its first event to its verdict.
 *
 *   seed -> profile -> grid, clients, faults -> all heals -> full service within a bound -> all keys are read -> judged
 *
 * run N1  A run is a function of its seed and of the rules: it can be repeated, and traced.
 * run N2  After healing the grid comes to full service within HEAL_BOUND times the longest of its times-out.
 * run N3  What is read at the end is what was committed.
 */
import { AssertionError, seededRandom } from '@ashlar/core';
import { PRODUCTION_RULES, type Rules } from '@ashlar/replication';
import { partitionOf } from './clients/workload.ts';
import { Faults } from './faults/faults.ts';
import { drawProfile, type FaultKind, type Profile } from './faults/profile.ts';
import { type HostRules, SOUND_HOST } from './grid/host-rules.ts';
import { SimGrid } from './grid/sim-grid.ts';
import { judge } from './history/linearizable.ts';
import { ABSENT, type KeyValue, type Operation, operationText } from './history/operation.ts';
import { Violation, violated } from './judges/truth.ts';

export interface RunOptions {
  readonly seed: number;
  readonly rules?: Rules;
  readonly hostRules?: HostRules;
  readonly trace?: (line: string) => void;
  /** Whether two controllers plan at the same time, as after an election that went wrong. */
  readonly isDoubled?: boolean;
  /** Whether members have the store of real ones, in place of maps and arrays. */
  readonly isStoreReal?: boolean;
  /** In place of what the seed draws: to look at one kind of fault. */
  readonly profile?: Partial<Profile>;
}

export interface RunReport {
  readonly seed: number;
  /** undefined: all is well. */
  readonly violation: { readonly invariant: string; readonly text: string; readonly atMs: number } | undefined;
  readonly events: number;
  readonly virtualMs: number;
  readonly committed: number;
  readonly answered: number;
  readonly unknown: number;
  readonly elections: number;
  readonly losses: number;
  readonly shrinks: number;
  readonly growths: number;
  readonly faults: ReadonlyMap<FaultKind, number>;
}

const CLIENTS_START_MS = 250;
const FAULTS_START_MS = 400;
const HEAL_POLL_MS = 50;
/** Of the time that a promotion or a transfer may take, or who is alone may serve by one lease. */
const HEAL_BOUND = 4;
const AFTER_HEAL_MS = 200;
const IDLE_BOUND_MS = 10_000;

export function simulate({
  seed,
  rules = PRODUCTION_RULES,
  hostRules = SOUND_HOST,
  trace,
  profile: given,
  isDoubled = false,
  isStoreReal = false,
}: RunOptions): RunReport {
  const random = seededRandom(seed);
  const profile = { ...drawProfile(random, seededRandom(seed ^ 0x1d872b41)), ...given };
  const grid = new SimGrid({ seed, profile, rules, hostRules, trace, isDoubled, isStoreReal });
  const faults = new Faults(grid, random, profile, seed);
  grid.trace(() => `seed ${seed}: ${JSON.stringify(profile)}`);
  const violation = violationOf(grid, () => play(grid, faults, profile));
  return {
    ...{ seed, violation, events: grid.kernel.ran, virtualMs: grid.kernel.nowMs, committed: grid.truth.committedCount },
    answered: grid.clients.reduce((sum, { answered }) => sum + answered, 0),
    unknown: grid.clients.reduce((sum, { unknown }) => sum + unknown, 0),
    elections: grid.counts.elected,
    losses: [...grid.losses.values()].reduce((sum, { length }) => sum + length, 0),
    shrinks: grid.counts.shrinks,
    growths: grid.counts.growths,
    faults: faults.counts,
  };
}

function violationOf(grid: SimGrid, run: () => void): RunReport['violation'] {
  try {
    run();
    return undefined;
  } catch (error) {
    const atMs = grid.kernel.nowMs;
    if (error instanceof Violation) return { invariant: error.invariant, text: error.message, atMs };
    if (error instanceof AssertionError) return { invariant: 'assertion', text: `assertion: ${error.message}`, atMs };
    throw error;
  }
}

function play(grid: SimGrid, faults: Faults, profile: Profile): void {
  const { kernel } = grid;
  kernel.runUntil(CLIENTS_START_MS);
  for (const client of grid.clients) client.start();
  kernel.runUntil(FAULTS_START_MS);
  faults.start();
  kernel.runUntil(FAULTS_START_MS + profile.faultsMs);
  faults.heal();
  reachFullService(grid, profile);
  kernel.runUntil(kernel.nowMs + AFTER_HEAL_MS);
  for (const client of grid.clients) client.stop();
  const idleByMs = kernel.nowMs + IDLE_BOUND_MS;
  while (kernel.nowMs < idleByMs && grid.clients.some(({ isIdle }) => !isIdle))
    kernel.runUntil(kernel.nowMs + HEAL_POLL_MS);
  probe(grid, profile);
  judgeHistory(grid);
}

/** run N2 */
function reachFullService(grid: SimGrid, { timings }: Profile): void {
  const { kernel } = grid;
  const byMs =
    kernel.nowMs + HEAL_BOUND * Math.max(timings.promotionTimeoutMs, timings.transferTimeoutMs, timings.loneGraceMs);
  for (;;) {
    kernel.runUntil(kernel.nowMs + HEAL_POLL_MS);
    const lacking = grid.lacking();
    if (lacking === undefined) return;
    if (kernel.nowMs > byMs) violated('full-service', `all healed ${HEAL_BOUND} times-out ago: ${lacking}`);
  }
}

/** Every partition takes a write, and every key is read (run N3). */
function probe(grid: SimGrid, { partitions }: Profile): void {
  for (let partition = 0; partition < partitions; partition++) {
    const key = grid.keys.newOnce(partition);
    if (asked(grid, key, 'put', grid.keys.nextValue()) === undefined)
      violated('full-service', `partition ${partition} takes no write after everything healed`);
  }
  for (const key of grid.keys.all()) {
    const partition = partitionOf(key);
    const since = grid.truth.lastOf(partition);
    const value = asked(grid, key, 'get', 0);
    if (value === undefined) violated('full-service', `partition ${partition} answers no read after everything healed`);
    const held = grid.truth.valuesAt(partition, Infinity).get(key) ?? ABSENT;
    // What was under way since before everything healed may come in between.
    const isLater = grid.truth.lastOf(partition) > since;
    if (value !== held && !isLater) violated('durable', `${key} is ${value} at the end, and ${held} was committed`);
  }
}

function asked(grid: SimGrid, key: string, verb: Operation['kind'], given: number): KeyValue | undefined {
  let answer: KeyValue | undefined;
  let isDone = false;
  grid.probe.ask(key, partitionOf(key), verb, given, (value) => {
    answer = value;
    isDone = true;
  });
  while (!isDone) grid.kernel.runUntil(grid.kernel.nowMs + 1);
  return answer;
}

function judgeHistory(grid: SimGrid): void {
  const verdict = judge(byLife(grid.history, grid.losses));
  if (verdict.kind === 'undecided')
    violated('undecided', `the history of ${verdict.key} is too entangled to be judged`);
  if (verdict.kind !== 'violation') return;
  const lines = verdict.around.map((operation) => `  ${operationText(operation)}`).join('\n');
  const held = verdict.values.map((value) => (value === ABSENT ? 'absent' : value)).join(' or ');
  violated('linearizable', `${verdict.key} held ${held} before ${operationText(verdict.operation)}\n${lines}`);
}

/**
 * A partition that was lost and begun anew has several lives, and a key is judged in each by itself. Who was under way between
 * two of them may have been done in either, or in a later one; what it read tells nothing.
 */
function byLife(history: readonly Operation[], losses: ReadonlyMap<number, readonly number[]>): Operation[] {
  return history.flatMap((operation) => {
    const lost = losses.get(partitionOf(operation.key)) ?? [];
    if (lost.length === 0) return [operation];
    const [from, to] = [operation.callMs, operation.returnMs].map((ms) => lost.filter((atMs) => atMs <= ms).length);
    const lives = Array.from({ length: to! - from! + 1 }, (_, at) => from! + at);
    if (lives.length === 1 && operation.returnMs < Infinity) return [inLife(operation, from!)];
    if (operation.kind === 'get') return [];
    return lives.map((life) => inLife({ ...operation, returnMs: Infinity, answer: undefined }, life));
  });
}

function inLife(operation: Operation, life: number): Operation {
  return { ...operation, key: `${operation.key} (life ${life + 1})` };
}
