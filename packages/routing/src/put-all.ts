/**
 * putAll: entries of one partition together or not at all; the caller encodes while members store.
 *
 *   take   each entry: key bytes, partition, the value as it is            nothing has left
 *   check  what was not encoded with the first message: can it be stored?  nothing has left
 *   send   partition by partition: values -> the member's builder -- full --> message -> a turn of the event loop
 *
 * put-all P1  All entries of a partition are in one message, in the order in which they were given.
 * put-all P2  What can be known before is refused before anything leaves: keys, values, sizes, an iterable that throws. A
 *             value that its owner changes meanwhile may still be refused later; then what has not left is not done.
 * put-all P3  Of one call at most WINDOW_BYTES a member are unanswered, and one message. Calls that fit in one message a
 *             member are encoded before they return.
 * put-all P4  A message is given to the queue of its member only while this has one: else each of its partitions finds its own way.
 */
import { CancelledError, GridError } from '@ashlar/core';
import { type Key, KeyWriter, storableBytes, UNCERTAIN, ValueWriter } from '@ashlar/serialization';
import { BATCH_OPERATIONS_LIMIT, OPCODE } from '@ashlar/transport';
import type { BatchBuilder, OperationExtras } from './batch-builder.ts';
import type { CallLimits } from './call-target.ts';
import { clientClosed } from './errors.ts';
import { GroupCall } from './group-call.ts';
import { checkKeyLength } from './key-checks.ts';
import type { MapHandle } from './map-handle.ts';
import type { MemberQueue } from './member-queue.ts';
import type { Router } from './router.ts';
import { Slices } from './slices.ts';

/** A message goes when it has so many bytes or operations: the member works on it while the next one is encoded. */
const MESSAGE_BYTES = 256 << 10;
const MESSAGE_OPERATIONS = 2048;
/** Unanswered bytes of one call, for each member. */
const WINDOW_BYTES = 4 << 20;
/** Of so many entries nothing is checked before it is encoded, unless they turn out to be long. */
const UNCHECKED = 1024;
/** Bytes of keys and values, about, that one putAll may hold. */
const HELD_BYTES_MAX = 1 << 30;
/** What an operation takes of a message besides key and value. */
const OPERATION_BYTES = 21;
/** An encoded value has at most so many times the bytes that it was checked with. */
const LONGEST_RATIO = 3;
const FIRST_CAPACITY = 64;

/**
 * Stores entries, all of one partition together or not at all.
 *
 * @throws (rejects with) GridError: as it was, where nothing was stored; PARTIAL with what became of the keys
 */
export async function putAll(
  router: Router,
  map: MapHandle,
  entries: Iterable<readonly [Key, unknown]>,
  extras: OperationExtras | undefined,
  limits: CallLimits,
): Promise<void> {
  if (router.isClosed) throw clientClosed();
  const group = new GroupCall(OPCODE.PUT, 'putAll', router.traced(limits), router);
  const call = new PutAll(router, map, extras, group);
  try {
    for (const [key, value] of entries) {
      if (group.done) break;
      call.take(key, value);
      const turn = call.slices.next();
      if (turn === undefined || (await turn)) continue;
      group.skip(countLeft(entries, call.count));
      break;
    }
    if (limits.signal?.aborted === true) throw new CancelledError('putAll');
    // Not awaited before: a short call is encoded by the time it returns (put-all P3).
    await call.send();
  } catch (error) {
    group.abandon(error);
  }
  group.close();
  await group.finished;
}

/** Entries behind the first `taken`, as far as their number is known without taking them. */
function countLeft(entries: Iterable<unknown>, taken: number): number {
  const { length, size } = entries as { readonly length?: unknown; readonly size?: unknown };
  const all = typeof length === 'number' ? length : size;
  return typeof all === 'number' ? Math.max(0, all - taken) : 0;
}

/** The entries of a call as they were given. */
class TakenEntries {
  readonly keys = new KeyWriter();
  readonly values: unknown[] = [];
  keyEnds = new Uint32Array(FIRST_CAPACITY);
  partitions = new Uint32Array(FIRST_CAPACITY);

  get count(): number {
    return this.values.length;
  }

  /** The key that was written last, with its value. */
  add(partition: number, value: unknown): void {
    const index = this.count;
    if (index === this.keyEnds.length) {
      this.keyEnds = grown(this.keyEnds);
      this.partitions = grown(this.partitions);
    }
    this.keyEnds[index] = this.keys.end;
    this.partitions[index] = partition;
    this.values.push(value);
  }

  /** Indexes by partition; those of one partition in their order. */
  byPartition(partitionCount: number): Uint32Array {
    const { count, partitions } = this;
    const next = new Uint32Array(partitionCount + 1);
    for (let index = 0; index < count; index++) next[partitions[index]! + 1]!++;
    for (let partition = 1; partition < partitionCount; partition++) next[partition]! += next[partition - 1]!;
    const order = new Uint32Array(count);
    for (let index = 0; index < count; index++) order[next[partitions[index]!]!++] = index;
    return order;
  }
}

function grown(column: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(column.length * 2);
  larger.set(column);
  return larger;
}

class PutAll {
  readonly #router: Router;
  readonly #map: MapHandle;
  readonly #extras: OperationExtras | undefined;
  readonly #group: GroupCall;
  readonly slices: Slices;
  readonly #taken = new TakenEntries();
  readonly #builders = new Map<MemberQueue | undefined, BatchBuilder>();
  /** By partition: about the bytes of what was checked. */
  #shares: Float64Array | undefined;
  #heldBytes = 0;
  /** Entries that were given to queues, and their bytes. */
  #sentEntries = 0;
  #sentBytes = 0;

  constructor(router: Router, map: MapHandle, extras: OperationExtras | undefined, group: GroupCall) {
    this.#router = router;
    this.#map = map;
    this.#extras = extras;
    this.#group = group;
    this.slices = new Slices(router, group);
  }

  /** Entries so far. */
  get count(): number {
    return this.#taken.count;
  }

  /** @throws GridError INVALID_KEY, KEY_TOO_LARGE, and those of the value */
  take(key: Key, value: unknown): void {
    const { keys } = this.#taken;
    keys.write(key);
    checkKeyLength(keys, this.#router.limits.keyBytesMax);
    const index = this.#group.askFor(key);
    this.#taken.add(this.#router.partitionOf(this.#map, keys.bytes, keys.start, keys.end), value);
    if (index >= UNCHECKED) this.#check(index);
  }

  /** Sends all that was taken, or, where the call's time is over, what has left by then. */
  async send(): Promise<void> {
    const order = this.#taken.byPartition(this.#router.partitionCount);
    let next = 0;
    try {
      while (next < order.length && !this.#group.done && !this.#group.isOverdue) {
        const partition = this.#taken.partitions[order[next]!]!;
        const queue = this.#router.queueOf(partition);
        const builder = this.#builderOf(queue);
        for (; next < order.length && this.#taken.partitions[order[next]!] === partition; next++) {
          this.#encode(builder, partition, order[next]!);
          const turn = this.slices.next();
          if (turn !== undefined) await turn;
        }
        if (builder.bytes < MESSAGE_BYTES && builder.count < MESSAGE_OPERATIONS) continue;
        if (this.#sentEntries === 0) await this.#checkAll(order, next);
        this.#dispatch(queue, builder);
        await this.slices.turn(this.#room());
      }
      if (this.#group.done) return;
      if (!this.#group.isOverdue) for (const [queue, builder] of this.#builders) this.#dispatch(queue, builder);
      this.#giveUp(order, next, this.#router.whatIsMissing());
    } catch (error) {
      if (this.#sentEntries === 0) throw error;
      this.#giveUp(order, next, GridError.wrap(error));
    }
  }

  #builderOf(queue: MemberQueue | undefined): BatchBuilder {
    let builder = this.#builders.get(queue);
    if (builder === undefined) this.#builders.set(queue, (builder = this.#router.newBuilder(true)));
    return builder;
  }

  #encode(builder: BatchBuilder, partition: number, index: number): void {
    const { keys, keyEnds, values } = this.#taken;
    builder.writeValue(values[index]);
    if (this.#router.isClosed) throw clientClosed();
    builder.writeKey(keys.bytes, index === 0 ? 0 : keyEnds[index - 1]!, keyEnds[index]!);
    builder.add(OPCODE.PUT, this.#map, partition, this.#extras, this.#group, index);
  }

  /** Gives what the builder holds to the queue. @throws GridError MESSAGE_TOO_LARGE: none of it was given */
  #dispatch(queue: MemberQueue | undefined, builder: BatchBuilder): void {
    if (builder.count === 0) return;
    if (this.#isTooLong(builder)) {
      this.#builders.delete(queue);
      this.#dispatchApart(queue, builder);
      return;
    }
    const { count, bytes, positions } = builder;
    this.#sentEntries += count;
    this.#sentBytes += bytes;
    this.#group.sends(positions, count);
    this.#router.dispatch(queue, builder);
  }

  /** Partition by partition. */
  #dispatchApart(queue: MemberQueue | undefined, all: BatchBuilder): void {
    const shares = new Map<number, BatchBuilder>();
    all.moveTo((partition) => {
      let share = shares.get(partition);
      if (share === undefined) shares.set(partition, (share = this.#router.newBuilder(true)));
      return share;
    }, this.#extras);
    for (const share of shares.values()) if (this.#isTooLong(share)) throw this.#tooMuch(share.wireBytes);
    for (const share of shares.values()) this.#dispatch(queue, share);
  }

  #isTooLong({ wireBytes, count }: Pick<BatchBuilder, 'wireBytes' | 'count'>): boolean {
    return wireBytes > this.#router.limits.messageBytesMax || count > BATCH_OPERATIONS_LIMIT;
  }

  /** Undefined: there is room for more of this call (put-all P3), and in the queues. */
  #room(): Promise<void> | undefined {
    const windowBytes = WINDOW_BYTES * Math.max(1, this.#router.table.members.length);
    const windowEntries = Math.floor((windowBytes / this.#sentBytes) * this.#sentEntries);
    return this.#group.whenSettled(this.#sentEntries - windowEntries) ?? this.#router.room();
  }

  /** What has not left will not: order[next, ...), and what builders hold. @param why  default: the time */
  #giveUp(order: Uint32Array, next: number, why?: GridError): void {
    for (const { positions, count } of this.#builders.values()) {
      for (let index = 0; index < count; index++) this.#group.giveUp(positions[index]!, why);
    }
    this.#builders.clear();
    for (let at = next; at < order.length; at++) this.#group.giveUp(order[at]!, why);
  }

  /* ---- What is refused before anything leaves (put-all P2) ---------------------------------------------------------- */

  /** Can all be stored? order[0, next) is encoded already. @throws GridError INVALID_VALUE, VALUE_TOO_LARGE, MESSAGE_TOO_LARGE */
  async #checkAll(order: Uint32Array, next: number): Promise<void> {
    if (next === order.length) return;
    for (let index = 0; index < Math.min(UNCHECKED, order.length); index++) {
      this.#check(index);
      const turn = this.slices.next();
      if (turn !== undefined) await turn;
    }
    await this.#measure(order);
  }

  #check(index: number): void {
    const { keyEnds, partitions, values } = this.#taken;
    const value = values[index];
    let bytes = storableBytes(value, this.#router.limits.valueBytesMax);
    if (bytes === UNCERTAIN) bytes = this.#encodedBytes(value);
    bytes += keyEnds[index]! - (index === 0 ? 0 : keyEnds[index - 1]!) + OPERATION_BYTES;
    this.#heldBytes += bytes;
    if (this.#heldBytes > HELD_BYTES_MAX) throw this.#tooMuch(this.#heldBytes);
    this.#shares ??= new Float64Array(this.#router.partitionCount);
    this.#shares[partitions[index]!]! += bytes;
  }

  /** @throws GridError INVALID_VALUE, VALUE_TOO_LARGE */
  #encodedBytes(value: unknown): number {
    return new ValueWriter(this.#router.limits.valueBytesMax).write(value);
  }

  /** Encodes the shares of partitions that may be too long for a message. @throws GridError MESSAGE_TOO_LARGE */
  async #measure(order: Uint32Array): Promise<void> {
    const { partitions } = this.#taken;
    const longest = this.#router.limits.messageBytesMax / LONGEST_RATIO;
    let measured = -1;
    let share: BatchBuilder | undefined;
    for (const index of order) {
      const partition = partitions[index]!;
      if (partition !== measured) {
        share = this.#shares![partition]! > longest ? this.#router.newBuilder(true) : undefined;
        measured = partition;
      }
      if (share === undefined) continue;
      this.#encode(share, partition, index);
      if (this.#isTooLong(share)) throw this.#tooMuch(share.wireBytes);
      const turn = this.slices.next();
      if (turn !== undefined) await turn;
    }
  }

  #tooMuch(bytes: number): GridError {
    const { messageBytesMax } = this.#router.limits;
    const limitBytes = bytes > HELD_BYTES_MAX ? HELD_BYTES_MAX : messageBytesMax;
    return new GridError('MESSAGE_TOO_LARGE', 'putAll has more entries than can be stored together', {
      hint: 'split them into several calls of, say, 100 000 entries, or use load, which stores each for itself',
      details: { bytes, limitBytes },
    });
  }
}
