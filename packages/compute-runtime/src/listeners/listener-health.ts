/**
 * How one listener is doing, by what became of its runs. Pure: it decides, the listener acts and reports.
 *
 *   healthy --a run fails--> failing --a run goes well, nothing is to be tried again--> healthy
 *                               '--its code kills threads, or fails on whatever comes--> quarantined --redeployed--> healthy
 *
 * listener-health H1  After a row of runs that killed their thread there is a pause before the next run, which doubles.
 * listener-health H2  Events are given up on only where the listener is known to work with others; else it is the listener that
 *                     is at fault, and its events are kept for better code.
 * listener-health H3  In quarantine nothing runs. Only a new deployment ends it.
 */
import type { GridError } from '@ashlar/core';

export type HealthState = 'healthy' | 'failing' | 'quarantined';

/** @param error  why; undefined where things got better */
export type StateChange = (from: HealthState, to: HealthState, error: GridError | undefined) => void;

const PAUSE_FIRST_MS = 100;
const PAUSE_MAX_MS = 5000;
/** Runs that one group of events may end by the death of their thread. */
export const DEATH_TRIES_MAX = 4;
export const TRIES_MAX = 10;
/** This many deaths in a row, over this many partitions, are not the fault of single events. */
const DEATHS_MAX = 6;
const PARTITIONS_TO_BLAME = 3;

/** The failures of one group of events so far. */
export class GroupFailures {
  readonly #successesBefore: number;
  readonly #deployment: number;
  #deaths = 0;
  #failures = 0;

  /** @param successesBefore  the runs that had gone well when it came up */
  constructor(health: ListenerHealth, successesBefore: number) {
    this.#successesBefore = successesBefore;
    this.#deployment = health.deployment;
  }

  add(isDeath: boolean): void {
    if (isDeath) this.#deaths += 1;
    this.#failures += 1;
  }

  get isExhausted(): boolean {
    return this.#deaths >= DEATH_TRIES_MAX || this.#failures >= TRIES_MAX;
  }

  get hasDeaths(): boolean {
    return this.#deaths > 0;
  }

  /** Whether the listener did well with other events since. */
  wasBlamedAlone(health: ListenerHealth): boolean {
    return health.successes > this.#successesBefore;
  }

  /** Whether what failed was another deployment. */
  isOutdated(health: ListenerHealth): boolean {
    return health.deployment !== this.#deployment;
  }
}

export class ListenerHealth {
  readonly #onChange: StateChange;
  #state: HealthState = 'healthy';
  #deathsInARow = 0;
  readonly #partitionsInARow = new Set<number>();
  /** Groups given up on since a run went well. */
  #givenUpInARow = 0;
  /** Runs that failed by the listener's own fault. */
  failures = 0;
  /** Runs that went well. */
  successes = 0;
  /** Counts deployments. */
  deployment = 0;

  constructor(onChange: StateChange) {
    this.#onChange = onChange;
  }

  get state(): HealthState {
    return this.#state;
  }

  /** Whether its last run killed its thread: then its runs take turns. */
  get killsThreads(): boolean {
    return this.#deathsInARow > 0;
  }

  /** Milliseconds to wait before the next run. */
  get pauseMs(): number {
    if (this.#deathsInARow === 0) return 0;
    return Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** (this.#deathsInARow - 1));
  }

  /** A run failed and its thread lives. */
  failed(error: GridError): void {
    this.failures += 1;
    this.#deathsInARow = 0;
    this.#partitionsInARow.clear();
    if (this.#state === 'healthy') this.#become('failing', error);
  }

  /** A run killed its thread. @param partition  undefined: it ran events of several */
  died(error: GridError, partition: number | undefined): void {
    this.failures += 1;
    this.#deathsInARow += 1;
    if (partition !== undefined) this.#partitionsInARow.add(partition);
    if (this.#state === 'healthy') this.#become('failing', error);
    const isBlamed = this.#deathsInARow >= DEATHS_MAX && this.#partitionsInARow.size >= PARTITIONS_TO_BLAME;
    if (isBlamed) this.#quarantine(error);
  }

  /** A run went well. */
  succeeded(): void {
    this.successes += 1;
    this.#deathsInARow = 0;
    this.#partitionsInARow.clear();
    this.#givenUpInARow = 0;
  }

  /** Nothing is to be tried again. */
  recovered(): void {
    if (this.#state === 'failing' && this.#deathsInARow === 0) this.#become('healthy', undefined);
  }

  /**
   * A group is out of tries.
   *
   * @returns whether to give up on its events; false: the listener is in quarantine now
   */
  mayGiveUp(failures: GroupFailures, error: GridError): boolean {
    if (failures.wasBlamedAlone(this)) return true;
    // The only events there are may be bad ones: that is granted once, and not where they cost threads.
    if (!failures.hasDeaths && this.#givenUpInARow++ === 0) return true;
    this.#quarantine(error);
    return false;
  }

  /** There is other code, or the same was deployed again. */
  redeployed(): void {
    this.deployment += 1;
    this.#deathsInARow = 0;
    this.#partitionsInARow.clear();
    this.#givenUpInARow = 0;
    if (this.#state !== 'healthy') this.#become('healthy', undefined);
  }

  #quarantine(error: GridError): void {
    if (this.#state !== 'quarantined') this.#become('quarantined', error);
  }

  #become(state: HealthState, error: GridError | undefined): void {
    const from = this.#state;
    this.#state = state;
    this.#onChange(from, state, error);
  }
}
