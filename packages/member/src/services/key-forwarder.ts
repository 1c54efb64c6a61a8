/** Single keys for whoever asks this member: at once where the key is here, through the member's grid where it is not. */
import type { Grid, GridKey } from '@ashlar/api';
import { DEFAULT_MAP_SETTINGS } from '@ashlar/cluster';
import type { CallScope, PartitionId } from '@ashlar/core';
import type { KeyForwarder } from '@ashlar/kv';
import { COUNT } from '@ashlar/observe';
import { decodeValue, encodeKey, encodeValue, partitionOf } from '@ashlar/serialization';
import type { MemberParts } from '../member-parts.ts';

type ForwardedEntry = NonNullable<Awaited<ReturnType<KeyForwarder['get']>>>;

export function keyForwarder(
  { control, store, metrics }: MemberParts,
  within: (scope: CallScope) => Promise<Grid>,
): KeyForwarder {
  return {
    async get(name, key, scope) {
      control.requireComplete();
      const map = await control.mapNamed(name);
      const bytes = encodeKey(key);
      const partition = partitionOf(bytes, 0, bytes.length, map.affinityParts, control.partitionCount) as PartitionId;
      if (control.isMine(partition)) {
        const isFound = store.find(map.id, partition, bytes, 0, bytes.length);
        // What is due is absent once the record of that is committed: the grid's way waits for it.
        if (store.found.undecided === undefined) {
          metrics.maps.of(map).counts[isFound ? COUNT.hits : COUNT.misses]!++;
          return isFound ? foundIn(store) : undefined;
        }
      }
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
