/**
 * One partition's rows as a job sees them: copies, made chunk by chunk out of the arena.
 *
 * partition-rows N1  User code never runs while the reader looks at the arena: each chunk is copied between enter() and
 *                    leave().
 * partition-rows N2  What is handed out was read while the snapshot was open; else SNAPSHOT_EXPIRED is thrown instead.
 * partition-rows N3  All calls see the same rows in the same order: those that the snapshot's version sees, by slot.
 * partition-rows N4  Rows end where the table does, and only while the map is there: MAP_DROPPED otherwise.
 */
import type { GridKey, PartitionRows } from '@ashlar/api';
import { Decimal } from '@ashlar/api';
import { GridError, type Version } from '@ashlar/core';
import { decodeKey, Path, ValueReader, ValueType } from '@ashlar/serialization';
import {
  CHUNK_SLOTS_MAX,
  type ChunkPlace,
  enterChunk,
  type SlotChunkView,
  type StoreReader,
  visibleSlots,
} from '@ashlar/storage';
import { parsePath } from './path-text.ts';

export interface SnapshotPlace extends ChunkPlace {
  readonly map: string;
  readonly snapshotId: number;
  readonly version: Version;
}

type Visit = (chunk: SlotChunkView, slot: number, row: number) => void;

const slots = new Int32Array(CHUNK_SLOTS_MAX);

export class SnapshotRows implements PartitionRows<GridKey, unknown> {
  readonly #reader: StoreReader;
  readonly #place: SnapshotPlace;
  /** By the memory that values lie in: a segment, or the copy of a value that lies in extents. */
  readonly #values: WeakMap<Uint8Array, ValueReader>;
  #count = -1;

  constructor(reader: StoreReader, place: SnapshotPlace, values: WeakMap<Uint8Array, ValueReader>) {
    this.#reader = reader;
    this.#place = place;
    this.#values = values;
  }

  get partitionId(): number {
    return this.#place.partitionId;
  }

  get count(): number {
    if (this.#count < 0) this.#count = this.#visitRows(undefined);
    return this.#count;
  }

  numbers(path: string): Float64Array {
    const parsed = Path.parse(parsePath(path));
    const numbers = new Float64Array(this.count);
    this.#visitRows((chunk, slot, row) => {
      numbers[row] = numberAt(this.#valueOf(chunk, slot), parsed, chunk);
    });
    return numbers;
  }

  /** Typed as nothing here: the types of user code say what lies at the path. */
  column(path: string): never[] {
    const parsed = Path.parse(parsePath(path));
    const values: unknown[] = [];
    this.#visitRows((chunk, slot) => {
      const value = this.#valueOf(chunk, slot);
      values.push(value.find(parsed, chunk.start, chunk.stop) ? value.decode() : undefined);
    });
    return values as never[];
  }

  *entries(): IterableIterator<readonly [GridKey, unknown]> {
    for (let chunkIndex = 0; ; chunkIndex++) {
      const rows: (readonly [GridKey, unknown])[] = [];
      const isThere = this.#visitChunk(chunkIndex, 0, (chunk, slot) => {
        chunk.positionKey(slot);
        const key = decodeKey(chunk.bytes, chunk.start, chunk.stop) as GridKey;
        const value = this.#valueOf(chunk, slot);
        value.readAt(chunk.start, chunk.stop);
        rows.push([key, value.decode()]);
      });
      if (isThere < 0) return;
      yield* rows;
    }
  }

  /** The reader of the slot's value, which lies in chunk.bytes[chunk.start, chunk.stop). */
  #valueOf(chunk: SlotChunkView, slot: number): ValueReader {
    chunk.positionValue(slot);
    let reader = this.#values.get(chunk.bytes);
    if (reader === undefined) {
      reader = new ValueReader(chunk.bytes);
      this.#values.set(chunk.bytes, reader);
    }
    return reader;
  }

  /** @returns how many rows there are */
  #visitRows(visit: Visit | undefined): number {
    let row = 0;
    for (let chunkIndex = 0; ; chunkIndex++) {
      const visited = this.#visitChunk(chunkIndex, row, visit);
      if (visited < 0) return row;
      row += visited;
    }
  }

  /** @returns how many rows the chunk has, or -1 when there is no such chunk */
  #visitChunk(chunkIndex: number, firstRow: number, visit: Visit | undefined): number {
    try {
      const chunk = enterChunk(this.#reader, this.#place, chunkIndex);
      if (chunk === undefined) return -1;
      const count = visibleSlots(chunk, this.#place.version, slots);
      if (visit !== undefined) for (let at = 0; at < count; at++) visit(chunk, slots[at]!, firstRow + at);
      return count;
    } catch (error) {
      this.#checkSnapshot();
      throw error;
    } finally {
      this.#reader.leave();
      this.#checkSnapshot();
    }
  }

  #checkSnapshot(): void {
    if (this.#reader.snapshotAlive(this.#place.snapshotId)) return;
    throw new GridError('SNAPSHOT_EXPIRED', 'the snapshot that the job reads has expired', {
      hint: 'run the job again',
      details: { partitionId: this.#place.partitionId },
    });
  }
}

/** The number at the path, NaN where there is none. Bigints and decimals as the nearest double. */
function numberAt(value: ValueReader, path: Path, { start, stop }: SlotChunkView): number {
  if (!value.find(path, start, stop)) return Number.NaN;
  switch (value.type) {
    case ValueType.NUMBER:
    case ValueType.BIGINT:
      return value.number;
    case ValueType.WIDE_BIGINT:
      return Number(value.bigint);
    case ValueType.DECIMAL: {
      const decimal = value.decode();
      return Decimal.is(decimal) ? decimal.toNumber() : Number.NaN;
    }
    default:
      return Number.NaN;
  }
}
