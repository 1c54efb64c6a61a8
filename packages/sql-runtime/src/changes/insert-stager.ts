/** Stages the rows of an INSERT, in their order: a key that stands in it twice is a duplicate the second time. */
import type { CatalogedMap } from '@ashlar/cluster';
import { CancelledError, GridError, MapDroppedError, type PartitionId } from '@ashlar/core';
import { keyText } from '@ashlar/expressions';
import { decodeKey } from '@ashlar/serialization';
import { type MemberStore, RecordCause } from '@ashlar/storage';
import type { InsertRows } from './change-request.ts';
import type { Staging } from './staged-change.ts';

const ROWS_A_LOOK = 64;

/** @returns rows changed @throws GridError DUPLICATE_KEY, MAP_DROPPED, CANCELLED */
export async function stageInserts(
  map: CatalogedMap,
  { partitions, keys, values, onConflict }: InsertRows,
  store: MemberStore,
  into: Staging,
): Promise<number> {
  const { batch, seen, signal } = into;
  keys.forEach((key, index) => {
    store.expireBefore(batch, map.id, partitions[index]! as PartitionId, key, 0, key.length);
  });
  let affected = 0;
  for (const [index, key] of keys.entries()) {
    into.rows = index;
    if (index % ROWS_A_LOOK === ROWS_A_LOOK - 1 && signal.aborted) throw new CancelledError('the statement');
    if (!store.hasMap(map.id)) throw new MapDroppedError(map.name, { mapId: map.id });
    const partition = partitions[index]! as PartitionId;
    const exists = store.findNewest(map.id, partition, key, 0, key.length, batch);
    seen.note(store.found.undecided, batch);
    if (exists && onConflict === 'error') throw duplicateKey(map.name, key, Number.isNaN(store.found.version));
    if (exists && onConflict === 'nothing') continue;
    const value = values[index]!;
    batch.put(map.id, partition, key, 0, key.length, batch.value(value, 0, value.length, 0, RecordCause.statement));
    affected++;
  }
  return affected;
}

/** @param isOwn  what is there has no version yet: the statement itself has staged it */
function duplicateKey(map: string, key: Uint8Array, isOwn: boolean): GridError {
  const text = keyText(decodeKey(key, 0, key.length));
  const why = isOwn ? `the statement has the key ${text} twice` : `the key ${text} is in '${map}' already`;
  return new GridError('DUPLICATE_KEY', `${why}; nothing was inserted`, {
    hint: 'use ON CONFLICT DO NOTHING, UPDATE, or put',
    details: { map, key: text },
  });
}
