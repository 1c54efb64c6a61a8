/**
 * KvBatch and KvAnswers to bytes and back.
 *
 * kv-codec C1  Encoding copies: columns may be reused, and values may lie in shared memory, once it has returned.
 * kv-codec C2  A decoded batch is consistent: columns have one length, ends rise and lie within their bytes, indexes exist,
 *              sparse columns ascend. What depends on the grid (partitions, names, keys) is the member's to check.
 * kv-codec C3  Answers larger than a message are cut into runs of operations (KvAnswers.firstOperation).
 * kv-codec C4  Names and lists of a batch are bounded before anything is made of them; a name that is too long stays one, so
 *              that its operations are refused and not the stream.
 */
import { NAME_BYTES_MAX, type TraceContext } from '@ashlar/core';
import { decodeError, encodeError } from './error-status.ts';
import {
  BATCH_OPERATIONS_LIMIT,
  type KvAnswers,
  type KvBatch,
  type MapReference,
  OPCODE,
  type OperationErrors,
  type ProcessorReference,
  STATUS,
} from './kv-batch.ts';
import { joinTtls, splitTtls, type WireTtls } from './ttl-columns.ts';
import { fieldsBound, malformed, textBound, WireReader, WireWriter } from './wire.ts';

const NO_INDEXES = new Uint32Array(0);
const NO_NUMBERS = new Float64Array(0);
const NO_BYTES = new Uint8Array(0);
const OPCODE_MAX = OPCODE.STATEMENT;
/** Columns 35 and 36 of the batch that is being decoded. */
const ttlRules: Changeable<Pick<WireTtls, 'ruleOperations' | 'rules'>> = {
  ruleOperations: NO_INDEXES,
  rules: NO_INDEXES,
};
const CONSISTENCY_MAX = 1;
/** Offsets are 32 bits: every number of a batch is a safe integer. */
const LAST_REQUEST = Number.MAX_SAFE_INTEGER - 2 ** 32;
/** Most maps, processors and traces that one batch may name, each. */
const TABLE_MAX = 1024;
const TRACE_BYTES_MAX = 1024;
const BATCH_FIELDS = 37;
const ANSWER_FIELDS = 12;

type Changeable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Dense columns, keys and values may be longer than `count` says: what lies behind is not sent.
 *
 * @param takeBuffer  memory of so many bytes for the message; its own by default
 */
export function encodeBatch(batch: KvBatch, takeBuffer?: (bytes: number) => Buffer): Buffer {
  const maps = batch.maps.map(encodedMap);
  const processors = batch.processors.map(encodeProcessor);
  const traces = batch.traces.map(encodeTrace);
  const bytesMax = batchBound(batch, [...maps, ...processors, ...traces]);
  const writer = new WireWriter(bytesMax, takeBuffer?.(bytesMax));
  writer.uint(1, batch.batchId);
  writer.uint(2, batch.session);
  writer.uint(3, batch.firstRequest);
  writer.uint(4, batch.lowestUnanswered);
  writer.uint(5, batch.sessionVersion);
  writer.uint(6, batch.deadlineMs);
  writer.uint(8, batch.consistency);
  writer.uint(9, batch.tableVersion);
  writer.flag(10, batch.atomic);
  writer.flag(11, batch.resent);
  for (const map of maps) writer.message(12, map);
  for (const processor of processors) writer.message(13, processor);
  for (const trace of traces) writer.message(14, trace);
  writer.uint(15, batch.catalogVersion);
  writer.uint(16, batch.firstVersion ?? 0);
  const { count } = batch;
  writer.bytesOf(20, batch.opcodes, count);
  if (batch.mapIndexes !== undefined) writer.column(21, batch.mapIndexes, count);
  writer.column(22, batch.partitions, count);
  writer.column(23, batch.keyEnds, count);
  writer.bytesOf(24, batch.keys, endOf(batch.keyEnds, count));
  if (batch.valueEnds !== undefined) {
    writer.column(25, batch.valueEnds, count);
    writer.bytesOf(26, batch.values, endOf(batch.valueEnds, count));
  }
  writeTtls(writer, batch);
  writer.column(29, batch.ifVersionOperations);
  writer.column(30, batch.ifVersions);
  writer.column(31, batch.processorOperations);
  writer.column(32, batch.processorIndexes);
  if (batch.requestOffsets !== undefined) writer.column(33, batch.requestOffsets);
  if (batch.traceIndexes !== undefined) writer.column(34, batch.traceIndexes, count);
  if (batch.deadlineExtras !== undefined) writer.column(37, batch.deadlineExtras, count);
  return writer.finish();
}

/** A sealed batch with the time that its callers have left by now, appended: of a repeated field the last one counts. */
export function withDeadline(message: Buffer, deadlineMs: number): Buffer {
  const writer = new WireWriter(fieldsBound(1));
  writer.uint(6, deadlineMs);
  return Buffer.concat([message, writer.finish()]);
}

function writeTtls(writer: WireWriter, { ttlOperations, ttlMs }: KvBatch): void {
  const split = splitTtls({ operations: ttlOperations, ttls: ttlMs });
  writer.column(27, split?.operations ?? ttlOperations);
  writer.column(28, split?.ttlMs ?? ttlMs);
  if (split === undefined) return;
  writer.column(35, split.ruleOperations);
  writer.column(36, split.rules);
}

function endOf(ends: Uint32Array, count: number): number {
  return count === 0 ? 0 : ends[count - 1]!;
}

/** @param tables  the encoded maps, processors and traces */
function batchBound(batch: KvBatch, tables: readonly Buffer[]): number {
  const columns =
    batch.count * (1 + 4 * 5 + (batch.traceIndexes === undefined ? 0 : 4)) +
    (batch.deadlineExtras === undefined ? 0 : batch.count * 4) +
    (batch.ttlMs.length + batch.ifVersions.length) * 12 +
    batch.processorIndexes.length * 8;
  const keys = endOf(batch.keyEnds, batch.count);
  const values = batch.valueEnds === undefined ? 0 : endOf(batch.valueEnds, batch.count);
  const tableBytes = tables.reduce((sum, bytes) => sum + bytes.length, 0);
  return fieldsBound(BATCH_FIELDS + tables.length) + columns + tableBytes + keys + values;
}

/** Encoded map references, good as long as the map says the same. */
const encodedMaps = new WeakMap<MapReference, EncodedMap>();

/** The bytes, and what may have changed since. */
interface EncodedMap extends Pick<MapReference, 'affinityParts' | 'mapId' | 'newerThan'> {
  readonly bytes: Buffer;
}

function encodedMap(map: MapReference): Buffer {
  const { affinityParts, mapId, newerThan } = map;
  const known = encodedMaps.get(map);
  const isSame = known?.affinityParts === affinityParts && known.mapId === mapId && known.newerThan === newerThan;
  if (isSame) return known.bytes;
  const bytes = encodeMap(map);
  encodedMaps.set(map, { affinityParts, mapId, newerThan, bytes });
  return bytes;
}

function encodeMap(map: MapReference): Buffer {
  const writer = new WireWriter(fieldsBound(7) + textBound(map.name));
  writer.text(1, map.name);
  writer.uint(2, map.affinityParts);
  writer.flag(3, map.declared);
  writer.double(4, map.ttlMs);
  writer.double(5, map.maxIdleMs);
  writer.uint(6, map.mapId);
  writer.uint(7, map.newerThan);
  return writer.finish();
}

function encodeProcessor(processor: ProcessorReference): Buffer {
  const writer = new WireWriter(fieldsBound(2) + textBound(processor.module) + textBound(processor.exportName));
  writer.text(1, processor.module);
  writer.text(2, processor.exportName);
  return writer.finish();
}

function encodeTrace({ traceparent, tracestate }: TraceContext): Buffer {
  const writer = new WireWriter(fieldsBound(2) + textBound(traceparent) + textBound(tracestate));
  writer.text(1, traceparent);
  writer.text(2, tracestate);
  return writer.finish();
}

/** @throws GridError INVALID_ARGUMENT when the bytes are no consistent batch (kv-codec C2) */
export function decodeBatch(bytes: Uint8Array): KvBatch {
  const maps: MapReference[] = [];
  const processors: ProcessorReference[] = [];
  const traces: TraceContext[] = [];
  const batch = emptyBatch(maps, processors, traces);
  const reader = new WireReader(bytes);
  ttlRules.ruleOperations = NO_INDEXES;
  ttlRules.rules = NO_INDEXES;
  while (reader.next()) {
    if (Math.max(maps.length, processors.length, traces.length) > TABLE_MAX)
      throw malformed(`it names more than ${TABLE_MAX} things`);
    if (reader.field < 20) readBatchHeader(reader, batch, maps, processors, traces);
    else readBatchColumn(reader, batch);
  }
  batch.count = batch.opcodes.length;
  if (batch.ttlMs.length + ttlRules.ruleOperations.length + ttlRules.rules.length > 0) joinRules(batch);
  if (batch.mapIndexes?.length === 0) batch.mapIndexes = undefined;
  if (batch.valueEnds?.length === 0) batch.valueEnds = undefined;
  if (batch.requestOffsets?.length === 0) batch.requestOffsets = undefined;
  if (batch.traceIndexes?.length === 0) batch.traceIndexes = undefined;
  if (batch.deadlineExtras?.length === 0) batch.deadlineExtras = undefined;
  checkBatch(batch);
  return batch;
}

function emptyBatch(
  maps: MapReference[],
  processors: ProcessorReference[],
  traces: TraceContext[],
): Changeable<KvBatch> {
  return {
    batchId: 0,
    session: 0,
    firstRequest: 0,
    lowestUnanswered: 0,
    sessionVersion: 0,
    deadlineMs: 0,
    consistency: 0,
    tableVersion: 0,
    catalogVersion: 0,
    atomic: false,
    resent: false,
    firstVersion: 0,
    maps,
    processors,
    count: 0,
    opcodes: NO_BYTES,
    mapIndexes: undefined,
    partitions: NO_INDEXES,
    keyEnds: NO_INDEXES,
    keys: NO_BYTES,
    valueEnds: undefined,
    values: NO_BYTES,
    ttlOperations: NO_INDEXES,
    ttlMs: NO_NUMBERS,
    ifVersionOperations: NO_INDEXES,
    ifVersions: NO_NUMBERS,
    processorOperations: NO_INDEXES,
    processorIndexes: NO_INDEXES,
    requestOffsets: undefined,
    traces,
    traceIndexes: undefined,
    deadlineExtras: undefined,
  };
}

function readBatchHeader(
  reader: WireReader,
  batch: Changeable<KvBatch>,
  maps: MapReference[],
  processors: ProcessorReference[],
  traces: TraceContext[],
): void {
  // biome-ignore format: a table
  switch (reader.field) {
    case 1: batch.batchId = reader.uint(); break;
    case 2: batch.session = reader.uint(); break;
    case 3: batch.firstRequest = reader.uint(); break;
    case 4: batch.lowestUnanswered = reader.uint(); break;
    case 5: batch.sessionVersion = reader.uint(); break;
    case 6: batch.deadlineMs = reader.uint(); break;
    case 8: batch.consistency = reader.uint(); break;
    case 9: batch.tableVersion = reader.uint(); break;
    case 10: batch.atomic = reader.flag(); break;
    case 11: batch.resent = reader.flag(); break;
    case 12: maps.push(decodedMap(reader.bytes())); break;
    case 13: processors.push(decodeProcessor(reader.bytes())); break;
    case 14: traces.push(decodeTrace(reader.bytes())); break;
    case 15: batch.catalogVersion = reader.uint(); break;
    case 16: batch.firstVersion = reader.uint(); break;
    default: reader.skip();
  }
}

function joinRules(batch: Changeable<KvBatch>): void {
  const joined = joinTtls({ operations: batch.ttlOperations, ttlMs: batch.ttlMs, ...ttlRules });
  batch.ttlOperations = joined.operations;
  batch.ttlMs = joined.ttls;
}

function readBatchColumn(reader: WireReader, batch: Changeable<KvBatch>): void {
  // biome-ignore format: a table
  switch (reader.field) {
    case 20: batch.opcodes = reader.bytes(); break;
    case 21: batch.mapIndexes = reader.fixed32(batch.mapIndexes ?? NO_INDEXES); break;
    case 22: batch.partitions = reader.fixed32(batch.partitions); break;
    case 23: batch.keyEnds = reader.fixed32(batch.keyEnds); break;
    case 24: batch.keys = reader.bytes(); break;
    case 25: batch.valueEnds = reader.fixed32(batch.valueEnds ?? NO_INDEXES); break;
    case 26: batch.values = reader.bytes(); break;
    case 27: batch.ttlOperations = reader.fixed32(batch.ttlOperations); break;
    case 28: batch.ttlMs = reader.doubles(batch.ttlMs); break;
    case 29: batch.ifVersionOperations = reader.fixed32(batch.ifVersionOperations); break;
    case 30: batch.ifVersions = reader.doubles(batch.ifVersions); break;
    case 31: batch.processorOperations = reader.fixed32(batch.processorOperations); break;
    case 32: batch.processorIndexes = reader.fixed32(batch.processorIndexes); break;
    case 33: batch.requestOffsets = reader.fixed32(batch.requestOffsets ?? NO_INDEXES); break;
    case 34: batch.traceIndexes = reader.fixed32(batch.traceIndexes ?? NO_INDEXES); break;
    case 35: ttlRules.ruleOperations = reader.fixed32(ttlRules.ruleOperations); break;
    case 36: ttlRules.rules = reader.fixed32(ttlRules.rules); break;
    case 37: batch.deadlineExtras = reader.fixed32(batch.deadlineExtras ?? NO_INDEXES); break;
    default: reader.skip();
  }
}

/** The map that was decoded last: mostly the next one is the same. */
let lastMap: { readonly bytes: Uint8Array; readonly map: MapReference } | undefined;

function decodedMap(bytes: Uint8Array): MapReference {
  if (lastMap !== undefined && sameBytes(lastMap.bytes, bytes)) return lastMap.map;
  const map = Object.freeze(decodeMap(bytes));
  if (bytes.length <= NAME_BYTES_MAX * 2) lastMap = { bytes: bytes.slice(), map };
  return map;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

function decodeMap(bytes: Uint8Array): MapReference {
  const map: Changeable<MapReference> = {
    name: '',
    affinityParts: 0,
    declared: false,
    ttlMs: 0,
    maxIdleMs: 0,
    mapId: 0,
    newerThan: 0,
  };
  const reader = new WireReader(bytes);
  while (reader.next()) {
    // biome-ignore format: a table
    switch (reader.field) {
      case 1: map.name = reader.shortText(NAME_BYTES_MAX); break;
      case 2: map.affinityParts = reader.uint(); break;
      case 3: map.declared = reader.flag(); break;
      case 4: map.ttlMs = reader.double(); break;
      case 5: map.maxIdleMs = reader.double(); break;
      case 6: map.mapId = reader.uint(); break;
      case 7: map.newerThan = reader.uint(); break;
      default: reader.skip();
    }
  }
  return map;
}

function decodeProcessor(bytes: Uint8Array): ProcessorReference {
  const processor: Changeable<ProcessorReference> = { module: '', exportName: '' };
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) processor.module = reader.shortText(NAME_BYTES_MAX);
    else if (reader.field === 2) processor.exportName = reader.shortText(NAME_BYTES_MAX);
    else reader.skip();
  }
  return processor;
}

function decodeTrace(bytes: Uint8Array): TraceContext {
  const trace: Changeable<TraceContext> = { traceparent: '', tracestate: '' };
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) trace.traceparent = reader.shortText(TRACE_BYTES_MAX);
    else if (reader.field === 2) trace.tracestate = reader.shortText(TRACE_BYTES_MAX);
    else reader.skip();
  }
  return trace;
}

function checkBatch(batch: KvBatch): void {
  const { count } = batch;
  if (count > BATCH_OPERATIONS_LIMIT)
    throw malformed(`${count} operations, at most ${BATCH_OPERATIONS_LIMIT} are taken`);
  if (batch.consistency > CONSISTENCY_MAX) throw malformed(`read consistency ${batch.consistency}`);
  if (batch.firstRequest > LAST_REQUEST) throw malformed(`request number ${batch.firstRequest}`);
  for (const opcode of batch.opcodes) if (opcode > OPCODE_MAX) throw malformed(`opcode ${opcode}`);
  checkLength('partitions', batch.partitions.length, count);
  checkEnds('keys', batch.keyEnds, batch.keys, count);
  if (batch.valueEnds !== undefined) checkEnds('values', batch.valueEnds, batch.values, count);
  if (batch.requestOffsets !== undefined) checkLength('request_offsets', batch.requestOffsets.length, count);
  if (batch.deadlineExtras !== undefined) checkLength('deadline_extras', batch.deadlineExtras.length, count);
  if (batch.traceIndexes !== undefined) {
    checkLength('trace_indexes', batch.traceIndexes.length, count);
    checkIndexes('trace_indexes', batch.traceIndexes, batch.traces.length + 1);
  }
  if (batch.mapIndexes === undefined) {
    if (count > 0 && batch.maps.length === 0) throw malformed('it names no map');
  } else {
    checkLength('map_indexes', batch.mapIndexes.length, count);
    checkIndexes('map_indexes', batch.mapIndexes, batch.maps.length);
  }
  checkSparse('ttl_operations', batch.ttlOperations, batch.ttlMs.length, count);
  checkSparse('if_version_operations', batch.ifVersionOperations, batch.ifVersions.length, count);
  checkSparse('processor_operations', batch.processorOperations, batch.processorIndexes.length, count);
  checkIndexes('processor_indexes', batch.processorIndexes, batch.processors.length);
  let processes = 0;
  for (const opcode of batch.opcodes) if (opcode === OPCODE.PROCESS) processes++;
  checkLength('processor_operations', batch.processorOperations.length, processes);
  for (const operation of batch.processorOperations) {
    if (batch.opcodes[operation] !== OPCODE.PROCESS) throw malformed('a processor for another kind of operation');
  }
}

function checkLength(column: string, length: number, count: number): void {
  if (length !== count) throw malformed(`${column} has ${length} elements for ${count} operations`);
}

function checkEnds(column: string, ends: Uint32Array, bytes: Uint8Array, count: number): void {
  checkLength(`${column}' ends`, ends.length, count);
  let before = 0;
  for (let index = 0; index < ends.length; index++) {
    const end = ends[index]!;
    if (end < before) throw malformed(`${column} end before they begin`);
    before = end;
  }
  if (before !== bytes.length) throw malformed(`${column} have ${bytes.length} bytes, their ends say ${before}`);
}

function checkIndexes(column: string, indexes: Uint32Array, count: number): void {
  for (const index of indexes) if (index >= count) throw malformed(`${column} has index ${index} of ${count}`);
}

function checkSparse(column: string, operations: Uint32Array, values: number, count: number): void {
  checkLength(column, operations.length, values);
  let before = -1;
  for (const operation of operations) {
    if (operation <= before || operation >= count) throw malformed(`${column} does not ascend within the batch`);
    before = operation;
  }
}

/**
 * @param takeBuffer  memory of so many bytes for the message; its own by default
 * @param catalogVersion  of the member's catalog
 */
export function encodeAnswers(
  answers: KvAnswers,
  takeBuffer?: (bytes: number) => Buffer,
  catalogVersion = answers.catalogVersion ?? 0,
): Buffer {
  const errors = answers.errors.map(encodeOperationErrors);
  const count = answers.statuses.length;
  const bytesMax =
    fieldsBound(ANSWER_FIELDS + errors.length) +
    count * (1 + 4 + 8 + 8) +
    (answers.mapIds?.byteLength ?? 0) +
    answers.values.length +
    errors.reduce((sum, bytes) => sum + bytes.length, 0);
  const writer = new WireWriter(bytesMax, takeBuffer?.(bytesMax));
  writer.uint(1, answers.batchId);
  writer.uint(2, answers.highestVersion);
  writer.uint(3, answers.tableVersion);
  writer.uint(4, answers.firstOperation ?? 0);
  if (answers.mapIds !== undefined) writer.column(5, answers.mapIds);
  writer.uint(6, catalogVersion);
  writer.bytes(20, answers.statuses);
  if (answers.valueEnds !== undefined) writer.column(21, answers.valueEnds);
  writer.bytes(22, answers.values);
  if (answers.versions !== undefined) writer.column(23, answers.versions);
  if (answers.expiresAtMs !== undefined) writer.column(24, answers.expiresAtMs);
  for (const error of errors) writer.message(25, error);
  return writer.finish();
}

function encodeOperationErrors(errors: OperationErrors): Buffer {
  const error = encodeError(errors.error);
  const writer = new WireWriter(fieldsBound(2) + errors.operations.byteLength + error.length);
  writer.column(1, errors.operations);
  writer.bytes(2, error);
  return writer.finish();
}

/** @throws GridError INVALID_ARGUMENT when the bytes are no consistent answers */
export function decodeAnswers(bytes: Uint8Array): KvAnswers {
  const errors: OperationErrors[] = [];
  const answers: Changeable<KvAnswers> = {
    batchId: 0,
    highestVersion: 0,
    tableVersion: 0,
    catalogVersion: 0,
    firstOperation: 0,
    mapIds: undefined,
    statuses: NO_BYTES,
    valueEnds: undefined,
    values: NO_BYTES,
    versions: undefined,
    expiresAtMs: undefined,
    errors,
  };
  const reader = new WireReader(bytes);
  while (reader.next()) {
    // biome-ignore format: a table
    switch (reader.field) {
      case 1: answers.batchId = reader.uint(); break;
      case 2: answers.highestVersion = reader.uint(); break;
      case 3: answers.tableVersion = reader.uint(); break;
      case 4: answers.firstOperation = reader.uint(); break;
      case 5: answers.mapIds = reader.fixed32(answers.mapIds ?? NO_INDEXES); break;
      case 6: answers.catalogVersion = reader.uint(); break;
      case 20: answers.statuses = reader.bytes(); break;
      case 21: answers.valueEnds = reader.fixed32(answers.valueEnds ?? NO_INDEXES); break;
      case 22: answers.values = reader.bytes(); break;
      case 23: answers.versions = reader.doubles(answers.versions ?? NO_NUMBERS); break;
      case 24: answers.expiresAtMs = reader.doubles(answers.expiresAtMs ?? NO_NUMBERS); break;
      case 25: errors.push(decodeOperationErrors(reader.bytes())); break;
      default: reader.skip();
    }
  }
  checkAnswers(answers);
  return answers;
}

function decodeOperationErrors(bytes: Uint8Array): OperationErrors {
  let operations: Uint32Array = NO_INDEXES;
  let error: Uint8Array = NO_BYTES;
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) operations = reader.fixed32(operations);
    else if (reader.field === 2) error = reader.bytes();
    else reader.skip();
  }
  return { operations, error: decodeError(error) };
}

function checkAnswers(answers: KvAnswers): void {
  const count = answers.statuses.length;
  for (const status of answers.statuses) if (status > STATUS.REFUSED) throw malformed(`status ${status}`);
  if (answers.valueEnds !== undefined) checkEnds('values', answers.valueEnds, answers.values, count);
  if (answers.versions !== undefined) checkLength('versions', answers.versions.length, count);
  if (answers.expiresAtMs !== undefined) checkLength('expires_at_ms', answers.expiresAtMs.length, count);
  for (const { operations } of answers.errors) checkIndexes('errors', operations, count);
}

/** kv-codec C3: the answers as they are, or in runs whose values have at most `valueBytesMax` bytes (or are single). */
export function* piecesOf(answers: KvAnswers, valueBytesMax: number): Generator<KvAnswers> {
  const { valueEnds } = answers;
  if (valueEnds === undefined || answers.values.length <= valueBytesMax) {
    yield answers;
    return;
  }
  let start = 0;
  while (start < answers.statuses.length) {
    const base = start === 0 ? 0 : valueEnds[start - 1]!;
    let end = start + 1;
    while (end < valueEnds.length && valueEnds[end]! - base <= valueBytesMax) end++;
    yield piece(answers, valueEnds, start, end, base);
    start = end;
  }
}

function piece(answers: KvAnswers, valueEnds: Uint32Array, start: number, end: number, base: number): KvAnswers {
  const errors = answers.errors.map(({ operations, error }) => ({
    operations: operations.filter((index) => index >= start && index < end).map((index) => index - start),
    error,
  }));
  return {
    ...answers,
    firstOperation: (answers.firstOperation ?? 0) + start,
    statuses: answers.statuses.subarray(start, end),
    valueEnds: valueEnds.slice(start, end).map((valueEnd) => valueEnd - base),
    values: answers.values.subarray(base, valueEnds[end - 1]!),
    versions: answers.versions?.subarray(start, end),
    expiresAtMs: answers.expiresAtMs?.subarray(start, end),
    errors: errors.filter(({ operations }) => operations.length > 0),
  };
}
