/**
 * Many entries a call: getAll, processAll, putAll. They encode in slices of a few milliseconds, and wait while too much
 * is queued, so that a load of millions neither blocks the event loop nor fills the memory.
 */
import { CancelledError, GridError } from '@ashlar/core';
import { type Key, KeyWriter } from '@ashlar/serialization';
import { BATCH_OPERATIONS_LIMIT, isMutation, OPCODE } from '@ashlar/transport';
import type { BatchBuilder, OperationExtras } from './batch-builder.ts';
import type { CallLimits } from './call-target.ts';
import { pause } from './connections.ts';
import { clientClosed } from './errors.ts';
import { GroupCall } from './group-call.ts';
import type { MapHandle } from './map-handle.ts';
import type { MemberQueue } from './member-queue.ts';
import type { Router } from './router.ts';

const SLICE_MS = 5;
/** Entries between two looks at the clock. */
const SLICE_CHECK = 64;
/** How often a group that waits for room looks at the clock. */
const ROOM_CHECK_MS = 25;
/** Bytes that a text takes as a key besides those of its characters. */
const KEY_OTHER_BYTES = 8;
/** Up to this size putAll gathers by member; beyond it, by partition. */
const GATHER_BYTES_MAX = 512 << 10;

/** Lets the event loop turn when a slice is used up. */
class Slices {
  #count = 0;
  #startMs = performance.now();

  /** Undefined: go on; else wait for it: false means that the group's time is over. */
  next(router: Router, group: GroupCall): Promise<boolean> | undefined {
    if ((++this.#count & (SLICE_CHECK - 1)) !== 0) return undefined;
    const room = router.room();
    if (room === undefined && performance.now() - this.#startMs < SLICE_MS) return undefined;
    return this.#rest(room, group);
  }

  async #rest(room: Promise<void> | undefined, group: GroupCall): Promise<boolean> {
    group.feed();
    await roomOrEnd(room, group);
    if (group.isOverdue) return false;
    await new Promise((resolve) => setImmediate(resolve));
    group.feed();
    this.#startMs = performance.now();
    return true;
  }
}

/** Waits for room; not longer than the group's time. */
async function roomOrEnd(room: Promise<void> | undefined, group: GroupCall): Promise<void> {
  let hasRoom = room === undefined;
  while (!hasRoom && !group.done && !group.isOverdue) {
    hasRoom = await Promise.race([room!.then(() => true), pause(ROOM_CHECK_MS).then(() => false)]);
  }
}

/** One operation a key; results in the order of the keys. */
export async function forAll(
  router: Router,
  opcode: number,
  map: MapHandle,
  keys: Iterable<Key>,
  value: unknown,
  extras: OperationExtras | undefined,
  limits: CallLimits,
  what: string,
): Promise<readonly unknown[]> {
  if (router.isClosed) throw clientClosed();
  const all: readonly Key[] = Array.isArray(keys) ? keys : [...keys];
  if (isMutation(opcode)) checkKeys(all, router.limits.keyBytesMax);
  const group = new GroupCall(opcode, what, router.traced(limits), router, all);
  const slices = new Slices();
  try {
    for (let index = 0; index < all.length && !group.done; index++) {
      router.addTo(group, group.ask(), opcode, map, all[index]!, value, extras);
      const rest = slices.next(router, group);
      if (rest === undefined || (await rest)) continue;
      group.skip(all.length - index - 1, router.whatIsMissing());
      break;
    }
  } catch (error) {
    group.abandon(error);
  }
  group.close();
  return group.finished;
}

/** Keys of mutations are all checked before any of them is sent. @throws GridError INVALID_KEY, KEY_TOO_LARGE */
function checkKeys(keys: readonly Key[], keyBytesMax: number): void {
  const writer = new KeyWriter();
  for (const key of keys) {
    // Most keys are known to fit without being encoded: a character has at most three bytes.
    if (typeof key === 'number' ? !Number.isNaN(key) : typeof key === 'string' && isShort(key, keyBytesMax)) continue;
    writer.reset();
    writer.write(key);
    checkLength(writer, keyBytesMax);
  }
}

function isShort(key: string, keyBytesMax: number): boolean {
  return key.length * 3 + KEY_OTHER_BYTES <= keyBytesMax && key.isWellFormed();
}

/** @throws GridError KEY_TOO_LARGE */
function checkLength({ start, end }: KeyWriter, keyBytesMax: number): void {
  if (end - start <= keyBytesMax) return;
  throw new GridError('KEY_TOO_LARGE', `the key has ${end - start} bytes, this grid takes at most ${keyBytesMax}`, {
    hint: 'limits.keyBytes of the members',
    details: { limitBytes: keyBytesMax },
  });
}

/**
 * Stores entries, all of one partition together or not at all.
 *
 *   small: a builder a member                         large: a builder a partition
 *   entry -> key -> partition -> member's builder --> split --> partition's builder -> one message each
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
  const gathering = new Gathering(router, map, extras, group);
  const slices = new Slices();
  try {
    for (const [key, value] of entries) {
      if (group.done) break;
      gathering.add(key, value);
      const rest = slices.next(router, group);
      if (rest === undefined || (await rest)) continue;
      group.skip(countLeft(entries, gathering.count));
      break;
    }
    if (limits.signal?.aborted === true) throw new CancelledError('putAll');
    if (!group.done) await gathering.send();
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

class Gathering {
  readonly #router: Router;
  readonly #map: MapHandle;
  readonly #extras: OperationExtras | undefined;
  readonly #group: GroupCall;
  readonly #keys = new KeyWriter();
  /** By partition once `#byPartition`, else by primary (undefined: none). */
  #builders = new Map<number | MemberQueue | undefined, BatchBuilder>();
  #byPartition = false;
  #bytes = 0;
  /** Entries so far. */
  count = 0;

  constructor(router: Router, map: MapHandle, extras: OperationExtras | undefined, group: GroupCall) {
    this.#router = router;
    this.#map = map;
    this.#extras = extras;
    this.#group = group;
  }

  add(key: Key, value: unknown): void {
    const keys = this.#keys;
    keys.reset();
    keys.write(key);
    checkLength(keys, this.#router.limits.keyBytesMax);
    const partition = this.#router.partitionOf(this.#map, keys.bytes, keys.start, keys.end);
    const builder = this.#builderOf(this.#byPartition ? partition : this.#router.queueOf(partition));
    const before = builder.bytes;
    const { start, end } = keys;
    const position = this.#group.askFor(key);
    this.count++;
    builder.writeValue(value);
    if (this.#router.isClosed) throw clientClosed();
    builder.writeKey(keys.bytes, start, end);
    builder.add(OPCODE.PUT, this.#map, partition, this.#extras, this.#group, position);
    this.#bytes += builder.bytes - before;
    if (!this.#byPartition && builder.bytes > GATHER_BYTES_MAX) this.#split();
    this.#refuseTooMuch(builder);
  }

  #builderOf(place: number | MemberQueue | undefined): BatchBuilder {
    let builder = this.#builders.get(place);
    if (builder === undefined) this.#builders.set(place, (builder = this.#router.newBuilder(true)));
    return builder;
  }

  #refuseTooMuch(builder: BatchBuilder): void {
    const { messageBytesMax } = this.#router.limits;
    const isTooLong = builder.wireBytes > messageBytesMax || builder.count > BATCH_OPERATIONS_LIMIT;
    const partitionFull = this.#byPartition && isTooLong;
    if (!partitionFull && this.#bytes <= GATHERED_BYTES_MAX) return;
    throw new GridError('MESSAGE_TOO_LARGE', 'putAll has more entries than can be stored together', {
      hint: 'split them into several calls of, say, 100 000 entries',
      details: { bytes: this.#bytes, limitBytes: partitionFull ? messageBytesMax : GATHERED_BYTES_MAX },
    });
  }

  /** From now on entries are gathered by partition. */
  #split(): void {
    const old = this.#builders;
    this.#builders = new Map();
    this.#byPartition = true;
    for (const builder of old.values()) {
      builder.moveTo((partition) => this.#builderOf(partition), this.#extras);
    }
  }

  async send(): Promise<void> {
    for (const [place, builder] of this.#builders) {
      if (this.#group.done) return;
      if (this.#group.isOverdue) {
        const why = this.#router.whatIsMissing();
        for (let index = 0; index < builder.count; index++) this.#group.giveUp(builder.positions[index]!, why);
        continue;
      }
      const queue = typeof place === 'number' ? this.#router.queueOf(place) : place;
      this.#router.dispatch(queue, builder);
      this.#group.feed();
      await roomOrEnd(this.#router.room(), this.#group);
    }
  }
}

/** Bytes that one putAll may gather before it sends anything. */
const GATHERED_BYTES_MAX = 1 << 30;
