/** A subscription that is read as it comes: what it brought, and how it ended. */
import type { EntryEvent, GridKey, GridMap, SubscribeOptions } from '@ashlar/api';

export class EventLog<K extends GridKey, V> {
  readonly events: EntryEvent<K, V>[] = [];
  /** Resolves when the subscription stands on every partition; rejects when it fails before. */
  readonly ready: Promise<void>;
  /** The error that ended it; undefined: it ended in order. */
  readonly ended: Promise<unknown>;
  readonly #iterator: AsyncIterableIterator<EntryEvent<K, V>>;
  #wake: () => void = () => undefined;

  constructor(map: GridMap<K, V>, options: SubscribeOptions = {}) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    promise.catch(() => undefined);
    const onReady = (): void => {
      options.onReady?.();
      resolve();
    };
    this.#iterator = map.subscribe({ ...options, onReady });
    this.ended = this.#read().catch((error: unknown) => {
      reject(error);
      this.#wake();
      return error;
    });
  }

  static async open<K extends GridKey, V>(map: GridMap<K, V>, options: SubscribeOptions = {}): Promise<EventLog<K, V>> {
    const log = new EventLog(map, options);
    await log.ready;
    return log;
  }

  async #read(): Promise<undefined> {
    for await (const event of this.#iterator) {
      this.events.push(event);
      this.#wake();
    }
  }

  /** Waits until `count` events have come. */
  async until(count: number): Promise<readonly EntryEvent<K, V>[]> {
    const failure = this.ended.then((error) => {
      throw error ?? new Error(`the subscription ended after ${this.events.length} of ${count} events`);
    });
    failure.catch(() => undefined);
    while (this.events.length < count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await Promise.race([promise, failure]);
    }
    return this.events;
  }

  /** Ends the subscription and answers all that came. */
  async stop(): Promise<readonly EntryEvent<K, V>[]> {
    await this.#iterator.return!();
    await this.ended;
    return this.events;
  }
}
