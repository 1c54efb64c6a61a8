/**
 * Events of one map from all members, as one stream that survives broken links and moving partitions.
 *
 *   member a --\
 *   member b ----> inbox (a few batches; then members wait) --> events --> the application
 *
 * subscription U1  `received` is what came, `handed` what the application took: a broken link goes on behind `received`, a
 *                  token names `handed`. Nothing is repeated, nothing missed.
 * subscription U2  Batches are numbered by link: where one is missing the link counts as broken, before anything behind it
 *                  is taken. Unless it conflates, a partition's events come at rising sequences and versions: anything else
 *                  is a fault of the member (INTERNAL).
 * subscription U3  What a feed cannot recover from (SEQUENCE_GONE, SLOW_CONSUMER ...) is thrown to the application. A grid that
 *                  was started anew has other logs, also where its partitions and sequences look alike: no position of the
 *                  old one counts there.
 * subscription U4  It belongs to one map. When that is dropped it gives what every member still has of it, then MAP_DROPPED.
 *                  That error counts the batches before it: where some did not come the rest is asked for again.
 */
import type { EntryEvent, EventFeed, GridKey, SubscribeOptions, SubscriptionStats } from '@ashlar/api';
import {
  CancelledError,
  DeadlineExceededError,
  GridError,
  MapDroppedError,
  type MemberAddress,
  PartitionLostError,
  primariesOf,
  timerMs,
} from '@ashlar/core';
import { pause, type Router } from '@ashlar/routing';
import type { EventBatch, SubscribeOutput, SubscribeRequest } from '@ashlar/transport';
import { EVENT_TYPES } from '@ashlar/transport';
import { checkSubscribeOptions, parameterBytes } from './checks.ts';
import { EventReader, type ResolvedOutput } from './event-reader.ts';
import { HandedPlaces } from './handed-places.ts';
import { decodeToken, encodeToken } from './token.ts';

const RETRY_FIRST_MS = 20;
const RETRY_MAX_MS = 1_000;
/** Attempts to get the rest of a dropped map from a member whose link broke. */
const REST_TRIES_MAX = 5;
/** A link broke, or a partition moved: go on from the last position. */
const GO_ON_CODES: ReadonlySet<string> = new Set([
  'CONNECTION_LOST',
  'CONNECT_TIMEOUT',
  'MEMBER_UNREACHABLE',
  'GRID_INCOMPLETE',
  'SHUTTING_DOWN',
  'STALE_EPOCH',
  'LEASE_EXPIRED',
]);

/** One call of a feed. */
interface Link {
  readonly feed: Feed;
  /** Event batches that came. */
  batches: number;
  /** What its member last reported; counted from the link's beginning. */
  counts: SubscriptionStats;
}

const NO_COUNTS: SubscriptionStats = { dividedByZero: 0, oddValues: 0 };

/** One member's share. */
interface Feed {
  readonly member: MemberAddress;
  readonly partitions: readonly number[];
  readonly abort: AbortController;
  isStanding: boolean;
  /** It has delivered all that is left of a map that was dropped. */
  isOver: boolean;
  resolvedVersion: number;
}

export class Subscription<K extends GridKey, V> implements EventFeed<K, V> {
  readonly #router: Router;
  readonly #map: string;
  readonly #options: SubscribeOptions;
  /** Parameters of its condition; encoded once, as they were when it began. */
  #parameters: Uint8Array = new Uint8Array(0);
  #received!: Float64Array;
  readonly #handed: HandedPlaces;
  /** Partitions whose beginning is known. */
  #known!: Uint8Array;
  #gridId: string;
  readonly #startToken: string;
  readonly #feeds = new Map<string, Feed>();
  readonly #reader: EventReader<K, V>;
  #failure: GridError | undefined;
  /** The map that the subscription belongs to; 0: none has the name yet. */
  #mapId = 0;
  /** MAP_DROPPED of the first feed that reached the end of a dropped map: the other feeds may have more to deliver. */
  #dropped: GridError | undefined;
  #ended = false;
  #isReady = false;
  #placed = false;
  #resolvedVersion = 0;
  #counts: SubscriptionStats = NO_COUNTS;
  #stopWatching: () => void = () => undefined;
  #readyTimer: NodeJS.Timeout | undefined;

  constructor(router: Router, map: string, options: SubscribeOptions) {
    this.#router = router;
    this.#map = map;
    this.#options = options;
    this.#gridId = router.table.gridId;
    this.#handed = new HandedPlaces(router.partitionCount);
    this.#reader = new EventReader(map, this.#handed, { isPlaced: () => this.#isPlaced(), onOver: () => this.#end() });
    this.#makeRoom(router.partitionCount);
    this.#startToken = options.from === undefined || options.from === 'now' ? '' : options.from;
    this.#begin();
  }

  #makeRoom(partitionCount: number): void {
    this.#received = new Float64Array(partitionCount);
    this.#handed.begin(partitionCount);
    this.#known = new Uint8Array(partitionCount);
  }

  next(): Promise<IteratorResult<EntryEvent<K, V>>> {
    return this.#reader.next();
  }

  async return(): Promise<IteratorResult<EntryEvent<K, V>>> {
    this.#end();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #begin(): void {
    const { timeoutMs } = this.#options;
    try {
      checkSubscribeOptions(this.#options);
      this.#parameters = parameterBytes(this.#options.params ?? []);
      if (this.#startToken !== '') this.#takeStart();
      this.#watch();
      if (this.#ended) return;
      this.#assign();
      if (timeoutMs !== undefined) {
        this.#readyTimer = setTimeout(() => {
          if (this.#isReady) return;
          this.#fail(this.#router.whatIsMissing() ?? new DeadlineExceededError('the subscription', timeoutMs));
        }, timerMs(timeoutMs));
      }
    } catch (error) {
      this.#fail(GridError.wrap(error));
    }
  }

  /** What ends it besides its feeds and its reader: nothing of it stays at signal and router when it has ended. */
  #watch(): void {
    const { signal } = this.#options;
    const cancelled = (): void => this.#fail(new CancelledError('the subscription'));
    const clientClosed = (): void => this.#fail(new GridError('CLIENT_CLOSED', 'the client was closed'));
    if (signal?.aborted === true) cancelled();
    else if (this.#router.isClosed) clientClosed();
    if (this.#ended) return;
    signal?.addEventListener('abort', cancelled, { once: true });
    // Of a member that stands still nothing comes: whoever has taken its partitions over is known by the table alone.
    const stops = [
      this.#router.onTable(() => this.#assign()),
      this.#router.onClose(clientClosed),
      this.#router.listen(),
    ];
    this.#stopWatching = () => {
      signal?.removeEventListener('abort', cancelled);
      for (const stop of stops) stop();
    };
  }

  #takeStart(): void {
    const start = decodeToken(this.#startToken, this.#map, this.#router.partitionCount);
    this.#mapId = start.mapId;
    this.#received.set(start.sequences);
    this.#handed.sequences.set(start.sequences);
    this.#handed.incarnations.set(start.incarnations);
    this.#known.fill(1);
  }

  /** Gives every partition to a feed of its present owner. */
  #assign(): void {
    const { table } = this.#router;
    this.#checkGrid();
    if (table.lost.length > 0) this.#fail(new PartitionLostError(table.lost));
    for (const member of table.members) {
      const partitions = primariesOf(table, member.id);
      const feed = this.#feeds.get(member.id);
      const isSame = feed !== undefined && feed.member.address === member.address;
      if (isSame && sameNumbers(feed.partitions, partitions)) continue;
      feed?.abort.abort();
      this.#feeds.delete(member.id);
      if (partitions.length > 0 && !this.#ended) this.#open(member, partitions);
    }
    for (const [id, feed] of this.#feeds) {
      if (table.members.some((member) => member.id === id)) continue;
      feed.abort.abort();
      this.#feeds.delete(id);
    }
  }

  /** subscription U3 */
  #checkGrid(): void {
    const { table, partitionCount } = this.#router;
    if (table.gridId === this.#gridId && partitionCount === this.#known.length) return;
    this.#gridId = table.gridId;
    if (!this.#known.includes(1)) this.#makeRoom(partitionCount);
    else this.#fail(sequenceGone('the grid was started anew: its data and its logs are others'));
  }

  #open(member: MemberAddress, partitions: readonly number[]): void {
    const abort = new AbortController();
    const feed: Feed = { member, partitions, abort, isStanding: false, isOver: false, resolvedVersion: 0 };
    this.#feeds.set(member.id, feed);
    this.#follow(feed).catch((error: unknown) => this.#fail(GridError.wrap(error)));
  }

  /** Reads one feed for as long as it is wanted, link by link. */
  async #follow(feed: Feed): Promise<void> {
    let retryMs = RETRY_FIRST_MS;
    let tries = 0;
    const { signal } = feed.abort;
    while (!signal.aborted && !this.#ended) {
      const link: Link = { feed, batches: 0, counts: NO_COUNTS };
      try {
        const connection = this.#router.connectionTo(feed.member);
        for await (const output of connection.events.subscribe(this.#request(feed), { signal })) {
          if (signal.aborted) return;
          this.#receive(link, output);
          retryMs = RETRY_FIRST_MS;
          if (output.kind === 'events') tries = 0;
          while (!this.#reader.hasRoom && !signal.aborted) await this.#reader.room();
        }
      } catch (error) {
        if (signal.aborted || this.#ended) return;
        const failure = GridError.wrap(error);
        if (failure.code === 'MAP_DROPPED') {
          this.#dropped ??= failure;
          if (isWhole(link, failure)) {
            this.#endFeed(feed);
            return;
          }
        } else if (!GO_ON_CODES.has(failure.code)) throw failure;
      }
      tries += 1;
      if (this.#dropped !== undefined && tries > REST_TRIES_MAX) {
        this.#endFeed(feed);
        return;
      }
      feed.isStanding = false;
      void this.#router.refresh();
      await pause(retryMs);
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
    }
  }

  /** The map is gone, and so is this feed: the subscription ends with the last one (subscription U4). */
  #endFeed(feed: Feed): void {
    feed.isOver = true;
    if ([...this.#feeds.values()].every(({ isOver }) => isOver)) this.#fail(this.#dropped!);
  }

  /**
   * Whether a member speaks of the map that the others speak of: ids only grow, so it is behind, or the map is gone.
   *
   * @throws MapDroppedError; GridError LEASE_EXPIRED: asked again, by the map's id, the member will know better
   */
  #checkMap({ member }: Feed, mapId = 0): void {
    if (mapId === 0 || mapId === this.#mapId) return;
    if (this.#mapId === 0) this.#mapId = mapId;
    else if (mapId > this.#mapId) throw new MapDroppedError(this.#map, { mapId: this.#mapId, now: mapId });
    else throw new GridError('LEASE_EXPIRED', `member '${member.id}' does not know the newest map '${this.#map}' yet`);
  }

  #request(feed: Feed): SubscribeRequest {
    const { where, types, onSlow } = this.#options;
    const isResumed = feed.partitions.every((partition) => this.#known[partition] === 1);
    const position = {
      map: this.#map,
      mapId: this.#mapId,
      incarnations: this.#handed.incarnations,
      sequences: this.#received,
    };
    return {
      map: this.#map,
      where: where ?? '',
      parameters: this.#parameters,
      types: (types ?? []).map((type) => EVENT_TYPES.indexOf(type)),
      from: isResumed ? encodeToken(position) : '',
      onSlow: onSlow ?? 'lag',
      partitions: feed.partitions,
      tellsResolved: this.#options.onResolved !== undefined,
    };
  }

  #receive(link: Link, output: SubscribeOutput): void {
    const { feed } = link;
    this.#checkMap(feed, output.mapId);
    if (output.kind === 'standing') this.#stand(feed, output);
    else if (output.kind === 'events') {
      link.batches += 1;
      checkBatches(link, output.number);
      const { partitions, sequences, count } = output.events;
      if (this.#options.onSlow !== 'conflate') checkOrder(output.events, this.#received);
      for (let index = 0; index < count; index++) this.#received[partitions[index]!] = sequences[index]!;
      this.#reader.putEvents(output);
    } else {
      checkBatches(link, output.batches);
      this.#count(link, output);
      this.#advance(output);
      this.#reader.putResolved(output, ({ version }) => {
        feed.resolvedVersion = Math.max(feed.resolvedVersion, version);
        this.#tellResolved();
      });
    }
  }

  stats(): SubscriptionStats {
    return this.#counts;
  }

  #count(link: Link, { dividedByZero, oddValues }: SubscriptionStats): void {
    const { counts } = link;
    this.#counts = {
      dividedByZero: this.#counts.dividedByZero + dividedByZero - counts.dividedByZero,
      oddValues: this.#counts.oddValues + oddValues - counts.oddValues,
    };
    link.counts = { dividedByZero, oddValues };
  }

  #stand(feed: Feed, standing: SubscribeOutput & { readonly kind: 'standing' }): void {
    let isAhead = false;
    standing.partitions.forEach((partition, index) => {
      if (partition >= this.#known.length) throw new GridError('INTERNAL', `partition ${partition} does not exist`);
      const incarnation = standing.incarnations[index]!;
      const sequence = standing.sequences[index]!;
      if (this.#known[partition] === 1) {
        if (incarnation !== this.#handed.incarnations[partition])
          throw sequenceGone(`the log of partition ${partition} is another one by now`, partition);
        isAhead ||= sequence > this.#received[partition]!;
        return;
      }
      this.#known[partition] = 1;
      this.#handed.incarnations[partition] = incarnation;
      this.#received[partition] = sequence;
      this.#handed.sequences[partition] = sequence;
    });
    // It was asked for "now", for want of a place in some partition: by now there is one in each.
    if (isAhead) throw new GridError('CONNECTION_LOST', 'the subscription stands ahead of what came: it is asked anew');
    feed.isStanding = true;
    this.#reader.wake();
    const isReady = this.#known.every((known) => known === 1) && [...this.#feeds.values()].every((f) => f.isStanding);
    if (isReady && !this.#isReady) {
      this.#isReady = true;
      clearTimeout(this.#readyTimer);
      this.#options.onReady?.();
    }
  }

  /** Whether its first position is known in every partition. */
  #isPlaced(): boolean {
    if (!this.#placed) this.#placed = this.#known.every((known) => known === 1);
    return this.#placed;
  }

  #advance({ partitions, sequences }: ResolvedOutput): void {
    partitions.forEach((partition, index) => {
      if (sequences[index]! > this.#received[partition]!) this.#received[partition] = sequences[index]!;
    });
  }

  /** Nothing while somebody takes a partition over: what comes of it may be older than what the others have resolved. */
  #tellResolved(): void {
    if (this.#router.table.owners.some(({ length }) => length === 0)) return;
    const version = Math.min(...[...this.#feeds.values()].map((feed) => feed.resolvedVersion));
    if (!Number.isFinite(version) || version <= this.#resolvedVersion) return;
    this.#resolvedVersion = version;
    this.#options.onResolved?.(version);
  }

  #fail(error: GridError): void {
    if (this.#ended) return;
    this.#failure = error;
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#readyTimer);
    this.#stopWatching();
    for (const feed of this.#feeds.values()) feed.abort.abort();
    this.#reader.end(this.#failure);
  }
}

/** @throws GridError INTERNAL when an event comes again, or out of its partition's order (subscription U2) */
function checkOrder({ partitions, sequences, versions, count }: EventBatch, received: Float64Array): void {
  let [last, partition] = [0, -1];
  for (let index = 0; index < count; index++) {
    const isSame = partitions[index] === partition;
    partition = partitions[index]!;
    const before = isSame ? sequences[index - 1]! : received[partition]!;
    if (sequences[index]! <= before || (isSame && versions[index]! < last))
      throw outOfOrder(partition, sequences[index]!);
    last = versions[index]!;
  }
}

function outOfOrder(partition: number, sequence: number): GridError {
  return new GridError(
    'INTERNAL',
    `an event of partition ${partition} came out of its order, at sequence ${sequence}`,
    {
      details: { partition, sequence },
    },
  );
}

/** @throws GridError CONNECTION_LOST when a batch is missing: the feed goes on behind what came (subscription U2) */
function checkBatches({ feed, batches }: Link, sent: number): void {
  if (batches === sent) return;
  throw new GridError('CONNECTION_LOST', `${batches} of ${sent} batches of events came from '${feed.member.id}'`);
}

/** Whether all came that the member sent before the error: an error may overtake what is still on its way. */
function isWhole({ batches }: Link, { details }: GridError): boolean {
  const sent = details?.['batches'];
  return typeof sent !== 'number' || sent === batches;
}

function sequenceGone(why: string, partition?: number): GridError {
  return new GridError('SEQUENCE_GONE', why, {
    hint: 'what was held was lost in a restart: read the map again and subscribe from now',
    details: partition === undefined ? undefined : { partition },
  });
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((number, index) => number === b[index]);
}
