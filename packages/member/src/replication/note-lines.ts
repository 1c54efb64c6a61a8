/**
 * What a member logs of its replication. What concerns many partitions at once, as everything that follows from a member's end does,
 * is one line that counts them.
 *
 *   note, note ... of a turn -> gathered by what they have in common -> a line each
 */
import { GridError, memberOfReplica } from '@ashlar/core';
import type { Note } from '@ashlar/replication';

export interface NoteLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly facts: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** Partitions that a line names; it counts all. */
const NAMED_MAX = 10;

type PartitionNote = Extract<Note, { readonly partition: number }>;

interface Group {
  readonly line: NoteLine;
  readonly partitions: number[];
}

/** The lines of what was noted in a turn. Pure. */
export function noteLines(notes: readonly Note[]): NoteLine[] {
  const groups = new Map<string, Group>();
  for (const note of notes) {
    const line = lineOf(note);
    const key = `${line.message} ${JSON.stringify(line.facts)}`;
    const partitions = 'partition' in note ? [note.partition] : [];
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { line, partitions });
    else group.partitions.push(...partitions);
  }
  return Array.from(groups.values(), withPartitions);
}

function withPartitions({ line, partitions }: Group): NoteLine {
  if (partitions.length === 0) return line;
  const facts = { ...line.facts, partitions: partitions.length, first: partitions.slice(0, NAMED_MAX) };
  return { ...line, facts };
}

function lineOf(note: Note): NoteLine {
  switch (note.kind) {
    case 'clockGap':
      return {
        level: 'warn',
        facts: { gapMs: Math.round(note.gapMs) },
        message: 'the member stood still: its leases end',
      };
    case 'suspended':
      return note.isSuspended
        ? { level: 'warn', facts: {}, message: 'the grid takes this member for dead: it registers again' }
        : { level: 'info', facts: {}, message: 'registered' };
    default:
      return partitionLineOf(note);
  }
}

function partitionLineOf(note: PartitionNote): NoteLine {
  switch (note.kind) {
    case 'elected':
      return { level: 'info', facts: { afterMs: Math.round(note.afterMs) }, message: 'primary of partitions' };
    case 'deposed':
      return { level: 'info', facts: {}, message: 'primary of partitions no more' };
    case 'shrinking':
      return {
        level: 'warn',
        facts: { member: memberOfReplica(note.without), why: note.why },
        message: 'copies are out of sync',
      };
    case 'grown':
      return { level: 'info', facts: { member: memberOfReplica(note.by) }, message: 'copies are in sync' };
    case 'refusedEpoch':
      return { level: 'debug', facts: { member: memberOfReplica(note.from) }, message: 'an old epoch was refused' };
    case 'transferCut':
      return {
        level: 'debug',
        facts: { member: memberOfReplica(note.to), reason: note.reason },
        message: 'transfers were cut',
      };
    case 'fault':
      return {
        level: 'error',
        facts: { member: memberOfReplica(note.by), why: GridError.wrap(note.error).message },
        message: 'logs of partitions contradict each other, or cannot be read',
      };
  }
}
