/**
 * One member's store: the writer's door. Main thread only; every call is bounded, what takes longer is left for
 * reclaim() and sweepExpired(), which the member calls in slices. No I/O, no timers, no time of its own.
 */
import { assert, type Epoch, type MapId, type PartitionId, type Version } from '@ashlar/core';
import type { BatchHeader } from './batch/batch-header.ts';
import { WriteBatch } from './batch/write-batch.ts';
import { publishRegion } from './columns/chunk-columns.ts';
import { assertColumn, assertCount, assertSlice } from './edge-asserts.ts';
import { EntryFinder } from './entry-finder.ts';
import { EntryPrefetcher } from './entry-prefetcher.ts';
import { sweepExpired } from './expiry.ts';
import { checkStore } from './invariants.ts';
import { WORKERS_MAX } from './layout.ts';
import { RecordCause } from './log/log-record.ts';
import type { RecordFrame } from './log/record-frame.ts';
import { entryCount, hasVersions, visitKeys } from './map-contents.ts';
import type { Ref } from './memory/arena.ts';
import { PageLeases } from './memory/page-leases.ts';
import type { PartitionRole } from './partition.ts';
import { closePartition, dropUndecided, openPartition, type PartitionOptions } from './partition-roles.ts';
import type { FoundEntry } from './slots/found-entry.ts';
import {
  openAt,
  openSnapshot,
  type PinnedSnapshot,
  pin,
  resolvedVersion,
  undecidedAt,
  whenDecided,
} from './snapshot-opening.ts';
import { type CommitListener, StoreCore, type StoreOptions } from './store-core.ts';
import type { StoreHandle } from './store-reader.ts';
import { StoreReplicas } from './store-replicas.ts';
import { collectStats, type StoreStats } from './store-stats.ts';
import type { MapOptions } from './stored-map.ts';

/** What it reads of the logs is StoreLogs; what it keeps for other members, and they for it, StoreReplicas. */
export class MemberStore extends StoreReplicas {
  readonly handle: StoreHandle;
  readonly found: FoundEntry;
  readonly #core: StoreCore;
  readonly #finder: EntryFinder;
  readonly #prefetcher: EntryPrefetcher;
  readonly #leases: PageLeases;

  private constructor(options: StoreOptions) {
    const core = new StoreCore(options);
    super(core);
    this.#core = core;
    this.#leases = new PageLeases(core);
    this.handle = {
      segments: core.arena.segments.map((segment) => segment.buffer),
      hashSeed: options.hashSeed,
      partitionCount: options.partitionCount,
      maxWorkers: options.maxWorkers,
    };
    this.#finder = new EntryFinder(core);
    this.#prefetcher = new EntryPrefetcher(core);
    this.found = this.#finder.found;
  }

  /** @throws GridError INVALID_CONFIG, INSUFFICIENT_MEMORY */
  static create(options: StoreOptions): MemberStore {
    const { maxWorkers, partitionCount, hashSeed } = options;
    assertCount(maxWorkers, 0);
    assert(maxWorkers <= WORKERS_MAX, `at most ${WORKERS_MAX} workers read`);
    assertCount(partitionCount, 1);
    assert(hashSeed >>> 0 === hashSeed, 'a hash seed has 32 bits');
    return new MemberStore(options);
  }

  /* ---- Maps and partitions ------------------------------------------------------------------------------------------ */

  /** @throws GridError MAP_CONFLICT when it is open already; OutOfMemoryError */
  openMap(mapId: MapId, options: MapOptions): void {
    this.#core.openMap(mapId, options);
  }

  /**
   * Takes the map with everything in it out of sight, without records; its memory comes back through reclaim(). What is
   * staged in it may still be committed or aborted; what would be staged is refused (MAP_DROPPED).
   *
   * @throws MapDroppedError, UnknownMapError when it is not here
   */
  dropMap(mapId: MapId): void {
    this.#core.dropMap(mapId);
  }

  hasMap(mapId: MapId): boolean {
    return this.#core.maps.has(mapId);
  }

  /** Ids of the maps that are here. */
  get mapIds(): MapId[] {
    return [...this.#core.maps.keys()] as MapId[];
  }

  /**
   * Makes the partition this member's, with an empty log; or, if it is open, raises its epoch.
   *
   * @throws GridError OVERLOADED when too many batches are under way for a first backup
   */
  openPartition(partitionId: PartitionId, epoch: Epoch, options: PartitionOptions = {}): void {
    openPartition(this.#core, partitionId, epoch, options);
  }

  /**
   * What is undecided in a partition is lost from a batch on: it is undone from the back. Batches that staged elsewhere too
   * go on without the partition, and name it in `lostPartitions`.
   *
   * @param first  sealed or open, and undecided there
   */
  dropUndecided(partitionId: PartitionId, first: WriteBatch): void {
    dropUndecided(this.#core, partitionId, first);
  }

  /**
   * The partition leaves this member: its tables in all maps and its log go. What is staged in it is undone, from the
   * back; batches that staged elsewhere too go on without it.
   */
  closePartition(partitionId: PartitionId): void {
    closePartition(this.#core, partitionId);
  }

  /** Undefined: it is not here. */
  epochOf(partitionId: PartitionId): Epoch | undefined {
    return this.#core.epochOf(partitionId);
  }

  /** Undefined: it is not here. */
  roleOf(partitionId: PartitionId): PartitionRole | undefined {
    return this.#core.partitions[partitionId]?.role;
  }

  isPartitionOpen(partitionId: PartitionId): boolean {
    return this.#core.partitions[partitionId] !== undefined;
  }

  /** Whether another batch is staging in the partition: begin() an own one there once it is sealed. */
  isPartitionBusy(partitionId: PartitionId): boolean {
    return this.#core.partitions[partitionId]?.openBatch !== undefined;
  }

  /** Live entries of a map, in one partition or in all that are here. */
  entryCount(mapId: MapId, partitionId?: PartitionId): number {
    return entryCount(this.#core, mapId, partitionId);
  }

  /** Partitions in which something of the map is staged that may not be decided. */
  undecidedPartitions(mapId: MapId): PartitionId[] {
    const undecided: PartitionId[] = [];
    for (const table of this.#core.maps.get(mapId)?.tables ?? [])
      if (table !== undefined && table.undecided > 0) undecided.push(table.partitionId as PartitionId);
    return undecided;
  }

  /**
   * Whether some open snapshot may see an entry of the map in the partition. Not what lives there now: a snapshot sees
   * also what was removed since.
   */
  hasVersions(mapId: MapId, partitionId: PartitionId): boolean {
    return hasVersions(this.#core, mapId, partitionId);
  }

  /**
   * A number that rises with every change of the map's entries and columns; while it stays, so do they. What is committed
   * and not patched yet counts later.
   */
  changeCount(mapId: MapId): number {
    return this.#core.maps.get(mapId)?.host.changes ?? 0;
  }

  /**
   * A number that rises with every change of the map's entries which may have changed what paths its documents have, and which
   * kinds of values are there. While it is watched, a document in the place of one of the same shape leaves it as it is. Counts
   * as changeCount() does.
   */
  reshapeCount(mapId: MapId): number {
    return this.#core.maps.get(mapId)?.host.reshapes ?? 0;
  }

  /** Watches the shapes of the map's documents for so many changes from now on: each costs about a microsecond. */
  watchShapes(mapId: MapId, changes: number): void {
    const map = this.#core.maps.get(mapId);
    if (map !== undefined) map.host.watchedChanges = changes;
  }

  /** Whether every committed change is counted in changeCount() already. */
  get isSettled(): boolean {
    return this.#core.patchQueue.length === 0;
  }

  /** Bytes of the arena that a map takes: entries, older versions, log, columns. */
  mapBytes(mapId: MapId): number {
    return this.#core.accounts.get(mapId)?.total ?? 0;
  }

  /* ---- Reading the newest -------------------------------------------------------------------------------------------- */

  /** As EntryFinder.find() with what is committed. @throws GridError STALE_EPOCH where the partition is not here */
  find(
    mapId: MapId,
    partitionId: PartitionId,
    key: Uint8Array,
    start: number,
    end: number,
    within?: WriteBatch,
  ): boolean {
    return this.#finder.find(mapId, partitionId, key, start, end, within, false);
  }

  /** As find(), sealed changes included: what conditions, processors and a session's own reads see. */
  findNewest(
    mapId: MapId,
    partitionId: PartitionId,
    key: Uint8Array,
    start: number,
    end: number,
    within?: WriteBatch,
  ): boolean {
    return this.#finder.find(mapId, partitionId, key, start, end, within, true);
  }

  /** Keys [first, first + count) of a map are about to be visited: their memory is fetched for all at once. As EntryPrefetcher. */
  prefetch(
    mapId: MapId,
    partitions: Uint32Array,
    keys: Uint8Array,
    keyEnds: Uint32Array,
    first: number,
    count: number,
  ): void {
    this.#prefetcher.prefetch(mapId, partitions, keys, keyEnds, first, count);
  }

  /** The runs of a frame are about to be applied: memory of what they change is fetched for all at once. */
  prefetchFrame(frame: RecordFrame): void {
    this.#prefetcher.prefetchFrame(frame);
  }

  /**
   * Writes the expiry of a key that is due, for a batch that applies as a whole and has staged nothing in the partition
   * yet: put() would have to record both at one version, and records only what it stores.
   */
  expireBefore(
    batch: WriteBatch,
    mapId: MapId,
    partitionId: PartitionId,
    key: Uint8Array,
    start: number,
    end: number,
  ): void {
    assert(batch.state === 'open', 'an expiry comes before what an open batch will stage');
    if (!this.hasDeadlines(mapId, partitionId)) return;
    // Its moment comes first: what it will take for due is due now.
    batch.pinTime();
    this.find(mapId, partitionId, key, start, end);
  }

  /** Whether any entry of the map in the partition ever had a deadline. */
  hasDeadlines(mapId: MapId, partitionId: PartitionId): boolean {
    return this.#core.maps.get(mapId)?.tables[partitionId]?.hasDeadlines ?? false;
  }

  /** Copies the value that find() found to target[at, ...). @returns its bytes */
  copyFound(target: Uint8Array, at: number): number {
    return this.found.copyValue(target, at);
  }

  /* ---- Writing ---------------------------------------------------------------------------------------------------------- */

  /** @throws GridError OVERLOADED when too many batches are under way */
  begin(header: BatchHeader = {}): WriteBatch {
    return new WriteBatch(this.#core, header);
  }

  /** Batches that may be begun beside those under way. */
  get freeBatches(): number {
    return this.#core.words.free;
  }

  /** Calls `tell` whenever a batch that was under way leaves room for another one. Undefined: nobody waits. */
  onBatchFree(tell: (() => void) | undefined): void {
    this.#core.words.onFree = tell;
  }

  /**
   * Stages the removal of the entries in slots [fromSlot, ...) of one partition.
   *
   * @param maxOperations  slots looked at
   * @returns the slot to go on from, or -1 at the end
   * @throws GridError LOG_FULL
   */
  clear(batch: WriteBatch, mapId: MapId, partitionId: PartitionId, fromSlot: number, maxOperations: number): number {
    return visitKeys(this.#core, mapId, partitionId, fromSlot, maxOperations, (chunk) => {
      batch.remove(mapId, partitionId, chunk.bytes, chunk.start, chunk.stop, RecordCause.clear);
    });
  }

  /**
   * Visits the keys of the entries in slots [fromSlot, ...) of one partition, as clear() walks. `visit` must not write to the
   * store; the bytes are good during the call only.
   *
   * @param maxOperations  slots looked at
   * @returns the slot to go on from, or -1 at the end
   */
  visitKeys(
    mapId: MapId,
    partitionId: PartitionId,
    fromSlot: number,
    maxOperations: number,
    visit: (bytes: Uint8Array, start: number, end: number) => void,
  ): number {
    return visitKeys(this.#core, mapId, partitionId, fromSlot, maxOperations, (chunk) => {
      visit(chunk.bytes, chunk.start, chunk.stop);
    });
  }

  /**
   * Decides the batches that the store writes by itself (what expires), once they are sealed: in the order of their logs.
   * Default: commits them at once.
   */
  onSealed(decide: (batch: WriteBatch) => void): void {
    this.#core.decide = decide;
  }

  /**
   * Every batch, the store's own too, enters a partition only at the epoch in which the member takes itself for its primary:
   * between a change of the table and its being followed here nothing is written.
   *
   * @param epochNow  throws StaleEpochError where the member is not the primary
   */
  checkEpochs(epochNow: (partitionId: PartitionId) => Epoch): void {
    this.#core.epochNow = epochNow;
  }

  /** Every record, of the store's own batches too, names the version of the catalog by which it was written. */
  stampCatalog(versionNow: () => number): void {
    this.#core.catalogVersionNow = versionNow;
  }

  /** Called after each commit, once a partition, with the last committed sequence. */
  addCommitListener(listener: CommitListener): void {
    this.#core.listeners.push(listener);
  }

  /* ---- Snapshots ---------------------------------------------------------------------------------------------------------- */

  /**
   * First step of a snapshot over several members: holds everything from the present on.
   *
   * @returns the id, and the clock to answer; release it, or raise it by openAt()
   * @throws GridError OVERLOADED when too many are open
   */
  pin(): PinnedSnapshot {
    return pin(this.#core);
  }

  /**
   * The highest version of which everything is decided: no record at or below it follows in any log. What is staged and
   * not sealed yet gets a version above the clock.
   */
  resolvedVersion(): Version {
    return resolvedVersion(this.#core);
  }

  /**
   * Whether a batch at or below the version is not yet committed: openAt() has to wait for it.
   *
   * @param partitions  those that the snapshot is read in; omitted: all
   */
  isUndecidedAt(version: Version, partitions?: readonly PartitionId[]): boolean {
    return undecidedAt(this.#core, version, partitions).size > 0;
  }

  /**
   * Calls `tell` once every batch at or below the version is decided, in these partitions. The clock has observed the
   * version: none that is sealed later is at or below it.
   *
   * @param partitions  omitted: all
   * @returns true: all are decided already, and `tell` is not called
   */
  whenDecided(version: Version, partitions: readonly PartitionId[] | undefined, tell: () => void): boolean {
    return whenDecided(this.#core, version, partitions, tell);
  }

  /**
   * Second step: the pin becomes a snapshot at the highest version that the members answered.
   *
   * @param partitions  those it is read in; omitted: all
   * @throws GridError CLOCK_AHEAD; AssertionError while isUndecidedAt(version, partitions)
   */
  openAt(id: number, version: Version, partitions?: readonly PartitionId[]): void {
    openAt(this.#core, id, version, partitions);
  }

  /** Both steps for this member alone. */
  openSnapshot(): PinnedSnapshot {
    return openSnapshot(this.#core);
  }

  /** @returns false when it had expired or was released */
  releaseSnapshot(id: number): boolean {
    return this.#core.snapshots.close(id);
  }

  /** Ends a snapshot whose reader takes too long: it is marked dead before anything is freed. */
  expireSnapshot(id: number): boolean {
    return this.#core.snapshots.close(id);
  }

  /**
   * @param giveWay  called when memory is full and slots are held for snapshots: ends the one that can best be missed, by
   *   expireSnapshot(); answers whether there was one
   */
  onSnapshotPressure(giveWay: () => boolean): void {
    this.#core.snapshotsGiveWay = giveWay;
  }

  /** Memory is nearly full, and some of it is held for snapshots alone. */
  get isShortForSnapshots(): boolean {
    return this.#core.isShort && this.#core.holdsForSnapshots;
  }

  snapshotVersion(id: number): Version | undefined {
    return this.#core.snapshots.versionOf(id);
  }

  /** A worker's thread has exited. */
  workerGone(workerIndex: number): void {
    assertCount(workerIndex, 0);
    assert(workerIndex < this.#core.options.maxWorkers, 'workers are numbered below their count');
    this.#core.epochs.workerGone(workerIndex);
  }

  /* ---- Work in slices -------------------------------------------------------------------------------------------------------- */

  /**
   * Patches lanes of large batches, frees what no snapshot and no reader needs, takes dropped maps apart.
   *
   * @returns steps done (about 100 ns each); less than `maxOperations`: nothing more can be done at this moment
   */
  reclaim(maxOperations: number): number {
    assertSlice(maxOperations);
    const steps = this.#core.reclaim(maxOperations);
    if (steps < maxOperations) this.#core.forgetEmptyAccounts();
    return steps;
  }

  /**
   * Writes the expiry of entries that are due.
   *
   * @param maxOperations  timers looked at
   * @returns whether nothing more is due
   */
  sweepExpired(maxOperations: number): boolean {
    assertSlice(maxOperations);
    return sweepExpired(this.#core, maxOperations);
  }

  /* ---- Columns -------------------------------------------------------------------------------------------------------------------- */

  /** The number of a path's column, 0 .. COLUMNS_MAX - 1; -1 when there is none and none can be made. */
  columnNumber(mapId: MapId, pathText: string, create: boolean): number {
    return this.#core.mapOf(mapId).columnNumber(pathText, create);
  }

  /** The paths that have columns; the index is the column's number. */
  columnPaths(mapId: MapId): readonly string[] {
    return this.#core.mapOf(mapId).columnPaths;
  }

  /**
   * Pages for a worker to fill.
   *
   * @param account  the map whose columns they will hold, or 'query'
   * @returns the numbers of neighbouring pages; undefined when memory is short
   */
  leasePages(count: number, account: MapId | 'query'): Int32Array | undefined {
    return this.#leases.lease(count, account);
  }

  /** Gives leased pages back, also for a worker that is gone. */
  returnPages(pages: Int32Array): void {
    this.#leases.give(pages);
  }

  /**
   * Makes a region that a worker filled the column of a chunk. Its pages are the store's from then on.
   *
   * @param region      reference of the first leased page
   * @param chunkRef    the chunk that was read; omitted: not checked
   * @returns false when the chunk or the map is not there any more, or memory is full: the pages are still leased
   */
  publishColumn(
    mapId: MapId,
    partitionId: PartitionId,
    chunkIndex: number,
    columnNumber: number,
    region: Ref,
    pageCount: number,
    chunkRef?: Ref,
  ): boolean {
    assertColumn(columnNumber);
    const map = this.#core.maps.get(mapId);
    const chunk = map?.tables[partitionId]?.chunks[chunkIndex];
    if (map === undefined || chunk === undefined || (chunkRef !== undefined && chunk.ref !== chunkRef)) return false;
    if (!this.#leases.isLeased(region, pageCount, mapId)) return false;
    if (!publishRegion(map.host, chunk, columnNumber, region)) return false;
    map.host.changes++;
    this.#leases.forget(region);
    return true;
  }

  /** Takes the columns of one map, or of all, away. */
  dropColumns(mapId?: MapId): void {
    this.#core.dropColumns(mapId);
  }

  /* ---- Looking at itself ------------------------------------------------------------------------------------------------------------- */

  stats(): StoreStats {
    return collectStats(this.#core);
  }

  /** Walks every structure and checks the invariants that their files number. For tests: O(everything). */
  checkInvariants(): void {
    checkStore(this.#core);
  }
}
