/** The refusal of a partition in which somebody else stages, as the store's own: what gets it waits in the room queue. */
import { GridError } from '@ashlar/core';

export function partitionBusy(partition: number): GridError {
  return new GridError('OVERLOADED', `another batch is staging in partition ${partition}`, {
    hint: 'wait until it is sealed',
    details: { partitionId: partition, isCrowded: true },
  });
}
