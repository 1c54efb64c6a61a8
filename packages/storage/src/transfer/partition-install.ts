/**
 * A copy of a partition that is made of another member's pages. Nobody reads or writes it before it is whole; then it is a backup.
 *
 *   page 0 -> (entries -> slots at their versions) ... -> (log -> records) ... -> last page -> finish: a backup at `start.sequence`
 *
 * partition-install N1  Pages are taken once each, in order.
 * partition-install N2  A page that tells of a map of which this member has not heard waits, and all behind it, within a bound.
 *                       What is of a map that was dropped here is passed over.
 * partition-install N3  It makes room as any write does, and where there is none the copy is given up, whole: abandon(), then
 *                       the partition is closed.
 */
import { assert, type MapId } from '@ashlar/core';
import { RecordKind } from '../log/log-record.ts';
import { readRecordFrame } from '../log/record-frame.ts';
import type { Ref } from '../memory/arena.ts';
import { createValue } from '../memory/blocks.ts';
import type { Partition } from '../partition.ts';
import { entryFor } from '../replica-entries.ts';
import type { StoreCore } from '../store-core.ts';
import { LogHistory } from './log-history.ts';
import { ENTRY_COLUMN, readTransferPage, type TransferPage } from './page-codec.ts';
import type { CopyStart, InstallState } from './transfer-contract.ts';

/** Bytes of pages that wait for the catalog. */
const WAITING_BYTES_MAX = 4 << 20;

export class PartitionInstall {
  readonly #core: StoreCore;
  readonly #partition: Partition;
  readonly #history: LogHistory;
  /** Those that have come and tell of maps that are not known yet, in order. */
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #nextPage = 0;
  #isComplete = false;

  constructor(core: StoreCore, partition: Partition) {
    this.#core = core;
    this.#partition = partition;
    this.#history = new LogHistory(core, partition);
  }

  /**
   * @param bytes  of the page; read during the call
   * @throws OutOfMemoryError partition-install N3
   */
  take(page: TransferPage, bytes: Uint8Array): void {
    const { header } = page;
    if (header.page < this.#nextPage) return;
    assert(header.page === this.#nextPage && !this.#isComplete, 'partition-install N1: pages come in order');
    this.#nextPage += 1;
    this.#isComplete = header.isLast;
    if (this.#waiting.length === 0 && this.#knowsMapsOf(page)) {
      this.#install(page);
      return;
    }
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > WAITING_BYTES_MAX) throw this.#core.outOfMemory(bytes.length);
    // A copy, whatever array of bytes it is.
    this.#waiting.push(new Uint8Array(bytes));
  }

  /** @throws OutOfMemoryError partition-install N3 */
  finish({ sequence, version, logFrom }: CopyStart): InstallState {
    assert(this.#isComplete, 'a copy is finished when all of its pages have come');
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const page = readTransferPage(first);
      if (!this.#knowsMapsOf(page)) return 'later';
      this.#install(page);
      this.#waiting.shift();
    }
    this.#history.release();
    const { log } = this.#partition;
    // The log that came along does not reach so far: the source had dropped it.
    if (!this.#history.hasBegun || log.nextSequence - 1 !== sequence) log.beginBehind(sequence, version);
    log.dropOldest(Math.max(0, logFrom - log.firstSequence), 0);
    return 'installed';
  }

  /** The copy is given up: what is held beside its log and tables goes. */
  abandon(): void {
    this.#history.release();
    this.#waiting.length = 0;
  }

  /** For the walk of invariants: what is held here. */
  visitHeld(onEntry: (entry: Ref) => void, onValue: (value: Ref) => void): void {
    this.#history.visitHeld(onEntry, onValue);
  }

  /** partition-install N2 */
  #knowsMapsOf(page: TransferPage): boolean {
    if (page.header.isLog) return this.#knowsMapsOfLog(page);
    let known = -1;
    for (let row = 0; row < page.count; row++) {
      const mapId = page.field(ENTRY_COLUMN.mapId, row);
      if (mapId !== known && !this.#hasHeardOf(mapId)) return false;
      known = mapId;
    }
    return true;
  }

  #knowsMapsOfLog(page: TransferPage): boolean {
    if (page.count === 0) return true;
    const frame = readRecordFrame(page.first);
    for (let index = 0; index < frame.count; index++) {
      const hasContent =
        frame.field('kind', index) !== RecordKind.superseded || frame.keyStart(index) < frame.field('keyEnd', index);
      if (hasContent && !this.#hasHeardOf(frame.field('mapId', index))) return false;
    }
    return true;
  }

  #hasHeardOf(mapId: number): boolean {
    return this.#core.maps.has(mapId) || this.#core.hasSeenMap(mapId as MapId);
  }

  #install(page: TransferPage): void {
    const { header } = page;
    const { log } = this.#partition;
    log.epoch = header.epoch;
    log.holdFrom(header.heldFrom);
    if (header.isLog) {
      this.#history.take(page);
      return;
    }
    for (let row = 0; row < page.count; row++) this.#installEntry(page, row);
  }

  #installEntry(page: TransferPage, row: number): void {
    const core = this.#core;
    const partition = this.#partition;
    const map = core.maps.get(page.field(ENTRY_COLUMN.mapId, row));
    if (map === undefined) return;
    const [start, end] = [page.startOf(ENTRY_COLUMN.valueEnd, row), page.field(ENTRY_COLUMN.valueEnd, row)];
    const [keyStart, keyEnd] = [page.startOf(ENTRY_COLUMN.keyEnd, row), page.field(ENTRY_COLUMN.keyEnd, row)];
    const table = map.tables[partition.id] ?? core.createTable(map, partition);
    if (!table.slots.reserve() || !table.index.reserve()) throw core.outOfMemory(end - start);
    const value = createValue(core.blocks, map.account, page.second, start, end);
    if (value === 0) throw core.outOfMemory(end - start);
    const deadline = page.field(ENTRY_COLUMN.expiresAt, row);
    const usedAt = page.field(ENTRY_COLUMN.usedAt, row);
    const entry = entryFor(core, map, table, page.first, keyStart, keyEnd, value, deadline, usedAt);
    const [lane] = core.replicaLanes;
    const slot = table.stageNew(entry, value, deadline, lane);
    table.patch(slot, -1, lane, page.field(ENTRY_COLUMN.version, row));
    table.countLive(1);
    if (map.maxIdleUs !== 0) core.touch(entry, usedAt);
  }
}
