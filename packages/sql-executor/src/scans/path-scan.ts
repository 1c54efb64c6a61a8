/**
 * Which paths the documents of a map have, and which kinds of values lie there: for `SELECT *`, for names in another case, for
 * "did you mean", for how undeclared paths are read.
 *
 * path-scan P1  A worker remembers, a chunk, what it found there up to which version, and looks only at slots that began
 *               later. So a path may be reported that no document has any more, and then is a column of NULLs.
 * path-scan P2  Kinds are exact: each has witnesses, some of the slots where it was met last, by itself or in a document of a shape
 *               that has it; when none of a kind is left, the map is looked at from the start.
 */
import { GridError, type MapId, type PartitionId } from '@ashlar/core';
import { ValueReader, ValueType } from '@ashlar/serialization';
import {
  CHUNK_SLOTS_MAX,
  enterChunk,
  isVisible,
  type SlotChunkView,
  type StoreReader,
  visibleSlots,
} from '@ashlar/storage';
import type { WorkerContext } from '@ashlar/workers';
import type { DocumentPaths, PathsTask } from '../query-tasks.ts';
import { DEPTH_MAX, DocumentShape, isObject, kindAt } from './document-shapes.ts';

/** Paths beyond are not reported: documents with so many are maps in disguise. */
const PATHS_MAX = 2000;
const CHUNKS_REMEMBERED_MAX = 65_536;
const MAPS_REMEMBERED_MAX = 1000;

/** Slots remembered for a kind of value at a path: while one of them stays, so does the kind. */
const WITNESSES_MAX = 4;
/** Shapes of documents that are remembered: the one that was met last goes first. */
const SHAPES_MAX = 8;

interface Remembered {
  readonly ref: number;
  through: number;
}

/** A slot where a kind of value was met; what is looked at now, and kept as copies. */
interface Witness {
  partition: PartitionId;
  chunk: number;
  ref: number;
  slot: number;
  version: number;
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
  /** Bits of VALUE_KIND. */
  valueKinds: number;
  /** By kind, some of the last. */
  readonly witnesses: (Witness[] | undefined)[];
}

/** Documents that have all fields of one of them. */
interface KnownShape {
  readonly shape: DocumentShape;
  /** Of the document that it was made of. */
  readonly fields: readonly Field[];
  readonly kinds: readonly number[];
  readonly witnesses: Witness[];
}

/** What this thread knows of a map: how far it has looked, by partition and chunk, and what it has found. */
interface MapKnowledge {
  readonly chunks: Map<string, Remembered>;
  readonly paths: PathCollector;
}

const maps = new Map<number, MapKnowledge>();

export function findPaths(task: PathsTask, context: WorkerContext<StoreReader>): DocumentPaths {
  const known = maps.get(task.mapId);
  if (known !== undefined) {
    scan(task, context, known);
    if (known.paths.hasWitnesses((witness) => stands(witness, task, context))) return known.paths.found;
  }
  if (maps.size >= MAPS_REMEMBERED_MAX) maps.clear();
  const made: MapKnowledge = { chunks: new Map(), paths: new PathCollector() };
  maps.set(task.mapId, made);
  scan(task, context, made);
  return made.paths.found;
}

function scan(task: PathsTask, context: WorkerContext<StoreReader>, known: MapKnowledge): void {
  const slots = new Uint16Array(CHUNK_SLOTS_MAX);
  const { reader } = context;
  if (known.chunks.size > CHUNKS_REMEMBERED_MAX) known.chunks.clear();
  for (const partition of task.partitions) {
    const place = { mapId: task.mapId as MapId, partitionId: partition };
    try {
      for (let index = 0; ; index++) {
        context.throwIfCancelled();
        const chunk = enterChunk(reader, place, index);
        if (chunk === undefined) break;
        lookAt({ partition, index, chunk }, task.snapshotVersion, slots, known);
        if (!reader.snapshotAlive(task.snapshotId)) throw new GridError('SNAPSHOT_EXPIRED', 'the snapshot expired');
      }
    } finally {
      reader.leave();
    }
  }
}

interface Place {
  readonly partition: PartitionId;
  readonly index: number;
  readonly chunk: SlotChunkView;
}

function lookAt({ partition, index, chunk }: Place, version: number, slots: Uint16Array, known: MapKnowledge): void {
  const name = `${partition} ${index}`;
  const before = known.chunks.get(name);
  const through = before !== undefined && before.ref === chunk.ref ? before.through : -1;
  if (!chunk.hasPending && chunk.maxBegin <= through) return;
  const count = through < 0 ? visibleSlots(chunk, version as never, slots) : slotsSince(chunk, through, version, slots);
  const witness: Witness = { partition, chunk: index, ref: chunk.ref, slot: 0, version: 0 };
  for (let at = 0; at < count; at++) {
    witness.slot = slots[at]!;
    witness.version = chunk.versionOf(witness.slot);
    chunk.positionValue(witness.slot);
    known.paths.collect(chunk.bytes, chunk.start, chunk.stop, witness);
  }
  known.chunks.set(name, { ref: chunk.ref, through: version });
}

/** Visible slots that began later than `through`: where few did, the cost is a comparison a slot. */
function slotsSince(chunk: SlotChunkView, through: number, version: number, out: Uint16Array): number {
  const { f64, begin, used } = chunk;
  let count = 0;
  for (let slot = 0; slot < used; slot++) {
    // What is pending or free lies above every version.
    if (f64[begin + slot]! <= through) continue;
    if (isVisible(chunk, slot, version) && chunk.versionOf(slot) > through) out[count++] = slot;
  }
  return count;
}

/** Whether the snapshot still sees what the witness saw. */
function stands(witness: Witness, task: PathsTask, { reader }: WorkerContext<StoreReader>): boolean {
  const { partition, ref, slot, version } = witness;
  if (!task.partitions.includes(partition)) return false;
  reader.enter();
  try {
    const table = reader.table(task.mapId as never, partition);
    if (table === undefined || witness.chunk >= table.chunkCount) return false;
    const chunk = table.chunk(witness.chunk);
    return chunk.ref === ref && chunk.versionOf(slot) === version && isVisible(chunk, slot, task.snapshotVersion);
  } finally {
    reader.leave();
  }
}

class PathCollector {
  readonly #fields: Field[] = [];
  readonly #root: Fields = fieldsAt([]);
  readonly #shapes: KnownShape[] = [];
  /** The fields of the document that is looked at, and the kinds of their values. */
  readonly #seen: Field[] = [];
  readonly #seenKinds: number[] = [];
  /** The fields of the one that was looked at before it. */
  #before: readonly Field[] = [];
  #reader: ValueReader | undefined;

  get found(): DocumentPaths {
    return {
      paths: this.#fields.map(({ path }) => path),
      valueKinds: this.#fields.map(({ valueKinds }) => valueKinds),
    };
  }

  /** path-scan P2 */
  hasWitnesses(stands: (witness: Witness) => boolean): boolean {
    const standing = this.#shapes.filter(({ witnesses }) => witnesses.some(stands));
    const isShown = (field: Field, kind: number): boolean =>
      standing.some(({ fields, kinds }) => fields.some((shown, at) => shown === field && kinds[at] === kind));
    return this.#fields.every((field) =>
      field.witnesses.every((slots, kind) => slots === undefined || isShown(field, kind) || slots.some(stands)),
    );
  }

  collect(bytes: Uint8Array, start: number, end: number, witness: Witness): void {
    const known = this.#shapes.find(({ shape }) => shape.fits(bytes, start, end));
    if (known !== undefined) {
      noteWitness(known.witnesses, witness);
      return;
    }
    if (this.#reader?.bytes !== bytes) this.#reader = new ValueReader(bytes);
    this.#seen.length = 0;
    this.#seenKinds.length = 0;
    this.#collect(this.#reader, this.#root, start, end, witness);
    this.#remember(bytes, start, end);
  }

  /** What is known of a document that was just looked at stands for those of its shape. */
  #remember(bytes: Uint8Array, start: number, end: number): void {
    if (this.#fields.length >= PATHS_MAX || this.#seen.length === 0) return;
    const isFull = this.#shapes.length >= SHAPES_MAX;
    // Where every document has a shape of its own, none is worth making.
    const isAgain = this.#seen.every((field, at) => this.#before[at] === field);
    this.#before = [...this.#seen];
    const shape = isFull && !isAgain ? undefined : DocumentShape.of(bytes, start, end);
    if (shape === undefined) return;
    if (isFull) forget(this.#shapes.pop()!);
    this.#shapes.unshift({ shape, fields: this.#before, kinds: [...this.#seenKinds], witnesses: [] });
  }

  #collect(reader: ValueReader, fields: Fields, start: number, end: number, witness: Witness): void {
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
      const kind = kindAt(reader.bytes, at);
      if (kind !== 0) noteKind(field, kind, witness);
      this.#seen.push(field);
      this.#seenKinds.push(kind);
      if (isObject(reader.bytes[at]!) && field.path.length < DEPTH_MAX) nested.push(index - 1, at, stop);
    });
    for (let next = 0; next < nested.length; next += 3) {
      this.#collect(reader, fields.last[nested[next]!]!.inner, nested[next + 1]!, nested[next + 2]!, witness);
    }
  }

  #field(fields: Fields, bytes: Uint8Array, nameStart: number, nameEnd: number): Field {
    const nameBytes = bytes.slice(nameStart, nameEnd);
    const name = Buffer.from(nameBytes).toString('utf8');
    const known = fields.byName.get(name);
    if (known !== undefined) return known;
    const path = [...fields.path, name];
    const field: Field = { nameBytes, path, inner: fieldsAt(path), valueKinds: 0, witnesses: [] };
    if (this.#fields.length < PATHS_MAX) {
      fields.byName.set(name, field);
      this.#fields.push(field);
    }
    return field;
  }
}

function fieldsAt(path: readonly string[]): Fields {
  return { path, byName: new Map(), last: [] };
}

function noteKind(field: Field, kind: number, witness: Witness): void {
  field.valueKinds |= kind;
  noteWitness((field.witnesses[kind] ??= []), witness);
}

function noteWitness(slots: Witness[], witness: Witness): void {
  if (slots.length < WITNESSES_MAX) slots.push({ ...witness });
  else copyTo(slots[witness.slot % WITNESSES_MAX]!, witness);
}

/** What a shape has shown last goes over to its fields. */
function forget({ fields, kinds, witnesses }: KnownShape): void {
  fields.forEach((field, at) => {
    if (kinds[at] !== 0) for (const witness of witnesses) noteKind(field, kinds[at]!, witness);
  });
}

/** Copies field by field, because it runs for a value of every document that is looked at. */
function copyTo(kept: Witness, seen: Witness): void {
  kept.partition = seen.partition;
  kept.chunk = seen.chunk;
  kept.ref = seen.ref;
  kept.slot = seen.slot;
  kept.version = seen.version;
}

function hasName(field: Field, bytes: Uint8Array, start: number, end: number): boolean {
  const { nameBytes } = field;
  if (nameBytes.length !== end - start) return false;
  for (let at = 0; at < nameBytes.length; at++) if (nameBytes[at] !== bytes[start + at]) return false;
  return true;
}
