/**
 * What a simulated member holds: copies of partitions, transfers that go out and come in. The store's half of the core's host
 * contract, over maps; its real sibling lies in shared memory.
 *
 * member-store S1  A transfer's start is captured in one step: pages hold exactly what was committed then.
 * member-store S2  The log of a partition that is served is kept for the answer window, and for who catches up up to a bound.
 */
import { assert, type ReplicaId, type Sequence, type Version } from '@ashlar/core';
import type { LogRun, LogTerms, Payload, TransferRef, TransferStart } from '@ashlar/replication';
import type { KeyValue } from '../history/operation.ts';
import type { SimPage, SimStore } from './sim-store.ts';
import { type CopyStart, EMPTY_START, ToyCopy, type ToyRecord } from './toy-copy.ts';

export const RECORD_BYTES = 100;
const PAGE_ENTRIES = 4;
/** A copy has at most so many pages. */
const PAGES_MAX = 8;

/** A page as it travels: entries, and with the last one the end of the log. */
export interface ToyPage {
  readonly entries: CopyStart['entries'];
  readonly records: readonly ToyRecord[];
  readonly forgotten: number;
  readonly isLast: boolean;
}

interface Outgoing {
  readonly captured: CopyStart;
}

interface Incoming {
  readonly entries: (readonly [string, KeyValue])[];
  last: ToyPage | undefined;
}

export class MemberStore implements SimStore {
  readonly #copies = new Map<number, ToyCopy>();
  readonly #outgoing = new Map<string, Outgoing>();
  readonly #incoming = new Map<number, Incoming>();
  /** By partition and replica: from where it wants the log. */
  readonly #holds = new Map<number, Map<ReplicaId, number>>();
  readonly isFull = false;
  /** Runs of the payload in the making. */
  #runs: (readonly ToyRecord[])[] = [];
  readonly #keptRecords: number;
  readonly #heldRecords: number;

  /**
   * @param keptRecords  committed records that stay in a log: the answer window
   * @param heldRecords  those that stay for who catches up, at most
   */
  constructor(keptRecords: number, heldRecords: number) {
    this.#keptRecords = keptRecords;
    this.#heldRecords = heldRecords;
  }

  copyOf(partition: number): ToyCopy | undefined {
    return this.#copies.get(partition);
  }

  partitions(): Iterable<number> {
    return this.#copies.keys();
  }

  open(partition: number, _logEpoch: unknown, isAnew: boolean): void {
    this.#copies.set(partition, new ToyCopy({ ...EMPTY_START, isAnew }));
  }

  drop(partition: number): void {
    this.#copies.delete(partition);
    this.#incoming.delete(partition);
  }

  /** @returns the records that the copy had not, or undefined where there is no copy that they follow */
  apply(partition: number, first: number, payload: Payload, run: number): readonly ToyRecord[] | undefined {
    const records = (payload as readonly (readonly ToyRecord[])[])[run]!;
    const copy = this.#copies.get(partition);
    if (copy === undefined || first > copy.last + 1) return undefined;
    const fresh = records.filter(({ sequence }) => sequence > copy.last);
    for (const record of fresh) copy.append(record);
    return fresh;
  }

  endBatch(partition: number): void {
    this.#copies.get(partition)?.endBatch();
  }

  serve(partition: number, _epoch: unknown, version: number): void {
    this.#copies.get(partition)!.beginsAt(version);
  }

  stopServing(): void {}

  /** member-store S2: for who serves the partition. @returns whether anything was trimmed */
  trimServed(partition: number): boolean {
    const copy = this.#copies.get(partition)!;
    const { first } = copy;
    const kept = copy.committed - this.#keptRecords;
    const held = Math.min(kept, ...(this.#holds.get(partition)?.values() ?? []));
    copy.trim(Math.max(held, copy.committed - this.#heldRecords));
    return copy.first > first;
  }

  hold(partition: number, to: ReplicaId, from: number): void {
    let holds = this.#holds.get(partition);
    if (holds === undefined) this.#holds.set(partition, (holds = new Map()));
    if (from === Infinity) holds.delete(to);
    else holds.set(to, from);
  }

  /* ---- The log, as the core reads it ------------------------------------------------------------------------------- */

  begin(): void {
    this.#runs = [];
  }

  finish(): Payload {
    return this.#runs;
  }

  add(partition: number, from: Sequence, bytesMax: number): LogRun | undefined {
    const copy = this.#copies.get(partition);
    if (copy === undefined || from < copy.first) return undefined;
    const recordEpoch = copy.at(from)?.epoch;
    assert(recordEpoch !== undefined, () => `nothing at ${partition}/${from} of ${copy.last}`);
    const most = Math.max(1, Math.floor(bytesMax / RECORD_BYTES));
    const records: ToyRecord[] = [];
    for (let at: number = from; records.length < most; at++) {
      const record = copy.at(at);
      if (record === undefined || record.epoch !== recordEpoch) break;
      records.push(record);
    }
    const bytes = records.length * RECORD_BYTES;
    this.#runs.push(records);
    return { recordEpoch: recordEpoch as LogRun['recordEpoch'], count: records.length, bytes };
  }

  terms(partition: number): LogTerms {
    return { trimFloor: (this.#copies.get(partition)?.first ?? 1) as Sequence, heldFrom: Infinity };
  }

  /* ---- Transfers ---------------------------------------------------------------------------------------------------- */

  /** member-store S1 */
  openTransfer(ref: TransferRef): TransferStart | undefined {
    const copy = this.#copies.get(ref.partition);
    if (copy === undefined) return undefined;
    const captured = copy.captured();
    this.#outgoing.set(nameOf(ref), { captured });
    const logFrom = captured.records[0]?.sequence ?? captured.sequence + 1;
    return {
      sequence: captured.sequence as Sequence,
      version: captured.version as Version,
      logFrom: logFrom as Sequence,
      lineage: [],
      revision: 0,
    };
  }

  page(ref: TransferRef, number: number): SimPage | undefined {
    const page = this.#page(ref, number);
    if (page === undefined) return undefined;
    return { isLast: page.isLast, bytes: (page.entries.length + page.records.length) * RECORD_BYTES, payload: page };
  }

  #page(ref: TransferRef, page: number): ToyPage | undefined {
    const captured = this.#outgoing.get(nameOf(ref))?.captured;
    if (captured === undefined) return undefined;
    const each = Math.max(PAGE_ENTRIES, Math.ceil(captured.entries.length / PAGES_MAX));
    const entries = captured.entries.slice(page * each, (page + 1) * each);
    const isLast = (page + 1) * each >= captured.entries.length;
    return { entries, records: isLast ? captured.records : [], forgotten: captured.forgotten, isLast };
  }

  closeTransfer(ref: TransferRef): void {
    this.#outgoing.delete(nameOf(ref));
  }

  installPage(partition: number, page: number, payload: Payload): void {
    const { entries, ...rest } = payload as ToyPage;
    if (page === 0) this.#incoming.set(partition, { entries: [], last: undefined });
    const incoming = this.#incoming.get(partition);
    assert(incoming !== undefined, () => `page ${page} of a transfer of ${partition} that was not begun`);
    incoming.entries.push(...entries);
    if (rest.isLast) incoming.last = { entries, ...rest };
  }

  /** @returns whether all pages were there */
  finishInstall(partition: number, { sequence, version, logFrom }: TransferStart): boolean {
    const incoming = this.#incoming.get(partition);
    if (incoming?.last === undefined) return false;
    const { records, forgotten } = incoming.last;
    const kept = records.filter((record) => record.sequence >= logFrom);
    const start: CopyStart = { ...EMPTY_START, sequence, version, entries: incoming.entries, records: kept, forgotten };
    this.#copies.set(partition, new ToyCopy(start));
    this.#incoming.delete(partition);
    return true;
  }
}

function nameOf({ partition, to, copy }: TransferRef): string {
  return `${partition}/${to}/${copy}`;
}
