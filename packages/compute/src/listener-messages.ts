/** Messages between main and worker about listeners, in columns: element i of each belongs to the same thing. */
import type { TraceContext } from '@ashlar/core';
import type { CrossingError } from './crossing-errors.ts';
import type { ModuleSource } from './module-registry.ts';
import type { PackedBytes } from './packed-bytes.ts';

export interface ListenerTask {
  readonly source: ModuleSource;
  readonly exportName: string;
  /** The map whose events these are. */
  readonly map: string;
  readonly groups: readonly GroupColumns[];
  readonly trace: TraceContext | undefined;
}

/** Events of one partition, in the order of its log. */
export interface GroupColumns {
  /** Indexes into EVENT_TYPES. */
  readonly types: Uint8Array;
  readonly versions: Float64Array;
  readonly tokens: readonly string[];
  readonly keys: PackedBytes;
  readonly values: PackedBytes;
  readonly oldValues: PackedBytes;
}

/** The outcome of one partition's events. */
export type GroupAnswer =
  | { readonly writes: WriteColumns }
  /** `isRefusal`: the listener itself refused its events; not a call of it that was refused. */
  | { readonly error: CrossingError; readonly isRefusal: boolean };

/** A write-set. */
export interface WriteColumns {
  /** The maps written to; mapOf[i] is an index into it. */
  readonly maps: readonly string[];
  readonly mapOf: readonly number[];
  readonly keys: PackedBytes;
  /** undefined: a remove. */
  readonly values: PackedBytes;
  /** NaN: the map's default. */
  readonly ttlMs: Float64Array;
}

/** Worker to main: calls into the grid, all that one turn of the listener asked for. */
export interface CallsMessage {
  readonly calls: readonly CallColumns[];
}

/** Calls of one kind. */
export interface CallColumns {
  readonly operation: 'get' | 'process';
  readonly map: string;
  /** Set for 'process' only. */
  readonly module: string;
  readonly exportName: string;
  /** Names the answers. */
  readonly firstId: number;
  readonly keys: PackedBytes;
  readonly args: PackedBytes;
}

/** Main to worker: answers of calls firstId, firstId + 1 ... */
export interface AnswersMessage {
  readonly firstId: number;
  readonly results: PackedBytes;
  /** Index and error of each call that failed. */
  readonly errors: readonly (readonly [number, CrossingError])[];
}
