/** A batch of events as objects for the application; tokens are made when they are read. */
import type { EntryEvent } from '@ashlar/api';
import { decodeKey, decodeValue } from '@ashlar/serialization';
import { EVENT_TYPES, type EventBatch } from '@ashlar/transport';
import { encodeToken } from './token.ts';

/**
 * @param mapId         of the map whose events they are
 * @param handed        positions by partition, moved on event by event as they are taken
 * @param incarnations  by partition
 */
export function* eventsOf<K, V>(
  batch: EventBatch,
  map: string,
  mapId: number,
  handed: Float64Array,
  incarnations: Float64Array,
): Generator<EntryEvent<K, V>, void, undefined> {
  const before = handed.slice();
  const incarnationsThen = incarnations.slice();
  const tokenAt = (index: number): string => {
    const sequences = before.slice();
    for (let at = 0; at <= index; at++) sequences[batch.partitions[at]!] = batch.sequences[at]!;
    return encodeToken({ map, mapId, incarnations: incarnationsThen, sequences });
  };
  for (let index = 0; index < batch.count; index++) {
    handed[batch.partitions[index]!] = batch.sequences[index]!;
    yield eventAt<K, V>(batch, index, map, tokenAt);
  }
}

function eventAt<K, V>(
  batch: EventBatch,
  index: number,
  map: string,
  tokenAt: (index: number) => string,
): EntryEvent<K, V> {
  const { keyEnds, keys } = batch;
  const event = {
    type: EVENT_TYPES[batch.types[index]!],
    map,
    key: decodeKey(keys, index === 0 ? 0 : keyEnds[index - 1]!, keyEnds[index]!),
    value: valueAt(batch.values, batch.valueEnds, index),
    oldValue: valueAt(batch.oldValues, batch.oldValueEnds, index),
    version: batch.versions[index]!,
    get token(): string {
      return tokenAt(index);
    },
  };
  return event as unknown as EntryEvent<K, V>;
}

function valueAt(bytes: Uint8Array, ends: Uint32Array, index: number): unknown {
  const start = index === 0 ? 0 : ends[index - 1]!;
  const end = ends[index]!;
  return end > start ? decodeValue(bytes, start, end) : undefined;
}
