/** Statements as doors see them: prepared, run with values, answered as header, batches, end. No door's wire in it. */
import type { TraceContext, Version } from '@ashlar/core';
import type { SqlType } from '@ashlar/expressions';
import { decodeParameters, encodeParameters, type StatementOutput } from '@ashlar/serialization';
import type { PlanColumn } from '@ashlar/sql-plan';

/** The parameters $1, $2 ... of a statement: as values, and encoded, as threads and members hand them on. */
export interface StatementValues {
  readonly values: readonly unknown[];
  readonly bytes: Uint8Array;
}

export function valuesOf(values: readonly unknown[]): StatementValues {
  return { values, bytes: encodeParameters(values) };
}

/** @param bytes  of serialization's parameters.ts; empty: none @throws GridError INVALID_PARAMETER */
export function decodedValues(bytes: Uint8Array): StatementValues {
  // On its own: a thread that gets a view gets all of its buffer.
  return { values: decodeParameters(bytes), bytes: new Uint8Array(bytes) };
}

/** The context in which a statement is prepared. */
export interface PrepareContext {
  readonly signal: AbortSignal;
  /** The trace it belongs to. */
  readonly trace: TraceContext | undefined;
}

/** The context in which a statement is run. */
export interface RunContext extends PrepareContext {
  /** When the caller gives up, by performance.now(); undefined: it did not say. */
  readonly deadlineMs: number | undefined;
  /** The highest version that the caller's session has seen. */
  readonly seen: Version;
  /** Values of odd kinds in undeclared paths are errors, not NULL. */
  readonly strict: boolean;
  /** Rows after which no more are read; 0: all are. Batches come whole. */
  readonly rowsMax: number;
  /** @throws GridError PERMISSION_DENIED */
  require(permission: MapPermission['permission'], map: string): void;
}

/** A permission that a statement needs. */
export interface MapPermission {
  readonly permission: 'read' | 'write';
  readonly map: string;
}

export interface PreparedStatement {
  /** By number, $1 first. `any`: what it is given decides. */
  readonly parameters: readonly SqlType[];
  /** Columns of its result; none: it changes rows. `any`: the rows decide. */
  readonly columns: readonly PlanColumn[];
  readonly notices: readonly string[];
  readonly permissions: readonly MapPermission[];
  /**
   * Runs it, as often as wanted: by the plan as prepared, or by a new one where the catalog or the documents that it rests on
   * have changed. header, batches, end; fails by throwing.
   */
  run(values: StatementValues, context: RunContext): AsyncGenerator<StatementOutput, void, undefined>;
}
