/**
 * Messages of replicas as bytes: a head in MessagePack that holds everything but the payloads, whose bytes travel beside it as
 * they are.
 *
 *   message -> [kind, fields ...] in columns -> head
 *   payloads -> untouched, in the order in which the message names them
 *
 * message-codec M1  Payloads are never copied, nor looked into: neither where a message leaves nor where it comes.
 * message-codec M2  What decodes is a message: columns of one length, numbers where numbers belong, one payload where there are
 *                   batches. Everything else is refused, so that the core is never given what it would stumble over.
 * message-codec M3  Infinity (a log that nobody holds) is written as null.
 */
import type { Epoch, ReplicaId, Sequence, Version } from '@ashlar/core';
import { GridError } from '@ashlar/core';
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
import { decodeValue, encodeValue } from '@ashlar/serialization';

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

export function encodeMessage({ from, to, message }: Envelope): WireMessage {
  const head = encodeValue([KINDS.indexOf(message.kind), ...fieldsOf(message)]);
  return { from, to, head, payloads: payloadsOf(message) };
}

/** @throws GridError INVALID_ARGUMENT (message-codec M2) */
export function decodeMessage({ from, to, head, payloads }: WireMessage): Envelope {
  const fields = new Fields(decoded(head), payloads);
  const kind = KINDS[fields.count()];
  if (kind === undefined) throw malformed('it is of no known kind');
  const message = messageOf(kind, fields);
  fields.end();
  return { from: from as ReplicaId, to: to as ReplicaId, message };
}

function decoded(head: Uint8Array): unknown {
  try {
    return decodeValue(head);
  } catch (error) {
    throw malformed(GridError.wrap(error).message);
  }
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

function fieldsOf(message: Message): unknown[] {
  switch (message.kind) {
    case 'append': {
      const { batches, marks, lease } = message;
      return [...batchFields(batches), ...markFields(marks), pairOf(lease?.number, lease?.ceiling)];
    }
    case 'acknowledge': {
      const { held, refusals, freeBytes, lease } = message;
      const { partition, epoch, copy } = held;
      const reasons = refusals.reason.map((reason) => REFUSALS.indexOf(reason));
      return [
        ...[partition, epoch, copy, held.held, held.hasGap, refusals.partition, refusals.epoch, reasons],
        ...[[finite(freeBytes)], pairOf(lease?.number, lease?.tableVersion)],
      ];
    }
    case 'fence':
      return [message.partition, message.epoch, message.isFresh];
    case 'fenced':
      return fencedFields(message);
    case 'pull':
      return [message.partition, message.epoch, message.from];
    case 'tail':
      return batchFields(message.batches);
    case 'transferAsk':
      return [message.partition, message.epoch, message.copy, message.page];
    case 'transferPage': {
      const { partition, epoch, copy, page, isLast, bytes, start } = message;
      return [partition, epoch, copy, page, isLast, bytes, ...startFields(start)];
    }
    case 'transferCut':
      return [message.partition, message.epoch, message.copy, CUTS.indexOf(message.reason)];
  }
}

function batchFields({ partition, epoch, recordEpoch, firstSequence, count }: BatchColumns): unknown[] {
  return [partition, epoch, recordEpoch, firstSequence, count];
}

function markFields({ partition, epoch, commit, trimFloor, heldFrom }: MarkColumns): unknown[] {
  return [partition, epoch, commit, trimFloor, heldFrom.map(finite)];
}

function fencedFields({ copies }: Fenced): unknown[] {
  return [
    copies.map(({ partition }) => partition),
    copies.map(({ epoch }) => epoch),
    copies.map(({ copy }) => copy ?? null),
    copies.map(({ held }) => held),
    copies.map(({ lineage }) => lineage.flat()),
  ];
}

function startFields({ sequence, version, logFrom, lineage, revision }: TransferStart): unknown[] {
  return [sequence, version, logFrom, lineage.flat(), revision];
}

function pairOf(first: number | undefined, second: number | undefined): readonly number[] | null {
  return first === undefined || second === undefined ? null : [first, second];
}

/** message-codec M3 */
function finite(value: number): number | null {
  return value === Number.POSITIVE_INFINITY ? null : value;
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
  const freeBytes = fields.unbounded(1)[0]!;
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
  const lineages = fields.lists(length);
  const copies = partition.map((one, at): FencedCopy => {
    const lineage = lineageOf(lineages[at]);
    return { partition: one, epoch: epoch[at]!, copy: copy[at], held: held[at]!, lineage };
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
    lineage: lineageOf(fields.next()),
    revision: fields.count(),
  };
  const [payload] = fields.payloads(1);
  return { kind: 'transferPage', partition, epoch, copy, page, isLast, bytes, start, payload };
}

function transferCutOf(fields: Fields): TransferCut {
  const [partition, epoch, copy] = [fields.count(), fields.count() as Epoch, fields.count()];
  return { kind: 'transferCut', partition, epoch, copy, reason: named(CUTS, fields.count()) };
}

function lineageOf(value: unknown): LineageEntry[] {
  const flat = countsIn(value);
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
  readonly #fields: readonly unknown[];
  readonly #payloads: readonly Uint8Array[];
  #at = 0;
  #payloadsAt = 0;

  constructor(fields: unknown, payloads: readonly Uint8Array[]) {
    this.#fields = listIn(fields);
    this.#payloads = payloads;
  }

  next(): unknown {
    if (this.#at === this.#fields.length) throw malformed('it ends before its last field');
    return this.#fields[this.#at++];
  }

  count(): number {
    const value = this.next();
    if (!isCount(value)) throw malformed('a field is no count');
    return value;
  }

  flag(): boolean {
    const value = this.next();
    if (typeof value !== 'boolean') throw malformed('a field is neither true nor false');
    return value;
  }

  /** @param length  omitted: any */
  counts(length?: number): number[] {
    return countsIn(this.next(), length);
  }

  flags(length: number): boolean[] {
    const values = listIn(this.next(), length);
    for (const value of values) if (typeof value !== 'boolean') throw malformed('a column is not of true and false');
    return values as boolean[];
  }

  lists(length: number): unknown[] {
    return listIn(this.next(), length);
  }

  /** message-codec M3 */
  unbounded(length: number): number[] {
    return listIn(this.next(), length).map(countOrInfinity);
  }

  optional(length: number): (number | undefined)[] {
    return listIn(this.next(), length).map((value) => {
      if (value === null) return undefined;
      if (!isCount(value)) throw malformed('a column is not of counts');
      return value;
    });
  }

  pair(): readonly [number, number] | undefined {
    const value = this.next();
    if (value === null) return undefined;
    const [first, second] = countsIn(value, 2);
    return [first!, second!];
  }

  payloads(count: number): Uint8Array[] {
    const first = this.#payloadsAt;
    this.#payloadsAt += count;
    if (this.#payloadsAt > this.#payloads.length) throw malformed('a payload is missing');
    return this.#payloads.slice(first, this.#payloadsAt);
  }

  end(): void {
    if (this.#at !== this.#fields.length) throw malformed('it goes on behind its last field');
    if (this.#payloadsAt !== this.#payloads.length) throw malformed('a payload belongs to nothing');
  }
}

function listIn(value: unknown, length?: number): unknown[] {
  if (!Array.isArray(value)) throw malformed('a field is no list');
  if (length !== undefined && value.length !== length) throw malformed('its columns are not of one length');
  return value;
}

function countsIn(value: unknown, length?: number): number[] {
  const values = listIn(value, length);
  for (const one of values) if (!isCount(one)) throw malformed('a column is not of counts');
  return values as number[];
}

function countOrInfinity(value: unknown): number {
  if (value === null) return Number.POSITIVE_INFINITY;
  if (!isCount(value)) throw malformed('a field is no count');
  return value;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && Number.isSafeInteger(value);
}

function malformed(why: string): GridError {
  return new GridError('INVALID_ARGUMENT', `not a message of a replica: ${why}`);
}
