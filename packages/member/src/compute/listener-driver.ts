/**
 * Drives `after` listeners: from the logs of this member's partitions through user workers to committed write-sets.
 *
 *   log -> pull -> groups by partition -> listener task -> write-sets -> commit with the checkpoint -> remote writes
 *
 * D1  A listener holds the log behind its checkpoint (a durable consumer), so it misses nothing; a log that it fills
 *     refuses writes (LOG_FULL) instead.
 * D2  A write-set's writes on this member and the partition's checkpoint commit together. Writes for other members lie in
 *     the checkpoint record until they are acknowledged; they are sent again until they are.
 * D3  A group that fails because of itself is tried again after a pause, up to TRIES_MAX times, then given up with an
 *     error in the log and in the metrics; nothing behind it is held up for ever.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CatalogedModule, ControlState } from '@ashlar/cluster';
import { DEFAULT_MAP_SETTINGS } from '@ashlar/cluster';
import { type ListenerEvent, type ListenerOutcome, ListenerRunner, type ListenerWrite } from '@ashlar/compute';
import type { PartitionId } from '@ashlar/core';
import type { EventColumns, Subscription } from '@ashlar/events';
import type { Router } from '@ashlar/routing';
import type { LogConsumer } from '@ashlar/storage';
import type { KeyGate } from '../kv/key-gate.ts';
import type { ProcessorCalls } from '../kv/processor-calls.ts';
import type { MemberParts } from '../member.ts';
import { LANE } from './lanes.ts';
import { ListenerCalls } from './listener-calls.ts';
import { WriteSetCommitter } from './write-set-committer.ts';

const PULL_BYTES = 256 * 1024;
const PULL_RECORDS = 1024;
const RETRY_FIRST_MS = 20;
const RETRY_MAX_MS = 2000;
const TRIES_MAX = 10;
/** Where listeners keep how far they came. */
export const CHECKPOINT_MAP = 'sys.listeners';

export interface ListenerDriverDependencies {
  readonly parts: MemberParts;
  readonly router: () => Promise<Router>;
  readonly processors: ProcessorCalls;
  readonly gate: KeyGate;
}

export class ListenerDriver {
  readonly #deps: ListenerDriverDependencies;
  readonly #runner: ListenerRunner;
  readonly #running = new Map<string, RunningListener>();
  #change: Promise<void> = Promise.resolve();

  constructor(deps: ListenerDriverDependencies) {
    this.#deps = deps;
    this.#runner = new ListenerRunner(deps.parts.userLanes, deps.parts.modules);
    const { metrics } = deps.parts;
    metrics.counter('ashlar_listener_events_total', 'Events that listeners have done with.', () =>
      this.#sum(({ done }) => done),
    );
    metrics.counter('ashlar_listener_failures_total', 'Event groups that listeners were given up on.', () =>
      this.#sum(({ failures }) => failures),
    );
    metrics.gauge('ashlar_listener_lag', 'Log records that listeners have not read.', () =>
      this.#sum(({ lag }) => lag),
    );
    deps.parts.control.onChange((state) => {
      this.#change = this.#change
        .then(() => this.#follow(state))
        .catch((error: unknown) => {
          deps.parts.log.error({ err: error }, 'listeners could not follow the catalog');
        });
    });
  }

  /** Resolves when the listeners of the present catalog stand. */
  settled(): Promise<void> {
    return this.#change;
  }

  async close(): Promise<void> {
    await this.#change;
    await Promise.all([...this.#running.values()].map((listener) => listener.stop()));
  }

  #sum(read: (listener: RunningListener) => number): number {
    let total = 0;
    for (const listener of this.#running.values()) total += read(listener);
    return total;
  }

  async #follow(state: ControlState): Promise<void> {
    const wanted = new Map<
      string,
      { readonly module: CatalogedModule; readonly exportName: string; readonly map: string }
    >();
    for (const module of state.modules) {
      for (const { name, kind, map } of module.exports) {
        if (kind === 'listener')
          wanted.set(`${module.name}.${name} ${module.generation}`, { module, exportName: name, map });
      }
    }
    for (const [id, listener] of this.#running) {
      if (wanted.has(id)) continue;
      this.#running.delete(id);
      await listener.stop();
    }
    if (!this.#deps.parts.control.isComplete) return;
    for (const [id, { module, exportName, map }] of wanted) {
      if (this.#running.has(id)) continue;
      const listener = await RunningListener.start(module.name, exportName, map, this.#runner, this.#deps);
      this.#running.set(id, listener);
    }
  }
}

/** Events of one partition on their way through a listener. */
interface EventGroup {
  readonly partition: PartitionId;
  readonly events: readonly ListenerEvent[];
  readonly lastSequence: number;
}

class RunningListener {
  readonly #module: string;
  readonly #exportName: string;
  readonly #map: string;
  readonly #runner: ListenerRunner;
  readonly #deps: ListenerDriverDependencies;
  readonly #subscription: Subscription;
  readonly #consumers: ReadonlyMap<number, LogConsumer>;
  readonly #committer: WriteSetCommitter;
  readonly #calls: ListenerCalls;
  readonly #stopping = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  done = 0;
  failures = 0;

  private constructor(
    name: { readonly module: string; readonly exportName: string; readonly map: string },
    runner: ListenerRunner,
    deps: ListenerDriverDependencies,
    subscription: Subscription,
    committer: WriteSetCommitter,
  ) {
    this.#module = name.module;
    this.#exportName = name.exportName;
    this.#map = name.map;
    this.#runner = runner;
    this.#deps = deps;
    this.#subscription = subscription;
    this.#committer = committer;
    this.#calls = new ListenerCalls(deps);
    const { store } = deps.parts;
    this.#consumers = new Map(
      subscription.partitions.map((partition) => [
        partition,
        store.addConsumer(partition as PartitionId, { durable: true }),
      ]),
    );
  }

  /** Stands on every partition of this member when it resolves: changes committed from then on are seen. */
  static async start(
    module: string,
    exportName: string,
    mapName: string,
    runner: ListenerRunner,
    deps: ListenerDriverDependencies,
  ): Promise<RunningListener> {
    const { control, hub, log } = deps.parts;
    const map = await control.mapFor(mapName, DEFAULT_MAP_SETTINGS, false);
    const checkpoints = await control.mapFor(CHECKPOINT_MAP, DEFAULT_MAP_SETTINGS, false);
    const subscription = hub.open({
      mapId: map.id,
      partitions: control.ownPartitions,
      after: undefined,
      ...{ types: [], condition: undefined, columns: [], parameters: [] },
      onSlow: 'lag',
      cutLagRecords: Number.POSITIVE_INFINITY,
    });
    const committer = new WriteSetCommitter(`${module}.${exportName}`, checkpoints, deps);
    const listener = new RunningListener({ module, exportName, map: mapName }, runner, deps, subscription, committer);
    listener.#loop = listener.#run();
    log.info({ listener: `${module}.${exportName}`, map: mapName }, 'listener started');
    return listener;
  }

  get lag(): number {
    return this.#subscription.lagRecords;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#subscription.notify();
    await this.#loop;
    for (const consumer of this.#consumers.values()) consumer.close();
    this.#deps.parts.hub.close(this.#subscription);
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
        this.#deps.parts.log.error({ err: error, listener: this.#name }, 'listener stopped reading for a moment');
        await this.#pause(RETRY_MAX_MS);
      }
    }
  }

  get #name(): string {
    return `${this.#module}.${this.#exportName}`;
  }

  /** What is done lets the log go. */
  #advance(): void {
    const { partitions, positions } = this.#subscription;
    partitions.forEach((partition, index) => {
      this.#consumers.get(partition)!.advance(positions[index]! + 1);
    });
  }

  async #handle(groups: readonly EventGroup[]): Promise<void> {
    let todo = groups;
    for (let tries = 1; todo.length > 0 && !this.#stopping.signal.aborted; tries++) {
      const outcomes = await this.#runGroups(todo);
      const again: EventGroup[] = [];
      for (const [index, outcome] of outcomes.entries()) {
        const group = todo[index]!;
        if (outcome.kind === 'writes') await this.#commit(group, outcome.writes);
        else if (this.#isGivenUp(outcome, tries)) this.#giveUp(group, outcome);
        else again.push(group);
      }
      todo = again;
      if (todo.length > 0) await this.#pause(Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (tries - 1)));
    }
  }

  /** All groups in one task; where a death leaves open whose fault it was, each in a task of its own. */
  async #runGroups(groups: readonly EventGroup[]): Promise<readonly ListenerOutcome[]> {
    const run = (some: readonly EventGroup[]): Promise<readonly ListenerOutcome[]> =>
      this.#runner.run(
        {
          module: this.#module,
          exportName: this.#exportName,
          map: this.#map,
          groups: some.map(({ events }) => events),
        },
        { callHandler: this.#calls.handle, depth: LANE.listener, signal: this.#stopping.signal },
      );
    const outcomes = await run(groups);
    if (!outcomes.some(({ kind }) => kind === 'shared')) return outcomes;
    const alone: ListenerOutcome[] = [];
    for (const group of groups) alone.push(...(await run([group])));
    return alone;
  }

  #isGivenUp(outcome: ListenerOutcome, tries: number): boolean {
    return outcome.kind === 'failed' && !outcome.transient && tries >= TRIES_MAX;
  }

  #giveUp(group: EventGroup, outcome: ListenerOutcome): void {
    this.failures++;
    const error = outcome.kind === 'failed' ? outcome.error : undefined;
    const { partition, events, lastSequence } = group;
    this.#deps.parts.log.error(
      { err: error, listener: this.#name, partition, events: events.length, lastSequence },
      'a listener failed on the same events again and again: they are passed over',
    );
  }

  async #commit(group: EventGroup, writes: readonly ListenerWrite[]): Promise<void> {
    await this.#committer.commit(group.partition, group.lastSequence, writes, this.#stopping.signal);
    this.done += group.events.length;
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal, ref: false }).catch(() => undefined);
  }
}

const TYPES = ['insert', 'update', 'remove', 'expire', 'evict', 'load', 'reload'] as const;

/** Events as a listener takes them: by partition, in the order of the logs. */
function groupsOf(events: EventColumns): EventGroup[] {
  const groups = new Map<number, { events: ListenerEvent[]; lastSequence: number }>();
  for (let index = 0; index < events.count; index++) {
    const partition = events.partitions[index]!;
    const group = groups.get(partition) ?? { events: [], lastSequence: 0 };
    groups.set(partition, group);
    group.lastSequence = events.sequences[index]!;
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
