/** Events as a listener takes them: by partition, in the order of the logs. */
import type { ListenerEvent } from '@ashlar/compute';
import type { PartitionId } from '@ashlar/core';
import type { EventColumns } from '@ashlar/serialization';

/** Events of one partition on their way through a listener. */
export interface EventGroup {
  readonly partition: PartitionId;
  readonly events: readonly ListenerEvent[];
  /** The place of each event in the log. */
  readonly sequences: readonly number[];
  readonly lastSequence: number;
}

const TYPES = ['insert', 'update', 'remove', 'expire', 'evict', 'load', 'reload'] as const;

export function groupsOf(events: EventColumns): EventGroup[] {
  const groups = new Map<number, { events: ListenerEvent[]; sequences: number[]; lastSequence: number }>();
  for (let index = 0; index < events.count; index++) {
    const partition = events.partitions[index]!;
    const group = groups.get(partition) ?? { events: [], sequences: [], lastSequence: 0 };
    groups.set(partition, group);
    group.lastSequence = events.sequences[index]!;
    group.sequences.push(group.lastSequence);
    group.events.push({
      type: TYPES[events.types[index]!]!,
      key: piece(events.keys, events.keyEnds, index),
      value: nonEmpty(piece(events.values, events.valueEnds, index)),
      oldValue: nonEmpty(piece(events.oldValues, events.oldValueEnds, index)),
      version: events.versions[index]!,
      token: '',
    });
  }
  return [...groups].map(([partition, group]) => ({ partition: partition as PartitionId, ...group }));
}

/** Each event of a group in a group of its own. */
export function singles({ partition, events, sequences }: EventGroup): EventGroup[] {
  return events.map((event, index) => {
    const lastSequence = sequences[index]!;
    return { partition, events: [event], sequences: [lastSequence], lastSequence };
  });
}

function piece(bytes: Uint8Array, ends: Uint32Array, index: number): Uint8Array {
  return bytes.subarray(index === 0 ? 0 : ends[index - 1]!, ends[index]!);
}

function nonEmpty(bytes: Uint8Array): Uint8Array | undefined {
  return bytes.length === 0 ? undefined : bytes;
}
