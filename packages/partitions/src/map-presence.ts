/** Maps that requests of other members name by their ids: here, heard of a moment ago elsewhere, or gone. */
import type { CatalogedMap, GridView } from '@ashlar/cluster';
import { MapDroppedError, type MapId } from '@ashlar/core';
import type { MemberStore } from '@ashlar/storage';

export interface PresenceParts {
  readonly control: GridView;
  readonly store: Pick<MemberStore, 'hasMap' | 'openMap'>;
}

/**
 * The map of an id once it is here; the coordinator is asked once where it was never heard of.
 *
 * @throws MapDroppedError; what asking the coordinator, or opening the map, fails with
 */
export type NeedMap = (mapId: MapId, name: string) => Promise<CatalogedMap>;

export function needMapOf(parts: PresenceParts): NeedMap {
  return async (mapId, name) => {
    const map = await parts.control.mapWithId(mapId, name);
    if (!parts.store.hasMap(mapId)) openHere(map, parts);
    return map;
  };
}

/**
 * Opens a map of the catalog that could not be opened when it was made. One that is gone by now is not.
 *
 * @throws MapDroppedError, OutOfMemoryError, GridError OVERLOADED
 */
export function openHere(map: CatalogedMap, { control, store }: PresenceParts): void {
  const now = control.maps.get(map.name)?.id ?? 0;
  if (now !== map.id) throw new MapDroppedError(map.name, { mapId: map.id, now });
  openMap(store, map);
}

/** Makes a map of the catalog here. @throws OutOfMemoryError, GridError OVERLOADED */
export function openMap(
  store: Pick<MemberStore, 'openMap'>,
  { id, affinityParts, ttlMs, maxIdleMs }: CatalogedMap,
): void {
  store.openMap(id, { affinityParts, ttlMs, maxIdleMs });
}
