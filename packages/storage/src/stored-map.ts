/** A map as this member holds it: options, account, its tables by partition, the numbers of its columns. */
import type { MapId } from '@ashlar/core';
import { COLUMNS_MAX } from './layout.ts';
import type { ByteAccount } from './memory/accounts.ts';
import type { Ref } from './memory/arena.ts';
import type { SlotTable } from './slots/slot-table.ts';
import type { TableHost } from './slots/table-host.ts';

export interface MapOptions {
  /** How many leading elements of an array key choose its partition; 0: all. Kept for the catalog, not used here. */
  readonly affinityParts: number;
  /** Default time to live of its entries, counted from each write. */
  readonly ttlMs?: number | undefined;
  /** Milliseconds without a read or write after which an entry expires. */
  readonly maxIdleMs?: number | undefined;
}

export class StoredMap {
  readonly mapId: MapId;
  readonly options: MapOptions;
  readonly host: TableHost;
  /** Block of the references of the tables' headers, by partition. */
  readonly directory: Ref;
  /** By partition. */
  readonly tables: (SlotTable | undefined)[];
  /** Microseconds; 0: none. */
  readonly ttlUs: number;
  readonly maxIdleUs: number;
  readonly #columnNumbers = new Map<string, number>();
  readonly #columnPaths: string[] = [];

  constructor(mapId: MapId, options: MapOptions, host: TableHost, directory: Ref, partitionCount: number) {
    this.mapId = mapId;
    this.options = options;
    this.host = host;
    this.directory = directory;
    this.tables = new Array<SlotTable | undefined>(partitionCount).fill(undefined);
    this.ttlUs = Math.round((options.ttlMs ?? 0) * 1000);
    this.maxIdleUs = Math.round((options.maxIdleMs ?? 0) * 1000);
  }

  get account(): ByteAccount {
    return this.host.account;
  }

  /** Whether its entries may come to have deadlines without being asked for. */
  get hasDeadlines(): boolean {
    return this.ttlUs !== 0 || this.maxIdleUs !== 0;
  }

  /**
   * The number of a path's column, 0 .. COLUMNS_MAX - 1.
   *
   * @returns -1 when the path has none, or (create) all numbers are taken
   */
  columnNumber(pathText: string, create: boolean): number {
    const known = this.#columnNumbers.get(pathText);
    if (known !== undefined) return known;
    if (!create || this.#columnPaths.length === COLUMNS_MAX) return -1;
    const number = this.#columnPaths.length;
    this.#columnNumbers.set(pathText, number);
    this.#columnPaths.push(pathText);
    return number;
  }

  /** The paths that have columns; the index is the column's number. */
  get columnPaths(): readonly string[] {
    return this.#columnPaths;
  }
}
