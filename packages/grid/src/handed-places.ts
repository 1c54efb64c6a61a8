/**
 * The places of a subscription up to which the application has taken its events: one a partition, told by tokens.
 *
 *   base (places by partition) + journal (which partition moved to where, event by event) = the place of any event since
 *
 * A token may be asked for long after its event was taken. Copying all places for each batch would cost more than its events;
 * so events share a base, and each knows how far into the journal it is.
 *
 * handed-places P1  The place of an event is what was handed when it was: the journal is only added to, and a new base begins
 *                   when it is full or places move by other means.
 */
import { encodeToken } from './token.ts';

/** Events that share a base. An event that is kept keeps those places, and nothing of other events. */
const JOURNAL_EVENTS = 512;

interface Journal {
  readonly base: Float64Array;
  /** Parallel columns: an element an event. */
  readonly partitions: number[];
  readonly sequences: number[];
}

/** Where an event lies: to be asked for its token. */
export interface EventPlace {
  readonly journal: Journal;
  /** Entries of the journal up to and with its own. */
  readonly count: number;
}

export class HandedPlaces {
  /** By partition: the last sequence that was handed out. */
  sequences: Float64Array;
  /** By partition; complete before the first event is handed out, and never changed from then on. */
  incarnations: Float64Array;
  #journal: Journal | undefined;

  constructor(partitionCount: number) {
    this.sequences = new Float64Array(partitionCount);
    this.incarnations = new Float64Array(partitionCount);
  }

  /** Nothing was handed out yet, and the partitions are others. */
  begin(partitionCount: number): void {
    this.sequences = new Float64Array(partitionCount);
    this.incarnations = new Float64Array(partitionCount);
    this.#journal = undefined;
  }

  /** An event is handed out. */
  hand(partition: number, sequence: number): EventPlace {
    let journal = this.#journal;
    if (journal === undefined || journal.partitions.length === JOURNAL_EVENTS) {
      journal = { base: this.sequences.slice(), partitions: [], sequences: [] };
      this.#journal = journal;
    }
    journal.partitions.push(partition);
    this.sequences[partition] = sequence;
    return { journal, count: journal.sequences.push(sequence) };
  }

  /** Places have moved without events; parallel columns. */
  advance(partitions: readonly number[], sequences: readonly number[]): void {
    if (partitions.length === 0) return;
    partitions.forEach((partition, index) => {
      if (sequences[index]! > this.sequences[partition]!) this.sequences[partition] = sequences[index]!;
    });
    this.#journal = undefined;
  }

  tokenOf({ journal, count }: EventPlace, map: string, mapId: number): string {
    const sequences = journal.base.slice();
    for (let at = 0; at < count; at++) sequences[journal.partitions[at]!] = journal.sequences[at]!;
    return encodeToken({ map, mapId, incarnations: this.incarnations, sequences });
  }
}
