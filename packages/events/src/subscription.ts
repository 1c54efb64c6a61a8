/**
 * One subscription: a cursor in every partition's log, a filter, and what happens when it is read too slowly.
 *
 *   log -> filter -> columns, pulled batch by batch; between pulls nothing is held but the cursors
 *
 * U1  Events of a partition come in the order of its log, each once; so events of one key come in order.
 * U2  Slowness costs no memory: the cursor stays, the log moves. `lag` reads on while the log holds the place, then
 *     SEQUENCE_GONE; `conflate` gives only the newest event of each key in what it reads at once; `cut` ends with
 *     SLOW_CONSUMER when it is further behind than `cutLagRecords`.
 * U3  resolved(v) is said only when everything committed at or below v in these partitions was read.
 * U4  One pull reads at most `recordsMax` records: the caller's time slice.
 * U5  A partition on hold is passed over; it goes on where it was.
 */
import { GridError } from '@ashlar/core';
import { type LogRecordView, RecordCause, RecordKind } from '@ashlar/storage';
import {
  EVENT_TYPE,
  type EventColumns,
  EventColumnsWriter,
  type EventTypeNumber,
  pickEvents,
} from './event-columns.ts';
import { EventFilter, type FilterCounts, type FilterOptions } from './filter.ts';

export type OnSlow = 'lag' | 'conflate' | 'cut';

/** The logs of a member, as subscriptions read them. */
export interface LogSource {
  /** Calls back for up to `recordsMax` committed records from `from`; answers the next sequence. @throws SEQUENCE_GONE */
  readLog(partition: number, from: number, recordsMax: number, visit: (record: LogRecordView) => void): number;
  /** The sequence of the newest committed record. */
  committedSequence(partition: number): number;
  incarnation(partition: number): number;
  /** Everything at or below it that will ever be committed here is committed. */
  resolvedVersion(): number;
}

export interface SubscriptionOptions extends FilterOptions {
  /** Asked before every pull: the map may be created, or dropped and created again, while the subscription stands. */
  readonly mapId: () => number | undefined;
  readonly partitions: readonly number[];
  /** The last sequence seen, a number a partition; undefined: now. */
  readonly after: readonly number[] | undefined;
  readonly onSlow: OnSlow;
  /** For `cut`. */
  readonly cutLagRecords: number;
}

export interface Pulled {
  /** Undefined: nothing that the filter wants. */
  readonly events: EventColumns | undefined;
  /** Something is left to read. */
  readonly more: boolean;
  /** The version that is resolved by now; undefined while something is left or on hold. */
  readonly resolved: number | undefined;
}

const BATCH_EVENTS = 2048;
const READ_RECORDS = 512;

export class Subscription {
  readonly partitions: readonly number[];
  readonly #mapIdNow: () => number | undefined;
  readonly #logs: LogSource;
  readonly #onSlow: OnSlow;
  readonly #cutLag: number;
  readonly #filter: EventFilter;
  readonly #writer = new EventColumnsWriter(BATCH_EVENTS);
  /** nextSequence[index of partition]. */
  readonly #next: Float64Array;
  readonly #onHold = new Set<number>();
  /** Where the next pull begins, so that no partition starves the others. */
  #turn = 0;
  #wake: (() => void) | undefined;
  #isStale = true;
  #mapId: number | undefined;

  constructor(logs: LogSource, options: SubscriptionOptions) {
    this.#logs = logs;
    this.#mapIdNow = options.mapId;
    this.partitions = options.partitions;
    this.#onSlow = options.onSlow;
    this.#cutLag = options.cutLagRecords;
    this.#filter = new EventFilter(options);
    this.#next = Float64Array.from(options.partitions, (partition, index) => {
      return (options.after?.[index] ?? logs.committedSequence(partition)) + 1;
    });
  }

  /** The last sequence read in each partition. */
  get positions(): number[] {
    return Array.from(this.#next, (next) => next - 1);
  }

  /** Documents that its condition had no clear answer for. */
  get filterCounts(): FilterCounts {
    return this.#filter.counts;
  }

  /** Records not read yet, over all partitions. */
  get lagRecords(): number {
    let lag = 0;
    this.partitions.forEach((partition, index) => {
      lag += this.#logs.committedSequence(partition) + 1 - this.#next[index]!;
    });
    return lag;
  }

  /** Reads no more of the partition until `release`. */
  hold(partition: number): void {
    this.#onHold.add(partition);
  }

  release(partition: number): void {
    this.#onHold.delete(partition);
    this.notify();
  }

  isOnHold(partition: number): boolean {
    return this.#onHold.has(partition);
  }

  /** Something was committed: a pull may find it. */
  notify(): void {
    this.#isStale = true;
    this.#wake?.();
  }

  /** Resolves at the next `notify`, or at once when there was one since the last pull. Never rejects. */
  changed(): Promise<void> {
    if (this.#isStale) return Promise.resolve();
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
   * @throws GridError SEQUENCE_GONE, SLOW_CONSUMER, or what the condition throws
   */
  pull(bytesMax: number, recordsMax: number): Pulled {
    this.#isStale = false;
    this.#mapId = this.#mapIdNow();
    if (this.#onSlow === 'cut') this.#checkLag();
    const resolved = this.#logs.resolvedVersion();
    const isDone = this.#read(bytesMax, recordsMax);
    const events = this.#writer.count === 0 ? undefined : this.#take();
    if (!isDone) this.#isStale = true;
    return { events, more: !isDone, resolved: isDone && this.#onHold.size === 0 ? resolved : undefined };
  }

  /** Reads partitions in turn; true when all were read to their end. */
  #read(bytesMax: number, recordsMax: number): boolean {
    const count = this.partitions.length;
    let budget = recordsMax;
    for (let step = 0; step < count; step++) {
      const index = (this.#turn + step) % count;
      const partition = this.partitions[index]!;
      if (this.#onHold.has(partition)) continue;
      while (this.#next[index]! <= this.#logs.committedSequence(partition)) {
        if (budget <= 0 || this.#writer.bytes >= bytesMax || this.#writer.isFull) {
          this.#turn = index;
          return false;
        }
        budget -= this.#readSome(index, partition, Math.min(budget, READ_RECORDS, BATCH_EVENTS - this.#writer.count));
      }
    }
    return true;
  }

  #readSome(index: number, partition: number, recordsMax: number): number {
    const from = this.#next[index]!;
    const next = this.#logs.readLog(partition, from, recordsMax, (record) => this.#visit(record, partition));
    this.#next[index] = next;
    return Math.max(1, next - from);
  }

  #visit(record: LogRecordView, partition: number): void {
    if (record.mapId !== this.#mapId) return;
    const type = eventTypeOf(record);
    if (type === undefined || !this.#filter.wants(type, record)) return;
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

  #take(): EventColumns {
    const events = this.#writer.take();
    return this.#onSlow === 'conflate' ? conflate(events) : events;
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

/** What a record is to a subscriber; undefined: nothing (control records, an entry that never was). */
function eventTypeOf(record: LogRecordView): EventTypeNumber | undefined {
  switch (record.kind) {
    case RecordKind.put:
      if (record.cause === RecordCause.load) return EVENT_TYPE.load;
      if (record.cause === RecordCause.reload) return EVENT_TYPE.reload;
      return record.hasOldValue ? EVENT_TYPE.update : EVENT_TYPE.insert;
    case RecordKind.remove:
      return record.hasOldValue ? EVENT_TYPE.remove : undefined;
    case RecordKind.expire:
      return EVENT_TYPE.expire;
    case RecordKind.evict:
      return EVENT_TYPE.evict;
    default:
      return undefined;
  }
}

/** The newest event of each key, in the order of those. Its type and old value are its own. */
function conflate(events: EventColumns): EventColumns {
  const newest = new Map<string, number>();
  for (let index = 0; index < events.count; index++) {
    const start = index === 0 ? 0 : events.keyEnds[index - 1]!;
    const key = Buffer.from(
      events.keys.buffer,
      events.keys.byteOffset + start,
      events.keyEnds[index]! - start,
    ).toString('latin1');
    newest.delete(key);
    newest.set(key, index);
  }
  return newest.size === events.count ? events : pickEvents(events, [...newest.values()]);
}
