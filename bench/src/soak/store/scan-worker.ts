/**
 * A thread that reads every row at a given snapshot: from the values' bytes, through columns, and by key.
 * Reads as a query does: an epoch entered anew for each chunk, tables and chunks asked for after that.
 */
import { parentPort } from 'node:worker_threads';
import type { MapId, PartitionId, Version } from '@ashlar/core';
import { columnValue, decodeKey, decodeValue, encodeKey, Path } from '@ashlar/serialization';
import {
  CHUNK_SLOTS_MAX,
  ColumnReader,
  type ColumnSpec,
  SlotChunkView,
  StoreReader,
  visibleSlots,
} from '@ashlar/storage';
import { type CheckedRow, whatIsWrong } from '../rows.ts';
import { COLUMNS, type ScanAnswer, type ScanSetting, type ScanTask } from './scan-task.ts';

const FAULTS_MAX = 5;
const LOOKUP_EVERY = 7;
/** Chunks with fewer rows are not built into columns: fewer than a query would ask for. */
const BUILD_SLOTS_MIN = 16;
/** Some chunks are read slowly, so that what they are read from would be used again if it were not held. */
const LINGER_EVERY_CHUNKS = 3;
const LINGER_MS = 4;

class Scanner {
  readonly #setting: ScanSetting;
  readonly #reader: StoreReader;
  readonly #chunk: SlotChunkView;
  readonly #columns: ColumnReader;
  readonly #specs: readonly ColumnSpec[];
  readonly #slots = new Int32Array(CHUNK_SLOTS_MAX);
  #version = 0 as Version;
  #faults: string[] = [];
  #rows = 0;
  #chunks = 0;
  readonly #still = new Int32Array(new SharedArrayBuffer(4));

  constructor(setting: ScanSetting) {
    this.#setting = setting;
    this.#reader = StoreReader.attach(setting.handle, setting.workerIndex);
    this.#chunk = new SlotChunkView(this.#reader.arena);
    this.#columns = new ColumnReader(this.#reader, setting.firstSerial, BUILD_SLOTS_MIN);
    this.#specs = COLUMNS.map((name, index) => {
      const columnNumber = setting.columnNumbers[index]!;
      return { source: { kind: 'path', path: Path.parse([name]) }, type: 'any', columnNumber };
    });
  }

  scan({ version, pages, passingMap }: ScanTask): ScanAnswer {
    const { keyCount, partitionCount } = this.#setting;
    const seen = new Int32Array(keyCount);
    const seenByColumns = new Int32Array(keyCount);
    this.#version = version as Version;
    this.#faults = [];
    this.#rows = 0;
    const mapId = this.#setting.mapId as MapId;
    this.#columns.begin({ mapId, version: this.#version, pages });
    for (let partition = 0; partition < partitionCount; partition++) {
      this.#scanPartition(mapId, partition as PartitionId, seen, seenByColumns);
    }
    const lookups = this.#lookUp(mapId, seen);
    const passingRows = this.#scanPassing(passingMap);
    const { offers, unusedPages } = this.#columns.finish();
    const faults = this.#faults.slice(0, FAULTS_MAX);
    return { seen, seenByColumns, rows: this.#rows, passingRows, lookups, faults, offers, unusedPages };
  }

  #scanPartition(mapId: MapId, partition: PartitionId, seen: Int32Array, seenByColumns: Int32Array): void {
    this.#reader.enter();
    const chunks = this.#reader.table(mapId, partition)?.chunkCount ?? 0;
    for (let index = 0; index < chunks; index++) {
      this.#reader.enter();
      const chunk = this.#reader.table(mapId, partition)!.chunk(index, this.#chunk);
      this.#readBytes(chunk, seen);
      const count = this.#columns.enter(chunk, partition, index);
      if (count > 0) this.#readColumns(count, seenByColumns);
    }
    this.#reader.leave();
  }

  #readBytes(chunk: SlotChunkView, seen: Int32Array): void {
    const count = visibleSlots(chunk, this.#version, this.#slots);
    for (let row = 0; row < count; row++) {
      const slot = this.#slots[row]!;
      chunk.positionKey(slot);
      const key = decodeKey(chunk.bytes.slice(chunk.start, chunk.stop));
      chunk.positionValue(slot);
      this.#note(key, decoded(chunk), seen, 'by its bytes');
    }
  }

  #readColumns(count: number, seen: Int32Array): void {
    const { visible } = this.#columns;
    const vectors = this.#specs.map((spec) => this.#columns.read(spec, visible, count));
    this.#linger();
    for (let row = 0; row < count; row++) {
      const slot = visible?.[row] ?? row;
      const [key, n, x, label, fill] = vectors.map((vector) => columnValue(vector, slot));
      this.#note(key, { key, n, x, label, fill }, seen, 'by its columns');
    }
  }

  #note(key: unknown, value: unknown, seen: Int32Array, how: string): void {
    this.#rows += 1;
    const wrong = whatIsWrong(key, value);
    if (wrong !== undefined) {
      this.#faults.push(`key ${String(key)} ${how}: ${wrong}`);
      return;
    }
    const { n } = value as CheckedRow;
    if (seen[key as number] !== 0)
      this.#faults.push(`key ${String(key)} ${how}: writes ${seen[key as number]} and ${n}`);
    seen[key as number] = n;
  }

  /** Rows of a map that may be dropped at any moment are whole all the same. */
  #scanPassing(passingMap: number): number {
    let rows = 0;
    for (let partition = 0; partition < this.#setting.partitionCount; partition++) {
      for (let index = 0; ; index++) {
        this.#reader.enter();
        const table = this.#reader.table(passingMap as MapId, partition as PartitionId);
        if (table === undefined || index >= table.chunkCount) break;
        rows += this.#readPassing(table.chunk(index, this.#chunk), passingMap);
      }
      this.#reader.leave();
    }
    return rows;
  }

  #readPassing(chunk: SlotChunkView, passingMap: number): number {
    const count = visibleSlots(chunk, this.#version, this.#slots);
    this.#linger();
    for (let row = 0; row < count; row++) {
      const slot = this.#slots[row]!;
      chunk.positionKey(slot);
      const key = decodeKey(chunk.bytes.slice(chunk.start, chunk.stop));
      chunk.positionValue(slot);
      const value = decoded(chunk) as CheckedRow;
      const wrong = value.n === passingMap ? whatIsWrong(key, value) : `it is of write ${value.n}`;
      if (wrong !== undefined) this.#faults.push(`key ${String(key)} of passing map ${passingMap}: ${wrong}`);
    }
    return count;
  }

  #linger(): void {
    this.#chunks += 1;
    if (this.#chunks % LINGER_EVERY_CHUNKS === 0) Atomics.wait(this.#still, 0, 0, LINGER_MS);
  }

  /** Looks up some keys in the index: it must find what the scan saw. */
  #lookUp(mapId: MapId, seen: Int32Array): number {
    const { keyCount, partitionCount } = this.#setting;
    let lookups = 0;
    for (let key = this.#version % LOOKUP_EVERY; key < keyCount; key += LOOKUP_EVERY) {
      const bytes = encodeKey(key);
      this.#reader.enter();
      const partition = (key % partitionCount) as PartitionId;
      const isFound = this.#reader.get(mapId, partition, bytes, 0, bytes.length, this.#version);
      const n = isFound ? (decoded(this.#reader.foundChunk) as CheckedRow).n : 0;
      if (n !== seen[key]) this.#faults.push(`key ${key} by the index: write ${n}, ${seen[key]} by the scan`);
      lookups += 1;
    }
    this.#reader.leave();
    return lookups;
  }
}

/** The value a view stands on, its bytes copied: no decoder takes shared memory. */
function decoded({ bytes, start, stop }: SlotChunkView): unknown {
  try {
    return decodeValue(bytes.slice(start, stop));
  } catch (error) {
    return { key: `bytes that are not a value (${(error as Error).message})` };
  }
}

const port = parentPort!;
let scanner: Scanner | undefined;
port.on('message', (message: ScanSetting | ScanTask) => {
  if ('handle' in message) scanner = new Scanner(message);
  else port.postMessage(scanner!.scan(message));
});
