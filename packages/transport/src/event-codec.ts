/** SubscribeOutput of `protos/ashlar/v1/events.proto` to bytes and back; a decoded batch is consistent as in kv-codec C2. */
import { assert } from '@ashlar/core';
import { EVENT_TYPES, type EventBatch } from './event-batch.ts';
import { messageBuffers } from './message-buffers.ts';
import type { SubscribeOutput } from './services.ts';
import { fieldsBound, malformed, WireReader, WireWriter, WRAPPING_BYTES } from './wire.ts';

const NO_INDEXES: Uint32Array = new Uint32Array(0);
const NO_NUMBERS: Float64Array = new Float64Array(0);
const NO_BYTES: Uint8Array = new Uint8Array(0);

const STANDING = 1;
const EVENTS = 2;
const RESOLVED = 3;

type EventsOutput = SubscribeOutput & { readonly kind: 'events' };

/**
 * Events that were encoded where they were read: nothing is copied between the reader's memory and the message, which lies in
 * memory that is used again once it is sent (message-buffers.ts). Whoever wants them as columns before gets a decoded copy.
 */
export class EncodedEvents implements EventsOutput {
  readonly kind = 'events';
  readonly number: number;
  readonly mapId: number;
  readonly message: Buffer;
  readonly count: number;
  /** What they cost of a subscriber's credit. */
  readonly creditBytes: number;

  /**
   * @param events  encoded at once; its arrays may be longer than `count` says
   * @param number  of the batch in its call
   */
  constructor(events: EventBatch, number: number, mapId: number) {
    this.number = number;
    this.mapId = mapId;
    this.count = events.count;
    this.creditBytes = eventBatchBytes(events);
    this.message = encodeEvents(events, number, mapId, (bytes) => messageBuffers.take(bytes));
  }

  get events(): EventBatch {
    const decoded = decodeSubscribeOutput(Buffer.from(this.message));
    assert(decoded.kind === 'events', 'what was encoded as events is decoded as such');
    return decoded.events;
  }
}

/** What an answer costs of a subscriber's credit: only events do. */
export function subscribeCreditBytes(output: SubscribeOutput): number {
  if (output.kind !== 'events') return 0;
  return output instanceof EncodedEvents ? output.creditBytes : eventBatchBytes(output.events);
}

export function encodeSubscribeOutput(output: SubscribeOutput): Buffer {
  if (output instanceof EncodedEvents) return output.message;
  switch (output.kind) {
    case 'standing':
      return wrapped(STANDING, encodeStanding(output));
    case 'events':
      return encodeEvents(output.events, output.number, output.mapId ?? 0);
    case 'resolved':
      return wrapped(RESOLVED, encodeResolved(output));
  }
}

export function decodeSubscribeOutput(bytes: Uint8Array): SubscribeOutput {
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === STANDING) return decodeStanding(reader.bytes());
    if (reader.field === EVENTS) return decodeEvents(reader.bytes());
    if (reader.field === RESOLVED) return decodeResolved(reader.bytes());
    reader.skip();
  }
  throw malformed('an answer of a subscription of no known kind');
}

function wrapped(field: number, message: Buffer): Buffer {
  const writer = new WireWriter(fieldsBound(1) + message.length);
  writer.message(field, message);
  return writer.finish();
}

function encodeStanding(standing: SubscribeOutput & { readonly kind: 'standing' }): Buffer {
  const writer = new WireWriter(fieldsBound(5) + standing.partitions.length * 20);
  writer.column(1, Uint32Array.from(standing.partitions));
  writer.column(2, Float64Array.from(standing.incarnations));
  writer.column(3, Float64Array.from(standing.sequences));
  writer.uint(4, standing.partitionCount);
  writer.uint(5, standing.mapId ?? 0);
  return writer.finish();
}

function decodeStanding(bytes: Uint8Array): SubscribeOutput {
  let partitions = NO_INDEXES;
  let incarnations = NO_NUMBERS;
  let sequences = NO_NUMBERS;
  let partitionCount = 0;
  let mapId = 0;
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) partitions = reader.fixed32(partitions);
    else if (reader.field === 2) incarnations = reader.doubles(incarnations);
    else if (reader.field === 3) sequences = reader.doubles(sequences);
    else if (reader.field === 4) partitionCount = reader.uint();
    else if (reader.field === 5) mapId = reader.uint();
    else reader.skip();
  }
  if (incarnations.length !== partitions.length || sequences.length !== partitions.length) {
    throw malformed('a standing of unequal columns');
  }
  return {
    kind: 'standing',
    partitions: [...partitions],
    incarnations: [...incarnations],
    sequences: [...sequences],
    partitionCount,
    mapId,
  };
}

function encodeResolved(resolved: SubscribeOutput & { readonly kind: 'resolved' }): Buffer {
  const writer = new WireWriter(fieldsBound(7) + resolved.sequences.length * 12);
  writer.uint(1, resolved.version);
  writer.column(2, Float64Array.from(resolved.sequences));
  writer.uint(3, resolved.batches);
  writer.uint(4, resolved.dividedByZero);
  writer.uint(5, resolved.oddValues);
  writer.uint(6, resolved.mapId ?? 0);
  writer.column(7, Uint32Array.from(resolved.partitions));
  return writer.finish();
}

function decodeResolved(bytes: Uint8Array): SubscribeOutput {
  let version = 0;
  let partitions = NO_INDEXES;
  let sequences = NO_NUMBERS;
  let batches = 0;
  let dividedByZero = 0;
  let oddValues = 0;
  let mapId = 0;
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) version = reader.uint();
    else if (reader.field === 2) sequences = reader.doubles(sequences);
    else if (reader.field === 3) batches = reader.uint();
    else if (reader.field === 4) dividedByZero = reader.uint();
    else if (reader.field === 5) oddValues = reader.uint();
    else if (reader.field === 6) mapId = reader.uint();
    else if (reader.field === 7) partitions = reader.fixed32(partitions);
    else reader.skip();
  }
  if (partitions.length !== sequences.length) throw malformed('positions of unequal columns');
  const positions = { partitions: [...partitions], sequences: [...sequences] };
  return { kind: 'resolved', version, ...positions, batches, dividedByZero, oddValues, mapId };
}

/** Bytes of the columns of `batch`: what it costs of a subscriber's credit. */
export function eventBatchBytes(batch: EventBatch): number {
  const { count, keyEnds, valueEnds, oldValueEnds } = batch;
  const bytes = endOf(keyEnds, count) + endOf(valueEnds, count) + endOf(oldValueEnds, count);
  return count * (1 + 4 * 4 + 8 * 2) + bytes;
}

function endOf(ends: Uint32Array, count: number): number {
  return count === 0 ? 0 : ends[count - 1]!;
}

/** @param batch  its arrays may be longer than `count` says */
function encodeEvents(
  batch: EventBatch,
  number: number,
  mapId: number,
  takeBuffer?: (bytes: number) => Buffer,
): Buffer {
  const { count } = batch;
  const bytesMax = WRAPPING_BYTES + fieldsBound(12) + eventBatchBytes(batch);
  const writer = new WireWriter(bytesMax, takeBuffer?.(bytesMax), WRAPPING_BYTES);
  writer.bytesOf(1, batch.types, count);
  writer.column(2, batch.partitions, count);
  writer.column(3, batch.sequences, count);
  writer.column(4, batch.versions, count);
  writer.column(5, batch.keyEnds, count);
  writer.bytesOf(6, batch.keys, endOf(batch.keyEnds, count));
  writer.column(7, batch.valueEnds, count);
  writer.bytesOf(8, batch.values, endOf(batch.valueEnds, count));
  writer.column(9, batch.oldValueEnds, count);
  writer.bytesOf(10, batch.oldValues, endOf(batch.oldValueEnds, count));
  writer.uint(11, number);
  writer.uint(12, mapId);
  return writer.finishWrapped(EVENTS);
}

type Changeable<T> = { -readonly [K in keyof T]: T[K] };

function decodeEvents(bytes: Uint8Array): SubscribeOutput {
  let number = 0;
  let mapId = 0;
  const batch: Changeable<EventBatch> = {
    count: 0,
    types: NO_BYTES,
    partitions: NO_INDEXES,
    sequences: NO_NUMBERS,
    versions: NO_NUMBERS,
    keyEnds: NO_INDEXES,
    keys: NO_BYTES,
    valueEnds: NO_INDEXES,
    values: NO_BYTES,
    oldValueEnds: NO_INDEXES,
    oldValues: NO_BYTES,
  };
  const reader = new WireReader(bytes);
  while (reader.next()) {
    // biome-ignore format: a table
    switch (reader.field) {
      case 1: batch.types = reader.bytes(); break;
      case 2: batch.partitions = reader.fixed32(batch.partitions); break;
      case 3: batch.sequences = reader.doubles(batch.sequences); break;
      case 4: batch.versions = reader.doubles(batch.versions); break;
      case 5: batch.keyEnds = reader.fixed32(batch.keyEnds); break;
      case 6: batch.keys = reader.bytes(); break;
      case 7: batch.valueEnds = reader.fixed32(batch.valueEnds); break;
      case 8: batch.values = reader.bytes(); break;
      case 9: batch.oldValueEnds = reader.fixed32(batch.oldValueEnds); break;
      case 10: batch.oldValues = reader.bytes(); break;
      case 11: number = reader.uint(); break;
      case 12: mapId = reader.uint(); break;
      default: reader.skip();
    }
  }
  batch.count = batch.types.length;
  checkEvents(batch);
  return { kind: 'events', events: batch, number, mapId };
}

function checkEvents(batch: EventBatch): void {
  const { count } = batch;
  for (const type of batch.types) if (type >= EVENT_TYPES.length) throw malformed(`event type ${type}`);
  const lengths = [batch.partitions.length, batch.sequences.length, batch.versions.length];
  if (lengths.some((length) => length !== count)) throw malformed('an event batch of unequal columns');
  checkEnds(batch.keyEnds, batch.keys, count);
  checkEnds(batch.valueEnds, batch.values, count);
  checkEnds(batch.oldValueEnds, batch.oldValues, count);
}

function checkEnds(ends: Uint32Array, bytes: Uint8Array, count: number): void {
  let before = 0;
  for (const end of ends) {
    if (end < before) throw malformed('an event ends before it begins');
    before = end;
  }
  if (ends.length !== count || before !== bytes.length) throw malformed('ends and bytes of events disagree');
}
