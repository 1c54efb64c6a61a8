/**
 * Key-value operations and their answers as parallel columns: element i of each column belongs to operation i, and no
 * object stands for a single operation. On the wire: KvBatch and KvAnswers of `protos/ashlar/v1/kv.proto`.
 */
import type { TraceContext, WireError } from '@ashlar/core';

/** By number on the wire. */
export const OPCODE = {
  GET: 0,
  GET_ENTRY: 1,
  HAS: 2,
  PUT: 3,
  PUT_IF_ABSENT: 4,
  GET_AND_PUT: 5,
  REPLACE: 6,
  REMOVE: 7,
  GET_AND_REMOVE: 8,
  PROCESS: 9,
  /** A statement that reads, answered where it is short: serialization's short-statements.ts. Its key says who is asked. */
  STATEMENT: 10,
} as const;

export type Opcode = (typeof OPCODE)[keyof typeof OPCODE];

/** Most operations of one batch: what a member does in one go must not hold its event loop. */
export const BATCH_OPERATIONS_LIMIT = 1 << 17;

/** Whether operations of this kind change entries, and so carry request numbers. */
export function isMutation(opcode: number): boolean {
  return opcode >= OPCODE.PUT && opcode !== OPCODE.STATEMENT;
}

/** By number on the wire. */
export const STATUS = {
  /** Absent, not applied, no. */
  FALSE: 0,
  /** Present, applied, yes. */
  TRUE: 1,
  FAILED: 2,
  /** Nothing was done, because of another operation of the batch: send it again. */
  NOT_RUN: 3,
  /** User code refused the call, and nothing of it was applied; the value is its refusal (`encodeRefusal`). */
  REFUSED: 4,
} as const;

export interface MapReference {
  readonly name: string;
  readonly affinityParts: number;
  /** Whether the caller stated the options; otherwise they count only if the map is created now. */
  readonly declared: boolean;
  /** 0: none. */
  readonly ttlMs: number;
  /** 0: none. */
  readonly maxIdleMs: number;
  /** Id of the map that is meant; 0: not known, whichever has the name. */
  readonly mapId: number;
  /** With mapId 0: the map with this id is known to be dropped, a later one is meant; 0: none is known. */
  readonly newerThan: number;
}

export interface ProcessorReference {
  readonly module: string;
  readonly exportName: string;
}

export interface KvBatch {
  readonly batchId: number;
  /** 0: none. */
  readonly session: number;
  /** Request number of the first mutation; see requestNumbers. */
  readonly firstRequest: number;
  readonly lowestUnanswered: number;
  readonly sessionVersion: number;
  /** Milliseconds from arrival until the first caller stops waiting; 0: none. */
  readonly deadlineMs: number;
  /** How much later the caller of each operation stops waiting, in milliseconds; undefined: all at about the same time. */
  readonly deadlineExtras?: Uint32Array | undefined;
  /** 0 primary, 1 backup. */
  readonly consistency: number;
  readonly tableVersion: number;
  /** Version of the newest catalog that the caller has heard of; 0: none. */
  readonly catalogVersion: number;
  readonly atomic: boolean;
  readonly resent: boolean;
  /** For a batch that is sent again: the lowest sessionVersion of a first sending; 0: not known. */
  readonly firstVersion?: number;
  readonly maps: readonly MapReference[];
  readonly processors: readonly ProcessorReference[];
  readonly count: number;
  readonly opcodes: Uint8Array;
  /** Undefined: all 0. */
  readonly mapIndexes: Uint32Array | undefined;
  readonly partitions: Uint32Array;
  /** Where each key ends in `keys`; it begins where the one before ends. */
  readonly keyEnds: Uint32Array;
  readonly keys: Uint8Array;
  /** Undefined: no operation has a value. An operation without one has an end equal to the one before. */
  readonly valueEnds: Uint32Array | undefined;
  readonly values: Uint8Array;
  /** Operations, ascending, with a time to live, and it (parallel). */
  readonly ttlOperations: Uint32Array;
  readonly ttlMs: Float64Array;
  readonly ifVersionOperations: Uint32Array;
  readonly ifVersions: Float64Array;
  readonly processorOperations: Uint32Array;
  readonly processorIndexes: Uint32Array;
  /** Request number of each operation minus firstRequest; undefined: mutations count up from 0 in their order. */
  readonly requestOffsets: Uint32Array | undefined;
  /** Distinct traces of its operations; empty: no caller is traced. */
  readonly traces: readonly TraceContext[];
  /** 1 + index into traces, 0: none; undefined: all operations belong to traces[0], if there is one. */
  readonly traceIndexes: Uint32Array | undefined;
}

/** The trace an operation belongs to. */
export function traceOf({ traces, traceIndexes }: KvBatch, operation: number): TraceContext | undefined {
  return traceIndexes === undefined ? traces[0] : traces[traceIndexes[operation]! - 1];
}

/** An error and the operations of a batch, by index, that failed with it. */
export interface OperationErrors {
  readonly operations: Uint32Array;
  readonly error: WireError;
}

/** Answers to a batch; large ones travel in pieces (kv-codec.ts), each for a run of its operations. */
export interface KvAnswers {
  readonly batchId: number;
  readonly highestVersion: number;
  readonly tableVersion: number;
  /** Version of the member's catalog; its door adds it (server-kv-stream.ts). */
  readonly catalogVersion?: number | undefined;
  /** The operation that element 0 of the columns, and index 0 in `errors`, belongs to; default 0. */
  readonly firstOperation?: number;
  /** Parallel to the batch's maps: ids of those that have their names, 0: none. Undefined: those the caller named. */
  readonly mapIds?: Uint32Array | undefined;
  /** One of STATUS an operation; a member's answers have as many as the batch has operations. */
  readonly statuses: Uint8Array;
  /** Undefined: no answer has a value. */
  readonly valueEnds: Uint32Array | undefined;
  readonly values: Uint8Array;
  /** Versions of the entries that GET_ENTRY read, 0 for other operations; undefined: the batch has no GET_ENTRY. */
  readonly versions: Float64Array | undefined;
  /** Milliseconds since 1970, 0: does not expire; present as `versions` is. */
  readonly expiresAtMs: Float64Array | undefined;
  readonly errors: readonly OperationErrors[];
}
