/** The scan of UPDATE, DELETE and processWhere: which entries a snapshot shows that meet the condition. */
import { GridError, type MapId } from '@ashlar/core';
import { canonicalNumber } from '@ashlar/expressions';
import { ByteColumn, ValueWriter } from '@ashlar/serialization';
import { CHUNK_SLOTS_MAX, enterChunk, type SlotChunkView, type StoreReader, visibleSlots } from '@ashlar/storage';
import type { WorkerContext } from '@ashlar/workers';
import type { ChangedRows, ChangeTask } from '../query-tasks.ts';
import { ChangeRule } from './changes.ts';

export function scanForChanges(task: ChangeTask, context: WorkerContext<StoreReader>): ChangedRows {
  const scan = new ChangeScan(task);
  const slots = new Uint16Array(CHUNK_SLOTS_MAX);
  const { reader } = context;
  for (const partition of task.partitions) {
    const place = { mapId: task.scan.mapId as MapId, map: task.scan.map, partitionId: partition };
    try {
      for (let index = 0; ; index++) {
        context.throwIfCancelled();
        const chunk = enterChunk(reader, place, index);
        if (chunk === undefined) break;
        const count = visibleSlots(chunk, task.snapshotVersion, slots);
        for (let at = 0; at < count; at++) scan.look(partition, chunk, slots[at]!);
        if (!reader.snapshotAlive(task.snapshotId))
          throw new GridError('SNAPSHOT_EXPIRED', 'the snapshot of the statement expired');
      }
    } finally {
      reader.leave();
    }
  }
  return scan.finish();
}

class ChangeScan {
  readonly #task: ChangeTask;
  readonly #rule: ChangeRule;
  readonly #partitions: number[] = [];
  readonly #versions: number[] = [];
  readonly #keyEnds: number[] = [];
  readonly #valueEnds: number[] = [];
  readonly #keys = new ByteColumn();
  readonly #values = new ByteColumn();
  readonly #writer = new ValueWriter();
  /** Both keys that each ambiguous text means. */
  readonly #meant: ReadonlySet<unknown>;
  readonly #keysFound = new Set<unknown>();
  #oldBytes = 0;

  constructor(task: ChangeTask) {
    this.#task = task;
    this.#meant = new Set(task.ambiguousTexts.flatMap((text) => [text, canonicalNumber(text)]));
    this.#rule = new ChangeRule(task);
  }

  look(partition: number, chunk: SlotChunkView, slot: number): void {
    const { row } = this.#rule;
    chunk.positionKey(slot);
    const { bytes: keyBytes, start: keyStart, stop: keyStop } = chunk;
    row.key(keyBytes, keyStart, keyStop);
    chunk.positionValue(slot);
    const { bytes, start, stop } = chunk;
    const version = chunk.versionOf(slot);
    row.document(bytes, start, stop, version, chunk.f64[chunk.expiresAt + slot]!);
    if (!this.#rule.matches()) return;
    if (this.#meant.size > 0 && this.#meant.has(row.currentKey)) this.#keysFound.add(row.currentKey);
    this.#partitions.push(partition);
    this.#versions.push(version);
    this.#oldBytes += stop - start;
    this.#keys.append(keyBytes, keyStart, keyStop);
    this.#keyEnds.push(this.#keys.length);
    if (this.#task.kind === 'update') {
      const writer = this.#writer;
      writer.reset();
      const end = writer.write(this.#rule.changed(bytes, start, stop));
      this.#values.append(writer.bytes, 0, end);
    }
    this.#valueEnds.push(this.#values.length);
  }

  finish(): ChangedRows {
    return {
      count: this.#partitions.length,
      partitions: Uint32Array.from(this.#partitions),
      versions: Float64Array.from(this.#versions),
      keyEnds: Uint32Array.from(this.#keyEnds),
      keys: this.#keys.take(),
      valueEnds: Uint32Array.from(this.#valueEnds),
      values: this.#values.take(),
      oldBytes: this.#oldBytes,
      odd: this.#rule.oddRows?.counts() ?? [],
      keysFound: [...this.#keysFound],
    };
  }
}
