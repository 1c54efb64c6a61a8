/**
 * What really happened in a simulated grid, as nobody in it knows it: the committed log of every partition, and what members
 * have promised to the world. Told by hosts as they do it; breaks off a run at the first contradiction.
 *
 *   sealed -> committed (a primary says so) -> answered, read, opened at a version
 *
 * truth U1  one-history        A sequence of a log is committed once, as one record: no later primary has another one there.
 * truth U2  one-primary        In an epoch of a partition one replica seals records.
 * truth U3  applied-once       A request is committed once in a log.
 * truth U4  versions-rise      The version of a record is above all that was committed in its log, or handed out, before it was
 *                              sealed; and nothing is committed at or below a version at which the partition was opened.
 * truth U5  under-ceiling      Nothing is assigned, handed out or opened above the ceiling of that moment.
 * truth U6  reads-committed    What is read is what the key held, as committed, at some moment of the call.
 * truth U7  whole-batches      What is committed behind a record of a batch that goes on is of that batch.
 */

import type { ToyRecord } from '../grid/toy-copy.ts';
import type { KeyValue } from '../history/operation.ts';
import { ABSENT } from '../history/operation.ts';

/** A contradiction between what a grid does and what it promises. */
export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, text: string) {
    super(`${invariant}: ${text}`);
    this.invariant = invariant;
  }
}

export function violated(invariant: string, text: string): never {
  throw new Violation(invariant, text);
}

/** A version that somebody was told, and who said so. */
interface Told {
  readonly version: number;
  readonly by: string;
}

const NOTHING: Told = { version: 0, by: 'nobody' };

interface PartitionTruth {
  /** Committed records; index + 1 is the sequence. */
  records: ToyRecord[];
  values: Map<string, KeyValue>;
  requests: Set<string>;
  /** Nothing may be sealed at or below. */
  handedOut: Told;
  /** Nothing may be committed at or below, that is not yet. */
  opened: Told;
  readonly sealers: Map<number, string>;
  /** Records of epochs up to it are of a life of the partition that was lost, and told so. */
  lostEpoch: number;
}

export class Truth {
  readonly #partitions: PartitionTruth[];
  committedCount = 0;

  constructor(partitionCount: number) {
    this.#partitions = Array.from({ length: partitionCount }, () => ({
      ...{
        records: [],
        values: new Map(),
        requests: new Set<string>(),
        handedOut: NOTHING,
        opened: NOTHING,
        lostEpoch: 0,
      },
      sealers: new Map(),
    }));
  }

  /** truth U2, U4, U5 */
  sealed(by: string, { partition, sequence, epoch, version }: ToyRecord, ceiling: number): void {
    const { sealers, handedOut } = this.#partitions[partition]!;
    const place = `${partition}/${sequence}`;
    const other = sealers.get(epoch);
    if (other === undefined) sealers.set(epoch, by);
    else if (other !== by)
      violated('one-primary', `${by} and ${other} both seal in epoch ${epoch} of partition ${partition}`);
    if (version > ceiling)
      violated('under-ceiling', `${by} assigns ${version} to ${place} above its ceiling ${ceiling}`);
    if (version <= handedOut.version)
      violated('versions-rise', `${by} seals ${place} at ${version}, when ${handedOut.by} said ${handedOut.version}`);
  }

  /**
   * truth U1, U3, U4: a primary has found a record committed.
   *
   * @returns whether it is of the present life: a deposed primary may hear late that all had it, when that is lost already
   */
  committed(by: string, record: ToyRecord): boolean {
    const truth = this.#partitions[record.partition]!;
    if (record.epoch <= truth.lostEpoch) return false;
    const place = `${record.partition}/${record.sequence}`;
    const known = truth.records[record.sequence - 1];
    if (known !== undefined) {
      if (known !== record)
        violated('one-history', `${by} has ${textOf(record)} committed at ${place}, where ${textOf(known)} was`);
      return true;
    }
    if (record.sequence !== truth.records.length + 1)
      violated('one-history', `${by} commits ${place} behind ${truth.records.length}`);
    const name = `${record.session}/${record.request}`;
    if (truth.requests.has(name)) violated('applied-once', `${by} commits request ${name} again: ${textOf(record)}`);
    const last = truth.records.at(-1)?.version ?? 0;
    if (record.version <= last) violated('versions-rise', `${place} has version ${record.version} behind ${last}`);
    const { opened } = truth;
    if (record.version <= opened.version)
      violated(
        'versions-rise',
        `${by} commits ${place} at ${record.version}, when ${opened.by} opened ${opened.version}`,
      );
    const open = truth.records.at(-1);
    if (open?.isOpen === true && (open.session !== -Math.abs(record.session) || open.epoch !== record.epoch))
      violated('whole-batches', `${by} commits ${textOf(record)} behind part of a batch: ${textOf(open)}`);
    truth.records.push(record);
    truth.values.set(record.key, record.value);
    truth.requests.add(name);
    this.committedCount += 1;
    return true;
  }

  /** truth U4, U5: from now on nothing new may have that version, or one below. */
  handedOut(by: string, partition: number, version: number, ceiling: number): void {
    const truth = this.#partitions[partition]!;
    if (version > ceiling)
      violated('under-ceiling', `${by} tells ${version} of partition ${partition} above its ceiling ${ceiling}`);
    if (version > truth.handedOut.version) truth.handedOut = { version, by };
  }

  /** truth U4, U5: all that will ever be at or below that version is committed. */
  resolved(by: string, partition: number, version: number, ceiling: number): void {
    const truth = this.#partitions[partition]!;
    this.handedOut(by, partition, version, ceiling);
    if (version > truth.opened.version) truth.opened = { version, by };
  }

  /** truth U6, for a snapshot: nothing at or below its version is committed later (U4), so all of it is now. */
  sees(by: string, partition: number, version: number, values: ReadonlyMap<string, KeyValue>): void {
    const at = this.valuesAt(partition, version);
    for (const key of new Set([...at.keys(), ...values.keys()])) {
      const [seen, held] = [values.get(key) ?? ABSENT, at.get(key) ?? ABSENT];
      if (seen !== held)
        violated('reads-committed', `${by} opens ${partition} at ${version} with ${key} = ${seen}, not ${held}`);
    }
  }

  /** truth U6, for a key. A call that began when `sequence` was the last committed one. */
  read(by: string, partition: number, key: string, seen: KeyValue, sinceSequence: number): void {
    const { records, values } = this.#partitions[partition]!;
    if ((values.get(key) ?? ABSENT) === seen) return;
    for (let at = records.length; at > sinceSequence; at--) {
      const record = records[at - 1]!;
      if (record.key === key && record.before === seen) return;
    }
    violated(
      'reads-committed',
      `${by} reads ${key} = ${seen}, which it has not held since ${partition}/${sinceSequence}`,
    );
  }

  valuesAt(partition: number, version: number): Map<string, KeyValue> {
    const values = new Map<string, KeyValue>();
    for (const record of this.#partitions[partition]!.records) {
      if (record.version > version) break;
      values.set(record.key, record.value);
    }
    return values;
  }

  lastOf(partition: number): number {
    return this.#partitions[partition]!.records.length;
  }

  at(partition: number, sequence: number): ToyRecord | undefined {
    return this.#partitions[partition]!.records[sequence - 1];
  }

  /** All copies are gone, and that was told: the partition begins anew. */
  wasLost(partition: number, epoch: number): void {
    const truth = this.#partitions[partition]!;
    truth.lostEpoch = epoch;
    truth.records = [];
    truth.values = new Map();
    truth.requests = new Set();
  }
}

export function textOf({ partition, sequence, epoch, version, key, value, session, request }: ToyRecord): string {
  return `${partition}/${sequence} e${epoch} v${version} ${key}=${value} (${session}/${request})`;
}
