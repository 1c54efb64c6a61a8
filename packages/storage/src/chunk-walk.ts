/**
 * The one way along the chunks of a partition that a snapshot is read by:
 *
 *   for (let index = 0; ; index++) { enterChunk(reader, place, index) -> rows of the chunk }, then reader.leave()
 *
 * chunk-walk W1  The reader epoch is entered anew for every chunk, and table and chunk are asked for after that
 *                (store-reader S1): the writer can use memory again while a long scan goes on.
 * chunk-walk W2  Chunks end where the table does, and only while the map is there: where its name is given, one that was
 *                dropped is distinguished from one that ends.
 */
import { MapDroppedError, type MapId, type PartitionId } from '@ashlar/core';
import type { SlotChunkView } from './slots/slot-chunk.ts';
import type { StoreReader } from './store-reader.ts';

/** The chunks that are walked along: those of one map in one partition. */
export interface ChunkPlace {
  readonly mapId: MapId;
  /** The map's name, for MAP_DROPPED; omitted: a map that is gone ends as its table does. */
  readonly map?: string;
  readonly partitionId: PartitionId;
}

/**
 * Enters the reader epoch anew and moves to a chunk.
 *
 * @param chunkIndex  from 0
 * @returns undefined when there is no such chunk; the view is valid until the reader's next enter() or leave()
 * @throws MapDroppedError when the map that is named is not there (chunk-walk W2)
 */
export function enterChunk(
  reader: StoreReader,
  { mapId, map, partitionId }: ChunkPlace,
  chunkIndex: number,
): SlotChunkView | undefined {
  reader.enter();
  const table = reader.table(mapId, partitionId);
  if (table !== undefined && chunkIndex < table.chunkCount) return table.chunk(chunkIndex);
  if (map !== undefined && !reader.hasMap(mapId)) throw new MapDroppedError(map, { mapId });
  return undefined;
}
