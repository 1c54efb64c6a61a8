/**
 * Which paths the documents of a map have: for `SELECT *`, for names in another case, for "did you mean".
 *
 * A worker remembers, a chunk, what it found there up to which version, and looks only at slots that began later: what a
 * closed slot had may be reported although no document has it any more, and then is a column of NULLs.
 */
import { GridError } from '@ashlar/core';
import { ValueReader, ValueType } from '@ashlar/serialization';
import { CHUNK_SLOTS_MAX, type SlotChunkView, type StoreReader, visibleSlots } from '@ashlar/storage';
import type { WorkerContext } from '@ashlar/workers';
import type { PathsTask } from './query-tasks.ts';

/** Paths beyond are not reported: documents with so many are maps in disguise. */
const PATHS_MAX = 2000;
const DEPTH_MAX = 4;
const CHUNKS_REMEMBERED_MAX = 65_536;

interface Remembered {
  readonly ref: number;
  through: number;
}

/** The fields met at one place of the documents, in the order of their first appearance. */
interface Fields {
  readonly path: readonly string[];
  readonly byName: Map<string, Field>;
  /** The fields of the document looked at last: the next one mostly has the same. */
  readonly last: Field[];
}

interface Field {
  readonly nameBytes: Uint8Array;
  readonly path: readonly string[];
  readonly inner: Fields;
}

/** Of this thread: by map, partition and chunk, how far it was looked at; by map, what was found. */
const chunks = new Map<string, Remembered>();
const found = new Map<number, PathCollector>();

export function findPaths(task: PathsTask, context: WorkerContext<StoreReader>): readonly (readonly string[])[] {
  const paths = found.get(task.mapId) ?? new PathCollector();
  found.set(task.mapId, paths);
  if (chunks.size > CHUNKS_REMEMBERED_MAX) chunks.clear();
  const slots = new Uint16Array(CHUNK_SLOTS_MAX);
  const { reader } = context;
  for (const partition of task.partitions) {
    reader.enter();
    try {
      const table = reader.table(task.mapId as never, partition);
      for (let index = 0; table !== undefined && index < table.chunkCount; index++) {
        context.throwIfCancelled();
        const chunk = table.chunk(index);
        lookAt(`${task.mapId} ${partition} ${index}`, chunk, task.snapshotVersion, slots, paths);
        if (!reader.snapshotAlive(task.snapshotId)) throw new GridError('SNAPSHOT_EXPIRED', 'the snapshot expired');
      }
    } finally {
      reader.leave();
    }
  }
  return paths.paths;
}

function lookAt(name: string, chunk: SlotChunkView, version: number, slots: Uint16Array, paths: PathCollector): void {
  const known = chunks.get(name);
  const through = known !== undefined && known.ref === chunk.ref ? known.through : -1;
  if (chunk.maxBegin <= through) return;
  const count = visibleSlots(chunk, version as never, slots);
  for (let at = 0; at < count; at++) {
    const slot = slots[at]!;
    if (through >= 0 && chunk.versionOf(slot) <= through) continue;
    chunk.positionValue(slot);
    paths.collect(chunk.bytes, chunk.start, chunk.stop);
  }
  chunks.set(name, { ref: chunk.ref, through: version });
}

class PathCollector {
  readonly paths: (readonly string[])[] = [];
  readonly #root: Fields = fieldsAt([]);
  #reader: ValueReader | undefined;

  collect(bytes: Uint8Array, start: number, end: number): void {
    if (this.#reader?.bytes !== bytes) this.#reader = new ValueReader(bytes);
    this.#collect(this.#reader, this.#root, start, end);
  }

  #collect(reader: ValueReader, fields: Fields, start: number, end: number): void {
    reader.readAt(start, end);
    if (reader.type !== ValueType.OBJECT) return;
    let index = 0;
    const nested: number[] = [];
    reader.forEachField((nameStart, nameEnd, at, stop) => {
      const expected = fields.last[index];
      const field =
        expected !== undefined && hasName(expected, reader.bytes, nameStart, nameEnd)
          ? expected
          : this.#field(fields, reader.bytes, nameStart, nameEnd);
      fields.last[index++] = field;
      if (isObject(reader.bytes[at]!) && field.path.length < DEPTH_MAX) nested.push(index - 1, at, stop);
    });
    for (let next = 0; next < nested.length; next += 3) {
      this.#collect(reader, fields.last[nested[next]!]!.inner, nested[next + 1]!, nested[next + 2]!);
    }
  }

  #field(fields: Fields, bytes: Uint8Array, nameStart: number, nameEnd: number): Field {
    const nameBytes = bytes.slice(nameStart, nameEnd);
    const name = Buffer.from(nameBytes).toString('utf8');
    const known = fields.byName.get(name);
    if (known !== undefined) return known;
    const path = [...fields.path, name];
    const field: Field = { nameBytes, path, inner: fieldsAt(path) };
    if (this.paths.length < PATHS_MAX) {
      fields.byName.set(name, field);
      this.paths.push(path);
    }
    return field;
  }
}

function fieldsAt(path: readonly string[]): Fields {
  return { path, byName: new Map(), last: [] };
}

/** First byte of a MessagePack map. */
function isObject(token: number): boolean {
  return (token & 0xf0) === 0x80 || token === 0xde || token === 0xdf;
}

function hasName(field: Field, bytes: Uint8Array, start: number, end: number): boolean {
  const { nameBytes } = field;
  if (nameBytes.length !== end - start) return false;
  for (let at = 0; at < nameBytes.length; at++) if (nameBytes[at] !== bytes[start + at]) return false;
  return true;
}
