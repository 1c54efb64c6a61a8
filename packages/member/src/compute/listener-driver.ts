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
import type { ControlState } from '@ashlar/cluster';
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
    // At once: a map's first put follows the change that creates the map, and its listeners must stand by then.
    deps.parts.control.onChange((state) => this.#follow(state));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((listener) => listener.stop()));
  }

  #sum(read: (listener: RunningListener) => number): number {
    let total = 0;
    for (const listener of this.#running.values()) total += read(listener);
    return total;
  }

  /** Starts the listeners of new deployments whose map is there, and stops those of old ones. */
  #follow(state: ControlState): void {
    const wanted = wantedListeners(state);
    for (const [id, listener] of this.#running) {
      if (wanted.has(id)) continue;
      this.#running.delete(id);
      void listener.stop();
    }
    if (!this.#deps.parts.control.isComplete) return;
    for (const [id, wish] of wanted) {
      if (this.#running.has(id) || !this.#deps.parts.control.maps.has(wish.map)) continue;
      this.#running.set(id, new RunningListener(wish, this.#runner, this.#deps));
    }
  }
}

interface ListenerWish {
  readonly module: string;
  readonly exportName: string;
  readonly map: string;
}

/** By module, export and deployment: a new deployment is another listener. */
function wantedListeners(state: ControlState): Map<string, ListenerWish> {
  const wanted = new Map<string, ListenerWish>();
  for (const { name: module, generation, exports } of state.modules) {
    for (const { name: exportName, kind, map } of exports) {
      if (kind === 'listener') wanted.set(`${module}.${exportName} ${generation}`, { module, exportName, map });
    }
  }
  return wanted;
}

/** Events of one partition on their way through a listener. */
interface EventGroup {
  readonly partition: PartitionId;
  readonly events: readonly ListenerEvent[];
  readonly lastSequence: number;
}

class RunningListener {
  readonly #wish: ListenerWish;
  readonly #runner: ListenerRunner;
  readonly #deps: ListenerDriverDependencies;
  readonly #subscription: Subscription;
  readonly #consumers: ReadonlyMap<number, LogConsumer>;
  readonly #committer: WriteSetCommitter;
  readonly #calls: ListenerCalls;
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;
  done = 0;
  failures = 0;

  /** Stands on every partition of this member from here on: changes committed later are seen. */
  constructor(wish: ListenerWish, runner: ListenerRunner, deps: ListenerDriverDependencies) {
    const { control, hub, store, log } = deps.parts;
    this.#wish = wish;
    this.#runner = runner;
    this.#deps = deps;
    this.#subscription = hub.open({
      mapId: () => control.maps.get(wish.map)?.id,
      partitions: control.ownPartitions,
      after: undefined,
      ...{ types: [], condition: undefined, columns: [], parameters: [] },
      onSlow: 'lag',
      cutLagRecords: Number.POSITIVE_INFINITY,
    });
    this.#consumers = new Map(
      this.#subscription.partitions.map((partition) => [
        partition,
        store.addConsumer(partition as PartitionId, { durable: true }),
      ]),
    );
    this.#committer = new WriteSetCommitter(this.#name, CHECKPOINT_MAP, deps);
    this.#calls = new ListenerCalls(deps);
    this.#loop = this.#run();
    log.info({ listener: this.#name, map: wish.map }, 'listener started');
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
    return `${this.#wish.module}.${this.#wish.exportName}`;
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
          ...this.#wish,
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
