/** An event of a batch as an object for the application; its token is made when it is read. */
import type { EntryEvent } from '@ashlar/api';
import { decodeKey, decodeValue } from '@ashlar/serialization';
import { EVENT_TYPES, type EventBatch } from '@ashlar/transport';
import type { HandedPlaces } from './handed-places.ts';

/**
 * Event `index` of `batch`, which is handed out by this.
 *
 * @param mapId  of the map whose event it is
 */
export function entryEvent<K, V>(
  batch: EventBatch,
  index: number,
  map: string,
  mapId: number,
  places: HandedPlaces,
): EntryEvent<K, V> {
  const { keyEnds, keys } = batch;
  const place = places.hand(batch.partitions[index]!, batch.sequences[index]!);
  const event = {
    type: EVENT_TYPES[batch.types[index]!],
    map,
    key: decodeKey(keys, index === 0 ? 0 : keyEnds[index - 1]!, keyEnds[index]!),
    value: valueAt(batch.values, batch.valueEnds, index),
    oldValue: valueAt(batch.oldValues, batch.oldValueEnds, index),
    version: batch.versions[index]!,
    get token(): string {
      return places.tokenOf(place, map, mapId);
    },
  };
  return event as unknown as EntryEvent<K, V>;
}

function valueAt(bytes: Uint8Array, ends: Uint32Array, index: number): unknown {
  const start = index === 0 ? 0 : ends[index - 1]!;
  const end = ends[index]!;
  return end > start ? decodeValue(bytes, start, end) : undefined;
}
