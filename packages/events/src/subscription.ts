/**
 * One subscription: a cursor in every partition's log, a filter, and what happens when it is read too slowly.
 *
 *   log -> filter -> columns, pulled batch by batch; between pulls nothing is held but the cursors
 *
 * subscription U1  Events of a partition come in the order of its log, each once; so events of one key come in order.
 * subscription U2  Slowness costs no memory: the cursor stays, the log moves. `lag` reads on while the log holds the place,
 *                  then SEQUENCE_GONE; `conflate` takes what is committed out of the log also while it is not read, one change
 *                  a key within bounds (conflation.ts), and lags beyond them; `cut` ends with SLOW_CONSUMER when it is further
 *                  behind than `cutLagRecords`.
 * subscription U3  resolved(v) is said only when everything committed at or below v in these partitions was read.
 * subscription U4  One pull reads at most `recordsMax` records: the caller's time slice.
 * subscription U5  A partition on hold is passed over; it goes on where it was.
 * subscription U6  A subscription belongs to one map, not to a name: to the one it is opened for, or else to the first that
 *                  has the name from then on. When that map is dropped it gives what the logs still hold of it, then
 *                  MAP_DROPPED.
 * subscription U7  It reads the logs that it was opened for: where a partition was lost since, also if it has come back, it
 *                  ends with STALE_EPOCH before it reads what another log says at its place. Whoever follows goes on by its
 *                  token.
 * subscription U8  What it reads of a log rises in sequence, version and epoch.
 * subscription U9  A wake-up costs what changed: only partitions are looked at that were told of (`committed`), or whose last
 *                  look left something. From its opening on a subscription is notified of every commit, or sleeps and is looked
 *                  for (shared-look.ts).
 * subscription U10  The places that it tells are those of what it has given: everything that was read up to there was pulled,
 *                   or is not wanted. What it keeps to conflate (conflation.ts) holds them back.
 */
import { assert, type EventTypeNumber, GridError, MapDroppedError } from '@ashlar/core';
import type { DocumentColumn, Row } from '@ashlar/expressions';
import type { EventColumns } from '@ashlar/serialization';
import type { LogRecordView } from '@ashlar/storage';
import { Conflation, type ConflationBudget } from './conflation.ts';
import type { Equality } from './equality.ts';
import { EventColumnsWriter } from './event-columns.ts';
import { eventTypeOf } from './event-type-of.ts';
import { EventFilter, type FilterCounts, type FilterOptions } from './filter.ts';
import { IndexQueue } from './index-queue.ts';
import type { LogSource } from './log-source.ts';
import type { SharedLook, SleepingReader } from './shared-look.ts';
import type { Sleeper } from './turn-wakes.ts';

export type OnSlow = 'lag' | 'conflate' | 'cut';

export interface SubscriptionOptions extends FilterOptions {
  readonly map: string;
  /** Which map has the name now. */
  readonly mapIdNow: () => number | undefined;
  /** The map it belongs to; undefined: the first that has the name (subscription U6). */
  readonly boundTo: number | undefined;
  readonly partitions: readonly number[];
  /** @throws GridError STALE_EPOCH when a partition was lost since the subscription was asked for (subscription U7) */
  readonly checkHeld?: (() => void) | undefined;
  /** The last sequence seen, a number a partition; undefined: now. */
  readonly after: readonly number[] | undefined;
  readonly onSlow: OnSlow;
  /** Log records behind which a subscription with `cut` ends. */
  readonly cutLagRecords: number;
  /** The map whose records foreignRecords() leaves out; omitted: none are counted. */
  readonly uncountedMapId?: () => number | undefined;
  /** Records that it does not want need not wake it: they are looked at for all that sleep (shared-look.ts). */
  readonly sleepsThrough?: boolean;
}

/** Places of partitions, as parallel columns. */
export interface Positions {
  readonly partitions: number[];
  /** The last sequence read. */
  readonly sequences: number[];
}

/** @typeParam Events  what the puller makes of them */
export interface Pulled<Events = EventColumns> {
  /** Undefined: nothing that the filter wants. */
  readonly events: Events | undefined;
  /** Something is left to read. */
  readonly more: boolean;
  /** The version that is resolved by now; undefined while something is left or on hold. */
  readonly resolved: number | undefined;
}

/** What a commit asks for a subscription, said once until it is done. */
export type Notice = 'none' | 'wake';

export const BATCH_EVENTS = 2048;
const READ_RECORDS = 512;
/** Records that a commit reads for a conflating subscription while nobody pulls it. */
const GATHER_RECORDS = 4096;

export class Subscription implements Sleeper, SleepingReader {
  readonly partitions: readonly number[];
  readonly #map: string;
  readonly #mapIdNow: () => number | undefined;
  readonly #logs: LogSource;
  readonly #onSlow: OnSlow;
  readonly #cutLag: number;
  readonly #filter: EventFilter;
  readonly #checkHeld: (() => void) | undefined;
  /** By index of partition: version and epoch of the last record that was read (subscription U8). */
  readonly #versions: Float64Array;
  readonly #epochs: Float64Array;
  /** Shared by all subscriptions of a member: empty between calls. */
  readonly #writer: EventColumnsWriter;
  /** Only where it conflates. */
  readonly #conflation: Conflation | undefined;
  /** nextSequence[index of partition]. */
  readonly #next: Float64Array;
  /** As #next, when takeMoved() told it last; only where it conflates (subscription U10). */
  readonly #told: Float64Array | undefined;
  readonly #onHold = new Set<number>();
  /** indexOf[partition] in `partitions`; -1: not read. */
  readonly #indexOf: Int32Array;
  /** Indexes of partitions that may have something to read, each in its turn, so that none starves the others (subscription U9). */
  readonly #unread: IndexQueue;
  /** Indexes of partitions whose position was not told since it moved: takeMoved(). */
  readonly #moved: IndexQueue;
  /** Where it sleeps; undefined: it does not. */
  readonly #look: SharedLook<Subscription> | undefined;
  /** What it read last was in vain: what comes is looked at before anybody is woken. */
  #isTired = true;
  /** Records were read by the pull at hand. */
  #hasRead = false;
  /** The look reads for it: its places are the look's, where those are further (shared-look L3). */
  #isAsleep = false;
  /** Steps of the look that #moved knows of. */
  #stepsTold = 0;
  /** It waits for wake(). */
  #isNoticed = false;
  wokenInTurn = 0;
  /** What was found to be wanted while it slept, and is left for the next pull. */
  #found: { readonly index: number; readonly sequence: number } | undefined;
  /** Index of the partition that is being read, and the sequence before the record at hand. */
  #reading = 0;
  #lastSequence = 0;
  #bytesMax = 0;
  #wake: (() => void) | undefined;
  #isStale = true;
  #mapId: number | undefined;
  #isDropped = false;
  readonly #uncountedMapId: (() => number | undefined) | undefined;
  #uncounted: number | undefined;
  /** foreign[partition]; empty where nobody asks. */
  readonly #foreign: Uint32Array;
  #isClosed = false;

  /**
   * @param budget  of the member, for what conflating subscriptions keep
   * @param writer  of the member, for one pull at a time
   * @param look  of the member, for those that sleep
   */
  constructor(
    logs: LogSource,
    options: SubscriptionOptions,
    budget: ConflationBudget,
    writer = new EventColumnsWriter(BATCH_EVENTS),
    look?: SharedLook<Subscription>,
  ) {
    this.#logs = logs;
    this.#writer = writer;
    this.#map = options.map;
    this.#mapIdNow = options.mapIdNow;
    this.#mapId = options.boundTo;
    this.partitions = options.partitions;
    this.#onSlow = options.onSlow;
    this.#conflation = options.onSlow === 'conflate' ? new Conflation(budget) : undefined;
    this.#cutLag = options.cutLagRecords;
    this.#uncountedMapId = options.uncountedMapId;
    this.#foreign = new Uint32Array(options.uncountedMapId === undefined ? 0 : Math.max(0, ...options.partitions) + 1);
    this.#filter = new EventFilter(options);
    this.#checkHeld = options.checkHeld;
    this.#checkHeld?.();
    this.#versions = new Float64Array(options.partitions.length);
    this.#epochs = new Float64Array(options.partitions.length);
    this.#next = Float64Array.from(options.partitions, (partition, index) => {
      return (options.after?.[index] ?? logs.committedSequence(partition)) + 1;
    });
    this.#told = this.#conflation === undefined ? undefined : this.#next.slice();
    this.#look = options.sleepsThrough === true ? look : undefined;
    this.#indexOf = new Int32Array(Math.max(-1, ...options.partitions) + 1).fill(-1);
    this.#unread = new IndexQueue(options.partitions.length);
    this.#moved = new IndexQueue(options.partitions.length);
    options.partitions.forEach((partition, index) => {
      this.#indexOf[partition] = index;
      this.#unread.add(index);
    });
    this.#followMap();
  }

  /** The map it belongs to; undefined while there is none. */
  get mapId(): number | undefined {
    return this.#mapId;
  }

  /** Maps were made or dropped: to be called for every such change, so that none is missed (subscription U6). */
  mapsChanged(): void {
    if (this.#followMap()) this.wake();
  }

  /** @returns whether anything is different for it */
  #followMap(): boolean {
    const now = this.#mapIdNow();
    if (now === this.#mapId || this.#isDropped) return false;
    if (this.#mapId === undefined) this.#mapId = now;
    else this.#isDropped = true;
    return true;
  }

  /** A sequence of each partition up to which everything was given: the last that was read, unless it keeps something. */
  get positions(): number[] {
    this.#catchUp();
    return Array.from(this.#keepsChanges ? this.#told! : this.#next, (next) => next - 1);
  }

  get #keepsChanges(): boolean {
    return (this.#conflation?.size ?? 0) > 0;
  }

  /** Records that were read of a partition and made no event, since forgetForeign(). */
  foreignRecords(partition: number): number {
    return this.#foreign[partition] ?? 0;
  }

  forgetForeign(partition: number): void {
    this.#foreign[partition] = 0;
  }

  /** Documents that its condition had no clear answer for. */
  get filterCounts(): FilterCounts {
    return this.#filter.counts;
  }

  /** Records not read yet, over all partitions, and changes kept. */
  get lagRecords(): number {
    this.#catchUp();
    let lag = this.#conflation?.size ?? 0;
    if (this.#isAsleep) this.#seeUnread();
    for (const index of this.#unread) lag += this.#lagOf(index);
    for (const partition of this.#onHold) {
      const index = this.#indexOf[partition]!;
      if (!this.#unread.has(index)) lag += this.#lagOf(index);
    }
    return lag;
  }

  #lagOf(index: number): number {
    return this.#logs.committedSequence(this.partitions[index]!) + 1 - this.#next[index]!;
  }

  /** Positions have moved since takeMoved(). */
  get hasMoved(): boolean {
    return this.#moved.size > 0 || (this.#isAsleep && this.#stepsTold !== this.#look!.steps);
  }

  /** The positions that have moved since this was asked last; none while it keeps something (subscription U10). */
  takeMoved(): Positions {
    const moved: Positions = { partitions: [], sequences: [] };
    this.#catchUp();
    if (this.#keepsChanges) return moved;
    for (let index = this.#moved.take(); index !== undefined; index = this.#moved.take()) {
      moved.partitions.push(this.partitions[index]!);
      moved.sequences.push(this.#next[index]! - 1);
      if (this.#told !== undefined) this.#told[index] = this.#next[index]!;
    }
    return moved;
  }

  /** Reads no more of the partition until `release`. */
  hold(partition: number): void {
    assert(this.reads(partition), 'subscription U5: a partition is put on hold that it does not read');
    this.#getUp();
    this.#onHold.add(partition);
  }

  release(partition: number): void {
    this.#onHold.delete(partition);
    this.committed(partition);
    this.wake();
  }

  isOnHold(partition: number): boolean {
    return this.#onHold.has(partition);
  }

  reads(partition: number): boolean {
    return (this.#indexOf[partition] ?? -1) >= 0;
  }

  /** Something was committed in one of its partitions, and it does not sleep. @returns what is to be called, soon */
  committed(partition: number): Notice {
    assert(this.reads(partition), 'subscription U9: it is notified of a partition that it does not read');
    this.#unread.add(this.#indexOf[partition]!);
    this.#isStale = true;
    if (this.#wake === undefined || this.#conflation !== undefined) {
      this.wake();
      return 'none';
    }
    const isNews = !this.#isNoticed;
    this.#isNoticed = true;
    return isNews ? 'wake' : 'none';
  }

  /** Whoever waits for it looks again. */
  wake(): void {
    this.#isStale = true;
    this.#isNoticed = false;
    this.#getUp();
    if (this.#wake !== undefined) this.#wake();
    else if (this.#conflation !== undefined && !this.#isClosed) this.#gather();
  }

  /** As wake(), unless what committed() asked for has been done meanwhile. */
  wakeIfNoticed(): void {
    if (this.#isNoticed) this.wake();
  }

  /* ---- Asleep --------------------------------------------------------------------------------------------------- */

  get equality(): Equality | undefined {
    return this.#filter.equality;
  }

  get columns(): readonly DocumentColumn[] {
    return this.#filter.columns;
  }

  nextOf(partition: number): number {
    const index = this.#indexOf[partition] ?? -1;
    return index < 0 ? Number.POSITIVE_INFINITY : this.#next[index]!;
  }

  look(partition: number, sequence: number, type: EventTypeNumber, row: Row): void {
    try {
      if (!this.#filter.wantsRow(type, row)) return;
      this.#found = { index: this.#indexOf[partition]!, sequence };
    } catch {
      // The pull meets the same, and says so.
    }
    this.wake();
  }

  /** Wakes up where a partition of its own was lost while it sleeps: the next pull says so (subscription U7). */
  ownersChanged(): void {
    try {
      if (this.#isAsleep) this.#checkHeld?.();
    } catch {
      this.wake();
    }
  }

  /** Whether the look reads for it from now on. */
  #fallAsleep(look: SharedLook<Subscription>): boolean {
    if (!this.#isTired || this.#isClosed || this.#onHold.size > 0 || this.#unread.size > 0) return false;
    this.#isAsleep = look.fallAsleep(this);
    this.#stepsTold = look.steps;
    return this.#isAsleep;
  }

  /** Takes the places that the look has come to. */
  #catchUp(): void {
    const look = this.#look;
    if (look === undefined || !this.#isAsleep || this.#stepsTold === look.steps) return;
    this.#stepsTold = look.steps;
    for (let index = 0; index < this.partitions.length; index++) {
      const next = look.placeOf(this.partitions[index]!);
      if (next <= this.#next[index]!) continue;
      this.#next[index] = next;
      this.#moved.add(index);
    }
  }

  /** Takes over which partitions the look has not read to their end. */
  #seeUnread(): void {
    for (const partition of this.#look!.unread) if (this.reads(partition)) this.#unread.add(this.#indexOf[partition]!);
  }

  #getUp(): void {
    if (!this.#isAsleep) return;
    this.#catchUp();
    this.#seeUnread();
    this.#isAsleep = false;
    this.#look!.getUp(this);
  }

  /** Nobody is waiting for it: what was committed is taken before the log gives it up. */
  #gather(): void {
    try {
      this.#checkHeld?.();
      this.#followMap();
      this.#read(Number.POSITIVE_INFINITY, GATHER_RECORDS);
    } catch {
      // The next pull meets the same error and throws it.
    }
  }

  /** Gives back what it keeps, and keeps nothing from then on. */
  close(): void {
    this.#getUp();
    this.#isClosed = true;
    this.#conflation?.clear();
  }

  /** Resolves when it is woken next, or at once when it was since the last pull. Never rejects. */
  changed(): Promise<void> {
    if (this.#isStale) return Promise.resolve();
    if (this.#look !== undefined) this.#fallAsleep(this.#look);
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  /**
   * The next events, at most `bytesMax` and a record more, after at most `recordsMax` records.
   *
   * @param take  takes them out of memory that all subscriptions share; a copy by default
   * @throws GridError SEQUENCE_GONE, SLOW_CONSUMER, MAP_DROPPED, STALE_EPOCH, or what the condition throws
   */
  pull<Events = EventColumns>(
    bytesMax: number,
    recordsMax: number,
    take: (writer: EventColumnsWriter) => Events = copyOf as (writer: EventColumnsWriter) => Events,
  ): Pulled<Events> {
    this.#getUp();
    this.#hasRead = false;
    this.#isStale = false;
    this.#isNoticed = false;
    this.#checkHeld?.();
    this.#followMap();
    this.#uncounted = this.#uncountedMapId?.();
    if (this.#onSlow === 'cut') this.#checkLag();
    const resolved = this.#logs.resolvedVersion();
    const isRead = this.#isDropped ? this.#readRest(bytesMax, recordsMax) : this.#readFirst(bytesMax, recordsMax);
    this.#conflation?.moveTo(this.#writer, bytesMax);
    const isDone = isRead && !this.#keepsChanges;
    const events = this.#writer.count === 0 ? undefined : take(this.#writer);
    if (events !== undefined || this.#hasRead) this.#isTired = events === undefined;
    const isOver = this.#isDropped && isDone && this.#onHold.size === 0;
    if (isOver && events === undefined) throw this.#dropped();
    const more = !isDone || isOver;
    if (more) this.#isStale = true;
    return { events, more, resolved: more || this.#onHold.size > 0 ? undefined : resolved };
  }

  /** As #read; what came before an error is delivered before it. */
  #readFirst(bytesMax: number, recordsMax: number): boolean {
    try {
      return this.#read(bytesMax, recordsMax);
    } catch (error) {
      if (this.#writer.count === 0) throw error;
      return false;
    }
  }

  /** As #read, for a map that is gone: where the log has moved on, nothing more can be delivered in order. */
  #readRest(bytesMax: number, recordsMax: number): boolean {
    try {
      return this.#read(bytesMax, recordsMax);
    } catch (error) {
      if (GridError.is(error, 'SEQUENCE_GONE')) return true;
      if (this.#writer.count === 0) throw error;
      return false;
    }
  }

  #dropped(): GridError {
    return new MapDroppedError(this.#map, { mapId: this.#mapId ?? 0, now: this.#mapIdNow() ?? 0 });
  }

  /** Reads partitions in turn; true when all were read to their end. */
  #read(bytesMax: number, recordsMax: number): boolean {
    let budget = recordsMax;
    this.#bytesMax = bytesMax;
    for (let index = this.#unread.peek(); index !== undefined; index = this.#unread.peek()) {
      if (!this.#mayRead(index)) this.#unread.take();
      else if (budget <= 0 || this.#hasEnough()) return this.#giveWay(index);
      else
        budget -= this.#readSome(index, Math.min(budget, READ_RECORDS, BATCH_EVENTS - this.#writer.count), this.#visit);
    }
    return true;
  }

  /** What is left of a partition waits behind the others. */
  #giveWay(index: number): false {
    this.#unread.take();
    this.#unread.add(index);
    return false;
  }

  /** Whether a partition is not on hold and has records that were not read. */
  #mayRead(index: number): boolean {
    const partition = this.partitions[index]!;
    return !this.#onHold.has(partition) && this.#next[index]! <= this.#logs.committedSequence(partition);
  }

  #hasEnough(): boolean {
    return this.#conflation?.isFull ?? (this.#writer.bytes >= this.#bytesMax || this.#writer.isFull);
  }

  /** @returns records that were read, at least 1 */
  #readSome(index: number, recordsMax: number, visit: (record: LogRecordView) => boolean): number {
    const from = this.#next[index]!;
    this.#reading = index;
    this.#hasRead = true;
    this.#lastSequence = from - 1;
    const next = this.#logs.readLog(this.partitions[index]!, from, recordsMax, visit);
    assert(next > this.#lastSequence, 'subscription U8: a log is read in its order');
    this.#next[index] = this.#found?.index === index ? this.#found.sequence : next;
    if (this.#next[index]! > from) this.#moved.add(index);
    return Math.max(1, next - from);
  }

  /** subscription U8 */
  #checkOrder({ sequence, version, epoch }: LogRecordView): void {
    const index = this.#reading;
    assert(sequence > this.#lastSequence, 'subscription U8: a log is read in its order');
    assert(version >= this.#versions[index]!, 'subscription U8: versions rise with sequences');
    assert(epoch >= this.#epochs[index]!, 'subscription U8: epochs rise with sequences');
    this.#lastSequence = sequence;
    this.#versions[index] = version;
    this.#epochs[index] = epoch;
  }

  /** What a record is to the subscriber; undefined: nothing that it wants. */
  #wantedAs(record: LogRecordView): EventTypeNumber | undefined {
    this.#checkOrder(record);
    const type = record.mapId === this.#mapId ? eventTypeOf(record) : undefined;
    const isKnown = this.#found?.index === this.#reading && this.#found.sequence === record.sequence;
    if (isKnown) this.#found = undefined;
    if (type !== undefined && (isKnown || this.#filter.wants(type, record))) return type;
    if (record.mapId !== this.#uncounted) this.#foreign[this.partitions[this.#reading]!]!++;
    return undefined;
  }

  /** Visitor of a pull: goes on until there is enough. */
  readonly #visit = (record: LogRecordView): boolean => {
    const type = this.#wantedAs(record);
    if (type === undefined) return true;
    const partition = this.partitions[this.#reading]!;
    if (this.#conflation !== undefined) this.#conflation.add(type, partition, record);
    else this.#write(type, partition, record);
    return !this.#hasEnough();
  };

  #write(type: EventTypeNumber, partition: number, record: LogRecordView): void {
    const writer = this.#writer;
    writer.open(type, partition, record.sequence, record.version);
    record.positionKey();
    writer.appendKey(record.bytes, record.start, record.stop);
    if (record.hasValue) {
      record.positionValue();
      writer.appendValue(record.bytes, record.start, record.stop);
    }
    if (record.hasOldValue) {
      record.positionOldValue();
      writer.appendOldValue(record.bytes, record.start, record.stop);
    }
    writer.close();
  }

  #checkLag(): void {
    const lag = this.lagRecords;
    if (lag <= this.#cutLag) return;
    throw new GridError(
      'SLOW_CONSUMER',
      `the subscription is ${lag} changes behind and was asked to be cut at ${this.#cutLag}`,
      {
        hint: "read faster, or subscribe with onSlow: 'lag' or 'conflate'",
        details: { lag, limit: this.#cutLag },
      },
    );
  }
}

function copyOf(writer: EventColumnsWriter): EventColumns {
  return writer.take();
}
