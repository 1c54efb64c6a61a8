/**
 * Brings outboxes of this member's listeners to the partitions they are for: over and over until they are taken.
 *
 *   outbox part -> deliveries of bounded size, one after the other -> by member, the deliveries of a turn in one message
 *                       '-- not taken: pause that doubles, who owns the partition now? --^
 *
 * outbox-relay O1  The deliveries of a part are sent one after the other; parts do not wait for each other.
 * outbox-relay O2  What cannot be taken by anyone, ever (a value longer than the target allows), is logged and left out; all
 *                  else is sent again until it is taken or the signal fires.
 * outbox-relay O3  At most MESSAGES_MAX messages a member are under way, of MESSAGE_BYTES each and a write more.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GridView } from '@ashlar/cluster';
import { GridError, type MemberId, type PartitionId } from '@ashlar/core';
import type { Delivery, ListenerId, Outbox, OutboxPart, PlacedWrite } from './listener-records.ts';

/** A member as deliveries reach it: this one, or another over the network. Answers aligned with the deliveries. */
export type Deliver = (
  member: MemberId,
  deliveries: readonly Delivery[],
) => Promise<readonly (GridError | undefined)[]>;

/** What becomes of a listener's outboxes, for whoever reports it. */
export interface RelayWatch {
  /** Writes were not taken, and are sent again. Called once for each attempt. */
  onDelay(partition: PartitionId, error: GridError): void;
  /** Writes can never be taken, and were left out. */
  onRefused(partition: PartitionId, writes: number, error: GridError): void;
}

export interface OutboxRelayOptions {
  readonly control: Pick<GridView, 'table' | 'refresh'>;
  readonly deliver: Deliver;
  readonly pauseFirstMs?: number;
}

interface Waiting {
  readonly delivery: Delivery;
  readonly bytes: number;
  readonly answer: (failure: GridError | undefined) => void;
}

interface MemberQueue {
  waiting: Waiting[];
  underWay: number;
  isScheduled: boolean;
}

const MESSAGE_BYTES = 512 * 1024;
const MESSAGES_MAX = 4;
const PAUSE_FIRST_MS = 20;
const PAUSE_MAX_MS = 2000;
/** Bytes that a write takes on its way, beside its key and value. */
const WRITE_OVERHEAD = 64;
/** Errors that no other attempt and no other member will avoid. */
const FINAL: ReadonlySet<string> = new Set([
  'KEY_TOO_LARGE',
  'VALUE_TOO_LARGE',
  'INVALID_KEY',
  'INVALID_VALUE',
  'INVALID_ARGUMENT',
  'MESSAGE_TOO_LARGE',
]);

export class OutboxRelay {
  readonly #options: OutboxRelayOptions;
  readonly #queues = new Map<MemberId, MemberQueue>();
  /** Writes that are not taken yet. */
  undelivered = 0;

  constructor(options: OutboxRelayOptions) {
    this.#options = options;
  }

  /**
   * Resolves when every write is taken, or left out for good.
   *
   * @throws GridError CANCELLED when the signal fired: what is left is still in the outbox
   */
  async deliver(
    listener: ListenerId,
    source: PartitionId,
    { incarnation, sequence, parts }: Outbox,
    watch: RelayWatch,
    signal: AbortSignal,
  ): Promise<void> {
    const step = { listener, source, incarnation, sequence };
    const bringing = parts.map((part) => this.#bring(step, part, watch, signal));
    const outcomes = await Promise.allSettled(bringing);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #bring(
    step: Pick<Delivery, 'listener' | 'source' | 'incarnation' | 'sequence'>,
    { partition, writes }: OutboxPart,
    watch: RelayWatch,
    signal: AbortSignal,
  ): Promise<void> {
    this.undelivered += writes.length;
    let left = writes.length;
    try {
      for (const [first, some, bytes] of piecesOf(writes)) {
        await this.#until({ ...step, partition, first, writes: some }, bytes, watch, signal);
        left -= some.length;
        this.undelivered -= some.length;
      }
    } finally {
      this.undelivered -= left;
    }
  }

  async #until(delivery: Delivery, bytes: number, watch: RelayWatch, signal: AbortSignal): Promise<void> {
    const { partition, writes } = delivery;
    const { control, pauseFirstMs = PAUSE_FIRST_MS } = this.#options;
    for (let pauseMs = pauseFirstMs; ; pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2)) {
      if (signal.aborted) throw givenUp();
      const failure = await this.#send(delivery, bytes);
      if (failure === undefined) return;
      if (FINAL.has(failure.code)) {
        if (writes.length === 1) {
          watch.onRefused(partition, 1, failure);
          return;
        }
        await this.#oneByOne(delivery, watch, signal);
        return;
      }
      watch.onDelay(partition, failure);
      if (failure.code === 'STALE_EPOCH') await control.refresh().catch(() => undefined);
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** Sends the writes one by one, because one of them is refused for good and the others are not. */
  async #oneByOne(delivery: Delivery, watch: RelayWatch, signal: AbortSignal): Promise<void> {
    for (const [index, write] of delivery.writes.entries()) {
      const alone = { ...delivery, first: delivery.first + index, writes: [write] };
      await this.#until(alone, bytesOf(write), watch, signal);
    }
  }

  #send(delivery: Delivery, bytes: number): Promise<GridError | undefined> {
    const { members, owners } = this.#options.control.table;
    const member = members[owners[delivery.partition]?.[0] ?? -1]?.id;
    if (member === undefined) return Promise.resolve(new GridError('STALE_EPOCH', 'the partition has no owner'));
    const queue = this.#queueOf(member);
    return new Promise((answer) => {
      queue.waiting.push({ delivery, bytes, answer });
      this.#schedule(member, queue);
    });
  }

  #queueOf(member: MemberId): MemberQueue {
    const known = this.#queues.get(member);
    if (known !== undefined) return known;
    const queue: MemberQueue = { waiting: [], underWay: 0, isScheduled: false };
    this.#queues.set(member, queue);
    return queue;
  }

  /** What is handed over in this turn travels together. */
  #schedule(member: MemberId, queue: MemberQueue): void {
    if (queue.isScheduled || queue.underWay >= MESSAGES_MAX) return;
    queue.isScheduled = true;
    setImmediate(() => {
      queue.isScheduled = false;
      while (queue.waiting.length > 0 && queue.underWay < MESSAGES_MAX) void this.#sendSome(member, queue);
      if (queue.waiting.length === 0 && queue.underWay === 0) this.#queues.delete(member);
    });
  }

  async #sendSome(member: MemberId, queue: MemberQueue): Promise<void> {
    const some = queue.waiting.splice(0, countWithin(queue.waiting));
    queue.underWay += 1;
    try {
      const answers = await this.#options.deliver(
        member,
        some.map(({ delivery }) => delivery),
      );
      for (const [index, { answer }] of some.entries()) answer(answers[index]);
    } catch (error) {
      const failure = GridError.wrap(error);
      for (const { answer } of some) answer(failure);
    } finally {
      queue.underWay -= 1;
      this.#schedule(member, queue);
    }
  }
}

function givenUp(): GridError {
  return new GridError('CANCELLED', 'the listener stops: its outbox is delivered when it goes on');
}

/** How many of them fit into a message; one does in any case. */
function countWithin(waiting: readonly Waiting[]): number {
  let bytes = 0;
  let count = 0;
  for (const one of waiting) {
    bytes += one.bytes;
    if (count > 0 && bytes > MESSAGE_BYTES) break;
    count += 1;
  }
  return count;
}

function bytesOf({ map, key, value }: PlacedWrite): number {
  return WRITE_OVERHEAD + map.length + key.length + (value?.length ?? 0);
}

/** Runs of writes that fit into a message: the number of the first, the writes, their bytes. */
function* piecesOf(writes: readonly PlacedWrite[]): Generator<readonly [number, readonly PlacedWrite[], number]> {
  for (let first = 0; first < writes.length; ) {
    let bytes = bytesOf(writes[first]!);
    let end = first + 1;
    for (; end < writes.length; end++) {
      const more = bytesOf(writes[end]!);
      if (bytes + more > MESSAGE_BYTES) break;
      bytes += more;
    }
    yield [first, writes.slice(first, end), bytes];
    first = end;
  }
}
