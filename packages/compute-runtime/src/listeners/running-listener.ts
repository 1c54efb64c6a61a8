/**
 * One `after` listener on this member, for as long as it is deployed: its name, how it is doing, and the run that it is in
 * (listener-run.ts).
 *
 * running-listener L1  It holds the log behind what it has done (a durable consumer), so it misses nothing; where listeners
 *                      hold all that logs may take, writes wait or are refused (LOG_FULL). What it writes itself is always
 *                      taken.
 * running-listener L2  An event that fails is tried again after a pause that doubles; if the listener is at fault a
 *                      few times (listener-health.ts), then it is given up with an error in the log and in the metrics, or the
 *                      listener goes into quarantine: then nothing runs until its module is deployed again, and it keeps its
 *                      place.
 * running-listener L3  At most one run reads and writes its checkpoints: a new one begins when the last has stopped.
 * running-listener L4  When its map is dropped it gets what the logs hold of it, lets them go, and has ended.
 */
import { GridError, type PartitionId } from '@ashlar/core';
import type { LogHolder } from '@ashlar/storage';
import type { EventGroup } from './event-groups.ts';
import { ListenerCalls } from './listener-calls.ts';
import { type HealthState, ListenerHealth } from './listener-health.ts';
import { listenerText } from './listener-records.ts';
import { ListenerRun, type RunWatch } from './listener-run.ts';
import type { ListenerDependencies, ListenerSpec } from './listener-spec.ts';
import { ListenerTasks } from './listener-tasks.ts';

/** How long the outboxes of a listener that is undeployed may still be delivered. */
const RETIRE_MS = 5 * 60_000;

export class RunningListener implements LogHolder {
  #spec: ListenerSpec;
  readonly #deps: ListenerDependencies;
  readonly #health = new ListenerHealth((from, to, error) => this.#tellState(from, to, error));
  readonly #tasks: ListenerTasks;
  #run: ListenerRun;
  /** The run that is stopping, and what follows it. */
  #turn: Promise<void> = Promise.resolve();
  #standing: Promise<void>;
  #isStopped = false;
  /** Somebody will go on from its checkpoints. */
  #isHandedOn = false;
  #isLetGo = false;
  #isUndelivered = false;
  /** Events that it has done with, and those that it was given up on. */
  done = 0;
  passedOver = 0;
  /** Partitions whose log did not reach back to the checkpoint. */
  gaps = 0;

  /** @param startsAnew  a checkpoint of a listener that was undeployed a moment ago is no place to start from */
  constructor(spec: ListenerSpec, deps: ListenerDependencies, startsAnew: boolean) {
    this.#spec = spec;
    this.#deps = deps;
    this.#tasks = new ListenerTasks({
      spec: () => this.#spec,
      health: this.#health,
      runner: deps.runner,
      calls: new ListenerCalls(deps),
      tracing: deps.parts.tracing,
    });
    deps.pressure.hold(1);
    this.#run = this.#newRun(startsAnew);
    this.#standing = this.#run.standing;
    deps.parts.log.info({ listener: this.name, map: spec.map }, 'listener started');
  }

  get name(): string {
    return `${this.#spec.module}.${this.#spec.exportName}`;
  }

  /** One text for each listener: its map belongs to it. */
  get id(): string {
    return listenerText(this.#spec);
  }

  get lag(): number {
    return this.#isLetGo ? 0 : this.#run.lag;
  }

  /** Runs that failed by the listener's own fault. */
  get failures(): number {
    return this.#health.failures;
  }

  get spec(): ListenerSpec {
    return this.#spec;
  }

  /** It holds the logs, and only a deployment lets it go on. */
  get isStopped(): boolean {
    return this.state === 'quarantined';
  }

  get state(): HealthState | 'ended' {
    return this.#isLetGo ? 'ended' : this.#health.state;
  }

  /** It holds no log any more: it was stopped, or its map is gone and all of its events are done with. */
  get hasEnded(): boolean {
    return this.#isLetGo;
  }

  /** Resolves once its checkpoints are committed in all partitions of this member. Never rejects. */
  get standing(): Promise<void> {
    return this.#standing;
  }

  /** Its module was deployed again: from here on other code runs, and quarantine is over. */
  follow(spec: ListenerSpec): void {
    if (spec.generation === this.#spec.generation) return;
    this.#spec = spec;
    this.#health.redeployed();
    this.#tasks.wake();
  }

  /** Other partitions are this member's, or at other epochs: it goes on from the checkpoints that lie in them. */
  reopen(): void {
    if (this.#isStopped || this.#isLetGo) return;
    const before = this.#run;
    this.#turn = this.#turn.then(async () => {
      await before.stop(0);
      if (!this.#isStopped && !this.#isLetGo) {
        this.#run = this.#newRun(false);
        await this.#run.standing;
      }
      before.close();
    });
    this.#standing = this.#turn;
  }

  /** Keeps its checkpoints: whoever starts it again goes on from them. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#isHandedOn = true;
    const stopping = this.#run.stop(0);
    await this.#turn;
    await stopping;
    await this.#run.stop(0);
    this.#letGo();
  }

  /**
   * It is undeployed: what its last steps wrote is still delivered, within a time; then its checkpoints go. Where stop() is
   * called meanwhile they stay, with what is left in their outboxes.
   */
  async retire(): Promise<void> {
    this.#isStopped = true;
    await this.#turn;
    await this.#run.stop(RETIRE_MS);
    if (!this.#isHandedOn) {
      const { undelivered } = this.#run;
      const facts = { listener: this.name, outboxes: undelivered, afterMs: RETIRE_MS };
      if (undelivered > 0)
        this.#deps.parts.log.error(facts, 'writes of an undeployed listener were not taken: they are dropped');
      await this.#run.forget();
    }
    this.#letGo();
  }

  #newRun(startsAnew: boolean): ListenerRun {
    return new ListenerRun({
      ...{ spec: this.#spec, holder: this, deps: this.#deps, startsAnew },
      ...{ health: this.#health, tasks: this.#tasks, watch: this.#watch() },
    });
  }

  /** Holds no log any more. Idempotent. */
  #letGo(): void {
    if (this.#isLetGo) return;
    this.#isLetGo = true;
    this.#run.close();
    this.#deps.pressure.hold(-1);
  }

  /* ---- What it tells ---------------------------------------------------------------------------------------------- */

  #watch(): RunWatch {
    const { log } = this.#deps.parts;
    const listener = this.name;
    return {
      onFailedStart: (error) => {
        // A primary that takes over, or waits for its leases, is ready in a moment.
        const level = GridError.is(error) && error.retryable ? 'info' : 'error';
        log[level]({ err: error, listener }, 'a listener could not be started: it is tried again');
      },
      onGap: (partition, { incarnation, sequence }, firstSequence) => {
        this.gaps += 1;
        const facts = { listener, partition, incarnation, sequence, firstSequence };
        log.error(facts, 'the log does not reach back to where a listener was: it may have missed events');
      },
      onDone: (events) => {
        this.done += events;
      },
      onPassedOver: (group, error, isRefusal) => this.#tellPassedOver(group, error, isRefusal),
      onUndelivered: (partition, error) => this.#tellUndelivered(partition, error),
      onLeftOut: (partition, writes, error) => {
        this.passedOver += 1;
        log.error(
          { err: error, listener, partition, writes },
          'writes of a listener can never be taken: they are left out',
        );
      },
      onQuiet: () => {
        this.#health.recovered();
        if (this.#isUndelivered) log.info({ listener }, 'writes of a listener are taken again');
        this.#isUndelivered = false;
      },
      onMapDropped: () => void this.#endWithMap(),
    };
  }

  #tellState(from: HealthState, to: HealthState, error: GridError | undefined): void {
    const { log } = this.#deps.parts;
    const listener = this.name;
    if (to === 'failing') log.warn({ err: error, listener }, 'a listener fails: what failed is tried again');
    else if (to === 'healthy') log.info({ listener, from }, 'a listener works again');
    else {
      const hint = 'mend it and deploy its module again: it goes on where it is; or undeploy it';
      log.error({ err: error, listener, hint }, 'a listener fails again and again: it is in quarantine');
    }
  }

  #tellUndelivered(partition: PartitionId, error: GridError): void {
    if (this.#isUndelivered) return;
    this.#isUndelivered = true;
    const facts = { err: error, listener: this.name, partition };
    this.#deps.parts.log.warn(facts, 'writes of a listener are not taken: they are sent until they are');
  }

  #tellPassedOver({ partition, lastSequence }: EventGroup, error: GridError, isRefusal: boolean): void {
    this.passedOver++;
    const { log } = this.#deps.parts;
    if (isRefusal) {
      const { code, details } = error.refusal ?? {};
      const refused = { listener: this.name, partition, lastSequence, refusal: code, details };
      log.warn(refused, 'a listener refused an event: it is passed over');
      return;
    }
    log.error(
      { err: error, listener: this.name, partition, lastSequence },
      'a listener failed on the same event again and again: it is passed over',
    );
  }

  /** Its map was dropped, and all that was left of its events is done with. */
  async #endWithMap(): Promise<void> {
    await this.#run.forget();
    this.#letGo();
    this.#deps.parts.log.warn(
      { listener: this.name, map: this.#spec.map, mapId: this.#spec.mapId },
      'the map of a listener was dropped: the listener has ended; deploy its module again for a new map of that name',
    );
  }
}
