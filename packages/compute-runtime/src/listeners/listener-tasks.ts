/**
 * Runs a listener's code on groups of events, and judges by the outcomes how the listener does.
 *
 * listener-tasks T1  All groups of a pull run in one task; where a death leaves open whose fault it was, each in a task of
 *                    its own.
 * listener-tasks T2  While runs kill their threads they take turns, with pauses in between; in quarantine nothing runs.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CALL_DEPTH, type ListenerOutcome, type ListenerRunner } from '@ashlar/compute';
import type { Tracing } from '@ashlar/observe';
import type { EventGroup } from './event-groups.ts';
import type { ListenerCalls } from './listener-calls.ts';
import type { ListenerHealth } from './listener-health.ts';
import type { ListenerSpec } from './listener-spec.ts';

export interface ListenerTasksOptions {
  readonly spec: () => ListenerSpec;
  readonly health: ListenerHealth;
  readonly runner: Pick<ListenerRunner, 'run'>;
  readonly calls: ListenerCalls;
  readonly tracing: Tracing;
}

export class ListenerTasks {
  readonly #options: ListenerTasksOptions;
  /** The last of those runs that take turns. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Ends the waiting in quarantine. */
  readonly #waking = new Set<() => void>();

  constructor(options: ListenerTasksOptions) {
    this.#options = options;
  }

  /** Quarantine may be over, or a signal has fired. */
  wake(): void {
    for (const wake of this.#waking) wake();
  }

  /** Outcomes aligned with the groups. Never rejects; after the signal they mean nothing. */
  async run(groups: readonly EventGroup[], signal: AbortSignal): Promise<readonly ListenerOutcome[]> {
    const outcomes = await this.#runTask(groups, signal);
    if (!outcomes.some(({ kind }) => kind === 'shared')) return outcomes;
    const alone: ListenerOutcome[] = [];
    for (const group of groups) alone.push(...(await this.#runTask([group], signal)));
    return alone;
  }

  async #runTask(groups: readonly EventGroup[], signal: AbortSignal): Promise<readonly ListenerOutcome[]> {
    const { health } = this.#options;
    if (!health.killsThreads && health.state !== 'quarantined') return this.#runNow(groups, signal);
    const turn = this.#turn.then(async () => {
      await this.#untilMayRun(signal);
      return this.#runNow(groups, signal);
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Resolves also when the signal fires. */
  async #untilMayRun(signal: AbortSignal): Promise<void> {
    const { health } = this.#options;
    if (health.pauseMs > 0) await sleep(health.pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
    while (health.state === 'quarantined' && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waking.delete(wake);
          resolve();
        };
        this.#waking.add(wake);
      });
    }
  }

  async #runNow(groups: readonly EventGroup[], signal: AbortSignal): Promise<readonly ListenerOutcome[]> {
    const { runner, calls, tracing } = this.#options;
    const spec = this.#options.spec();
    const count = groups.reduce((sum, { events }) => sum + events.length, 0);
    const listener = `${spec.module}.${spec.exportName}`;
    const attributes = { 'ashlar.listener': listener, 'ashlar.map': spec.map, 'ashlar.events': count };
    const { trace, end } = tracing.begin('ashlar.listener', undefined, attributes);
    const outcomes = await runner.run(
      { ...spec, groups: groups.map(({ events }) => events) },
      { callHandler: calls.handle, depth: CALL_DEPTH.listener, signal, trace },
    );
    end(outcomes.find((outcome) => outcome.kind !== 'writes')?.error);
    if (!signal.aborted) this.#judge(groups, outcomes);
    return outcomes;
  }

  /** A death is one, however many groups it took along. */
  #judge(groups: readonly EventGroup[], outcomes: readonly ListenerOutcome[]): void {
    const { health } = this.#options;
    let hasSucceeded = false;
    for (const outcome of outcomes) {
      if (outcome.kind === 'writes') hasSucceeded = true;
      else if (outcome.kind !== 'refused' && outcome.isDeath) {
        health.died(outcome.error, groups.length === 1 ? groups[0]!.partition : undefined);
        return;
      } else if (outcome.kind === 'failed' && !outcome.transient) health.failed(outcome.error);
    }
    if (hasSucceeded) health.succeeded();
  }
}
