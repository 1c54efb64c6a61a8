/** For tests of this package: a store on virtual time, keys and values as text, and short ways to write and read. */
import { type Epoch, HybridClock, type MapId, type PartitionId, type Sequence, type Version } from '@ashlar/core';
import type { WriteBatch } from '../batch/write-batch.ts';
import { RecordKind } from '../log/log-record.ts';
import { MemberStore } from '../member-store.ts';
import { visibleSlots } from '../slots/slot-chunk.ts';
import type { StoreOptions } from '../store-core.ts';
import { StoreReader } from '../store-reader.ts';

export const MAP = 1 as MapId;
export const PARTITION = 0 as PartitionId;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Bytes of the arena as text; the decoder takes no shared memory. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  return decoder.decode(bytes.slice(start, end));
}

/** Time that only moves when told. */
export class VirtualTime {
  ms = 1_000_000;
  monotonicMs(): number {
    return this.ms;
  }
  wallMs(): number {
    return this.ms;
  }
}

export interface Bench {
  readonly store: MemberStore;
  readonly reader: StoreReader;
  readonly time: VirtualTime;
  readonly clock: HybridClock;
}

/** A store with MAP and every partition open. */
export function makeBench(options: Partial<StoreOptions> & { ttlMs?: number; maxIdleMs?: number } = {}): Bench {
  const time = new VirtualTime();
  const clock = new HybridClock(time);
  const { ttlMs, maxIdleMs, ...rest } = options;
  const store = MemberStore.create({
    maxBytes: 8 * 2 ** 20,
    partitionCount: 2,
    maxWorkers: 2,
    hashSeed: 7,
    clock,
    recordChecksums: true,
    ...rest,
  });
  store.openMap(MAP, { affinityParts: 0, ttlMs, maxIdleMs });
  for (let id = 0; id < (options.partitionCount ?? 2); id++) store.openPartition(id as PartitionId, 1 as Epoch);
  return { store, reader: StoreReader.attach(store.handle, 0), time, clock };
}

export function stagePut(
  batch: WriteBatch,
  key: string,
  value: string,
  partition: number = PARTITION,
  expiresAt = 0,
  map: MapId = MAP,
): boolean {
  const keyBytes = bytesOf(key);
  const valueBytes = bytesOf(value);
  const { length } = valueBytes;
  return batch.put(
    map,
    partition as PartitionId,
    keyBytes,
    0,
    keyBytes.length,
    batch.value(valueBytes, 0, length, expiresAt),
  );
}

export function stageRemove(batch: WriteBatch, key: string, partition: number = PARTITION, map: MapId = MAP): boolean {
  const bytes = bytesOf(key);
  return batch.remove(map, partition as PartitionId, bytes, 0, bytes.length);
}

export function put(
  store: MemberStore,
  key: string,
  value: string,
  partition: number = PARTITION,
  expiresAt = 0,
  map: MapId = MAP,
): void {
  while (!inBatch(store, (batch) => stagePut(batch, key, value, partition, expiresAt, map)));
}

export function remove(store: MemberStore, key: string, partition: number = PARTITION): boolean {
  return inBatch(store, (batch) => stageRemove(batch, key, partition));
}

function inBatch<T>(store: MemberStore, stage: (batch: WriteBatch) => T): T {
  const batch = store.begin({ oncePerKey: true });
  try {
    const result = stage(batch);
    batch.commit();
    return result;
  } catch (error) {
    batch.abort();
    throw error;
  }
}

/** The newest committed value. */
export function get(
  store: MemberStore,
  key: string,
  partition: number = PARTITION,
  map: MapId = MAP,
): string | undefined {
  const bytes = bytesOf(key);
  if (!store.find(map, partition as PartitionId, bytes, 0, bytes.length)) return undefined;
  return textOf(store.found.valueBytes, store.found.valueStart, store.found.valueEnd);
}

/** As get(), sealed changes included. */
export function getNewest(
  store: MemberStore,
  key: string,
  partition: number = PARTITION,
  map: MapId = MAP,
): string | undefined {
  const bytes = bytesOf(key);
  if (!store.findNewest(map, partition as PartitionId, bytes, 0, bytes.length)) return undefined;
  return textOf(store.found.valueBytes, store.found.valueStart, store.found.valueEnd);
}

/** The value that a snapshot sees, by the reader's index. */
export function getAt(
  reader: StoreReader,
  key: string,
  version: Version,
  partition: number = PARTITION,
  map: MapId = MAP,
): string | undefined {
  const bytes = bytesOf(key);
  reader.enter();
  try {
    if (!reader.get(map, partition as PartitionId, bytes, 0, bytes.length, version)) return undefined;
    return textOf(reader.foundChunk.bytes, reader.foundChunk.start, reader.foundChunk.stop);
  } finally {
    reader.leave();
  }
}

/** Everything that a snapshot sees of a partition, by a scan. A key seen twice is an error. */
export function scanAt(
  reader: StoreReader,
  version: Version,
  partition: number = PARTITION,
  map: MapId = MAP,
): Map<string, string> {
  const rows = new Map<string, string>();
  const slots = new Int32Array(4096);
  reader.enter();
  const chunks = reader.table(map, partition as PartitionId)?.chunkCount ?? 0;
  for (let index = 0; index < chunks; index++) {
    reader.enter();
    const chunk = reader.table(map, partition as PartitionId)!.chunk(index);
    const count = visibleSlots(chunk, version, slots);
    for (let row = 0; row < count; row++) {
      chunk.positionKey(slots[row]!);
      const key = textOf(chunk.bytes, chunk.start, chunk.stop);
      chunk.positionValue(slots[row]!);
      if (rows.has(key)) throw new Error(`key ${key} is visible twice`);
      rows.set(key, textOf(chunk.bytes, chunk.start, chunk.stop));
    }
  }
  reader.leave();
  return rows;
}

/** Works off everything that can be. */
export function settle(store: MemberStore): void {
  while (store.reclaim(100_000) > 0);
}

/** Closes everything; then nothing may be charged to anyone. */
export function closeAll(store: MemberStore, maps: readonly MapId[] = [MAP], partitionCount = 2): void {
  for (const map of maps) if (store.hasMap(map)) store.dropMap(map);
  for (let id = 0; id < partitionCount; id++) store.closePartition(id as PartitionId);
  settle(store);
}

/** The committed records of the partition as text. */
export function recordsOf(store: MemberStore, from = 1): string[] {
  const records: string[] = [];
  const kinds = Object.fromEntries(Object.entries(RecordKind).map(([name, kind]) => [kind, name]));
  store.readLog(PARTITION, from as Sequence, 1000, (record) => {
    record.positionKey();
    let text = `${record.sequence} ${kinds[record.kind]} ${textOf(record.bytes, record.start, record.stop)}`;
    record.positionOldValue();
    if (record.hasOldValue) text += ` ${textOf(record.bytes, record.start, record.stop)}`;
    record.positionValue();
    if (record.hasValue) text += ` -> ${textOf(record.bytes, record.start, record.stop)}`;
    records.push(text);
  });
  return records;
}
