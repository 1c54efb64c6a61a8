/**
 * Messages of replicas as bytes: a head of numbers that holds everything but the payloads, whose bytes travel beside it as they are.
 *
 *   message -> kind, fields in columns -> head (packed-numbers.ts)
 *   payloads -> untouched, in the order in which the message names them
 *
 * message-codec M1  Payloads are never copied, nor looked into: neither where a message leaves nor where it comes.
 * message-codec M2  What decodes is a message: columns of one length, numbers where numbers belong, one payload where there are
 *                   batches. Everything else is refused, so that the core is never given what it would stumble over.
 */
import type { Epoch, ReplicaId, Sequence, Version } from '@ashlar/core';
import type {
  Acknowledge,
  Append,
  BatchColumns,
  CutReason,
  Envelope,
  Fence,
  Fenced,
  FencedCopy,
  LineageEntry,
  MarkColumns,
  Message,
  Pull,
  RefusalReason,
  Tail,
  TransferAsk,
  TransferCut,
  TransferPage,
  TransferStart,
} from '@ashlar/replication';
import { malformedNumbers as malformed, NumberReader, NumberWriter } from './packed-numbers.ts';

/** A message with its ends, as it travels. */
export interface WireMessage {
  readonly from: string;
  readonly to: string;
  readonly head: Uint8Array;
  readonly payloads: readonly Uint8Array[];
}

/** Numbers of kinds on the wire: never used again for another. */
const KINDS = [
  'append',
  'acknowledge',
  'fence',
  'fenced',
  'pull',
  'tail',
  'transferAsk',
  'transferPage',
  'transferCut',
] as const satisfies readonly Message['kind'][];
const REFUSALS: readonly RefusalReason[] = ['staleEpoch', 'noCopy'];
const CUTS: readonly CutReason[] = ['logGone', 'notPrimary', 'busy', 'timeout'];

const NO_PAYLOADS: readonly Uint8Array[] = [];

const numbers = new NumberWriter();

export function encodeMessage({ from, to, message }: Envelope): WireMessage {
  numbers.begin();
  numbers.number(KINDS.indexOf(message.kind));
  writeFields(message);
  return { from, to, head: numbers.finish(), payloads: payloadsOf(message) };
}

/** @throws GridError INVALID_ARGUMENT (message-codec M2) */
export function decodeMessage({ from, to, head, payloads }: WireMessage): Envelope {
  const fields = new Fields(head, payloads);
  const kind = KINDS[fields.count()];
  if (kind === undefined) throw malformed('it is of no known kind');
  const message = messageOf(kind, fields);
  fields.end();
  return { from: from as ReplicaId, to: to as ReplicaId, message };
}

/* ---- Out ------------------------------------------------------------------------------------------------------------ */

function payloadsOf(message: Message): readonly Uint8Array[] {
  switch (message.kind) {
    case 'append':
    case 'tail':
      return message.batches.partition.length === 0 ? NO_PAYLOADS : [message.batches.payload as Uint8Array];
    case 'transferPage':
      return [message.payload as Uint8Array];
    default:
      return NO_PAYLOADS;
  }
}

function writeFields(message: Message): void {
  switch (message.kind) {
    case 'append':
      writeBatches(message.batches);
      writeMarks(message.marks);
      writePair(message.lease?.number, message.lease?.ceiling);
      return;
    case 'acknowledge':
      writeAcknowledge(message);
      return;
    case 'fence':
      writeColumns(message.partition, message.epoch, message.isFresh.map(Number));
      return;
    case 'fenced':
      writeFenced(message);
      return;
    case 'pull':
      writeColumns(message.partition, message.epoch, message.from);
      return;
    case 'tail':
      writeBatches(message.batches);
      return;
    case 'transferAsk':
      writeNumbers(message.partition, message.epoch, message.copy, message.page);
      return;
    case 'transferPage': {
      const { partition, epoch, copy, page, isLast, bytes, start } = message;
      writeNumbers(partition, epoch, copy, page, Number(isLast), bytes);
      writeStart(start);
      return;
    }
    case 'transferCut':
      writeNumbers(message.partition, message.epoch, message.copy, CUTS.indexOf(message.reason));
      return;
  }
}

function writeNumbers(...values: readonly number[]): void {
  for (const value of values) numbers.number(value);
}

function writeColumns(...columns: readonly (readonly number[])[]): void {
  for (const column of columns) numbers.column(column);
}

function writeBatches({ partition, epoch, recordEpoch, firstSequence, count }: BatchColumns): void {
  writeColumns(partition, epoch, recordEpoch, firstSequence, count);
}

function writeMarks({ partition, epoch, commit, trimFloor, heldFrom }: MarkColumns): void {
  writeColumns(partition, epoch, commit, trimFloor, heldFrom);
}

function writeAcknowledge({ held, refusals, freeBytes, lease }: Acknowledge): void {
  writeColumns(held.partition, held.epoch, held.copy, held.held, held.hasGap.map(Number));
  const reasons = refusals.reason.map((reason) => REFUSALS.indexOf(reason));
  writeColumns(refusals.partition, refusals.epoch, reasons);
  numbers.number(freeBytes);
  writePair(lease?.number, lease?.tableVersion);
}

/** A copy that there is not is 0, the others count from 1. */
function writeFenced({ copies }: Fenced): void {
  numbers.column(copies.map(({ partition }) => partition));
  numbers.column(copies.map(({ epoch }) => epoch));
  numbers.column(copies.map(({ copy }) => (copy === undefined ? 0 : copy + 1)));
  numbers.column(copies.map(({ held }) => held));
  for (const { lineage } of copies) numbers.column(lineage.flat());
}

function writeStart({ sequence, version, logFrom, lineage, revision }: TransferStart): void {
  writeNumbers(sequence, version, logFrom);
  numbers.column(lineage.flat());
  numbers.number(revision);
}

/** A column of two, or of none. */
function writePair(first: number | undefined, second: number | undefined): void {
  numbers.column(first === undefined || second === undefined ? [] : [first, second]);
}

/* ---- In ------------------------------------------------------------------------------------------------------------- */

function messageOf(kind: Message['kind'], fields: Fields): Message {
  switch (kind) {
    case 'append':
      return appendOf(fields);
    case 'acknowledge':
      return acknowledgeOf(fields);
    case 'fence':
      return fenceOf(fields);
    case 'fenced':
      return fencedOf(fields);
    case 'pull':
      return pullOf(fields);
    case 'tail':
      return { kind, batches: batchesOf(fields) } satisfies Tail;
    case 'transferAsk':
      return transferAskOf(fields);
    case 'transferPage':
      return transferPageOf(fields);
    case 'transferCut':
      return transferCutOf(fields);
  }
}

function appendOf(fields: Fields): Append {
  return { kind: 'append', batches: batchesOf(fields), marks: marksOf(fields), lease: leaseRequestOf(fields.pair()) };
}

function leaseRequestOf(pair: readonly [number, number] | undefined): Append['lease'] {
  return pair && { number: pair[0], ceiling: pair[1] as Version };
}

function batchesOf(fields: Fields): BatchColumns {
  const partition = fields.counts();
  const { length } = partition;
  return {
    partition,
    epoch: fields.counts(length) as Epoch[],
    recordEpoch: fields.counts(length) as Epoch[],
    firstSequence: fields.counts(length) as Sequence[],
    count: fields.counts(length),
    payload: fields.payloads(length === 0 ? 0 : 1)[0],
  };
}

function marksOf(fields: Fields): MarkColumns {
  const partition = fields.counts();
  const { length } = partition;
  return {
    partition,
    epoch: fields.counts(length) as Epoch[],
    commit: fields.counts(length) as Sequence[],
    trimFloor: fields.counts(length) as Sequence[],
    heldFrom: fields.unbounded(length),
  };
}

function acknowledgeOf(fields: Fields): Acknowledge {
  const partition = fields.counts();
  const { length } = partition;
  const held = {
    partition,
    epoch: fields.counts(length) as Epoch[],
    copy: fields.counts(length),
    held: fields.counts(length) as Sequence[],
    hasGap: fields.flags(length),
  };
  const refused = fields.counts();
  const refusals = {
    partition: refused,
    epoch: fields.counts(refused.length) as Epoch[],
    reason: fields.counts(refused.length).map((at) => named(REFUSALS, at)),
  };
  const freeBytes = fields.countOrInfinity();
  const pair = fields.pair();
  const lease = pair && { number: pair[0], tableVersion: pair[1] };
  return { kind: 'acknowledge', held, refusals, freeBytes, lease };
}

function fenceOf(fields: Fields): Fence {
  const partition = fields.counts();
  const { length } = partition;
  return { kind: 'fence', partition, epoch: fields.counts(length) as Epoch[], isFresh: fields.flags(length) };
}

function fencedOf(fields: Fields): Fenced {
  const partition = fields.counts();
  const { length } = partition;
  const epoch = fields.counts(length) as Epoch[];
  const copy = fields.optional(length);
  const held = fields.counts(length) as Sequence[];
  const copies = partition.map((one, at): FencedCopy => {
    return { partition: one, epoch: epoch[at]!, copy: copy[at], held: held[at]!, lineage: lineageOf(fields) };
  });
  return { kind: 'fenced', copies };
}

function pullOf(fields: Fields): Pull {
  const partition = fields.counts();
  const { length } = partition;
  const epoch = fields.counts(length) as Epoch[];
  return { kind: 'pull', partition, epoch, from: fields.counts(length) as Sequence[] };
}

function transferAskOf(fields: Fields): TransferAsk {
  const [partition, epoch] = [fields.count(), fields.count() as Epoch];
  return { kind: 'transferAsk', partition, epoch, copy: fields.count(), page: fields.count() };
}

function transferPageOf(fields: Fields): TransferPage {
  const [partition, epoch, copy, page] = [fields.count(), fields.count() as Epoch, fields.count(), fields.count()];
  const [isLast, bytes] = [fields.flag(), fields.count()];
  const start: TransferStart = {
    sequence: fields.count() as Sequence,
    version: fields.count() as Version,
    logFrom: fields.count() as Sequence,
    lineage: lineageOf(fields),
    revision: fields.count(),
  };
  const [payload] = fields.payloads(1);
  return { kind: 'transferPage', partition, epoch, copy, page, isLast, bytes, start, payload };
}

function transferCutOf(fields: Fields): TransferCut {
  const [partition, epoch, copy] = [fields.count(), fields.count() as Epoch, fields.count()];
  return { kind: 'transferCut', partition, epoch, copy, reason: named(CUTS, fields.count()) };
}

function lineageOf(fields: Fields): LineageEntry[] {
  const flat = fields.counts();
  if (flat.length % 2 !== 0) throw malformed('a lineage has no whole entries');
  const entries: LineageEntry[] = [];
  for (let at = 0; at < flat.length; at += 2) entries.push([flat[at]! as Epoch, flat[at + 1]! as Sequence]);
  return entries;
}

function named<T>(names: readonly T[], at: number): T {
  const name = names[at];
  if (name === undefined) throw malformed('a reason is not known');
  return name;
}

/** Takes the fields of a head one by one (message-codec M2). */
class Fields {
  readonly #numbers: NumberReader;
  readonly #payloads: readonly Uint8Array[];
  #payloadsAt = 0;

  constructor(head: Uint8Array, payloads: readonly Uint8Array[]) {
    this.#numbers = new NumberReader(head);
    this.#payloads = payloads;
  }

  count(): number {
    return this.#numbers.count();
  }

  countOrInfinity(): number {
    return this.#numbers.countOrInfinity();
  }

  flag(): boolean {
    return isTrue(this.#numbers.count());
  }

  /** @param length  omitted: any */
  counts(length?: number): number[] {
    return this.#numbers.counts(length);
  }

  flags(length: number): boolean[] {
    return this.#numbers.counts(length).map(isTrue);
  }

  unbounded(length: number): number[] {
    return this.#numbers.countsOrInfinity(length);
  }

  /** Counts from 1; 0: there is none. */
  optional(length: number): (number | undefined)[] {
    return this.#numbers.counts(length).map((value) => (value === 0 ? undefined : value - 1));
  }

  pair(): readonly [number, number] | undefined {
    const [first, second, ...more] = this.#numbers.counts();
    if (first === undefined) return undefined;
    if (second === undefined || more.length > 0) throw malformed('a pair has two numbers');
    return [first, second];
  }

  payloads(count: number): Uint8Array[] {
    const first = this.#payloadsAt;
    this.#payloadsAt += count;
    if (this.#payloadsAt > this.#payloads.length) throw malformed('a payload is missing');
    return this.#payloads.slice(first, this.#payloadsAt);
  }

  end(): void {
    if (!this.#numbers.isAtEnd) throw malformed('it goes on behind its last field');
    if (this.#payloadsAt !== this.#payloads.length) throw malformed('a payload belongs to nothing');
  }
}

function isTrue(value: number): boolean {
  if (value > 1) throw malformed('a field is neither true nor false');
  return value === 1;
}
