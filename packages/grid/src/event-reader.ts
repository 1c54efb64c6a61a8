/**
 * What came for a subscription, and what its reader has taken of it: batches in, events out, one promise an event.
 *
 *   put -> inbox (a few messages; then members wait) -> the batch at hand -> next() ... next()
 *
 * event-reader E1  What came is handed out in its order, before the error that ended the subscription; each next() is
 *                  answered in the order in which it was asked.
 * event-reader E2  The error is thrown once, then the reader is done; after return() it is done at once.
 * event-reader E3  Nothing is handed out before every partition's place is known: a token names one in each.
 */
import type { EntryEvent } from '@ashlar/api';
import type { GridError } from '@ashlar/core';
import type { SubscribeOutput } from '@ashlar/transport';
import { entryEvent } from './entry-events.ts';
import type { HandedPlaces } from './handed-places.ts';

/** Messages in the inbox beyond which members wait. */
const INBOX_MAX = 4;

type EventsOutput = SubscribeOutput & { readonly kind: 'events' };
export type ResolvedOutput = SubscribeOutput & { readonly kind: 'resolved' };

/** What a reader needs of its subscription. */
export interface EventReaderHost {
  /** Whether its first place is known in every partition (event-reader E3). */
  isPlaced(): boolean;
  /** The reader has come to the end of everything, or to an error: nothing more is read. */
  onOver(): void;
}

interface Resolved {
  readonly output: ResolvedOutput;
  /** Called when the reader has taken all before it. */
  readonly reached: (output: ResolvedOutput) => void;
}

interface Waiting<T> {
  readonly resolve: (result: IteratorResult<T>) => void;
  readonly reject: (error: unknown) => void;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

export class EventReader<K, V> {
  readonly #map: string;
  readonly #places: HandedPlaces;
  readonly #host: EventReaderHost;
  readonly #inbox: (EventsOutput | Resolved)[] = [];
  readonly #waiting: Waiting<EntryEvent<K, V>>[] = [];
  #roomWaiters: (() => void)[] = [];
  #batch: EventsOutput | undefined;
  /** Index of the batch's next event. */
  #next = 0;
  #failure: GridError | undefined;
  /** Nothing more will come. */
  #isEnded = false;
  #isDone = false;

  constructor(map: string, places: HandedPlaces, host: EventReaderHost) {
    this.#map = map;
    this.#places = places;
    this.#host = host;
  }

  next(): Promise<IteratorResult<EntryEvent<K, V>>> {
    if (this.#waiting.length === 0) {
      try {
        const result = this.#step();
        if (result !== undefined) return Promise.resolve(result);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  putEvents(output: EventsOutput): void {
    this.#inbox.push(output);
    this.wake();
  }

  /** @param reached  called when the reader has taken all that came before */
  putResolved(output: ResolvedOutput, reached: (output: ResolvedOutput) => void): void {
    this.#inbox.push({ output, reached });
    this.wake();
  }

  /** Nothing more comes. @param failure  what ended it; undefined: its reader does not want more */
  end(failure: GridError | undefined): void {
    if (this.#isDone) return;
    this.#isEnded = true;
    if (failure === undefined) this.#isDone = true;
    else this.#failure = failure;
    this.#wakeFeeds();
    this.wake();
  }

  get hasRoom(): boolean {
    return this.#inbox.length < INBOX_MAX;
  }

  /** Resolves when the reader has taken something, or is done. */
  room(): Promise<void> {
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  /** Answers those who wait, as far as there is something for them. */
  wake(): void {
    while (this.#waiting.length > 0) {
      const [{ resolve, reject }] = this.#waiting as [Waiting<EntryEvent<K, V>>];
      try {
        const result = this.#step();
        if (result === undefined) return;
        this.#waiting.shift();
        resolve(result);
      } catch (error) {
        this.#waiting.shift();
        reject(error);
      }
    }
  }

  /** The next answer; undefined: it has not come yet. @throws what ended the subscription, once (event-reader E2) */
  #step(): IteratorResult<EntryEvent<K, V>> | undefined {
    if (this.#isDone) return DONE;
    try {
      const value = this.#nextEvent();
      if (value !== undefined) return { done: false, value };
    } catch (error) {
      this.#finish();
      throw error;
    }
    if (!this.#isEnded) return undefined;
    this.#finish();
    if (this.#failure !== undefined) throw this.#failure;
    return DONE;
  }

  #finish(): void {
    this.#isDone = true;
    this.#wakeFeeds();
    this.#host.onOver();
  }

  #nextEvent(): EntryEvent<K, V> | undefined {
    while (this.#batch === undefined || this.#next >= this.#batch.events.count) {
      this.#batch = undefined;
      const received = this.#host.isPlaced() ? this.#inbox.shift() : undefined;
      if (received === undefined) return undefined;
      this.#wakeFeeds();
      this.#take(received);
    }
    const { events, mapId = 0 } = this.#batch;
    return entryEvent<K, V>(events, this.#next++, this.#map, mapId, this.#places);
  }

  #take(received: EventsOutput | Resolved): void {
    if ('reached' in received) {
      this.#places.advance(received.output.partitions, received.output.sequences);
      received.reached(received.output);
      return;
    }
    this.#batch = received;
    this.#next = 0;
  }

  #wakeFeeds(): void {
    if (this.#roomWaiters.length === 0) return;
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const wake of waiters) wake();
  }
}
