/**
 * All subscriptions of a member: notifies those of a partition that it has new records, once a commit.
 *
 * event-hub H1  A subscription is notified of the partitions that it reads, from `open` to `close`, and of no others; a
 *               closed one of none.
 * event-hub H2  At most `subscriptionsMax` are open; what those that conflate keep together is within one budget, and what a
 *               closed one kept is given back.
 */
import { assert, GridError } from '@ashlar/core';
import { type LogSource, Subscription, type SubscriptionOptions } from './subscription.ts';

/** Bytes that conflating subscriptions of a member keep together. */
const CONFLATION_BYTES_MAX = 64 << 20;

export class EventHub {
  readonly #logs: LogSource;
  readonly #subscriptionsMax: number;
  readonly #byPartition: Set<Subscription>[];
  readonly #open = new Set<Subscription>();
  readonly #budget = { bytes: 0, bytesMax: CONFLATION_BYTES_MAX };

  constructor(logs: LogSource, options: { readonly partitionCount: number; readonly subscriptionsMax: number }) {
    this.#logs = logs;
    this.#subscriptionsMax = options.subscriptionsMax;
    this.#byPartition = Array.from({ length: options.partitionCount }, () => new Set());
  }

  get count(): number {
    return this.#open.size;
  }

  get subscriptionsMax(): number {
    return this.#subscriptionsMax;
  }

  /** Bytes that conflating subscriptions keep. */
  get conflatedBytes(): number {
    return this.#budget.bytes;
  }

  /** Log records that subscriptions have not read: of all together, and of the one that is furthest behind. */
  lag(): { readonly sum: number; readonly most: number } {
    let sum = 0;
    let most = 0;
    for (const { lagRecords } of this.#open) {
      sum += lagRecords;
      most = Math.max(most, lagRecords);
    }
    return { sum, most };
  }

  /** @throws GridError OVERLOADED, or what the first look at the logs throws */
  open(options: SubscriptionOptions): Subscription {
    if (this.#open.size >= this.#subscriptionsMax) {
      throw new GridError('OVERLOADED', `the member has ${this.#subscriptionsMax} subscriptions`, {
        hint: 'close subscriptions that are not read, or share one',
      });
    }
    const subscription = new Subscription(this.#logs, options, this.#budget);
    assert(
      subscription.partitions.every((partition) => this.#byPartition[partition] !== undefined),
      'event-hub H1: a subscription reads a partition that the grid has not',
    );
    for (const partition of subscription.partitions) this.#byPartition[partition]!.add(subscription);
    this.#open.add(subscription);
    return subscription;
  }

  close(subscription: Subscription): void {
    this.#open.delete(subscription);
    subscription.close();
    for (const partition of subscription.partitions) this.#byPartition[partition]!.delete(subscription);
    const isGivenBack = this.#open.size > 0 || this.#budget.bytes === 0;
    assert(isGivenBack, 'event-hub H2: nobody is open, and changes are kept');
  }

  /** Maps were made or dropped. */
  mapsChanged(): void {
    for (const subscription of this.#open) subscription.mapsChanged();
  }

  /** A batch was committed in a partition. */
  committed(partition: number): void {
    for (const subscription of this.#byPartition[partition]!) subscription.notify();
  }
}
