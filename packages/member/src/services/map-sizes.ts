/**
 * Sizes of maps: of what this member serves, and of the whole grid.
 *
 *   table -> its primaries, each with its partitions -> counted there, and vouched for -> sum
 *               '-- one has changed hands, or cannot vouch for it: again, by a newer table --^
 *
 * map-sizes Z1  Each partition is counted once, by whoever served it from the question until it was counted: else a partition that
 *               goes from one member to another is counted by neither, or by both.
 * map-sizes Z2  What is counted was the newest while leases covered it: they are looked at behind the count.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CatalogedMap, GridView } from '@ashlar/cluster';
import { GridError, MapDroppedError, type MapId, type MemberId, type PartitionId, type Version } from '@ashlar/core';
import type { Ownership } from '@ashlar/partitions';
import type { MemberStore } from '@ashlar/storage';
import type { CallContext, GridCalls, MapSizeRequest } from '@ashlar/transport';
import { servedEntries } from '../served-entries.ts';

const CALL_TIMEOUT_MS = 5000;
const AGAIN_MS = 50;
/** Who has been out of reach for longer, and still serves by the table, is cut off from this member alone: others may be asked. */
const TAKE_OVER_MS = 1500;
const NO_MAP = 0 as MapId;

export interface MapSize {
  readonly entries: number;
  readonly bytes: number;
}

export const NO_SIZE: MapSize = { entries: 0, bytes: 0 };

export interface MapSizesDependencies {
  readonly control: GridView;
  readonly ownership: Pick<Ownership, 'stamp' | 'checkRouted' | 'checkAll'>;
  readonly calls: GridCalls;
  readonly store: MemberStore;
  readonly clock: { now(): number };
}

/** What is asked of a member about its own. */
type Asked = Pick<MapSizeRequest, 'decided' | 'partitions' | 'tableVersion'>;

export class MapSizes {
  readonly #deps: MapSizesDependencies;

  constructor(deps: MapSizesDependencies) {
    this.#deps = deps;
  }

  /**
   * The size over all members that serve partitions.
   *
   * @param wanted  partitions that have to be served
   * @throws GridError MAP_DROPPED when the map is dropped while it is counted; PARTITION_LOST, MEMBER_UNREACHABLE; STALE_EPOCH,
   *   LEASE_EXPIRED: partitions went from member to member all the time
   */
  async ofGrid(map: CatalogedMap, decided: boolean, wanted: 'all' | 'notLost'): Promise<MapSize> {
    const { control } = this.#deps;
    const deadlineMs = performance.now() + CALL_TIMEOUT_MS;
    for (;;) {
      const waits = control.untilServed(wanted, { deadlineMs });
      if (waits !== undefined) await waits;
      try {
        return await this.#sumOf(map, decided);
      } catch (error) {
        if (!this.#mayMove(error) || performance.now() + AGAIN_MS >= deadlineMs) throw error;
        await sleep(AGAIN_MS, undefined, { ref: false });
        await control.refresh().catch(() => undefined);
      }
    }
  }

  /** map-sizes Z1 */
  async #sumOf({ name, id: mapId }: CatalogedMap, decided: boolean): Promise<MapSize> {
    const { owners, members, tableVersion } = this.#deps.control.table;
    const served = new Map<MemberId, number[]>();
    for (const [partition, [primary]] of owners.entries()) {
      const member = members[primary ?? -1]?.id;
      if (member === undefined) continue;
      const partitions = served.get(member);
      if (partitions === undefined) served.set(member, [partition]);
      else partitions.push(partition);
    }
    const sizes = [...served].map(([member, partitions]) => {
      const request = { map: name, grid: false, mapId, decided, partitions, tableVersion };
      return this.#deps.calls.to(member).admin.mapSize(request, { timeoutMs: CALL_TIMEOUT_MS });
    });
    return sum(await Promise.all(sizes));
  }

  /** Whoever serves the partitions next will answer. */
  #mayMove(error: unknown): boolean {
    if (GridError.is(error, 'STALE_EPOCH') || GridError.is(error, 'LEASE_EXPIRED')) return true;
    if (this.#deps.control.serving === undefined || !GridError.is(error, 'MEMBER_UNREACHABLE')) return false;
    const since = Date.parse(String(error.details?.['since']));
    return Number.isNaN(since) || Date.now() - since < TAKE_OVER_MS;
  }

  /**
   * The size here: of the partitions that a caller's table gives this member, or of all that it serves.
   *
   * @throws GridError MAP_DROPPED; STALE_EPOCH, LEASE_EXPIRED (map-sizes Z1, Z2)
   */
  async here(
    map: CatalogedMap,
    { decided = false, partitions = [], tableVersion = 0 }: Asked,
    { signal, deadlineMs }: Pick<CallContext, 'signal' | 'deadlineMs'>,
  ): Promise<MapSize> {
    const { control, ownership } = this.#deps;
    await control.waitForTable(tableVersion, { signal, deadlineMs });
    ownership.checkRouted(partitions, tableVersion);
    const { stamp } = ownership;
    if (decided) await this.#sealedIsDecided(map.id);
    const size = this.#own(map, partitions as readonly PartitionId[]);
    ownership.checkAll(partitions, stamp);
    return size;
  }

  /** Waits for what is sealed now: whoever writes and then asks finds its writes counted. */
  async #sealedIsDecided(id: MapId): Promise<void> {
    const { store, clock } = this.#deps;
    const { promise, resolve } = Promise.withResolvers<void>();
    if (!store.whenDecided(clock.now() as Version, store.undecidedPartitions(id), resolve)) await promise;
  }

  /** 0 for a map that could not be opened here yet. */
  #own({ id, name }: CatalogedMap, partitions: readonly PartitionId[]): MapSize {
    const { store, control } = this.#deps;
    if (!store.hasMap(id)) {
      const now = control.maps.get(name)?.id ?? NO_MAP;
      if (now === id) return NO_SIZE;
      throw new MapDroppedError(name, { mapId: id, now });
    }
    const bytes = store.mapBytes(id);
    if (partitions.length === 0) return { entries: servedEntries(store, control, id), bytes };
    const entries = partitions.reduce((total, partition) => total + store.entryCount(id, partition), 0);
    return { entries, bytes };
  }
}

function sum(sizes: readonly MapSize[]): MapSize {
  return sizes.reduce(
    (total, { entries, bytes }) => ({ entries: total.entries + entries, bytes: total.bytes + bytes }),
    NO_SIZE,
  );
}
