/** What the main thread asks of a query worker, and what comes back: plain data. */
import type { PartitionId, Version } from '@ashlar/core';
import type { Expr, OddCount } from '@ashlar/expressions';
import type { CatalogView, ModifyPlan } from '@ashlar/sql-plan';

export interface PlanTask {
  readonly text: string;
  readonly catalog: CatalogView;
  /** Maps whose paths in the catalog are complete. */
  readonly freshPaths: readonly string[];
}

export interface ConditionTask {
  readonly map: string;
  readonly condition: string;
  readonly catalog: CatalogView;
}

/** The paths that the documents of a map have, with the kinds of values there. */
export interface DocumentPaths {
  readonly paths: readonly (readonly string[])[];
  /** By place in `paths`: bits of VALUE_KIND. */
  readonly valueKinds: readonly number[];
}

/** Looks for the paths that the documents of some partitions have. */
export interface PathsTask {
  readonly mapId: number;
  readonly partitions: readonly PartitionId[];
  readonly snapshotId: number;
  readonly snapshotVersion: Version;
}

/** Finds the entries that a statement changes, and what they become. */
export interface ChangeTask {
  /** UPDATE: new documents. Else only which entries. */
  readonly kind: 'update' | 'delete' | 'process';
  readonly scan: ModifyPlan['scan'];
  readonly assignments: readonly Assignment[];
  readonly partitions: readonly PartitionId[];
  readonly snapshotId: number;
  readonly snapshotVersion: Version;
  /** Encoded: serialization's parameters.ts. */
  readonly parameters: Uint8Array;
  readonly clockMs: number;
  /** Values of odd kinds in undeclared paths of the condition are errors, not NULL. */
  readonly strict: boolean;
  /** Texts that keys are compared with, and that may mean a number too: the result says which of both were found. */
  readonly ambiguousTexts: readonly string[];
  /** Whether it may be applied in several steps, where listeners hold the logs and all of it at once has no room. */
  readonly inPieces?: boolean;
  /** How long it may wait for listeners that hold the logs. */
  readonly waitMs?: number | undefined;
}

export interface Assignment {
  readonly path: readonly (string | number)[];
  readonly value: Expr;
}

/** The entries a statement changes, as columns: element i of each belongs to entry i. */
export interface ChangedRows {
  readonly count: number;
  readonly partitions: Uint32Array;
  /** The version that was seen: another one now means that the entry must be looked at again. */
  readonly versions: Float64Array;
  readonly keyEnds: Uint32Array;
  readonly keys: Uint8Array;
  /** New documents of an UPDATE; empty otherwise. */
  readonly valueEnds: Uint32Array;
  readonly values: Uint8Array;
  /** Bytes of the documents as they were, all together. */
  readonly oldBytes: number;
  /** Rows that the condition read laxly. */
  readonly odd: readonly OddCount[];
  /** Keys that ambiguous texts mean, of entries that meet the condition. */
  readonly keysFound: readonly unknown[];
}
