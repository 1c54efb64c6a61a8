/** A store as the core's effects want it: a map and a log a partition, all of it in plain objects. */
import { assert, type Epoch, type Sequence } from '@ashlar/core';
import type { LogReader, LogRun, LogTerms, Payload } from '../src/index.ts';

export interface ToyRecord {
  readonly sequence: Sequence;
  readonly epoch: Epoch;
  readonly key: string;
  readonly value: string;
}

/** Bytes of a toy record. */
export const RECORD_BYTES = 10;
/** Entries of a page of a transfer. */
const PAGE_ENTRIES = 2;

export interface ToyPage {
  readonly entries: readonly (readonly [string, string])[];
  readonly records: readonly ToyRecord[];
}

export class ToyCopy {
  /** State at `base`, which the log begins behind. */
  readonly entries = new Map<string, string>();
  records: ToyRecord[] = [];
  base = 0;
  commit = 0;
  isPrimary = false;

  get last(): Sequence {
    return (this.records.at(-1)?.sequence ?? this.base) as Sequence;
  }

  get trimFloor(): Sequence {
    return (this.records[0]?.sequence ?? this.base + 1) as Sequence;
  }

  get(key: string): string | undefined {
    const record = this.records.findLast((one) => one.key === key && one.sequence <= this.commit);
    return record?.value ?? this.entries.get(key);
  }

  /** What is there already is passed over. */
  append(records: readonly ToyRecord[]): void {
    for (const record of records) {
      if (record.sequence <= this.last) continue;
      assert(record.sequence === this.last + 1, 'a log without gaps');
      this.records.push(record);
    }
  }

  trim(below: number): void {
    for (const { sequence, key, value } of this.records) {
      if (sequence >= below || sequence > this.commit) break;
      this.entries.set(key, value);
      this.base = sequence;
    }
    this.records = this.records.filter(({ sequence }) => sequence > this.base);
  }

  /** Pages of everything that is committed. */
  pages(): readonly ToyPage[] {
    const records = this.records.filter(({ sequence }) => sequence <= this.commit);
    const entries = [...this.entries];
    const pages: ToyPage[] = [];
    for (let at = 0; at < entries.length; at += PAGE_ENTRIES) {
      pages.push({ entries: entries.slice(at, at + PAGE_ENTRIES), records: [] });
    }
    return [...pages, { entries: [], records }];
  }

  get text(): string {
    return this.records.map(({ sequence, epoch, key, value }) => `${sequence}@${epoch} ${key}=${value}`).join(', ');
  }
}

export class ToyStore implements LogReader {
  readonly copies = new Map<number, ToyCopy>();

  readonly isFull = false;
  /** Runs of the payload in the making. */
  #runs: (readonly ToyRecord[])[] = [];

  begin(): void {
    this.#runs = [];
  }

  finish(): Payload {
    return this.#runs;
  }

  add(partition: number, from: Sequence, bytesMax: number): LogRun | undefined {
    const copy = this.copies.get(partition);
    if (copy === undefined || from < copy.trimFloor) return undefined;
    const rest = copy.records.slice(from - copy.trimFloor);
    const recordEpoch = rest[0]!.epoch;
    const most = Math.max(1, Math.floor(bytesMax / RECORD_BYTES));
    const run = rest.slice(0, most).filter(({ epoch }) => epoch === recordEpoch);
    this.#runs.push(run);
    return { recordEpoch, count: run.length, bytes: run.length * RECORD_BYTES };
  }

  terms(partition: number): LogTerms {
    return { trimFloor: this.copies.get(partition)!.trimFloor, heldFrom: Number.POSITIVE_INFINITY };
  }
}
