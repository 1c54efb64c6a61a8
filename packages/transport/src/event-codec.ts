/** SubscribeOutput of `protos/ashlar/v1/events.proto` to bytes and back; a decoded batch is consistent as in kv-codec C2. */
import { EVENT_TYPES, type EventBatch } from './event-batch.ts';
import type { SubscribeOutput } from './services.ts';
import { fieldsBound, malformed, WireReader, WireWriter } from './wire.ts';

const NO_INDEXES: Uint32Array = new Uint32Array(0);
const NO_NUMBERS: Float64Array = new Float64Array(0);
const NO_BYTES: Uint8Array = new Uint8Array(0);

const STANDING = 1;
const EVENTS = 2;
const RESOLVED = 3;

export function encodeSubscribeOutput(output: SubscribeOutput): Buffer {
  switch (output.kind) {
    case 'standing':
      return wrapped(STANDING, encodeStanding(output));
    case 'events':
      return wrapped(EVENTS, encodeEvents(output));
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
  return batch.count * (1 + 4 * 4 + 8 * 2) + batch.keys.length + batch.values.length + batch.oldValues.length;
}

function encodeEvents({ events: batch, number, mapId = 0 }: SubscribeOutput & { readonly kind: 'events' }): Buffer {
  const writer = new WireWriter(fieldsBound(12) + eventBatchBytes(batch));
  writer.bytes(1, batch.types);
  writer.column(2, batch.partitions);
  writer.column(3, batch.sequences);
  writer.column(4, batch.versions);
  writer.column(5, batch.keyEnds);
  writer.bytes(6, batch.keys);
  writer.column(7, batch.valueEnds);
  writer.bytes(8, batch.values);
  writer.column(9, batch.oldValueEnds);
  writer.bytes(10, batch.oldValues);
  writer.uint(11, number);
  writer.uint(12, mapId);
  return writer.finish();
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
