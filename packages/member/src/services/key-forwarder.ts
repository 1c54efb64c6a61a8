/** Single keys for whoever asks this member: at once where the key is here, through the router where it is not. */
import { DEFAULT_MAP_SETTINGS } from '@ashlar/cluster';
import type { PartitionId, TraceContext } from '@ashlar/core';
import type { KeyForwarder } from '@ashlar/kv';
import { COUNT } from '@ashlar/observe';
import { type EntryAnswer, NOTHING, type Router } from '@ashlar/routing';
import { decodeValue, encodeKey, encodeValue, type Key, partitionOf } from '@ashlar/serialization';
import { OPCODE } from '@ashlar/transport';
import type { MemberParts } from '../member-parts.ts';

export function keyForwarder({ control, store, metrics }: MemberParts, router: () => Promise<Router>): KeyForwarder {
  return {
    async get(name, key, trace) {
      control.requireComplete();
      const map = await control.mapNamed(name);
      const bytes = encodeKey(key);
      const partition = partitionOf(bytes, 0, bytes.length, map.affinityParts, control.partitionCount) as PartitionId;
      if (control.isMine(partition)) {
        const isFound = store.find(map.id, partition, bytes, 0, bytes.length);
        metrics.maps.of(map).counts[isFound ? COUNT.hits : COUNT.misses]!++;
        if (!isFound) return undefined;
        const { valueBytes, valueStart, valueEnd, version, expiresAt } = store.found;
        return { value: valueBytes.slice(valueStart, valueEnd), version, expiresAtMs: expiresAt / 1000 };
      }
      const entry = (await call(await router(), OPCODE.GET_ENTRY, name, key, { trace })) as EntryAnswer | undefined;
      if (entry === undefined) return undefined;
      return { value: encodeValue(entry.value), version: entry.version, expiresAtMs: entry.expiresAtMs ?? 0 };
    },
    async put(name, key, value, ttlMs, trace) {
      await control.mapFor(name, DEFAULT_MAP_SETTINGS, false);
      await call(await router(), OPCODE.PUT, name, key, { trace }, decodeValue(value), ttlMs);
    },
    async remove(name, key, trace) {
      control.requireComplete();
      await control.mapNamed(name);
      return (await call(await router(), OPCODE.REMOVE, name, key, { trace })) === true;
    },
  };
}

function call(
  router: Router,
  opcode: number,
  name: string,
  key: Key,
  limits: { readonly trace: TraceContext | undefined },
  value: unknown = NOTHING,
  ttlMs = 0,
): Promise<unknown> {
  const extras = ttlMs === 0 ? undefined : { ttlMs };
  return router.call(opcode, router.map(name, undefined), key, value, extras, limits);
}
