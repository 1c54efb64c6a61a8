/** For tests of this package: callers that note what they hear, and batches of operations in one line. */
import type { GridError, TraceContext } from '@ashlar/core';
import { encodeKey, type Key } from '@ashlar/serialization';
import { OPCODE } from '@ashlar/transport';
import { BatchBuilder, NOTHING, type OperationExtras } from '../batch-builder.ts';
import type { CallTarget } from '../call-target.ts';
import { MapHandle } from '../map-handle.ts';
import { RequestNumbers } from '../request-numbers.ts';
import type { SealContext } from '../sealed-batch.ts';

/** One call, which ends with the first that it hears. */
export class NotedTarget implements CallTarget {
  done = false;
  readonly isOneCall = true;
  readonly timeoutMs = 1000;
  deadlineMs: number;
  readonly trace: TraceContext | undefined;
  readonly failures: GridError[] = [];

  constructor(deadlineMs = Number.POSITIVE_INFINITY, trace?: TraceContext) {
    this.deadlineMs = deadlineMs;
    this.trace = trace;
  }

  answer(): void {
    this.done = true;
  }

  fail(_position: number, error: GridError): void {
    this.failures.push(error);
    this.done = true;
  }
}

/** An operation as a test names it. */
export interface GivenOperation {
  readonly opcode: number;
  readonly key: Key;
  readonly value?: unknown;
  readonly map?: MapHandle;
  readonly partition?: number;
  readonly extras?: OperationExtras;
  readonly target?: CallTarget;
  readonly position?: number;
}

const MAP = new MapHandle('m', undefined);

export function newBuilder(options: { readonly atomic?: boolean; readonly consistency?: number } = {}): BatchBuilder {
  return new BatchBuilder({ valueBytesMax: 1 << 20, ...options });
}

export function addTo(builder: BatchBuilder, ...operations: readonly GivenOperation[]): BatchBuilder {
  for (const { opcode, key, value = NOTHING, map = MAP, partition = 0, extras, target, position = 0 } of operations) {
    const bytes = encodeKey(key);
    builder.writeValue(value);
    builder.writeKey(bytes, 0, bytes.length);
    builder.add(opcode, map, partition, extras, target ?? new NotedTarget(), position);
  }
  return builder;
}

export function putOf(key: Key, changes: Partial<GivenOperation> = {}): GivenOperation {
  return { opcode: OPCODE.PUT, key, value: `value of ${String(key)}`, ...changes };
}

export function getOf(key: Key, changes: Partial<GivenOperation> = {}): GivenOperation {
  return { opcode: OPCODE.GET, key, ...changes };
}

export function sealContext(changes: Partial<SealContext> = {}): SealContext {
  const versions = { sessionVersion: 5, tableVersion: 3, catalogVersion: 2 };
  return { numbers: new RequestNumbers(7), ...versions, nowMs: 1000, ...changes };
}
