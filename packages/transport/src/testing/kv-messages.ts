/** Messages of kv streams for tests. */
import { type KvBatch, OPCODE } from '../kv-batch.ts';
import { encodeBatch } from '../kv-codec.ts';

/** Reads of one-byte keys, all of partition 0. */
export function batchOf(batchId: number, opcodes: readonly number[], changes: Partial<KvBatch> = {}): Buffer {
  const count = opcodes.length;
  const maps = [{ name: 'm', affinityParts: 0, declared: false, ttlMs: 0, maxIdleMs: 0, mapId: 0, newerThan: 0 }];
  const isProcess = opcodes.flatMap((opcode, operation) => (opcode === OPCODE.PROCESS ? [operation] : []));
  return encodeBatch({
    batchId,
    session: 0,
    firstRequest: 0,
    lowestUnanswered: 0,
    sessionVersion: 0,
    deadlineMs: 0,
    traces: [],
    traceIndexes: undefined,
    consistency: 0,
    tableVersion: 1,
    catalogVersion: 0,
    atomic: false,
    resent: false,
    maps,
    processors: isProcess.length > 0 ? [{ module: 'm', exportName: 'e' }] : [],
    count,
    opcodes: Uint8Array.from(opcodes),
    mapIndexes: undefined,
    partitions: new Uint32Array(count),
    keyEnds: Uint32Array.from(opcodes, (_, operation) => operation + 1),
    keys: new Uint8Array(count).fill(0x20),
    valueEnds: undefined,
    values: new Uint8Array(0),
    ttlOperations: new Uint32Array(0),
    ttlMs: new Float64Array(0),
    ifVersionOperations: new Uint32Array(0),
    ifVersions: new Float64Array(0),
    processorOperations: Uint32Array.from(isProcess),
    processorIndexes: new Uint32Array(isProcess.length),
    requestOffsets: undefined,
    ...changes,
  });
}
