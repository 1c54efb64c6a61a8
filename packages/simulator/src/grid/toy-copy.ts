/**
 * A copy of a partition as a simulated member holds it: a log, and the maps that follow from it.
 *
 *   append(record) -> log [ trimmed | first ... committed ... last ] -> newest (all of it), shown (what is committed)
 *
 * toy-copy C1  Sequences are contiguous; a record's version is above that of the one before.
 * toy-copy C2  `shown` follows from the records up to `committed`, `newest` from all of them.
 * toy-copy C3  Nothing above `committed` is trimmed, and nothing is taken back but a batch whose end is missing: a copy is dropped
 *              whole.
 * toy-copy C4  Batches are committed whole.
 * toy-copy C5  A log that begins behind a lost one knows that it knows nothing of requests from before.
 */
import { assert } from '@ashlar/core';
import type { KeyValue } from '../history/operation.ts';
import type { SimCopy } from './sim-store.ts';

export interface ToyRecord {
  readonly partition: number;
  readonly sequence: number;
  /** Epoch at which it was written. */
  readonly epoch: number;
  readonly version: number;
  readonly key: string;
  /** What the key held before, and holds afterwards. */
  readonly before: KeyValue;
  readonly value: KeyValue;
  /** Whose request it answers; 0: nobody's. */
  readonly session: number;
  readonly request: number;
  /** Its batch goes on with the next record. */
  readonly isOpen?: boolean;
}

/** What a copy begins with: nothing, or what was transferred. */
export interface CopyStart {
  /** The last sequence that `entries` hold. */
  readonly sequence: number;
  readonly version: number;
  readonly entries: readonly (readonly [key: string, value: KeyValue])[];
  /** The end of the log up to `sequence`: the answer window. */
  readonly records: readonly ToyRecord[];
  /** Answers to requests at or below that version are not known any more. */
  readonly forgotten: number;
  /** The log begins anew, behind one that is lost: what was sent before it may have been done there (toy-copy C5). */
  readonly isAnew?: boolean;
}

export const EMPTY_START: CopyStart = { sequence: 0, version: 0, entries: [], records: [], forgotten: 0 };

export class ToyCopy implements SimCopy {
  readonly #records: ToyRecord[];
  /** Sequence of `#records[0]`. */
  #first: number;
  #committed: number;
  #committedVersion: number;
  #lastVersion: number;
  #forgotten: number;
  readonly #isAnew: boolean;
  readonly #newest: Map<string, KeyValue>;
  readonly #shown: Map<string, KeyValue>;
  /** Newest records by the request that they answer, of those still in the log. */
  readonly #answers = new Map<string, ToyRecord>();

  constructor({ sequence, version, entries, records, forgotten, isAnew = false }: CopyStart = EMPTY_START) {
    this.#isAnew = isAnew;
    this.#records = [...records];
    this.#first = records[0]?.sequence ?? sequence + 1;
    this.#committed = sequence;
    this.#committedVersion = version;
    this.#lastVersion = version;
    this.#forgotten = forgotten;
    this.#newest = new Map(entries);
    this.#shown = new Map(entries);
    assert((records.at(-1)?.sequence ?? sequence) === sequence, 'toy-copy C1: the log ends where the entries do');
    for (const record of records) this.#answers.set(requestName(record.session, record.request), record);
  }

  get first(): number {
    return this.#first;
  }

  get last(): number {
    return this.#first + this.#records.length - 1;
  }

  get committed(): number {
    return this.#committed;
  }

  get lastVersion(): number {
    return this.#lastVersion;
  }

  /** Whether a request that was sent then first, and is not found in the log, may have been forgotten by it. */
  mayHaveForgotten(sentVersion: number): boolean {
    return sentVersion <= this.#forgotten;
  }

  append(record: ToyRecord): ToyRecord {
    assert(record.sequence === this.last + 1, () => `toy-copy C1: sequence ${record.sequence} after ${this.last}`);
    assert(
      record.version > this.#lastVersion,
      () => `toy-copy C1: version ${record.version} after ${this.#lastVersion}`,
    );
    this.#records.push(record);
    if (record.sequence === 1) this.beginsAt(record.version - 1);
    this.#lastVersion = record.version;
    this.#newest.set(record.key, record.value);
    this.#answers.set(requestName(record.session, record.request), record);
    return record;
  }

  /** toy-copy C5: nothing was done in this log up to that version. */
  beginsAt(version: number): void {
    if (this.#isAnew && this.#committed === 0) this.#forgotten = Math.max(this.#forgotten, version);
  }

  /** What nobody may do: another version for a record that was sealed (a mutant's). */
  renumber(sequence: number, version: number): void {
    const record = this.at(sequence);
    if (record === undefined) return;
    this.#records[sequence - this.#first] = { ...record, version };
    this.#lastVersion = Math.max(this.#lastVersion, version);
  }

  /** Shows all batches up to `sequence`. @returns the records that were not shown before */
  commit(upTo: number): readonly ToyRecord[] {
    assert(upTo <= this.last, () => `toy-copy C2: commit ${upTo} of ${this.last}`);
    let sequence = upTo;
    while (sequence > this.#committed && this.at(sequence)!.isOpen === true) sequence -= 1; // toy-copy C4
    if (sequence <= this.#committed) return [];
    const shown = this.from(this.#committed + 1, sequence);
    for (const { key, value } of shown) this.#shown.set(key, value);
    this.#committed = sequence;
    this.#committedVersion = shown.at(-1)!.version;
    return shown;
  }

  /** The rest of the last batch comes no more (toy-copy C3). */
  endBatch(): void {
    for (let last = this.#records.at(-1); last?.isOpen === true; last = this.#records.at(-1)) {
      assert(last.sequence > this.#committed, 'toy-copy C4: what is committed is whole');
      this.#records.pop();
      this.#newest.set(last.key, last.before);
      this.#answers.delete(requestName(last.session, last.request));
      this.#lastVersion = this.#records.at(-1)?.version ?? this.#committedVersion;
    }
  }

  /** toy-copy C3 @param floor  the first sequence that is kept */
  trim(floor: number): void {
    const count = Math.min(floor, this.#committed + 1) - this.#first;
    if (count <= 0) return;
    for (const record of this.#records.splice(0, count)) {
      const name = requestName(record.session, record.request);
      this.#forgotten = record.version;
      if (this.#answers.get(name) === record) this.#answers.delete(name);
    }
    this.#first += count;
  }

  at(sequence: number): ToyRecord | undefined {
    return this.#records[sequence - this.#first];
  }

  /** Records of a range that the log has. */
  from(first: number, last: number = this.last): readonly ToyRecord[] {
    return this.#records.slice(first - this.#first, last - this.#first + 1);
  }

  newest(key: string): KeyValue | undefined {
    return this.#newest.get(key);
  }

  shown(key: string): KeyValue | undefined {
    return this.#shown.get(key);
  }

  /**
   * What keys held at a version.
   *
   * @returns undefined where the log does not reach back so far
   */
  valuesAt(version: number): ReadonlyMap<string, KeyValue> | undefined {
    if (version < this.#forgotten) return undefined;
    const values = new Map(this.#newest);
    for (const record of this.#records.toReversed()) {
      if (record.version <= version) break;
      values.set(record.key, record.before);
    }
    return values;
  }

  /** The last sequence of a version at or below. */
  sequenceAt(version: number): number {
    const index = this.#records.findLastIndex((record) => record.version <= version);
    return this.#first + index;
  }

  answerOf(session: number, request: number): ToyRecord | undefined {
    return this.#answers.get(requestName(session, request));
  }

  /** What is committed, with the log that belongs to it: where a transfer starts. */
  captured(): CopyStart {
    return {
      sequence: this.#committed,
      version: this.#committedVersion,
      entries: [...this.#shown],
      records: this.from(this.#first, this.#committed),
      forgotten: this.#forgotten,
    };
  }
}

function requestName(session: number, request: number): string {
  return `${session}/${request}`;
}
