/**
 * Columns as a worker reads them: one reader a worker, one task at a time.
 *
 *   begin(task) -> [enter(chunk) -> mayMatch() -> read(column) ...] a chunk -> finish() -> offers, unused pages
 *
 * A column chunk is served, in this order, from
 *   1. its region, by views of the shared lanes, where all rows asked for are filled;
 *   2. a region built on the spot into leased pages and offered to the main thread, when it pays;
 *   3. a copy of its region's lanes, the unfilled slots read from the values' bytes;
 *   4. the values' bytes alone, into scratch memory: nothing else is needed, so a scan goes on when no page is leased.
 *
 * column-reader C1  "It pays" is the ski-rental rule: slots read from bytes are counted a column chunk, and when they are as
 *                   many as a build reads, the build costs no more than what was spent. So a column costs at most twice what
 *                   the best choice would have, whatever queries and writes follow.
 * column-reader C2  Vectors are valid until the next enter() or finish(): lanes lie in shared memory under the reader epoch,
 *                   or in scratch memory. Dictionaries and texts may be kept.
 * column-reader C3  A slot's rows are read only if the snapshot sees it; other rows of a vector hold anything.
 */
import { assert, type MapId, type PartitionId, type Version } from '@ashlar/core';
import { decodeKey, ValueTag } from '@ashlar/serialization';
import { CHUNK_SLOTS_MAX, COLUMNS_MAX } from '../layout.ts';
import { SlotChunkView } from '../slots/slot-chunk.ts';
import type { StoreReader } from '../store-reader.ts';
import { ChunkScope } from './chunk-scope.ts';
import { ElementReaders, elementValue, TAG_OF } from './element-readers.ts';
import { PageRuns } from './page-runs.ts';
import { type RegionView, RegionViews } from './region-view.ts';
import { writeRegion } from './region-writer.ts';
import { RowBuffer } from './row-buffer.ts';
import { BUILD_SLOTS_MIN } from './runs-wanted.ts';
import { Scratch } from './scratch.ts';
import type { ColumnOffer, ColumnSource, ColumnSpec, ColumnVector, SlotSelection } from './types.ts';
import { VectorWriter } from './vector-writer.ts';
import { type ColumnBound, mayMatch } from './zone.ts';

export interface ColumnTask {
  readonly mapId: MapId;
  /** Version of an open snapshot; columns are built as of it. */
  readonly version: Version;
  /** Leased runs of pages that columns may be built in; best of one and of two pages. */
  readonly pages: readonly Int32Array[];
}

export interface ColumnYield {
  readonly offers: readonly ColumnOffer[];
  /** Leased runs that were not used, to be given back. */
  readonly unusedPages: readonly Int32Array[];
}

/** Column chunks whose reads from bytes are counted, at most; then the counts begin anew. */
const SPENT_MAX = 65_536;
/** A column that cannot be kept: never built. */
const NEVER = -Infinity;

export class ColumnReader {
  readonly #scope: ChunkScope;
  readonly #readers = new ElementReaders();
  readonly #rows = new RowBuffer();
  readonly #scratch = new Scratch();
  readonly #runs = new PageRuns();
  readonly #regions: RegionViews;
  readonly #unfilled = new Uint16Array(CHUNK_SLOTS_MAX);
  /** Slots read from bytes since the region was built, by chunk and column. */
  readonly #spent = new Map<number, number>();
  /** Regions of this chunk that the task has built, by column: not published yet. */
  readonly #built = new Map<number, RegionView>();
  #offers: ColumnOffer[] = [];
  #mapId = 0 as MapId;
  #version = 0;
  #partitionId = 0 as PartitionId;
  #chunkIndex = 0;
  #nextSerial: number;
  readonly #buildSlotsMin: number;

  /**
   * @param firstSerial    a random whole number below 2^52: regions of all workers, past ones too, are told apart by it
   * @param buildSlotsMin  chunks with fewer visible rows are not built
   */
  constructor(reader: StoreReader, firstSerial: number, buildSlotsMin: number = BUILD_SLOTS_MIN) {
    assert(Number.isSafeInteger(firstSerial * 2), 'serial numbers have room to grow');
    this.#scope = new ChunkScope(new SlotChunkView(reader.arena));
    this.#regions = new RegionViews(reader.arena);
    this.#nextSerial = firstSerial;
    this.#buildSlotsMin = buildSlotsMin;
  }

  /** Starts a task; the one before is finished. */
  begin(task: ColumnTask): void {
    this.#mapId = task.mapId;
    this.#version = task.version;
    this.#runs.begin(task.pages);
    this.#offers = [];
  }

  /**
   * Moves to a chunk, entered under the reader epoch just now.
   *
   * @returns how many slots the snapshot sees; 0: nothing is to be read
   */
  enter(chunk: SlotChunkView, partitionId: PartitionId, chunkIndex: number): number {
    this.#partitionId = partitionId;
    this.#chunkIndex = chunkIndex;
    this.#scratch.reset();
    this.#built.clear();
    return this.#scope.enter(chunk, this.#version);
  }

  /** The visible slots: the first enter() of them, ascending; undefined: [0, enter()). */
  get visible(): SlotSelection {
    return this.#scope.selection;
  }

  /** Length of the vectors of this chunk. */
  get length(): number {
    return this.#scope.length;
  }

  /** Whether a visible row may meet the condition on a column; true when the column's zone map does not exclude it (zone.ts). */
  mayMatch(spec: ColumnSpec, bound: ColumnBound): boolean {
    const region = this.#regionOf(spec);
    return region === undefined || !this.#scope.isFilled(region) || mayMatch(region, bound);
  }

  /**
   * The column's rows for some visible slots.
   *
   * @param selection  slot numbers, ascending, `count` of them; undefined: the slots [0, count) are all visible
   * @throws GridError CORRUPT_DATA
   */
  read(spec: ColumnSpec, selection: SlotSelection, count: number): ColumnVector {
    const { source } = spec;
    if (source.kind === 'version') return this.#versions(spec, selection, count);
    if (source.kind === 'expires_at') return this.#deadlines(spec, selection, count);
    if (source.kind === 'value') return this.#fromBytes(spec, selection, count);
    const region = this.#regionOf(spec);
    if (region !== undefined && this.#scope.isFilled(region)) return this.#fromRegion(spec, region, selection, count);
    const missing = region === undefined ? count : this.#scope.unfilled(region, selection, count, this.#unfilled);
    if (region !== undefined && missing === 0) return this.#fromRegion(spec, region, selection, count);
    if (this.#isWorthBuilding(spec, missing)) {
      const built = this.#build(spec);
      if (built !== undefined) return this.#fromRegion(spec, built, selection, count);
    }
    if (region === undefined) return this.#fromBytes(spec, selection, count);
    return this.#patched(spec, region, selection, count, missing);
  }

  /** Ends the task. */
  finish(): ColumnYield {
    const offers = this.#offers;
    this.#offers = [];
    this.#built.clear();
    this.#scratch.reset();
    return { offers, unusedPages: this.#runs.rest() };
  }

  #regionOf({ columnNumber }: ColumnSpec): RegionView | undefined {
    if (columnNumber < 0) return undefined;
    const built = this.#built.get(columnNumber);
    if (built !== undefined) return built;
    const { chunk } = this.#scope;
    const ref = chunk.columnRef(columnNumber);
    if (ref === 0) return undefined;
    const region = this.#regions.of(ref);
    return region.chunkRef === chunk.ref ? region : undefined;
  }

  /* ---- Building ---------------------------------------------------------------------------------------------------- */

  #isWorthBuilding({ columnNumber }: ColumnSpec, missing: number): boolean {
    const isSmall = this.#scope.visibleCount < this.#buildSlotsMin;
    if (columnNumber < 0 || isSmall || this.#runs.isEmpty) return false;
    const key = this.#spentKey(columnNumber);
    const spent = (this.#spent.get(key) ?? 0) + missing;
    if (spent >= this.#scope.visibleCount) return true;
    if (this.#spent.size === SPENT_MAX) this.#spent.clear();
    this.#spent.set(key, spent);
    return false;
  }

  #spentKey(columnNumber: number): number {
    return this.#scope.chunk.ref * COLUMNS_MAX + columnNumber;
  }

  /** Builds the column chunk for all visible slots and offers it; undefined when it cannot be kept. */
  #build({ source, columnNumber }: ColumnSpec): RegionView | undefined {
    const { chunk, selection, visibleCount, version } = this.#scope;
    const rows = this.#rows;
    if (!this.#readRows(source, selection, visibleCount)) {
      this.#spent.set(this.#spentKey(columnNumber), NEVER);
      return undefined;
    }
    const serial = this.#nextSerial;
    const written = writeRegion(chunk.arena, this.#runs, rows, chunk.ref, version, serial);
    if (written === undefined) {
      // no run is long enough: the next full read does not try at once
      this.#spent.set(this.#spentKey(columnNumber), -visibleCount);
      return undefined;
    }
    this.#nextSerial += 1;
    this.#spent.delete(this.#spentKey(columnNumber));
    this.#offers.push({
      mapId: this.#mapId,
      partitionId: this.#partitionId,
      chunkIndex: this.#chunkIndex,
      chunkRef: chunk.ref,
      columnNumber,
      ...written,
    });
    const region = this.#regions.of(written.region);
    this.#built.set(columnNumber, region);
    return region;
  }

  #readRows(source: ColumnSource, selection: SlotSelection, count: number): boolean {
    const { chunk } = this.#scope;
    if (source.kind === 'key') return this.#rows.readKeys(chunk, selection, count);
    assert(source.kind === 'path', 'only paths and keys are kept as columns');
    this.#rows.readPath(chunk, this.#readers, source.path, selection, count);
    return true;
  }

  /* ---- Reading ----------------------------------------------------------------------------------------------------- */

  #fromRegion(spec: ColumnSpec, region: RegionView, selection: SlotSelection, count: number): ColumnVector {
    return {
      type: spec.type,
      length: Math.min(this.length, region.covered),
      uniform: region.uniform,
      tags: region.tags,
      numbers: region.numbers,
      values: this.#objects(region, selection, count),
      codes: region.codes,
      dictionary: region.dictionary,
    };
  }

  /** The rows that lie in the lane of values: bigints, and what is kept by its place in the value's bytes. */
  #objects(region: RegionView, selection: SlotSelection, count: number): unknown[] | undefined {
    if (region.bigints === undefined && region.offsets === undefined) return undefined;
    const values = new Array<unknown>(this.length);
    for (let index = 0; index < count; index++) {
      const slot = selection === undefined ? index : selection[index]!;
      values[slot] = this.#objectAt(region, slot);
    }
    return values;
  }

  #objectAt(region: RegionView, slot: number): unknown {
    const tag = region.uniform ?? region.tags![slot]!;
    if (tag === ValueTag.BIGINT && region.bigints !== undefined) return region.bigints[slot];
    if (tag <= ValueTag.NUMBER || tag === ValueTag.TIMESTAMP || (tag === ValueTag.TEXT && region.codes !== undefined)) {
      return undefined;
    }
    return elementValue(this.#readers.at(this.#scope.chunk, slot, region.offsets![slot]!));
  }

  /** A copy of the region's lanes with `missing` slots (of #unfilled) read from their values. */
  #patched(
    spec: ColumnSpec,
    region: RegionView,
    selection: SlotSelection,
    count: number,
    missing: number,
  ): ColumnVector {
    const writer = new VectorWriter(this.#scratch, this.length);
    writer.copyLanes(region);
    if (region.bigints !== undefined || region.offsets !== undefined) {
      this.#copyObjects(writer, region, selection, count, missing);
    }
    for (let index = 0; index < missing; index++) this.#setFromBytes(writer, spec.source, this.#unfilled[index]!);
    return writer.finish(spec.type);
  }

  #copyObjects(
    writer: VectorWriter,
    region: RegionView,
    selection: SlotSelection,
    count: number,
    missing: number,
  ): void {
    let next = 0;
    for (let index = 0; index < count; index++) {
      const slot = selection === undefined ? index : selection[index]!;
      if (next < missing && this.#unfilled[next] === slot) {
        next += 1;
        continue;
      }
      const value = this.#objectAt(region, slot);
      if (value !== undefined) writer.setValue(slot, (region.uniform ?? region.tags![slot]!) as ValueTag, value);
    }
  }

  #fromBytes(spec: ColumnSpec, selection: SlotSelection, count: number): ColumnVector {
    const writer = new VectorWriter(this.#scratch, this.length);
    for (let index = 0; index < count; index++) {
      this.#setFromBytes(writer, spec.source, selection === undefined ? index : selection[index]!);
    }
    return writer.finish(spec.type);
  }

  #setFromBytes(writer: VectorWriter, source: ColumnSource, slot: number): void {
    const { chunk } = this.#scope;
    if (source.kind === 'path') {
      writer.setElement(slot, this.#readers.find(chunk, slot, source.path));
    } else if (source.kind === 'key') {
      chunk.positionKey(slot);
      writer.setKey(slot, decodeKey(chunk.bytes, chunk.start, chunk.stop));
    } else {
      const reader = this.#readers.at(chunk, slot, 0);
      if (TAG_OF[reader.type] === ValueTag.JSON) writer.setValue(slot, ValueTag.JSON, reader.decode());
      else writer.setElement(slot, reader);
    }
  }

  /** Deadlines as times, milliseconds since 1970. */
  #deadlines(spec: ColumnSpec, selection: SlotSelection, count: number): ColumnVector {
    const { chunk } = this.#scope;
    const writer = new VectorWriter(this.#scratch, this.length);
    for (let index = 0; index < count; index++) {
      const slot = selection === undefined ? index : selection[index]!;
      const deadlineUs = chunk.f64[chunk.expiresAt + slot]!;
      writer.setTime(slot, deadlineUs === 0 ? undefined : Math.floor(deadlineUs / 1000));
    }
    return writer.finish(spec.type);
  }

  #versions(spec: ColumnSpec, selection: SlotSelection, count: number): ColumnVector {
    const { chunk } = this.#scope;
    const writer = new VectorWriter(this.#scratch, this.length);
    const isInt8 = spec.type === 'int8';
    for (let index = 0; index < count; index++) {
      const slot = selection === undefined ? index : selection[index]!;
      const version = chunk.versionOf(slot);
      if (isInt8) writer.setValue(slot, ValueTag.BIGINT, BigInt(version));
      else writer.setNumber(slot, version);
    }
    return writer.finish(spec.type);
  }
}
