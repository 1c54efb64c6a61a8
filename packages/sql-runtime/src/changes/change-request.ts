/** What a coordinator asks a member to change, as the wire carries it: plain data. */
import type { MapId, Version } from '@ashlar/core';
import type { OddCount } from '@ashlar/expressions';
import type { ChangeTask } from '@ashlar/sql-executor';

/** A processor and its arguments. */
export interface ProcessorRequest {
  readonly module: string;
  readonly exportName: string;
  /** MessagePack; empty: none. */
  readonly args: Uint8Array;
}

/** Rows of one member to insert, as columns. */
export interface InsertRows {
  readonly partitions: readonly number[];
  readonly keys: readonly Uint8Array[];
  readonly values: readonly Uint8Array[];
  readonly onConflict: 'error' | 'nothing' | 'replace';
  /** As of ChangeTask. */
  readonly waitMs?: number | undefined;
}

/** A change that can be staged, and committed later. */
export type RowChange =
  | { readonly kind: 'change'; readonly task: ChangeTask }
  | { readonly kind: 'insert'; readonly map: string; readonly mapId: MapId; readonly rows: InsertRows };

export type ChangeRequest =
  | RowChange
  /** Looks for the entries and changes none: finds out whether a condition, or a new document, cannot be computed. */
  | { readonly kind: 'check'; readonly task: ChangeTask }
  | { readonly kind: 'process'; readonly task: ChangeTask; readonly processor: ProcessorRequest };

export interface ChangeOutcome {
  readonly affected: number;
  readonly version: Version;
  /** Rows that the condition read laxly. */
  readonly odd: readonly OddCount[];
  /** What a check found: see ChangedRows. */
  readonly keysFound?: readonly unknown[] | undefined;
}
