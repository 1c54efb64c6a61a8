import type { Epoch, MapId, PartitionId } from '@ashlar/core';
import { type CheckpointParts, Checkpoints } from './checkpoints.ts';
import type { GatedWrites } from './gated-writes.ts';
import { encodeCheckpoint, LISTENER_MAP } from './listener-records.ts';

const LISTENER = { module: 'm', exportName: 'copy', mapId: 7 as MapId };
const PLACE = { partition: 0 as PartitionId, epoch: 3 as Epoch };
const STEP = { incarnation: 1, sequence: 20, outbox: undefined };

/**
 * A listener's checkpoint whose batch is lost, while the partition's records here hold the step.
 *
 * @param servedAt  the epoch in which the partition is served here by then; 0: it is not
 */
function lostStep(servedAt: number): Promise<void> {
  const bytes = encodeCheckpoint(STEP);
  const map = { id: 1 as MapId, name: LISTENER_MAP };
  const parts = {
    store: {
      hasMap: () => true,
      findNewest: () => true,
      found: { undecided: undefined, valueBytes: bytes, valueStart: 0, valueEnd: bytes.length },
    },
    control: {
      serving: { epochOf: () => servedAt },
      systemMap: async () => map,
      maps: new Map([[LISTENER_MAP, map]]),
    },
    clock: { now: () => 0 },
  } as unknown as CheckpointParts;
  const writes = { commit: async () => false } as unknown as GatedWrites;
  return new Checkpoints(LISTENER, parts, writes).write(PLACE, STEP, [], new AbortController().signal);
}

describe('a step whose batch was lost', () => {
  it('is done where the partition is served on, and holds it', async () => {
    await expect(lostStep(PLACE.epoch)).resolves.toBeUndefined();
  });

  it.each([
    ['is not served here any more: a copy may hold what was never committed', 0],
    ['is served here again, by what others had', PLACE.epoch + 1],
  ])('is in doubt where the partition %s (C3)', async (_, servedAt) => {
    await expect(lostStep(servedAt)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  });
});
