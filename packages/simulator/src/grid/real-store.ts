/**
 * The store of a real member under a simulated host: the same shared memory, slots, logs, transfers and changes of role as in
 * production, on one thread and on the member's virtual clock.
 *
 * real-store R1  A record is a batch of its own, with the version that the host gave it; keys and values are text.
 * real-store R2  What is looked at is what the store says: records are read from its log, values from its entries. What was read of
 *                a log once is remembered until the copy changes its role, for a log changes no record.
 */
import {
  assert,
  type Epoch,
  type HybridClock,
  type MapId,
  type PartitionId,
  type ReplicaId,
  type Sequence,
} from '@ashlar/core';
import type { LogRun, LogTerms, Payload, TransferRef, TransferStart } from '@ashlar/replication';
import {
  MemberStore,
  type PartitionTransfer,
  type RecordFrame,
  readRecordFrame,
  type WriteBatch,
} from '@ashlar/storage';
import { ABSENT, type KeyValue } from '../history/operation.ts';
import type { SimCopy, SimPage, SimStore } from './sim-store.ts';
import type { ToyRecord } from './toy-copy.ts';

const MAP = 1 as MapId;
const MAX_BYTES = 2 ** 21;
/** A record with what it names, about. */
const RECORD_BYTES = 200;
const HASH_SEED = 7;
const SLOTS_A_STEP = 1000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return decoder.decode(bytes.slice(start, end));
}

/** Records of a grid, by what they say: the same one is the same object (sim-store I1). */
export class KnownRecords {
  readonly #records = new Map<string, ToyRecord>();

  of(record: ToyRecord): ToyRecord {
    const { partition, sequence, epoch, version, key, before, value, session, request } = record;
    const name = `${partition}/${sequence}/${epoch}/${version}/${key}/${before}/${value}/${session}/${request}`;
    const known = this.#records.get(name);
    if (known !== undefined) return known;
    this.#records.set(name, record);
    return record;
  }
}

export interface RealStoreOptions {
  readonly clock: HybridClock;
  readonly partitionCount: number;
  /** Committed records that stay in a log, about: the answer window. */
  readonly keptRecords: number;
  readonly records: KnownRecords;
}

export class RealStore implements SimStore {
  readonly #store: MemberStore;
  readonly #records: KnownRecords;
  readonly #copies = new Map<number, RealCopy>();
  readonly #transfers = new Map<string, PartitionTransfer>();
  /** The version of the batch that is being sealed (real-store R1). */
  readonly #given = { version: 0 };

  constructor({ clock, partitionCount, keptRecords, records }: RealStoreOptions) {
    this.#records = records;
    this.#store = MemberStore.create({
      ...{ maxBytes: MAX_BYTES, partitionCount, maxWorkers: 0, hashSeed: HASH_SEED, recordChecksums: true },
      logBytesPerPartition: keptRecords * RECORD_BYTES,
      clock: {
        now: () => clock.now(),
        tick: () => this.#given.version as ReturnType<HybridClock['tick']>,
        observe: (version) => clock.observe(version),
        follow: (version) => clock.follow(version),
      },
    });
    this.#store.openMap(MAP, { affinityParts: 0 });
  }

  copyOf(partition: number): RealCopy | undefined {
    return this.#copies.get(partition);
  }

  partitions(): Iterable<number> {
    return this.#copies.keys();
  }

  open(partition: number, logEpoch: Epoch): void {
    this.drop(partition);
    this.#store.openPartition(partition as PartitionId, 0 as Epoch, { role: 'backup', incarnation: logEpoch });
    this.#began(partition);
  }

  drop(partition: number): void {
    this.#copies.delete(partition);
    this.#store.closePartition(partition as PartitionId);
  }

  #began(partition: number): void {
    this.#copies.set(partition, new RealCopy(this.#store, partition as PartitionId, this.#records, this.#given));
  }

  apply(partition: number, first: number, payload: Payload, run: number): readonly ToyRecord[] | undefined {
    const copy = this.#copies.get(partition);
    if (copy === undefined || first > copy.last + 1) return undefined;
    const from = copy.last + 1;
    this.#store.applyFrame(readRecordFrame(payload as Uint8Array).at(run));
    return copy.from(from, copy.last);
  }

  /** Batches are of one record here: a frame has room for them. */
  endBatch(partition: number): void {
    const id = partition as PartitionId;
    if (this.#store.roleOf(id) !== 'backup') return;
    const held = this.#store.heldSequence(id);
    assert(this.#store.endOpenBatch(id) === held, 'replica-tail T7: a batch of one record is whole');
  }

  serve(partition: number, epoch: Epoch): void {
    this.#store.promotePartition(partition as PartitionId, epoch);
    this.#copies.get(partition)!.forget();
    this.#store.checkInvariants();
  }

  stopServing(partition: number): void {
    const copy = this.#copies.get(partition);
    if (copy === undefined || this.#store.roleOf(partition as PartitionId) !== 'primary') return;
    const { last } = copy;
    this.#store.demotePartition(partition as PartitionId);
    copy.forget();
    assert(copy.last === last, 'partition-roles P1: a demotion changes no record that was sealed');
    this.#store.checkInvariants();
  }

  /** It trims by itself, as it appends. */
  trimServed(partition: number): boolean {
    return this.#copies.get(partition)!.hasBeenTrimmed();
  }

  hold(partition: number, to: ReplicaId, from: number): void {
    this.#store.holdForReplica(partition as PartitionId, to, from);
  }

  /* ---- The log, as the core reads it ------------------------------------------------------------------------------- */

  get isFull(): boolean {
    return this.#store.isRunsFull;
  }

  begin(): void {
    this.#store.beginRuns();
  }

  add(partition: number, from: Sequence, bytesMax: number): LogRun | undefined {
    return this.#store.addRun(partition as PartitionId, from, bytesMax);
  }

  finish(): Payload {
    return this.#store.finishRuns();
  }

  terms(partition: number): LogTerms {
    return this.#store.logTerms(partition as PartitionId);
  }

  /* ---- Transfers ---------------------------------------------------------------------------------------------------- */

  openTransfer(ref: TransferRef): TransferStart | undefined {
    if (this.#store.roleOf(ref.partition as PartitionId) !== 'primary') return undefined;
    const transfer = this.#store.openTransfer(ref.partition as PartitionId);
    this.#transfers.set(nameOf(ref), transfer);
    return { ...transfer.start, lineage: [], revision: 0 };
  }

  page(ref: TransferRef, page: number): SimPage | undefined {
    const read = this.#transfers.get(nameOf(ref))?.readPage(page);
    return read === undefined ? undefined : { isLast: read.isLast, bytes: read.bytes.length, payload: read.bytes };
  }

  closeTransfer(ref: TransferRef): void {
    this.#transfers.get(nameOf(ref))?.close();
    this.#transfers.delete(nameOf(ref));
  }

  installPage(partition: number, page: number, payload: Payload): void {
    this.#store.installPage(partition as PartitionId, page, payload as Uint8Array);
  }

  finishInstall(partition: number, start: TransferStart): boolean {
    const state = this.#store.finishInstall(partition as PartitionId, start);
    assert(state === 'installed', 'all members know the map');
    this.#began(partition);
    this.#store.checkInvariants();
    return true;
  }
}

function nameOf({ partition, to, copy }: TransferRef): string {
  return `${partition}/${to}/${copy}`;
}

/** A copy of a partition, as the store has it. */
export class RealCopy implements SimCopy {
  readonly #store: MemberStore;
  readonly #partition: PartitionId;
  readonly #records: KnownRecords;
  readonly #given: { version: number };
  /** By sequence (real-store R2). */
  readonly #read = new Map<number, ToyRecord>();
  /** Sealed here and not committed, in order. */
  readonly #sealed: { readonly sequence: number; readonly batch: WriteBatch }[] = [];
  #firstToldOf = 1;

  constructor(store: MemberStore, partition: PartitionId, records: KnownRecords, given: { version: number }) {
    this.#store = store;
    this.#partition = partition;
    this.#records = records;
    this.#given = given;
  }

  get first(): number {
    return this.#store.logInfo(this.#partition).firstSequence;
  }

  get last(): number {
    return this.#store.heldSequence(this.#partition);
  }

  get committed(): number {
    return this.#store.committedSequence(this.#partition);
  }

  /** The copy has changed its role: everything is read anew, and what was under way is not. */
  forget(): void {
    this.#read.clear();
    this.#sealed.length = 0;
  }

  hasBeenTrimmed(): boolean {
    const { first } = this;
    const isLater = first > this.#firstToldOf;
    this.#firstToldOf = first;
    return isLater;
  }

  append({ key, value, version, session, request }: ToyRecord): ToyRecord {
    const batch = this.#store.begin({ requestSession: session, requestNumber: request });
    const [keyBytes, valueBytes] = [encoder.encode(key), encoder.encode(String(value))];
    const draft = batch.value(valueBytes, 0, valueBytes.length);
    batch.put(MAP, this.#partition, keyBytes, 0, keyBytes.length, draft);
    this.#given.version = version;
    batch.seal();
    this.#sealed.push({ sequence: this.last, batch });
    return this.at(this.last)!;
  }

  /** The store has no way to do what nobody may. */
  renumber(): void {}

  commit(sequence: number): readonly ToyRecord[] {
    const from = this.committed + 1;
    assert(sequence <= this.last, () => `commit ${sequence} of ${this.last}`);
    if (this.#store.roleOf(this.#partition) === 'backup')
      this.#store.commitBackup(this.#partition, sequence as Sequence);
    while (this.#sealed.length > 0 && this.#sealed[0]!.sequence <= sequence) this.#sealed.shift()!.batch.commit();
    return this.from(from, this.committed);
  }

  /** It trims by itself. */
  trim(): void {}

  from(first: number, last: number): readonly ToyRecord[] {
    const records: ToyRecord[] = [];
    for (let sequence = first; sequence <= last; sequence++) {
      const record = this.at(sequence);
      if (record !== undefined) records.push(record);
    }
    return records;
  }

  at(sequence: number): ToyRecord | undefined {
    const known = this.#read.get(sequence);
    if (known !== undefined || sequence < this.first || sequence > this.last) return known;
    const run = this.#store.readRun(this.#partition, sequence as Sequence, 1)!;
    const record = this.#records.of(this.#recordOf(readRecordFrame(run.payload)));
    this.#read.set(sequence, record);
    return record;
  }

  #recordOf(frame: RecordFrame): ToyRecord {
    const [session, request] = [frame.field('requestSession', 0), frame.field('requestNumber', 0)];
    const search = this.#search(session, request, 0);
    assert(search.stateOf(0) === 'applied', 'a record that is in the log is found by its number');
    const record = search.record(0);
    record.positionOldValue();
    const before = record.hasOldValue ? Number(textOf(record.bytes, record.start, record.stop)) : ABSENT;
    return {
      ...{ partition: this.#partition, sequence: frame.firstSequence, epoch: frame.field('epoch', 0) },
      ...{ version: frame.field('version', 0), key: textOf(frame.keys, 0, frame.keys.length), before },
      ...{ value: Number(textOf(frame.values, 0, frame.field('valueEnd', 0))), session, request },
    };
  }

  #search(session: number, request: number, floor: number): ReturnType<MemberStore['searchAnswers']> {
    const search = this.#store.searchAnswers(this.#partition, { session, numbers: [request], floor });
    while (!search.step(SLOTS_A_STEP));
    return search;
  }

  answerOf(session: number, request: number): ToyRecord | undefined {
    const search = this.#search(session, request, 0);
    return search.stateOf(0) === 'applied' ? this.at(search.record(0).sequence) : undefined;
  }

  /** Nobody's request is not found wherever the log reaches back to. */
  mayHaveForgotten(sentVersion: number): boolean {
    return this.#search(Number.MAX_SAFE_INTEGER, 0, sentVersion).stateOf(0) === 'unknown';
  }

  newest(key: string): KeyValue | undefined {
    const bytes = encoder.encode(key);
    return this.#found(this.#store.findNewest(MAP, this.#partition, bytes, 0, bytes.length));
  }

  shown(key: string): KeyValue | undefined {
    const bytes = encoder.encode(key);
    return this.#found(this.#store.find(MAP, this.#partition, bytes, 0, bytes.length));
  }

  #found(isThere: boolean): KeyValue | undefined {
    const { valueBytes, valueStart, valueEnd } = this.#store.found;
    return isThere ? Number(textOf(valueBytes, valueStart, valueEnd)) : undefined;
  }

  valuesAt(version: number): ReadonlyMap<string, KeyValue> | undefined {
    if (this.mayHaveForgotten(version)) return undefined;
    const values = new Map<string, KeyValue>();
    const keys: string[] = [];
    for (let slot = 0; slot >= 0; )
      slot = this.#store.visitKeys(MAP, this.#partition, slot, SLOTS_A_STEP, (bytes, start, end) => {
        keys.push(textOf(bytes, start, end));
      });
    for (const key of keys) values.set(key, this.newest(key) ?? ABSENT);
    for (const record of this.from(this.first, this.last).toReversed()) {
      if (record.version <= version) break;
      values.set(record.key, record.before);
    }
    return values;
  }

  sequenceAt(version: number): number {
    let sequence = this.last;
    while (sequence >= this.first && this.at(sequence)!.version > version) sequence -= 1;
    return sequence;
  }
}
