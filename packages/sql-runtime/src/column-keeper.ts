/**
 * Pages for the columns that queries make, and the columns they made: lent to a task, published or taken back after it.
 *
 * column-keeper K1  Every leased run is published or returned exactly once, whatever becomes of its task.
 * column-keeper K2  Runs are lent for chunks that lack a wanted column or were written to since; when memory is short no
 *                   more are, and the scan reads the values' bytes.
 */
import type { MapId, PartitionId } from '@ashlar/core';
import type { ScanColumn } from '@ashlar/sql-plan';
import { type ColumnOffer, type MemberStore, publishColumns, runsWanted, StoreReader } from '@ashlar/storage';

/** The most runs one task borrows: some 12 MiB. */
const RUNS_MAX = 256;
/** Most combinations of columns that are remembered as being there. */
const WARM_MAX = 1000;

export interface ColumnLease {
  readonly leasedPages: readonly Int32Array[];
  /** The number of each scan column in its map; -1: never kept. */
  readonly columnNumbers: readonly number[];
  /** Publishes what the task made and takes the rest back. */
  settle(made: { readonly columnOffers: readonly ColumnOffer[]; readonly unusedPages: readonly Int32Array[] }): void;
  /** The task failed: nothing of it is kept. */
  giveBack(): void;
}

export class ColumnKeeper {
  readonly #store: MemberStore;
  /** Reads on the writer's own thread: nothing is freed under it. */
  readonly #reader: StoreReader;
  /** By map and columns: where they were all there, and at which count of the map's changes. */
  readonly #warm = new Map<string, { readonly changes: number; readonly partitions: readonly PartitionId[] }>();

  /** @param workerIndex  a reader's number that no worker has */
  constructor(store: MemberStore, workerIndex: number) {
    this.#store = store;
    this.#reader = StoreReader.attach(store.handle, workerIndex);
  }

  lease(mapId: MapId, columns: readonly ScanColumn[], partitions: readonly PartitionId[]): ColumnLease {
    const columnNumbers = columns.map((column) => this.#numberOf(mapId, column));
    const leasedPages: Int32Array[] = [];
    const wanted = new Set(columnNumbers.filter((number) => number >= 0));
    for (const partition of partitions) {
      if (!this.#leaseFor(mapId, partition, wanted, leasedPages)) break;
    }
    const store = this.#store;
    return {
      leasedPages,
      columnNumbers,
      settle: ({ columnOffers, unusedPages }) => publishColumns(store, { offers: columnOffers, unusedPages }),
      giveBack: () => {
        for (const pages of leasedPages) store.returnPages(pages);
      },
    };
  }

  /** A lease of nothing, when every wanted column is there and nothing was written since; else undefined. */
  warmLease(mapId: MapId, columns: readonly ScanColumn[], partitions: readonly PartitionId[]): ColumnLease | undefined {
    const columnNumbers = columns.map((column) => this.#numberOf(mapId, column));
    if (!this.#isWarm(mapId, columnNumbers, partitions)) return undefined;
    return { leasedPages: [], columnNumbers, settle: () => undefined, giveBack: () => undefined };
  }

  /** Looked for again only after a change: there may be thousands of chunks. */
  #isWarm(mapId: MapId, columnNumbers: readonly number[], partitions: readonly PartitionId[]): boolean {
    const changes = this.#store.changeCount(mapId);
    const key = `${mapId}:${columnNumbers.join()}`;
    const known = this.#warm.get(key);
    if (known !== undefined && known.changes === changes && isSame(known.partitions, partitions)) return true;
    const wanted = new Set(columnNumbers.filter((number) => number >= 0));
    if (!partitions.every((partition) => this.#hasAll(mapId, partition, wanted))) return false;
    if (this.#warm.size >= WARM_MAX) this.#warm.clear();
    this.#warm.set(key, { changes, partitions });
    return true;
  }

  #hasAll(mapId: MapId, partition: PartitionId, wanted: ReadonlySet<number>): boolean {
    const table = this.#reader.table(mapId, partition);
    if (table === undefined) return true;
    for (let index = 0; index < table.chunkCount; index++) {
      const chunk = table.chunk(index);
      for (const number of wanted) if (runsWanted(chunk, number).length > 0) return false;
    }
    return true;
  }

  #numberOf(mapId: MapId, column: ScanColumn): number {
    if (column.source === 'path') return this.#store.columnNumber(mapId, JSON.stringify(column.path), true);
    return column.source === 'key' ? this.#store.columnNumber(mapId, KEY_COLUMN, true) : -1;
  }

  /** @returns whether there is room for more */
  #leaseFor(mapId: MapId, partition: PartitionId, wanted: ReadonlySet<number>, leased: Int32Array[]): boolean {
    const table = this.#reader.table(mapId, partition);
    if (table === undefined) return true;
    for (let index = 0; index < table.chunkCount; index++) {
      const chunk = table.chunk(index);
      for (const number of wanted) {
        for (const length of runsWanted(chunk, number)) {
          if (leased.length >= RUNS_MAX) return false;
          const pages = this.#store.leasePages(length, mapId);
          if (pages === undefined) return false;
          leased.push(pages);
        }
      }
    }
    return true;
  }
}

function isSame(some: readonly PartitionId[], others: readonly PartitionId[]): boolean {
  return some.length === others.length && some.every((partition, index) => partition === others[index]);
}

/** Name of the key's column: no path is written like it. */
const KEY_COLUMN = 'key';
