/** Readers of encoded values: one a segment of the arena, and one a copy of a value that lies in extents. */
import { type Path, ValueReader, ValueTag, ValueType } from '@ashlar/serialization';
import type { SlotChunkView } from '../slots/slot-chunk.ts';

/** TAG_OF[ValueType]: what SQL sees in an element. */
export const TAG_OF: Uint8Array = Uint8Array.from({ length: 16 }, (_, type) => {
  const tags: Readonly<Record<number, ValueTag>> = {
    [ValueType.MISSING]: ValueTag.MISSING,
    [ValueType.NULL]: ValueTag.NULL,
    [ValueType.BOOLEAN]: ValueTag.BOOLEAN,
    [ValueType.NUMBER]: ValueTag.NUMBER,
    [ValueType.BIGINT]: ValueTag.BIGINT,
    [ValueType.WIDE_BIGINT]: ValueTag.BIGINT,
    [ValueType.STRING]: ValueTag.TEXT,
    [ValueType.BYTES]: ValueTag.BYTES,
    [ValueType.DATE]: ValueTag.TIMESTAMP,
    [ValueType.DECIMAL]: ValueTag.DECIMAL,
    [ValueType.ARRAY]: ValueTag.JSON,
    [ValueType.OBJECT]: ValueTag.JSON,
  };
  return tags[type] ?? ValueTag.JSON;
});

export class ElementReaders {
  readonly #readers = new WeakMap<Uint8Array, ValueReader>();
  #last: ValueReader | undefined;

  /** The reader of the memory that the chunk's `bytes` are. */
  of(bytes: Uint8Array, view: DataView): ValueReader {
    if (this.#last?.bytes === bytes) return this.#last;
    let reader = this.#readers.get(bytes);
    if (reader === undefined) {
      reader = new ValueReader(bytes, view);
      this.#readers.set(bytes, reader);
    }
    this.#last = reader;
    return reader;
  }

  /** Goes to the element of a slot's value at `path`; its extent is chunk.start .. chunk.stop. */
  find(chunk: SlotChunkView, slot: number, path: Path): ValueReader {
    chunk.positionValue(slot);
    const reader = this.of(chunk.bytes, viewOf(chunk));
    reader.find(path, chunk.start, chunk.stop);
    return reader;
  }

  /** Goes to the element that begins `offset` bytes into a slot's value. */
  at(chunk: SlotChunkView, slot: number, offset: number): ValueReader {
    chunk.positionValue(slot);
    const reader = this.of(chunk.bytes, viewOf(chunk));
    reader.readAt(chunk.start + offset, chunk.stop);
    return reader;
  }
}

/** The DataView over the memory of chunk.bytes. */
function viewOf(chunk: SlotChunkView): DataView {
  const { bytes } = chunk;
  if (chunk.segment.u8 === bytes) return chunk.segment.view;
  for (const segment of chunk.arena.segments) if (segment.u8 === bytes) return segment.view;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The JavaScript value of an element that no number lane holds: bigint, Decimal, text, bytes, object. */
export function elementValue(reader: ValueReader): unknown {
  if (reader.type === ValueType.STRING) return reader.text();
  return reader.type === ValueType.BIGINT ? reader.bigint : reader.decode();
}
