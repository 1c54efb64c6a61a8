/** The admin service: getting to know the grid; sizes, clear and drop over all members. */
import type { CatalogedMap } from '@ashlar/cluster';
import { GridError, type MapId, type PartitionTable, refuseSystemMap } from '@ashlar/core';
import { SharedPage } from '@ashlar/observe';
import type { ChangeOutcome } from '@ashlar/sql-runtime';
import type { AdminService, CallContext, Figure, HelloResponse, Limits, MapInfo } from '@ashlar/transport';
import { MapSizes, type MapSizesDependencies, NO_SIZE } from './map-sizes.ts';
import { replicasOf } from './replicas-info.ts';
import { StateFeed } from './state-feed.ts';

export const PROTOCOL = { min: 1, max: 1 } as const;
const NO_MAP = 0 as MapId;
/** Least time between two answers that are costly to make; those in between share one. */
const SHARED_EVERY_MS = 50;

export interface AdminDependencies extends MapSizesDependencies {
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
  const sizes = new MapSizes(deps);
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
        return [{ ...map, ...(await sizes.ofGrid(map, false, 'notLost')) }];
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
    async mapSize({ map: name, grid, mapId = 0, ...asked }, context) {
      control.requireComplete();
      const map = mapId > 0 ? await control.mapWithId(mapId as MapId, name) : await mapIfAny(name);
      if (map === undefined) return NO_SIZE;
      return grid ? sizes.ofGrid(map, true, 'all') : sizes.here(map, asked, context);
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
