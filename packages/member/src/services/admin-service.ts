/** The admin service: getting to know the grid; sizes, clear and drop over all members. */
import { GridError, type MapId, type MemberId, type PartitionTable } from '@ashlar/core';
import type { MemberStore } from '@ashlar/storage';
import type { AdminService, Figure, HelloResponse, Limits, MapInfo } from '@ashlar/transport';
import type { GridControl } from '../control/grid-control.ts';
import type { Peers } from '../control/peers.ts';
import type { ChangeOutcome } from '../sql/change-runner.ts';
import { StateFeed } from './state-feed.ts';

export const PROTOCOL = { min: 1, max: 1 } as const;
const CALL_TIMEOUT_MS = 5000;
const NO_SIZE: MapSize = { entries: 0, bytes: 0 };

interface MapSize {
  readonly entries: number;
  readonly bytes: number;
}

export interface AdminDependencies {
  readonly control: GridControl;
  readonly peers: Peers;
  readonly store: MemberStore;
  readonly clock: { now(): number };
  readonly incarnation: string;
  /** Known once the door is open. */
  readonly address: () => string;
  readonly limits: Limits;
  /** What /metrics tells. */
  readonly figures: () => Promise<Figure[]>;
  /** Removes every entry of a map, over the whole grid. */
  readonly clearMap: (map: string, signal: AbortSignal) => Promise<ChangeOutcome>;
}

export function adminService(deps: AdminDependencies): AdminService {
  const { control, store, clock, incarnation, limits } = deps;
  const tables = new StateFeed<PartitionTable>();
  control.onChange(() => tables.publish(control.table));
  const elsewhere = (run: (id: MemberId) => Promise<MapSize>): Promise<MapSize[]> =>
    Promise.all(control.table.members.filter(({ id }) => id !== control.self).map(({ id }) => run(id)));
  return {
    async hello({ protocolMin, protocolMax }): Promise<HelloResponse> {
      if (protocolMin > PROTOCOL.max || protocolMax < PROTOCOL.min) {
        throw new GridError(
          'UNSUPPORTED_PROTOCOL',
          `the member speaks protocol ${PROTOCOL.min} to ${PROTOCOL.max}, the caller ${protocolMin} to ${protocolMax}`,
          {
            hint: 'use a client and a member of one release',
          },
        );
      }
      return {
        protocolMin: PROTOCOL.min,
        protocolMax: PROTOCOL.max,
        features: 0,
        gridId: control.state.gridId,
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
    async listMaps() {
      const infos = control.state.maps.map(async (map): Promise<MapInfo> => {
        const others = await elsewhere((id) => remoteSize(id, map.name));
        return { ...map, ...sum([ownSize(map.id), ...others]) };
      });
      return { maps: await Promise.all(infos) };
    },
    async mapSize({ map: name, grid }) {
      const map = control.maps.get(name) ?? (await control.mapNamed(name).catch(() => undefined));
      if (map === undefined) return NO_SIZE;
      const own = ownSize(map.id);
      return grid ? sum([own, ...(await elsewhere((id) => remoteSize(id, name)))]) : own;
    },
    async clear({ map: name }, { signal }) {
      if ((await control.mapNamed(name).catch(() => undefined)) === undefined)
        return { removed: 0, version: clock.now() };
      const { affected, version } = await deps.clearMap(name, signal);
      return { removed: affected, version };
    },
    stats: async () => ({ memberId: control.self, figures: await deps.figures() }),
    async dropMap({ map: name }) {
      await control.refresh().catch(() => undefined);
      const existed = control.maps.has(name);
      if (existed) await control.submit({ kind: 'dropMap', name });
      return { existed };
    },
    async dropColumns({ map: name }) {
      const map = control.maps.get(name);
      if (map !== undefined) store.dropColumns(map.id);
    },
  };

  function ownSize(map: MapId): MapSize {
    return { entries: store.entryCount(map), bytes: store.mapBytes(map) };
  }

  async function remoteSize(id: MemberId, map: string): Promise<MapSize> {
    const { admin } = deps.peers.to(id, control.table);
    return admin.mapSize({ map, grid: false }, { timeoutMs: CALL_TIMEOUT_MS });
  }
}

function sum(sizes: readonly MapSize[]): MapSize {
  return sizes.reduce((total, { entries, bytes }) => ({
    entries: total.entries + entries,
    bytes: total.bytes + bytes,
  }));
}
