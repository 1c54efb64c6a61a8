/**
 * One look at each committed record for all subscriptions of a member that sleep: those whose last pull found nothing.
 *
 *   commit -> its partition waits -> records read once -> by map and value: whom to ask -> wanted: woken, at its record
 *
 * Those that nothing is for stand still while the look moves: a place is "everything before the look's place". So they cost a
 * commit nothing, and a record what finds out that it is for none of them (map-sleepers.ts).
 *
 * shared-look L1  Nothing is missed: whoever falls asleep has read all that the look has passed, and is asked about what comes
 *                 from its own place on; a commit between is told to both (`committed`).
 * shared-look L2  Nothing is asked twice: where the look is behind a sleeper's place, its records are passed over for it.
 * shared-look L3  Whoever is woken stands at the further of both places: at the record that it is woken for, before it was
 *                 passed.
 * shared-look L4  A log that cannot be read on wakes all who read it: each meets the same, and says so.
 * shared-look L5  A place is good while somebody sleeps: an empty look forgets its own.
 */
import { assert, type EventTypeNumber } from '@ashlar/core';
import type { Row } from '@ashlar/expressions';
import type { LogRecordView } from '@ashlar/storage';
import { eventTypeOf } from './event-type-of.ts';
import { IndexQueue } from './index-queue.ts';
import type { LogSource } from './log-source.ts';
import { type Asker, MapSleepers } from './map-sleepers.ts';

/** Records of one step. */
const STEP_RECORDS = 64;
/** Conditions that one step asks, and those of a record more. */
const STEP_ASKED = 256;

/** A subscription, as it sleeps. */
export interface SleepingReader extends Asker {
  readonly partitions: readonly number[];
  readonly mapId: number | undefined;
  /** The first sequence that it has not read; Infinity: it does not read the partition. */
  nextOf(partition: number): number;
  /**
   * Is asked about a record; wakes up when it wants it.
   *
   * @param row  the record, as its condition reads it
   */
  look(partition: number, sequence: number, type: EventTypeNumber, row: Row): void;
  wake(): void;
}

export class SharedLook<Reader extends SleepingReader> {
  readonly #logs: LogSource;
  /** next[partition]: the first sequence that was not looked at; 0: nobody who sleeps reads it. */
  readonly #next: Float64Array;
  readonly #unread: IndexQueue;
  /** Those that sleep, with the others of their map. */
  readonly #sleepers = new Map<Reader, MapSleepers<Reader>>();
  /** By map; undefined: those whose map there is not yet. */
  readonly #byMap = new Map<number | undefined, MapSleepers<Reader>>();
  /** Those that are told of commits themselves. */
  readonly awake = new Set<Reader>();
  /** Grows whenever places move. */
  steps = 0;
  /** What is being looked at. */
  #reading = 0;
  #sequence = 0;
  #type: EventTypeNumber = 0 as EventTypeNumber;
  #asked = 0;

  constructor(logs: LogSource, partitionCount: number) {
    this.#logs = logs;
    this.#next = new Float64Array(partitionCount);
    this.#unread = new IndexQueue(partitionCount);
  }

  get size(): number {
    return this.#sleepers.size;
  }

  /** Has partitions with records that were not looked at. */
  get isBehind(): boolean {
    return this.#sleepers.size > 0 && this.#unread.size > 0;
  }

  /** Partitions with records that were not looked at. */
  get unread(): Iterable<number> {
    return this.#unread;
  }

  /** The first sequence that was not looked at; 0: none was. */
  placeOf(partition: number): number {
    return this.#next[partition]!;
  }

  /** @returns false: it has something to read first (shared-look L1) */
  fallAsleep(reader: Reader): boolean {
    if (this.#sleepers.size === 0) this.#forget();
    const { partitions } = reader;
    for (const partition of partitions) if (reader.nextOf(partition) < this.#next[partition]!) return false;
    for (const partition of partitions) this.#next[partition] ||= reader.nextOf(partition);
    const { mapId } = reader;
    let ofMap = this.#byMap.get(mapId);
    if (ofMap === undefined) this.#byMap.set(mapId, (ofMap = new MapSleepers()));
    ofMap.add(reader);
    this.#sleepers.set(reader, ofMap);
    this.awake.delete(reader);
    return true;
  }

  #forget(): void {
    this.#next.fill(0);
    while (this.#unread.take() !== undefined);
    assert(this.#byMap.size === 0, 'shared-look L5: nobody sleeps, and somebody is to be asked');
  }

  /** Whoever sleeps is told of commits itself from now on. */
  getUp(reader: Reader): void {
    const ofMap = this.#sleepers.get(reader);
    assert(ofMap !== undefined, 'shared-look L3: who gets up has slept');
    this.#sleepers.delete(reader);
    this.awake.add(reader);
    ofMap.delete(reader);
    if (!ofMap.isEmpty) return;
    for (const [mapId, known] of this.#byMap) if (known === ofMap) this.#byMap.delete(mapId);
  }

  /** A partition has committed. @returns whether there is something to look at */
  committed(partition: number): boolean {
    if (this.#sleepers.size === 0 || this.#next[partition] === 0) return false;
    this.#unread.add(partition);
    return true;
  }

  /** Looks at some records of the partition that waits longest. */
  step(): void {
    const partition = this.#unread.peek();
    if (partition === undefined || this.#sleepers.size === 0) return;
    this.steps += 1;
    // It waits until it was looked at, so that whoever wakes up meanwhile finds what is left of it.
    const isLeft = this.#lookAt(partition);
    this.#unread.take();
    if (isLeft) this.#unread.add(partition);
  }

  /** @returns whether records are left */
  #lookAt(partition: number): boolean {
    this.#reading = partition;
    this.#asked = 0;
    try {
      const next = this.#logs.readLog(partition, this.#next[partition]!, STEP_RECORDS, this.#visit);
      assert(next >= this.#next[partition]!, 'shared-look L1: a log is read in its order');
      this.#next[partition] = next;
      return next <= this.#logs.committedSequence(partition);
    } catch {
      this.#giveUp(partition);
      return false;
    }
  }

  readonly #visit = (record: LogRecordView): boolean => {
    assert(record.sequence >= this.#next[this.#reading]!, 'shared-look L1: a log is read in its order');
    this.#next[this.#reading] = record.sequence;
    const ofMap = this.#byMap.get(record.mapId);
    const type = ofMap === undefined ? undefined : eventTypeOf(record);
    if (ofMap === undefined || type === undefined) return true;
    this.#sequence = record.sequence;
    this.#type = type;
    ofMap.forEachAsked(record, this.#ask);
    return this.#asked < STEP_ASKED;
  };

  readonly #ask = (row: Row, reader: Reader): void => {
    if (reader.nextOf(this.#reading) > this.#sequence) return;
    this.#asked += 1;
    reader.look(this.#reading, this.#sequence, this.#type, row);
  };

  /** shared-look L4 */
  #giveUp(partition: number): void {
    for (const reader of [...this.#sleepers.keys()]) {
      if (reader.nextOf(partition) !== Number.POSITIVE_INFINITY) reader.wake();
    }
    this.#next[partition] = 0;
  }
}
