/** Figures of a store, for metrics and people. O(maps + partitions). */
import type { MemoryKindName } from './memory/accounts.ts';
import type { StoreCore } from './store-core.ts';

export interface MapStats {
  readonly mapId: number;
  readonly entries: number;
  /** Bytes by kind. */
  readonly bytes: Readonly<Record<MemoryKindName, number>>;
  readonly totalBytes: number;
}

export interface StoreStats {
  readonly maxBytes: number;
  /** Bytes in pages that nobody has. */
  readonly freeBytes: number;
  /** Bytes in slab pages, between blocks: usable by blocks of the same size class. */
  readonly slackBytes: number;
  /** Unlinked tables, chunks and regions that a reader may still see. */
  readonly retiredBytes: number;
  /** Maps, also dropped ones that still hold bytes. */
  readonly maps: readonly MapStats[];
  /** Bytes that belong to no map, by kind: log records, query memory. */
  readonly systemBytes: Readonly<Record<MemoryKindName, number>>;
  /** Records and the values they name. */
  readonly logBytes: number;
  /** About how much of `logBytes` is undecided or held by durable consumers. */
  readonly logKeptBytes: number;
  readonly logBytesMax: number;
  readonly snapshots: number;
  /** The lowest version an open snapshot reads; undefined when none is open. */
  readonly oldestSnapshot: number | undefined;
  readonly timers: number;
  readonly undecidedBatches: number;
  readonly partitionsOpen: number;
}

export function collectStats(core: StoreCore): StoreStats {
  const maps: MapStats[] = [];
  for (const [mapId, account] of core.accounts) {
    let entries = 0;
    for (const table of core.maps.get(mapId)?.tables ?? []) entries += table?.liveCount ?? 0;
    maps.push({ mapId, entries, bytes: account.toObject(), totalBytes: account.total });
  }
  const { oldest } = core.snapshots;
  return {
    maxBytes: core.arena.bytes,
    freeBytes: core.blocks.freeBytes,
    slackBytes: core.blocks.slackBytes,
    retiredBytes: core.epochs.retiredBytes,
    maps,
    systemBytes: core.systemAccount.toObject(),
    logBytes: core.logBudget.bytesUsed,
    logKeptBytes: core.logBudget.keptBytes,
    logBytesMax: core.logBudget.bytesMax,
    snapshots: core.snapshots.openCount,
    oldestSnapshot: oldest === Infinity ? undefined : oldest,
    timers: core.timers.count,
    undecidedBatches: core.undecidedBatches,
    partitionsOpen: core.partitions.reduce((sum, partition) => sum + (partition === undefined ? 0 : 1), 0),
  };
}
