/**
 * How a call gets into a batch: its key says the partition, that its primary's queue, that a builder.
 *
 *   key -> partition -> queue -> builder: value, key, operation -> the queue sends it, or the router where there is no queue
 *
 * call-writer C1  A call that a getter makes while its value is written takes nothing of the call under way: neither its key
 *                 nor its bytes. It has a key writer and a batch of its own.
 * call-writer C2  Nothing is added once the router is closed, also where a getter of the value closed it.
 */
import { type Key, KeyWriter } from '@ashlar/serialization';
import type { BatchBuilder, OperationExtras } from './batch-builder.ts';
import type { CallTarget } from './call-target.ts';
import { clientClosed } from './errors.ts';
import type { MapHandle } from './map-handle.ts';
import type { MemberQueue } from './member-queue.ts';

/** The router, as it is needed here. */
export interface CallPlaces {
  readonly isClosed: boolean;
  partitionOf(map: MapHandle, bytes: Uint8Array, start: number, end: number): number;
  queueOf(partition: number): MemberQueue | undefined;
  newBuilder(atomic: boolean, consistency: number): BatchBuilder;
  dispatch(queue: MemberQueue | undefined, builder: BatchBuilder): void;
}

export class CallWriter {
  readonly #places: CallPlaces;
  readonly #keys = new KeyWriter();
  /** A call is being written: user code may run, in the getters of its value. */
  #isWriting = false;

  constructor(places: CallPlaces) {
    this.#places = places;
  }

  /** @throws GridError INVALID_KEY, INVALID_VALUE, VALUE_TOO_LARGE, CLIENT_CLOSED: nothing was added */
  add(
    opcode: number,
    map: MapHandle,
    key: Key,
    value: unknown,
    extras: OperationExtras | undefined,
    readBackup: boolean,
    target: CallTarget,
    position: number,
  ): void {
    const places = this.#places;
    const isNested = this.#isWriting;
    const keys = isNested ? new KeyWriter() : this.#keys;
    this.#isWriting = true;
    try {
      keys.reset();
      keys.write(key);
      const partition = places.partitionOf(map, keys.bytes, keys.start, keys.end);
      const queue = places.queueOf(partition);
      const gathers = queue !== undefined && !isNested;
      const builder = gathers ? queue.builderFor(opcode, readBackup) : places.newBuilder(false, readBackup ? 1 : 0);
      builder.writeValue(value);
      if (places.isClosed) throw clientClosed();
      builder.writeKey(keys.bytes, keys.start, keys.end);
      builder.add(opcode, map, partition, extras, target, position);
      if (gathers) queue.added(builder);
      else places.dispatch(queue, builder);
    } finally {
      this.#isWriting = isNested;
    }
  }
}
