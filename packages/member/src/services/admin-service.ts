/** The admin service: getting to know the grid; sizes, clear and drop over all members. */
import type { CatalogedMap, GridView } from '@ashlar/cluster';
import {
  GridError,
  MapDroppedError,
  type MapId,
  type MemberId,
  type PartitionTable,
  refuseSystemMap,
  type Version,
} from '@ashlar/core';
import { SharedPage } from '@ashlar/observe';
import type { ChangeOutcome } from '@ashlar/sql-runtime';
import type { MemberStore } from '@ashlar/storage';
import type { AdminService, CallContext, Figure, GridCalls, HelloResponse, Limits, MapInfo } from '@ashlar/transport';
import { servedEntries } from '../served-entries.ts';
import { replicasOf } from './replicas-info.ts';
import { StateFeed } from './state-feed.ts';

export const PROTOCOL = { min: 1, max: 1 } as const;
const CALL_TIMEOUT_MS = 5000;
const NO_MAP = 0 as MapId;
/** Least time between two answers that are costly to make; those in between share one. */
const SHARED_EVERY_MS = 50;
const NO_SIZE: MapSize = { entries: 0, bytes: 0 };

interface MapSize {
  readonly entries: number;
  readonly bytes: number;
}

export interface AdminDependencies {
  readonly control: GridView;
  readonly calls: GridCalls;
  readonly store: MemberStore;
  readonly clock: { now(): number };
  readonly incarnation: string;
  /** Known once the door is open. */
  readonly address: () => string;
  readonly limits: Limits;
  /** The figures of /metrics. */
  readonly figures: () => Promise<Figure[]>;
  /** Removes every entry of a map, over the whole grid. */
  readonly clearMap: (map: CatalogedMap, call: Pick<CallContext, 'signal' | 'deadlineMs'>) => Promise<ChangeOutcome>;
}

export function adminService(deps: AdminDependencies): AdminService {
  const { control, store, clock, incarnation, limits } = deps;
  const tables = new StateFeed<PartitionTable>();
  control.onTable((table) => tables.publish(table));
  const stats = new SharedPage(
    async () => ({ memberId: control.self, figures: await deps.figures() }),
    SHARED_EVERY_MS,
  );
  const maps = new SharedPage(async () => {
    control.requireComplete();
    const infos = control.catalog.maps.map(async (map): Promise<readonly MapInfo[]> => {
      try {
        return [{ ...map, ...(await gridSize(map, { decided: false, wanted: 'notLost' })) }];
      } catch (error) {
        // Dropped while it was asked for: there is no such map any more.
        if (GridError.is(error, 'MAP_DROPPED')) return [];
        throw error;
      }
    });
    return { maps: (await Promise.all(infos)).flat() };
  }, SHARED_EVERY_MS);
  return {
    async hello({ protocolMin, protocolMax }): Promise<HelloResponse> {
      checkProtocol('the caller', protocolMin, protocolMax);
      return {
        protocolMin: PROTOCOL.min,
        protocolMax: PROTOCOL.max,
        features: 0,
        gridId: control.table.gridId,
        incarnation,
        memberId: control.self,
        partitionCount: control.partitionCount,
        table: control.table,
        limits,
      };
    },
    getTable: async () => control.table,
    watchTable: ({ signal }) => tables.follow(signal),
    ping: async () => ({ memberId: control.self, address: deps.address(), version: clock.now() }),
    listMaps: maps.get,
    async mapSize({ map: name, grid, mapId = 0, decided = false }) {
      control.requireComplete();
      const map = mapId > 0 ? await control.mapWithId(mapId as MapId, name) : await mapIfAny(name);
      if (map === undefined) return NO_SIZE;
      if (grid) return gridSize(map, { decided: true, wanted: 'all' });
      if (decided) await sealedIsDecided(map.id);
      return ownSize(map);
    },
    async clear({ map: name }, { signal, deadlineMs }) {
      control.requireComplete();
      const map = await mapIfAny(name);
      if (map === undefined) return { removed: 0, version: clock.now() };
      const { affected, version } = await deps.clearMap(map, { signal, deadlineMs });
      return { removed: affected, version };
    },
    stats: stats.get,
    getReplicas: async () => replicasOf(control),
    async recover({ partitions }) {
      const { recovered } = await control.recover(partitions);
      return { recovered };
    },
    async dropMap({ map: name }) {
      refuseSystemMap(name);
      control.requireComplete();
      await control.confirm(`what has the name '${name}'`);
      const mapId = control.maps.get(name)?.id ?? NO_MAP;
      // Where it is gone already, too: when this is answered no member has it.
      await control.submit({ kind: 'dropMap', name, mapId });
      return { existed: mapId !== NO_MAP, mapId };
    },
    async dropColumns({ map: name }) {
      const map = control.maps.get(name);
      if (map !== undefined) store.dropColumns(map.id);
    },
  };

  /** Undefined: there is none. @throws GridError MEMBER_UNREACHABLE when that cannot be known */
  async function mapIfAny(name: string): Promise<CatalogedMap | undefined> {
    try {
      return await control.mapNamed(name);
    } catch (error) {
      if (GridError.is(error, 'UNKNOWN_MAP')) return undefined;
      throw error;
    }
  }

  /**
   * The size over all members that serve partitions.
   *
   * @param wanted  partitions that have to be served
   * @throws GridError MAP_DROPPED when the map is dropped while it is counted; PARTITION_LOST, MEMBER_UNREACHABLE
   */
  async function gridSize(
    { name, id: mapId }: CatalogedMap,
    { decided, wanted }: { readonly decided: boolean; readonly wanted: 'all' | 'notLost' },
  ): Promise<MapSize> {
    const sizeAt = (member: MemberId): Promise<MapSize> =>
      deps.calls.to(member).admin.mapSize({ map: name, grid: false, mapId, decided }, { timeoutMs: CALL_TIMEOUT_MS });
    const waits = control.untilServed(wanted, { deadlineMs: performance.now() + CALL_TIMEOUT_MS });
    if (waits !== undefined) await waits;
    const { owners, members } = control.table;
    const serving = new Set(owners.flatMap(([primary]) => primary ?? []));
    return sum(await Promise.all([...serving].map((index) => sizeAt(members[index]!.id))));
  }

  /** Waits for what is sealed now: whoever writes and then asks finds its writes counted. */
  async function sealedIsDecided(id: MapId): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (!store.whenDecided(clock.now() as Version, store.undecidedPartitions(id), resolve)) await promise;
  }

  /** The size of what this member has; 0 for a map that could not be opened here yet. */
  function ownSize({ id, name }: CatalogedMap): MapSize {
    if (store.hasMap(id)) return { entries: servedEntries(store, control, id), bytes: store.mapBytes(id) };
    const now = control.maps.get(name)?.id ?? NO_MAP;
    if (now === id) return NO_SIZE;
    throw new MapDroppedError(name, { mapId: id, now });
  }
}

/** @param who  for the error: "the caller" @throws GridError UNSUPPORTED_PROTOCOL when there is none that both speak */
export function checkProtocol(who: string, min: number, max: number): void {
  if (min <= PROTOCOL.max && max >= PROTOCOL.min) return;
  throw new GridError(
    'UNSUPPORTED_PROTOCOL',
    `the member speaks protocol ${PROTOCOL.min} to ${PROTOCOL.max}, ${who} ${min} to ${max}`,
    { hint: 'use the same release for all members and clients of a grid' },
  );
}

function sum(sizes: readonly MapSize[]): MapSize {
  return sizes.reduce(
    (total, { entries, bytes }) => ({ entries: total.entries + entries, bytes: total.bytes + bytes }),
    NO_SIZE,
  );
}
