/**
 * One run of a listener over the partitions that this member has: from its checkpoints, through user workers, to committed
 * write-sets, until it is stopped, its map is dropped, or the partitions are others.
 *
 *   checkpoints -> log -> pull -> groups by partition -> user code -> own writes + checkpoint + outbox commit -> deliveries
 *                           '-- a group that failed: its partition is on hold, tried again alone --^
 *
 * listener-run R1  A step is done when its batch is committed and its outbox delivered; a batch that was lost is done again
 *                  from the checkpoint.
 * listener-run R2  At most one step a partition is under way, so that effects come in the order of the events.
 * listener-run R3  A partition whose step takes long (it failed, or its outbox is not taken) is on hold, and no other waits
 *                  for it.
 * listener-run R4  Once a step is committed its events are never given to the listener's code again.
 * listener-run R5  A group of several events that failed by the listener's own fault is run event by event: only the one at
 *                  fault is tried again and given up on.
 * listener-run R6  It reads partitions as this member has held them without a break since the run began; where one was lost,
 *                  also if it came back, it reads no further: the run that follows goes on from the checkpoints.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_MAP_SETTINGS } from '@ashlar/cluster';
import { isTransient, type ListenerOutcome, type ListenerWrite } from '@ashlar/compute';
import { GridError, type PartitionId, refuseSystemMap } from '@ashlar/core';
import type { Subscription } from '@ashlar/events';
import type { OwnershipStamp } from '@ashlar/partitions';
import { partitionOf } from '@ashlar/serialization';
import type { LogHolder } from '@ashlar/storage';
import { Checkpoints } from './checkpoints.ts';
import { type EventGroup, groupsOf, singles } from './event-groups.ts';
import { GatedWrites } from './gated-writes.ts';
import { GroupFailures, type ListenerHealth } from './listener-health.ts';
import { isPartitionGone, type ListenerPlace, openPlace } from './listener-places.ts';
import { type Checkpoint, LISTENER_MAP, type Outbox, type OutboxPart, type PlacedWrite } from './listener-records.ts';
import type { ListenerDependencies, ListenerSpec } from './listener-spec.ts';
import type { ListenerTasks } from './listener-tasks.ts';

const PULL_BYTES = 256 * 1024;
const PULL_RECORDS = 1024;
const RETRY_FIRST_MS = 20;
const RETRY_MAX_MS = 2000;
const START_RETRY_MS = 1000;
/** How long the deliveries of a pull are waited for before other partitions go on without them. */
const DELIVERY_GRACE_MS = 20;
/** Records of other maps between a checkpoint and the place that was read: then it is written anew. */
const FOREIGN_RECORDS_MAX = 64;

/** What a run reports to the listener that it belongs to. */
export interface RunWatch {
  onFailedStart(error: GridError): void;
  onGap(partition: PartitionId, checkpoint: Checkpoint, firstSequence: number): void;
  onDone(events: number): void;
  onPassedOver(group: EventGroup, error: GridError, isRefusal: boolean): void;
  /** Writes of an outbox are not taken and are sent again. */
  onUndelivered(partition: PartitionId, error: GridError): void;
  onLeftOut(partition: PartitionId, writes: number, error: GridError): void;
  /** No group is waiting to be tried again. */
  onQuiet(): void;
  onMapDropped(): void;
}

export interface ListenerRunOptions {
  readonly spec: ListenerSpec;
  readonly holder: LogHolder;
  readonly deps: ListenerDependencies;
  readonly health: ListenerHealth;
  readonly tasks: ListenerTasks;
  readonly watch: RunWatch;
  /** As of PlacesOptions. */
  readonly startsAnew: boolean;
}

/** Why a group is not done. `transient`: the same events may well succeed later; `isRefusal`: they need no other try. */
interface Failure {
  readonly error: GridError;
  readonly transient: boolean;
  readonly isDeath: boolean;
  readonly isRefusal: boolean;
}

/** What became of a group: it failed, or its step is committed and is being delivered. */
type Outcome = { readonly failure: Failure } | { readonly delivering: Promise<void> };

export class ListenerRun {
  readonly #options: ListenerRunOptions;
  readonly #checkpoints: Checkpoints;
  readonly #places = new Map<PartitionId, ListenerPlace>();
  #subscription: Subscription | undefined;
  /** No new step is begun. */
  readonly #stopping = new AbortController();
  /** Deliveries are given up, too. */
  readonly #leaving = new AbortController();
  /** Steps of partitions on hold. */
  readonly #held = new Set<Promise<void>>();
  readonly #loop: Promise<void>;
  /** The moment it began, in the history of what this member holds. */
  readonly #stamp: OwnershipStamp;
  readonly #standing = Promise.withResolvers<void>();
  #isClosed = false;
  /** Outboxes that are not delivered. */
  undelivered = 0;

  constructor(options: ListenerRunOptions) {
    this.#options = options;
    const { deps, spec } = options;
    this.#stamp = deps.parts.ownership.stamp;
    const writes = new GatedWrites({ gate: deps.gate, writes: deps.parts.writes });
    this.#checkpoints = new Checkpoints(spec, deps.parts, writes);
    this.#loop = this.#run();
  }

  /** Resolves once its checkpoints are committed: events of what is committed later are seen. Never rejects. */
  get standing(): Promise<void> {
    return this.#standing.promise;
  }

  get lag(): number {
    return this.#isClosed ? 0 : (this.#subscription?.lagRecords ?? 0);
  }

  /**
   * Begins no more steps; resolves when those under way are done or given up.
   *
   * @param deliveryMs  how long outboxes may still be delivered
   */
  async stop(deliveryMs: number): Promise<void> {
    this.#stopping.abort();
    this.#options.tasks.wake();
    this.#subscription?.wake();
    if (deliveryMs === 0) this.#leaving.abort();
    const timer = setTimeout(() => this.#leaving.abort(), deliveryMs);
    await this.#loop;
    await Promise.all(this.#held);
    clearTimeout(timer);
    this.#leaving.abort();
    this.#standing.resolve();
  }

  /** After stop(), or when its map is gone: what it has left in its partitions is taken away. */
  async forget(): Promise<void> {
    const { signal } = new AbortController();
    await Promise.allSettled([...this.#places.values()].map((place) => place.forget(signal)));
  }

  /** Holds no log any more. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const place of this.#places.values()) place.close();
    if (this.#subscription !== undefined) this.#options.deps.parts.hub.close(this.#subscription);
  }

  /* ---- Reading -------------------------------------------------------------------------------------------------- */

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const isOpen =
      (await this.#untilDone(() => this.#openPlaces())) && (await this.#untilDone(() => this.#subscribe()));
    if (!isOpen) return;
    const subscription = this.#subscription!;
    this.#deliverWhatIsLeft();
    while (!signal.aborted) {
      try {
        const { events, more } = subscription.pull(PULL_BYTES, PULL_RECORDS);
        if (events !== undefined) await this.#handle(groupsOf(events));
        await this.#advance();
        if (!more) await subscription.changed();
        // A slice without events for the listener does not yield to the event loop by itself.
        else if (events === undefined) await nextTurn();
      } catch (error) {
        if (signal.aborted) return;
        if (GridError.is(error, 'MAP_DROPPED')) {
          this.#options.watch.onMapDropped();
          return;
        }
        if (!isNotHere(GridError.wrap(error))) {
          const facts = { err: error, listener: this.#options.holder.name };
          this.#options.deps.parts.log.error(facts, 'listener stopped reading for a moment');
        }
        await this.#pause(RETRY_MAX_MS);
      }
    }
  }

  /** @returns false: it was stopped before */
  async #untilDone(start: () => Promise<void> | void): Promise<boolean> {
    const { signal } = this.#stopping;
    for (let isTold = false; !signal.aborted; ) {
      try {
        await start();
        return !signal.aborted;
      } catch (error) {
        if (signal.aborted) return false;
        if (!isTold) this.#options.watch.onFailedStart(GridError.wrap(error));
        isTold = true;
        await this.#pause(START_RETRY_MS);
      }
    }
    return false;
  }

  /** What is open stays open when others fail: the next call opens those. */
  async #openPlaces(): Promise<void> {
    const { deps, holder, startsAnew, watch } = this.#options;
    const { parts } = deps;
    const options = { parts, checkpoints: this.#checkpoints, holder, startsAnew, onGap: watch.onGap };
    const missing = parts.control.ownPartitions.filter((partition) => !this.#places.has(partition));
    const opened = await Promise.allSettled(
      missing.map(async (partition) => {
        this.#places.set(partition, await openPlace(partition, options, this.#stopping.signal));
      }),
    );
    const failures = opened.flatMap((one) => (one.status === 'rejected' ? [GridError.wrap(one.reason)] : []));
    const failed = failures.find((error) => !isPartitionGone(error)) ?? failures[0];
    if (failed !== undefined) throw failed;
    this.#standing.resolve();
  }

  #subscribe(): void {
    const { deps, spec } = this.#options;
    const { control, hub, ownership } = deps.parts;
    const places = [...this.#places.values()];
    const partitions = places.map(({ partition }) => partition);
    this.#subscription = hub.open({
      map: spec.map,
      mapIdNow: () => control.maps.get(spec.map)?.id,
      boundTo: spec.mapId,
      partitions,
      checkHeld: () => ownership.checkAll(partitions, this.#stamp),
      after: places.map(({ sequence }) => sequence),
      ...{ types: [], condition: undefined, columns: [], parameters: [] },
      onSlow: 'lag',
      cutLagRecords: Number.POSITIVE_INFINITY,
      uncountedMapId: () => control.maps.get(LISTENER_MAP)?.id,
    });
  }

  /** Delivers the outboxes that earlier runs left. */
  #deliverWhatIsLeft(): void {
    for (const place of this.#places.values()) {
      const { outbox } = place;
      if (outbox !== undefined) this.#hold(place.partition, this.#finish(place, outbox, 0));
    }
  }

  /** Checkpoints follow where only other maps have changes, so that the log is not held for them. */
  async #advance(): Promise<void> {
    const { partitions, positions } = this.#subscription!;
    const steps: Promise<void>[] = [];
    partitions.forEach((id, index) => {
      const place = this.#places.get(id as PartitionId)!;
      const sequence = positions[index]!;
      if (sequence === place.sequence || this.#subscription!.isOnHold(id)) return;
      const most = this.#isPressed(place.partition) ? 1 : FOREIGN_RECORDS_MAX;
      if (this.#subscription!.foreignRecords(id) < most) return;
      this.#subscription!.forgetForeign(id);
      steps.push(place.step(sequence, [], undefined, this.#stopping.signal));
    });
    // One that fails is tried again after the next records.
    if (steps.length > 0) await Promise.allSettled(steps);
  }

  #isPressed(partition: PartitionId): boolean {
    const { store } = this.#options.deps.parts;
    return store.isPartitionOpen(partition) && store.logInfo(partition).state !== 'ok';
  }

  /* ---- Steps ---------------------------------------------------------------------------------------------------- */

  async #handle(groups: readonly EventGroup[]): Promise<void> {
    const { health, tasks } = this.#options;
    const { signal } = this.#stopping;
    const { successes } = health;
    const ran = await tasks.run(groups, signal);
    if (signal.aborted) return;
    const outcomes = await Promise.all(ran.map((one, index) => this.#commit(groups[index]!, one)));
    const deliveries: { readonly partition: PartitionId; readonly done: Promise<void> }[] = [];
    outcomes.forEach((outcome, index) => {
      const group = groups[index]!;
      if ('delivering' in outcome) deliveries.push({ partition: group.partition, done: outcome.delivering });
      else if (!signal.aborted) this.#hold(group.partition, this.#settle(group, outcome.failure, successes));
    });
    await this.#holdTheSlow(deliveries);
    if (this.#held.size === 0) this.#options.watch.onQuiet();
  }

  async #holdTheSlow(
    deliveries: readonly { readonly partition: PartitionId; readonly done: Promise<void> }[],
  ): Promise<void> {
    if (deliveries.length === 0) return;
    const open = new Set(deliveries);
    for (const one of deliveries) void one.done.finally(() => open.delete(one));
    const ended = new AbortController();
    const all = Promise.all(deliveries.map(({ done }) => done));
    await Promise.race([
      all,
      sleep(DELIVERY_GRACE_MS, undefined, { signal: ended.signal, ref: false }).catch(() => undefined),
    ]);
    ended.abort();
    for (const { partition, done } of open) this.#hold(partition, done);
  }

  /** Its partition waits until it is done; then it is read on. */
  #hold(partition: PartitionId, step: Promise<void>): void {
    this.#subscription!.hold(partition);
    const held = step.finally(() => {
      this.#held.delete(held);
      if (!this.#stopping.signal.aborted) this.#subscription!.release(partition);
      if (this.#held.size === 0) this.#options.watch.onQuiet();
    });
    this.#held.add(held);
  }

  /** Never rejects. */
  async #commit(group: EventGroup, outcome: ListenerOutcome): Promise<Outcome> {
    if (outcome.kind !== 'writes') return { failure: failureOf(outcome) };
    try {
      const place = this.#places.get(group.partition)!;
      const { own, outbox } = await this.#placed(place, group.lastSequence, outcome.writes);
      await place.step(group.lastSequence, own, outbox, this.#stopping.signal);
      this.#subscription!.forgetForeign(group.partition);
      return { delivering: this.#finish(place, outbox, group.events.length) };
    } catch (error) {
      const told = GridError.wrap(error);
      const transient = isTransient(told) || isPartitionGone(told);
      if (!transient) this.#options.health.failed(told);
      return { failure: { error: told, transient, isDeath: false, isRefusal: false } };
    }
  }

  async #finish(place: ListenerPlace, outbox: Outbox | undefined, events: number): Promise<void> {
    if (outbox === undefined || (await this.#deliver(place, outbox))) this.#options.watch.onDone(events);
  }

  /** @returns false: given up because the run ends; whoever goes on from the checkpoint delivers it. Never rejects. */
  async #deliver({ partition }: ListenerPlace, outbox: Outbox): Promise<boolean> {
    const { deps, spec, watch } = this.#options;
    const { signal } = this.#leaving;
    const relayWatch = { onDelay: watch.onUndelivered, onRefused: watch.onLeftOut };
    this.undelivered += 1;
    while (!signal.aborted) {
      try {
        await deps.relay.deliver(spec, partition, outbox, relayWatch, signal);
        this.undelivered -= 1;
        return true;
      } catch (error) {
        if (signal.aborted) return false;
        watch.onUndelivered(partition, GridError.wrap(error));
        await sleep(RETRY_MAX_MS, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
    return false;
  }

  /** Finds map and partition of every write. A write-set is one step: of writes to the same key the last one counts. */
  async #placed(
    { partition: source, incarnation }: ListenerPlace,
    sequence: number,
    writes: readonly ListenerWrite[],
  ): Promise<{ readonly own: readonly PlacedWrite[]; readonly outbox: Outbox | undefined }> {
    const byPartition = new Map<PartitionId, Map<string, PlacedWrite>>();
    for (const write of writes) {
      const { placed, partition } = await this.#place(write);
      const part = byPartition.get(partition) ?? new Map<string, PlacedWrite>();
      byPartition.set(partition, part);
      const name = `${placed.mapId}:${Buffer.from(placed.key).toString('latin1')}`;
      part.delete(name);
      part.set(name, placed);
    }
    const own = [...(byPartition.get(source)?.values() ?? [])];
    byPartition.delete(source);
    const parts = [...byPartition].map(([partition, part]): OutboxPart => ({ partition, writes: [...part.values()] }));
    return { own, outbox: parts.length === 0 ? undefined : { incarnation, sequence, parts } };
  }

  async #place(write: ListenerWrite): Promise<{ readonly placed: PlacedWrite; readonly partition: PartitionId }> {
    const { limits, parts } = this.#options.deps;
    const { control } = parts;
    const { key, value, ttlMs } = write;
    limits.check(key.length, value?.length ?? 0);
    refuseSystemMap(write.map);
    const map = control.maps.get(write.map) ?? (await control.mapFor(write.map, DEFAULT_MAP_SETTINGS, false));
    const partition = partitionOf(key, 0, key.length, map.affinityParts, control.partitionCount) as PartitionId;
    return { placed: { map: map.name, mapId: map.id, key, value, ttlMs }, partition };
  }

  /* ---- What failed ---------------------------------------------------------------------------------------------- */

  /** Tries a group again, alone, until it is done, given up or refused; of several events it finds those at fault (listener-run R5). */
  async #settle(group: EventGroup, first: Failure, successesBefore: number): Promise<void> {
    const { health, tasks } = this.#options;
    const { signal } = this.#stopping;
    let failure = first;
    let failures = new GroupFailures(health, successesBefore);
    for (let pauseMs = RETRY_FIRST_MS; ; pauseMs = Math.min(RETRY_MAX_MS, pauseMs * 2)) {
      if (failure.isRefusal || (!failure.transient && group.events.length > 1)) break;
      if (failures.isOutdated(health)) failures = new GroupFailures(health, health.successes);
      if (!failure.transient) failures.add(failure.isDeath);
      if (failures.isExhausted && health.mayGiveUp(failures, failure.error)) break;
      await this.#pause(pauseMs);
      if (signal.aborted) return;
      const [ran] = await tasks.run([group], signal);
      if (signal.aborted) return;
      const outcome = await this.#commit(group, ran!);
      if ('delivering' in outcome) return outcome.delivering;
      failure = outcome.failure;
    }
    if (signal.aborted) return;
    if (group.events.length > 1) await this.#oneByOne(group, successesBefore);
    else await this.#passOver(group, failure);
  }

  async #oneByOne(group: EventGroup, successesBefore: number): Promise<void> {
    const { tasks } = this.#options;
    for (const alone of singles(group)) {
      if (this.#stopping.signal.aborted) return;
      const [ran] = await tasks.run([alone], this.#stopping.signal);
      if (this.#stopping.signal.aborted) return;
      const outcome = await this.#commit(alone, ran!);
      if ('delivering' in outcome) await outcome.delivering;
      else await this.#settle(alone, outcome.failure, successesBefore);
    }
  }

  /** The checkpoint moves behind it, so that no restart brings it back. */
  async #passOver(group: EventGroup, { error, isRefusal }: Failure): Promise<void> {
    const place = this.#places.get(group.partition)!;
    this.#options.watch.onPassedOver(group, error, isRefusal);
    const step = (): Promise<void> => place.step(group.lastSequence, [], undefined, this.#stopping.signal);
    for (let pauseMs = RETRY_FIRST_MS; !this.#stopping.signal.aborted; pauseMs = Math.min(RETRY_MAX_MS, pauseMs * 2)) {
      const isDone = await step().then(
        () => true,
        () => false,
      );
      if (isDone) return;
      await this.#pause(pauseMs);
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal, ref: false }).catch(() => undefined);
  }
}

/** Another run follows this one, or it goes on when the member's leases are here again. */
function isNotHere(error: GridError): boolean {
  return isPartitionGone(error) || error.code === 'LEASE_EXPIRED';
}

function failureOf(outcome: Exclude<ListenerOutcome, { readonly kind: 'writes' }>): Failure {
  const { kind, error } = outcome;
  if (kind === 'refused') return { error, transient: false, isDeath: false, isRefusal: true };
  const { isDeath } = outcome;
  return { error, transient: kind === 'shared' || outcome.transient, isDeath, isRefusal: false };
}
