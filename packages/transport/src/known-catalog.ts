/**
 * The version of the catalog as it travels with calls, in metadata both ways, and as a field of kv batches and their answers.
 *
 *   caller: ashlar-catalog: 17@GRID  -> door: behind? the call waits until its member has caught up -> handler
 *   door:   ashlar-catalog: 18@GRID in the trailer  -> caller: knows of 18, and comes with it from then on
 *
 * known-catalog N1  A call is handled by a member whose catalog is at least as new as its caller's, or not at all
 *                   (LEASE_EXPIRED, nothing was done).
 * known-catalog N2  Versions of another grid are neither older nor newer: nobody waits for one.
 */
import { GridError } from '@ashlar/core';
import { Metadata } from '@grpc/grpc-js';

const CATALOG_KEY = 'ashlar-catalog';
/** A version and the grid that it belongs to; without a grid: that of whoever is asked. */
const WRITTEN = /^(\d{1,16})(?:@(\S{1,512}))?$/;

export interface KnownCatalog {
  /** Id of the grid; empty: that of whoever is asked. */
  readonly gridId: string;
  readonly version: number;
}

/** What a caller knows of the grid's catalog. */
export interface CatalogKnowledge {
  /** Undefined: nothing. */
  known(): KnownCatalog | undefined;
  /** Takes note of the catalog's version that a member reports. */
  heard(catalog: KnownCatalog): void;
}

/** What the door of a member needs of its catalog. */
export interface CatalogDoor {
  known(): KnownCatalog;
  /**
   * Waits until the member's catalog is at that version.
   *
   * @param until  the caller's time, on the clock of performance.now()
   * @returns undefined: it is
   * @throws (rejects with) GridError LEASE_EXPIRED, CANCELLED
   */
  follow(
    version: number,
    until: { readonly deadlineMs?: number | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<void> | undefined;
}

export function writeCatalog(metadata: Metadata, { gridId, version }: KnownCatalog): void {
  if (version > 0) metadata.set(CATALOG_KEY, gridId === '' ? String(version) : `${version}@${gridId}`);
}

/** The trailer of an answer. */
export function catalogTrailer(door: CatalogDoor | undefined): Metadata | undefined {
  if (door === undefined) return undefined;
  const metadata = new Metadata();
  writeCatalog(metadata, door.known());
  return metadata;
}

/** @returns undefined: none is named @throws GridError INVALID_ARGUMENT */
export function catalogIn(metadata: Metadata): KnownCatalog | undefined {
  const text = metadata.get(CATALOG_KEY)[0];
  if (text === undefined) return undefined;
  const [, version, gridId = ''] = WRITTEN.exec(String(text)) ?? [];
  if (version === undefined || !Number.isSafeInteger(Number(version))) {
    throw new GridError('INVALID_ARGUMENT', `${CATALOG_KEY} is a version of the catalog, not ${JSON.stringify(text)}`);
  }
  return { gridId, version: Number(version) };
}

/** The version in a trailer; one that cannot be read counts as none: the answer is what matters. */
export function catalogTold(metadata: Metadata): KnownCatalog | undefined {
  try {
    return catalogIn(metadata);
  } catch {
    return undefined;
  }
}

/** Waits for what a caller knows of (known-catalog N1, N2). @returns undefined: it is here */
export function followed(
  caller: KnownCatalog | undefined,
  door: CatalogDoor | undefined,
  until: Parameters<CatalogDoor['follow']>[1],
): Promise<void> | undefined {
  if (caller === undefined || door === undefined) return undefined;
  const isOurs = caller.gridId === '' || caller.gridId === door.known().gridId;
  return isOurs ? door.follow(caller.version, until) : undefined;
}
