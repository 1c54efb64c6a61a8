/**
 * The load of a chaos run: calls that begin at a pace, whether or not those before them have ended, so that keys which are out of
 * reach hold up no others.
 *
 *   registers  hot and cold keys by every way in which a key is read and written     -> a history, judged key by key
 *   counters   increments by processors                                             -> the same, and sums
 *   once       keys that are written once                                           -> none that was acknowledged is missing
 *   causes     keys that a listener answers with effects                            -> each effect once
 *   sums       transfers in closed systems (closed-sums.ts)                         -> every snapshot shows the same sum
 *
 * load L1  On a hot key at most HOT_CALLS_MAX calls are under way. Its name changes after GENERATION_CALLS of them, or a few whose
 *          outcome is unknown, so that each name has a history that can be judged.
 * load L2  At most CALLS_MAX calls are under way; what the pace would begin beyond that is left out.
 */
import type { Grid } from '@ashlar/client';
import { type Random, seededRandom } from '@ashlar/core';
import { type CallEnd, StepRecorder } from '../../linearizability/recorder.ts';
import type { ClosedSums } from './closed-sums.ts';
import type { Outcomes } from './outcomes.ts';
import { Causes } from './user-code.ts';

/** Longer than any fault lasts: what is under way then goes on, and its outcome is known. */
export const CALL_TIMEOUT_MS = 20_000;
export const ONCE = 'once';

const HOT_KEYS = 6;
const COLD_KEYS = 300;
const COUNTERS = 16;
const HOT_CALLS_MAX = 6;
const GENERATION_CALLS = 1000;
const GENERATION_UNKNOWN = 2;
const CALLS_MAX = 3000;

interface HotKey {
  readonly index: number;
  generation: number;
  underWay: number;
  calls: number;
  unknown: number;
}

/** What was told of a counter's increments. */
export interface CounterSum {
  acknowledged: number;
  unknown: number;
}

export class Load {
  readonly recorder: StepRecorder;
  /** Keys of ONCE and of Causes, by whether their write was acknowledged. */
  readonly once = new Map<string, boolean>();
  readonly causes = new Map<number, boolean>();
  readonly counters = new Map<string, CounterSum>();
  readonly #grids: readonly Grid[];
  readonly #outcomes: Outcomes;
  readonly #sums: ClosedSums;
  readonly #random: Random;
  readonly #hot: readonly HotKey[];
  readonly #underWay = new Set<Promise<unknown>>();
  #calls = 0;

  constructor(grids: readonly Grid[], outcomes: Outcomes, sums: ClosedSums, seed: number) {
    this.#grids = grids;
    this.#outcomes = outcomes;
    this.#sums = sums;
    this.#random = seededRandom(seed);
    this.#hot = Array.from({ length: HOT_KEYS }, (_, index) => ({
      ...{ index, generation: 0, underWay: 0, calls: 0, unknown: 0 },
    }));
    this.recorder = new StepRecorder({
      ...{ seed, timeoutMs: CALL_TIMEOUT_MS },
      onEnd: (op, end, error) => {
        if (end === 'answered') outcomes.took(op !== 'get');
        else outcomes.failed(op, op !== 'get', error);
      },
    });
  }

  /** Begins a call; it ends when it ends. */
  begin(): void {
    if (this.#underWay.size >= CALLS_MAX) return;
    const call = this.#call(this.#calls++).finally(() => this.#underWay.delete(call));
    this.#underWay.add(call);
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** Waits for what is under way. */
  async drained(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  #call(number: number): Promise<unknown> {
    const grid = this.#grids[this.#random.below(this.#grids.length)]!;
    const chance = this.#random.below(100);
    if (chance < 35) return this.#hotStep(number, grid);
    if (chance < 50) return this.#step(number, grid, `cold${this.#random.below(COLD_KEYS)}`);
    if (chance < 60) return this.#increment(number, grid);
    if (chance < 80) return this.#writeOnce(number, grid);
    if (chance < 90) return this.#cause(number, grid);
    return this.#sums.transfer(grid);
  }

  /** load L1 */
  async #hotStep(number: number, grid: Grid): Promise<void> {
    const key = this.#hot[this.#random.below(HOT_KEYS)]!;
    if (key.underWay >= HOT_CALLS_MAX) return;
    if (key.calls >= GENERATION_CALLS || key.unknown >= GENERATION_UNKNOWN) {
      Object.assign(key, { generation: key.generation + 1, calls: 0, unknown: 0 });
    }
    const { generation } = key;
    key.calls++;
    key.underWay++;
    const end = await this.#step(number, grid, `hot${key.index}-${generation}`);
    key.underWay--;
    if (end === 'unknown' && key.generation === generation) key.unknown++;
  }

  #step(number: number, grid: Grid, key: string): Promise<CallEnd> {
    return this.#outcomes.inTime('a call of a register', this.recorder.step(number, grid, key), 'unknown');
  }

  async #increment(number: number, grid: Grid): Promise<void> {
    const key = `counter${this.#random.below(COUNTERS)}-${Math.floor(number / (GENERATION_CALLS * COUNTERS))}`;
    const sum = this.counters.get(key) ?? { acknowledged: 0, unknown: 0 };
    this.counters.set(key, sum);
    const end = await this.#outcomes.inTime('increment', this.recorder.increment(number, grid, key), 'unknown');
    if (end === 'unknown') sum.unknown++;
    if (end === 'answered') sum.acknowledged++;
  }

  async #writeOnce(number: number, grid: Grid): Promise<void> {
    const key = `once${number}`;
    const map = grid.map<string, number>(ONCE);
    const { kind } = await this.#outcomes.mutate('put', () => map.put(key, number, { timeoutMs: CALL_TIMEOUT_MS }));
    if (kind !== 'refused') this.once.set(key, kind === 'answered');
  }

  async #cause(number: number, grid: Grid): Promise<void> {
    const causes = grid.map(Causes);
    const { kind } = await this.#outcomes.mutate('put', () =>
      causes.put(number, { n: number }, { timeoutMs: CALL_TIMEOUT_MS }),
    );
    if (kind !== 'refused') this.causes.set(number, kind === 'answered');
  }
}
