/** Single keys for whoever asks this member: at once where the key is here, through the member's grid where it is not. */
import type { Grid, GridKey } from '@ashlar/api';
import { type CatalogedMap, DEFAULT_MAP_SETTINGS } from '@ashlar/cluster';
import type { CallScope, PartitionId } from '@ashlar/core';
import type { KeyForwarder } from '@ashlar/kv';
import { COUNT } from '@ashlar/observe';
import { decodeValue, encodeKey, encodeValue, partitionOf } from '@ashlar/serialization';
import type { EntryLook } from '@ashlar/sql-runtime';
import type { MemberParts } from '../member-parts.ts';

/** A forwarder that also looks at what is here. */
export interface MemberKeys extends KeyForwarder, EntryLook {}

type ForwardedEntry = NonNullable<Awaited<ReturnType<KeyForwarder['get']>>>;

export function keyForwarder(
  { control, store, metrics }: MemberParts,
  within: (scope: CallScope) => Promise<Grid>,
): MemberKeys {
  /** Undefined: it is not here, or nobody knows yet; else whether the store has found it. */
  const find = (map: CatalogedMap, key: Uint8Array): boolean | undefined => {
    const partition = partitionOf(key, 0, key.length, map.affinityParts, control.partitionCount) as PartitionId;
    if (!control.isMine(partition)) return undefined;
    const isFound = store.find(map.id, partition, key, 0, key.length);
    // What is due is absent once the record of that is committed: the grid's way waits for it.
    if (store.found.undecided !== undefined) return undefined;
    metrics.maps.of(map).counts[isFound ? COUNT.hits : COUNT.misses]!++;
    return isFound;
  };
  return {
    look(name, key) {
      const map = control.maps.get(name);
      const isFound = map === undefined || !store.hasMap(map.id) ? undefined : find(map, key);
      if (isFound === undefined) return 'unknown';
      return isFound ? store.found : undefined;
    },
    async get(name, key, scope) {
      control.requireComplete();
      const map = await control.mapNamed(name);
      const isFound = find(map, encodeKey(key));
      if (isFound !== undefined) return isFound ? foundIn(store) : undefined;
      const grid = await within(scope);
      const entry = await grid.map(name).getEntry(key as GridKey);
      if (entry === undefined) return undefined;
      return { value: encodeValue(entry.value), version: entry.version, expiresAtMs: entry.expiresAtMs ?? 0 };
    },
    async put(name, key, value, ttlMs, scope) {
      await control.mapFor(name, DEFAULT_MAP_SETTINGS, false);
      const grid = await within(scope);
      await grid.map(name).put(key as GridKey, decodeValue(value), ttlMs === 0 ? {} : { ttlMs });
    },
    async remove(name, key, scope) {
      control.requireComplete();
      await control.mapNamed(name);
      const grid = await within(scope);
      return grid.map(name).remove(key as GridKey);
    },
  };
}

function foundIn({ found }: MemberParts['store']): ForwardedEntry {
  const { valueBytes, valueStart, valueEnd, version, expiresAt } = found;
  return { value: valueBytes.slice(valueStart, valueEnd), version, expiresAtMs: expiresAt / 1000 };
}
