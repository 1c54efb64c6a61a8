/**
 * One `after` listener on this member: from the logs of its partitions through user workers to committed write-sets.
 *
 *   log -> pull -> groups by partition -> listener task -> write-sets -> commit with the checkpoint -> remote writes
 *                     '-- a group that failed: its partition is on hold, tried again alone --^
 *
 * D1  A listener holds the log behind what it has done (a durable consumer), so it misses nothing; where listeners hold
 *     all that logs may take, writes wait or are refused (LOG_FULL). What the listener itself writes is always taken.
 * D2  A write-set's writes on this member and the partition's checkpoint commit together. Writes for other members lie in
 *     the checkpoint record until they are acknowledged; they are sent again until they are.
 * D3  A group that fails is tried again after a pause that doubles; because of itself a few times (listener-health.ts), then
 *     it is given up with an error in the log and in the metrics, or the listener goes into quarantine: then nothing runs
 *     until its module is deployed again, and it keeps its place. Meanwhile the group's partition waits, and no other.
 * D4  At most one group a partition is under way, so that effects come in the order of the events.
 * D5  When its map is dropped it gets what the logs hold of it, lets them go, and has ended.
 * D6  While its runs kill their threads they take turns, with pauses in between.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  isTransient,
  LANE,
  type ListenerEvent,
  type ListenerOutcome,
  type ListenerRunner,
  type ListenerWrite,
} from '@ashlar/compute';
import { GridError, type MapId, type PartitionId } from '@ashlar/core';
import type { EventColumns, Subscription } from '@ashlar/events';
import type { EntryLimits, KeyGate, LogPressure } from '@ashlar/partitions';
import type { Router } from '@ashlar/routing';
import type { LogConsumer, LogHolder } from '@ashlar/storage';
import type { ProcessorCalls } from '../processor-calls.ts';
import { ListenerCalls } from './listener-calls.ts';
import { GroupTrouble, type HealthState, ListenerHealth } from './listener-health.ts';
import type { ListenerParts } from './listener-parts.ts';
import { WriteSetCommitter } from './write-set-committer.ts';

const PULL_BYTES = 256 * 1024;
const PULL_RECORDS = 1024;
const RETRY_FIRST_MS = 20;
const RETRY_MAX_MS = 2000;
/** Where listeners keep how far they came. */
const CHECKPOINT_MAP = 'sys.listeners';

export interface ListenerDependencies {
  readonly parts: ListenerParts;
  readonly router: () => Promise<Router>;
  readonly processors: ProcessorCalls;
  readonly gate: KeyGate;
  readonly limits: EntryLimits;
  readonly pressure: LogPressure;
}

export interface ListenerSpec {
  readonly module: string;
  readonly exportName: string;
  readonly map: string;
  /** The map it belongs to, whatever has the name by now; 0: none yet. */
  readonly mapId: MapId;
  /** Of the module's deployment. */
  readonly generation: number;
}

/** Events of one partition on their way through a listener. */
interface EventGroup {
  readonly partition: PartitionId;
  readonly events: readonly ListenerEvent[];
  /** Of each event in the log. */
  readonly sequences: readonly number[];
  readonly lastSequence: number;
}

/** Why a group is not done. `transient`: the same events may well succeed later; `isRefusal`: they need no other try. */
interface Failure {
  readonly error: GridError;
  readonly transient: boolean;
  readonly isDeath: boolean;
  readonly isRefusal: boolean;
}

export class RunningListener implements LogHolder {
  #spec: ListenerSpec;
  readonly #health = new ListenerHealth((from, to, error) => this.#tellState(from, to, error));
  readonly #runner: ListenerRunner;
  readonly #deps: ListenerDependencies;
  readonly #subscription: Subscription;
  readonly #consumers: ReadonlyMap<number, LogConsumer>;
  readonly #committer: WriteSetCommitter;
  readonly #calls: ListenerCalls;
  readonly #stopping = new AbortController();
  readonly #retries = new Set<Promise<void>>();
  readonly #loop: Promise<void>;
  #isLetGo = false;
  /** The last of those runs that take turns. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Ends the waiting in quarantine. */
  #wake: () => void = () => undefined;
  /** Events that it has done with, and groups that were given up. */
  done = 0;
  passedOver = 0;

  /** Stands on every partition of this member from here on: changes committed later are seen. */
  constructor(spec: ListenerSpec, runner: ListenerRunner, deps: ListenerDependencies) {
    const { control, hub, store, log } = deps.parts;
    this.#spec = spec;
    this.#runner = runner;
    this.#deps = deps;
    this.#subscription = hub.open({
      map: spec.map,
      mapIdNow: () => control.maps.get(spec.map)?.id,
      boundTo: spec.mapId,
      partitions: control.ownPartitions,
      after: undefined,
      ...{ types: [], condition: undefined, columns: [], parameters: [] },
      onSlow: 'lag',
      cutLagRecords: Number.POSITIVE_INFINITY,
    });
    this.#consumers = new Map(
      this.#subscription.partitions.map((partition) => [
        partition,
        store.addConsumer(partition as PartitionId, { durable: true, holder: this }),
      ]),
    );
    this.#committer = new WriteSetCommitter(this.name, CHECKPOINT_MAP, deps);
    this.#calls = new ListenerCalls(deps);
    deps.pressure.hold(1);
    this.#loop = this.#run();
    log.info({ listener: this.name, map: spec.map }, 'listener started');
  }

  get lag(): number {
    return this.#isLetGo ? 0 : this.#subscription.lagRecords;
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

  /** Its module was deployed again: from here on other code runs, and quarantine is over. */
  follow(spec: ListenerSpec): void {
    if (spec.generation === this.#spec.generation) return;
    this.#spec = spec;
    this.#health.redeployed();
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    this.#subscription.notify();
    await this.#loop;
    await Promise.all(this.#retries);
    this.#letGo();
  }

  /** It holds no log any more: it was stopped, or its map is gone and all of its events are done with. */
  get hasEnded(): boolean {
    return this.#isLetGo;
  }

  /** Holds no log any more. Idempotent. */
  #letGo(): void {
    if (this.#isLetGo) return;
    this.#isLetGo = true;
    for (const consumer of this.#consumers.values()) consumer.close();
    this.#deps.pressure.hold(-1);
    this.#deps.parts.hub.close(this.#subscription);
  }

  /** Its map was dropped, and all that was left of its events is done with. */
  #endWithMap(): void {
    this.#letGo();
    this.#deps.parts.log.warn(
      { listener: this.name, map: this.#spec.map, mapId: this.#spec.mapId },
      'the map of a listener was dropped: the listener has ended; deploy its module again for a new map of that name',
    );
  }

  get name(): string {
    return `${this.#spec.module}.${this.#spec.exportName}`;
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

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const { events, more } = this.#subscription.pull(PULL_BYTES, PULL_RECORDS);
        if (events !== undefined) await this.#handle(groupsOf(events));
        this.#advance();
        if (!more) await this.#subscription.changed();
      } catch (error) {
        if (signal.aborted) return;
        if (GridError.is(error, 'MAP_DROPPED')) {
          this.#endWithMap();
          return;
        }
        this.#deps.parts.log.error({ err: error, listener: this.name }, 'listener stopped reading for a moment');
        await this.#pause(RETRY_MAX_MS);
      }
    }
  }

  /** What is done lets the log go. */
  #advance(): void {
    const { partitions, positions } = this.#subscription;
    partitions.forEach((partition, index) => {
      if (!this.#subscription.isOnHold(partition)) this.#consumers.get(partition)!.advance(positions[index]! + 1);
    });
  }

  async #handle(groups: readonly EventGroup[]): Promise<void> {
    const { successes } = this.#health;
    const outcomes = await this.#runGroups(groups);
    const failures = await Promise.all(outcomes.map((outcome, index) => this.#commit(groups[index]!, outcome)));
    failures.forEach((failure, index) => {
      if (failure === undefined || this.#stopping.signal.aborted) return;
      const group = groups[index]!;
      this.#subscription.hold(group.partition);
      const retrying = this.#retry(group, failure, successes).finally(() => {
        this.#retries.delete(retrying);
        if (this.#retries.size === 0) this.#health.recovered();
      });
      this.#retries.add(retrying);
    });
    if (this.#retries.size === 0) this.#health.recovered();
  }

  /** All groups in one task; where a death leaves open whose fault it was, each in a task of its own. */
  async #runGroups(groups: readonly EventGroup[]): Promise<readonly ListenerOutcome[]> {
    const run = (some: readonly EventGroup[]): Promise<readonly ListenerOutcome[]> => this.#runTask(some);
    const outcomes = await run(groups);
    if (!outcomes.some(({ kind }) => kind === 'shared')) return outcomes;
    const alone: ListenerOutcome[] = [];
    for (const group of groups) alone.push(...(await run([group])));
    return alone;
  }

  async #runTask(groups: readonly EventGroup[]): Promise<readonly ListenerOutcome[]> {
    if (!this.#health.isDying && this.state !== 'quarantined') return this.#runNow(groups);
    const turn = this.#turn.then(async () => {
      await this.#untilMayRun();
      return this.#runNow(groups);
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Resolves also when the listener stops. */
  async #untilMayRun(): Promise<void> {
    const { signal } = this.#stopping;
    if (this.#health.pauseMs > 0) await this.#pause(this.#health.pauseMs);
    while (this.state === 'quarantined' && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #runNow(groups: readonly EventGroup[]): Promise<readonly ListenerOutcome[]> {
    const { tracing } = this.#deps.parts;
    const count = groups.reduce((sum, { events }) => sum + events.length, 0);
    const attributes = { 'ashlar.listener': this.name, 'ashlar.map': this.#spec.map, 'ashlar.events': count };
    const { trace, end } = tracing.begin('ashlar.listener', undefined, attributes);
    const outcomes = await this.#runner.run(
      { ...this.#spec, groups: groups.map(({ events }) => events) },
      {
        callHandler: (call) => this.#calls.handle(call, trace),
        depth: LANE.listener,
        signal: this.#stopping.signal,
        trace,
      },
    );
    const failed = outcomes.find((outcome) => outcome.kind !== 'writes');
    end(failed?.error);
    if (!this.#stopping.signal.aborted) this.#judge(groups, outcomes);
    return outcomes;
  }

  /** A death is one, however many groups it took along. */
  #judge(groups: readonly EventGroup[], outcomes: readonly ListenerOutcome[]): void {
    let hasSucceeded = false;
    for (const outcome of outcomes) {
      if (outcome.kind === 'writes') hasSucceeded = true;
      else if (outcome.kind !== 'refused' && outcome.isDeath) {
        this.#health.died(outcome.error, groups.length === 1 ? groups[0]!.partition : undefined);
        return;
      } else if (outcome.kind === 'failed' && !outcome.transient) this.#health.failed(outcome.error);
    }
    if (hasSucceeded) this.#health.succeeded();
  }

  /** @returns why the group is not done; undefined: its write-set is committed */
  async #commit(group: EventGroup, outcome: ListenerOutcome): Promise<Failure | undefined> {
    if (outcome.kind !== 'writes') return failureOf(outcome);
    try {
      await this.#commitWrites(group, outcome.writes);
      return undefined;
    } catch (error) {
      const told = GridError.wrap(error);
      const transient = isTransient(told);
      if (!transient) this.#health.failed(told);
      return { error: told, transient, isDeath: false, isRefusal: false };
    }
  }

  async #commitWrites(group: EventGroup, writes: readonly ListenerWrite[]): Promise<void> {
    const { partition, lastSequence } = group;
    const letGo = (): void => this.#consumers.get(partition)!.advance(lastSequence + 1);
    await this.#committer.commit(partition, lastSequence, writes, this.#stopping.signal, letGo);
    this.done += group.events.length;
  }

  /** Brings a group on hold to its end; then its partition is read on. Never rejects. */
  async #retry(group: EventGroup, first: Failure, successesBefore: number): Promise<void> {
    await this.#settle(group, first, successesBefore);
    if (!this.#stopping.signal.aborted) this.#subscription.release(group.partition);
  }

  /** Tries a group again, alone, until it is done, given up or refused; what is refused of several events is found one by one. */
  async #settle(group: EventGroup, first: Failure, successesBefore: number): Promise<void> {
    const { signal } = this.#stopping;
    let failure: Failure | undefined = first;
    let trouble = new GroupTrouble(this.#health, successesBefore);
    for (let pauseMs = RETRY_FIRST_MS; failure !== undefined; pauseMs = Math.min(RETRY_MAX_MS, pauseMs * 2)) {
      if (failure.isRefusal) break;
      if (trouble.isOutdated(this.#health)) trouble = new GroupTrouble(this.#health, this.#health.successes);
      if (!failure.transient) trouble.add(failure.isDeath);
      if (trouble.isExhausted && this.#health.mayGiveUp(trouble, failure.error)) break;
      await this.#pause(pauseMs);
      const [outcome] = await this.#runGroups([group]);
      if (signal.aborted) return;
      failure = await this.#commit(group, outcome!);
    }
    if (signal.aborted) return;
    if (failure?.isRefusal === true && group.events.length > 1) {
      await this.#oneByOne(group);
      return;
    }
    if (failure !== undefined) this.#passOver(group, failure);
    this.#consumers.get(group.partition)!.advance(group.lastSequence + 1);
  }

  async #oneByOne({ partition, events, sequences }: EventGroup): Promise<void> {
    for (const [index, event] of events.entries()) {
      const lastSequence = sequences[index]!;
      const alone: EventGroup = { partition, events: [event], sequences: [lastSequence], lastSequence };
      const [outcome] = await this.#runGroups([alone]);
      if (this.#stopping.signal.aborted) return;
      const failure = await this.#commit(alone, outcome!);
      if (failure !== undefined) await this.#settle(alone, failure, this.#health.successes);
      if (this.#stopping.signal.aborted) return;
    }
  }

  #passOver({ partition, events, lastSequence }: EventGroup, { error, isRefusal }: Failure): void {
    this.passedOver++;
    if (isRefusal) {
      const { code, details } = error.refusal ?? {};
      const refused = { listener: this.name, partition, lastSequence, refusal: code, details };
      this.#deps.parts.log.warn(refused, 'a listener refused an event: it is passed over');
      return;
    }
    this.#deps.parts.log.error(
      { err: error, listener: this.name, partition, events: events.length, lastSequence },
      'a listener failed on the same events again and again: they are passed over',
    );
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal, ref: false }).catch(() => undefined);
  }
}

function failureOf(outcome: Exclude<ListenerOutcome, { readonly kind: 'writes' }>): Failure {
  const { kind, error } = outcome;
  if (kind === 'refused') return { error, transient: false, isDeath: false, isRefusal: true };
  const { isDeath } = outcome;
  return { error, transient: kind === 'shared' || outcome.transient, isDeath, isRefusal: false };
}

const TYPES = ['insert', 'update', 'remove', 'expire', 'evict', 'load', 'reload'] as const;

/** Events as a listener takes them: by partition, in the order of the logs. */
function groupsOf(events: EventColumns): EventGroup[] {
  const groups = new Map<number, { events: ListenerEvent[]; sequences: number[]; lastSequence: number }>();
  for (let index = 0; index < events.count; index++) {
    const partition = events.partitions[index]!;
    const group = groups.get(partition) ?? { events: [], sequences: [], lastSequence: 0 };
    groups.set(partition, group);
    group.lastSequence = events.sequences[index]!;
    group.sequences.push(group.lastSequence);
    group.events.push({
      type: TYPES[events.types[index]!]!,
      key: piece(events.keys, events.keyEnds, index),
      value: nonEmpty(piece(events.values, events.valueEnds, index)),
      oldValue: nonEmpty(piece(events.oldValues, events.oldValueEnds, index)),
      version: events.versions[index]!,
      token: '',
    });
  }
  return [...groups].map(([partition, group]) => ({ partition: partition as PartitionId, ...group }));
}

function piece(bytes: Uint8Array, ends: Uint32Array, index: number): Uint8Array {
  return bytes.subarray(index === 0 ? 0 : ends[index - 1]!, ends[index]!);
}

function nonEmpty(bytes: Uint8Array): Uint8Array | undefined {
  return bytes.length === 0 ? undefined : bytes;
}
