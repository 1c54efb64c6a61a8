/**
 * The events service: subscriptions over the partitions of this member, pulled under the caller's credit.
 *
 *   standing -> (events | resolved)* ; a partition that leaves ends the call with STALE_EPOCH, a map that is dropped with
 *   MAP_DROPPED once the rest is sent
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { GridView, Serving } from '@ashlar/cluster';
import { GridError, MapDroppedError, type PartitionId } from '@ashlar/core';
import type {
  EventColumnsWriter,
  EventHub,
  FilterCounts,
  LogSource,
  Positions,
  Pulled,
  Subscription,
} from '@ashlar/events';
import type { MemberMetrics } from '@ashlar/observe';
import type { Ownership } from '@ashlar/partitions';
import { decodeParameters, decodeValue, type EventColumns } from '@ashlar/serialization';
import type { PlannedCondition } from '@ashlar/sql-planner';
import { checkParameterCount } from '@ashlar/sql-runtime';
import type { MemberStore } from '@ashlar/storage';
import {
  EncodedEvents,
  EVENT_TYPES,
  type EventsService,
  type SubscribeOutput,
  type SubscribeRequest,
} from '@ashlar/transport';
import { type Feed, FeedBeat } from './feed-beat.ts';

/** One pull: at most so many bytes of events, and so many records read for them (a time slice of about 2 ms). */
const PULL_BYTES = 64 * 1024;
const PULL_RECORDS = 4096;
/** `cut` ends a subscription that is this far behind. */
const CUT_LAG_RECORDS = 10_000;
const TOKEN_FORMAT = 2;
const NO_POSITIONS: Positions = { partitions: [], sequences: [] };

export interface EventsDependencies {
  readonly control: GridView;
  readonly ownership: Ownership;
  readonly hub: EventHub;
  readonly logs: LogSource;
  readonly metrics: MemberMetrics;
  readonly planCondition: (map: string, condition: string, signal: AbortSignal) => Promise<PlannedCondition>;
}

/**
 * The member's logs as subscriptions read them.
 *
 * @param serving  where members replicate: nothing is told as complete above the ceilings of what is served here
 */
export function logSource(store: MemberStore, serving?: Serving): LogSource {
  return {
    readLog: (partition, from, recordsMax, visit) =>
      store.readLog(partition as PartitionId, from as never, recordsMax, visit),
    committedSequence: (partition) => store.committedSequence(partition as PartitionId),
    incarnation: (partition) => store.logInfo(partition as PartitionId).incarnation,
    resolvedVersion: () => {
      const isCovered = serving?.isAllServedSince(serving.servedChanges) ?? true;
      return isCovered ? store.resolvedVersion() : 0;
    },
  };
}

export function eventsService(deps: EventsDependencies): EventsService {
  const beat = new FeedBeat();
  return {
    async *subscribe(request, { signal, answers }) {
      const subscription = await open(request, deps, signal);
      const feed = new EventFeed(subscription, request.tellsResolved === true, deps.metrics);
      beat.add(feed);
      signal.addEventListener('abort', () => subscription.wake(), { once: true });
      try {
        yield standing(subscription, deps);
        while (!signal.aborted) {
          // All subscribers wake at one commit, and at one flush: each takes its room in the turn in which it has looked for it.
          while (answers?.hasRoom === false) await answers.room();
          const { events, told, more } = feed.pull();
          if (events !== undefined) {
            answers?.hold(events.message.length);
            yield events;
          }
          if (told !== undefined) yield told;
          if (!more) await subscription.changed();
          // A slice of which nothing is sent does not yield to the event loop by itself.
          else if (events === undefined) await nextTurn();
        }
      } finally {
        beat.delete(feed);
        deps.hub.close(subscription);
      }
    },
  };
}

async function open(request: SubscribeRequest, deps: EventsDependencies, signal: AbortSignal): Promise<Subscription> {
  const { control, ownership, hub } = deps;
  control.requireComplete();
  checkAsked(request);
  const stamp = ownership.stamp;
  // The map need not be there yet: its first put creates it, and is seen.
  if (!control.maps.has(request.map)) await control.refresh().catch(() => undefined);
  const partitions = request.partitions.length === 0 ? control.ownPartitions : request.partitions;
  const checkHeld = ownership.checkOf(partitions, stamp);
  checkHeld();
  const parameters = decodeParameters(request.parameters);
  const condition = request.where === '' ? undefined : await deps.planCondition(request.map, request.where, signal);
  if (condition !== undefined) checkParameterCount('the condition', condition.parameterCount, parameters.length);
  const start = request.from === '' ? undefined : startOf(request.from, request.map);
  // Only a member that has heard of the token's map can know that it is gone.
  if (start !== undefined && start.mapId > control.catalog.mapIdFloor) await control.refresh();
  checkHeld();
  const after = start === undefined ? undefined : positionsOf(start, request.map, partitions, deps);
  return hub.open({
    map: request.map,
    mapIdNow: () => control.maps.get(request.map)?.id,
    boundTo: start?.mapId || undefined,
    partitions,
    checkHeld,
    after,
    types: request.types,
    condition: condition?.scan.filter,
    columns: condition?.scan.columns ?? [],
    parameters,
    onSlow: request.onSlow,
    cutLagRecords: CUT_LAG_RECORDS,
    sleepsThrough: true,
  });
}

/** @throws GridError INVALID_ARGUMENT */
function checkAsked({ types, partitions }: SubscribeRequest): void {
  const unknown = types.find((type) => EVENT_TYPES[type] === undefined);
  if (unknown !== undefined) {
    throw new GridError('INVALID_ARGUMENT', `there is no type ${unknown} of events`, {
      hint: `types are 0 to ${EVENT_TYPES.length - 1}: ${EVENT_TYPES.join(', ')}`,
      details: { type: unknown },
    });
  }
  if (new Set(partitions).size === partitions.length) return;
  throw new GridError('INVALID_ARGUMENT', 'a subscription asks for a partition twice', {
    hint: 'name each partition once, or none for all that the member has',
  });
}

/** What a token says (layout: events.proto). */
interface Start {
  /** 0: there was no map of the name. */
  readonly mapId: number;
  /** One for all partitions, or by partition. */
  readonly incarnations: unknown;
  /** By partition. */
  readonly sequences: readonly unknown[];
}

/** @throws GridError INVALID_TOKEN */
function startOf(token: string, map: string): Start {
  const [format, name, mapId, incarnations, sequences] = parseToken(token);
  if (format !== TOKEN_FORMAT || name !== map || !isCount(mapId) || !Array.isArray(sequences)) throw invalidToken();
  return { mapId, incarnations, sequences };
}

/**
 * The last sequences seen in the partitions at hand.
 *
 * @throws GridError INVALID_TOKEN; where a log is not the one the token refers to: MAP_DROPPED if its map is gone too,
 *   else SEQUENCE_GONE
 */
function positionsOf(
  { mapId, incarnations, sequences }: Start,
  map: string,
  partitions: readonly number[],
  { control, logs }: EventsDependencies,
): number[] {
  return partitions.map((partition) => {
    const incarnation = Array.isArray(incarnations) ? incarnations[partition] : incarnations;
    const sequence = sequences[partition];
    if (!isCount(sequence) || !isCount(incarnation)) throw invalidToken();
    if (incarnation === logs.incarnation(partition)) {
      if (sequence <= logs.committedSequence(partition)) return sequence;
      throw invalidToken();
    }
    const now = control.maps.get(map)?.id ?? 0;
    if (mapId > 0 && mapId !== now) throw new MapDroppedError(map, { mapId, now });
    throw new GridError('SEQUENCE_GONE', `the log of partition ${partition} is not the one the token refers to`, {
      hint: 'its member was restarted: read the map again and subscribe from now',
      details: { partition },
    });
  });
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseToken(token: string): readonly unknown[] {
  try {
    const decoded = decodeValue(Buffer.from(token, 'base64url'));
    return Array.isArray(decoded) ? decoded : [];
  } catch {
    return [];
  }
}

function invalidToken(): GridError {
  return new GridError('INVALID_TOKEN', 'the token does not belong to this map', {
    hint: 'use the token of an event unchanged',
  });
}

function standing(subscription: Subscription, { control, logs }: EventsDependencies): SubscribeOutput {
  const { partitions, positions } = subscription;
  return {
    kind: 'standing',
    partitions,
    incarnations: partitions.map((partition) => logs.incarnation(partition)),
    sequences: positions,
    partitionCount: control.partitionCount,
    mapId: subscription.mapId ?? 0,
  };
}

/** What one caller's call tells. */
class EventFeed implements Feed {
  readonly subscription: Subscription;
  readonly tellsResolved: boolean;
  isDue = true;
  dueAtMs = 0;
  readonly #metrics: MemberMetrics;
  #counted: FilterCounts;
  /** Batches of events so far. */
  #batches = 0;

  constructor(subscription: Subscription, tellsResolved: boolean, metrics: MemberMetrics) {
    this.subscription = subscription;
    this.tellsResolved = tellsResolved;
    this.#metrics = metrics;
    this.#counted = subscription.filterCounts;
  }

  /**
   * What there is to tell now, events first.
   *
   * @throws what the subscription's pull() throws
   */
  pull(): {
    readonly events: EncodedEvents | undefined;
    readonly told: SubscribeOutput | undefined;
    readonly more: boolean;
  } {
    const { events, more, resolved } = this.#pulled();
    this.#countFiltered();
    if (events !== undefined) {
      this.#batches += 1;
      this.#metrics.eventsSent += events.count;
    }
    const isDue = this.isDue || (this.tellsResolved && events !== undefined);
    // As it is now: what is taken out of the logs while the events are sent is not among them.
    const told = resolved !== undefined && resolved > 0 && isDue ? this.#resolvedOf(resolved) : undefined;
    return { events, told, more };
  }

  /** @throws what pull() throws; MAP_DROPPED with the batches that were sent before it, which it may overtake on their way */
  #pulled(): Pulled<EncodedEvents> {
    try {
      return this.subscription.pull(PULL_BYTES, PULL_RECORDS, this.#encode);
    } catch (error) {
      if (!GridError.is(error, 'MAP_DROPPED')) throw error;
      const { message, hint, details } = error;
      throw new GridError('MAP_DROPPED', message, {
        hint,
        details: { ...details, batches: this.#batches },
        cause: error,
      });
    }
  }

  readonly #encode = (writer: EventColumnsWriter): EncodedEvents => writer.drain(this.#encodeColumns);

  readonly #encodeColumns = (events: EventColumns): EncodedEvents =>
    new EncodedEvents(events, this.#batches + 1, this.subscription.mapId ?? 0);

  /** Places only when they are due: a caller that waits for versions hears those at once. */
  #resolvedOf(version: number): SubscribeOutput {
    const { subscription } = this;
    const positions = this.isDue ? subscription.takeMoved() : NO_POSITIONS;
    this.isDue = false;
    const { mapId = 0, filterCounts } = subscription;
    return { kind: 'resolved', version, ...positions, batches: this.#batches, mapId, ...filterCounts };
  }

  #countFiltered(): void {
    const { dividedByZero, oddValues } = this.subscription.filterCounts;
    this.#metrics.filterDivisionsByZero += dividedByZero - this.#counted.dividedByZero;
    this.#metrics.filterOddValues += oddValues - this.#counted.oddValues;
    this.#counted = { dividedByZero, oddValues };
  }
}
