/**
 * Query plans: plain data that can be cached, printed, sent between members.
 *
 *   Statement -> QueryPlan { stages: broadcast builds first, then the gather } -> merge on the query coordinator
 *
 * A stage's fragment runs on every member that owns one of its partitions, over one snapshot of the grid. A broadcast
 * stage's rows become a build table on all members of later stages; the gather stage's rows go to the merge.
 * Operators are nested from the scan outwards; a column is an index into the operator's input.
 */
import type { Aggregate, Expr, SqlType } from '@ashlar/expressions';

export interface PlanColumn {
  readonly name: string;
  readonly type: SqlType;
  /** A count: int8, but applications get it as a number. */
  readonly isCount?: boolean | undefined;
}

export interface SortKey {
  readonly expr: Expr;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}

/** A column that a scan delivers: a path of the document, or the entry's key, version or expiry. */
export type ScanColumn =
  | { readonly source: 'path'; readonly path: readonly (string | number)[]; readonly type: SqlType }
  | { readonly source: 'key' | 'version' | 'value' | 'expires_at'; readonly type: SqlType };

export type FragmentNode =
  | {
      readonly kind: 'Scan';
      readonly map: string;
      readonly mapId: number;
      readonly alias: string;
      readonly columns: readonly ScanColumn[];
      /** Over `columns`. */
      readonly filter: Expr | undefined;
    }
  /** One row without columns: SELECT without FROM, VALUES. Runs in the merge only. */
  | { readonly kind: 'Rows'; readonly rows: readonly (readonly Expr[])[]; readonly columns: readonly PlanColumn[] }
  | { readonly kind: 'Filter'; readonly input: FragmentNode; readonly condition: Expr }
  | {
      readonly kind: 'Project';
      readonly input: FragmentNode;
      readonly columns: readonly PlanColumn[];
      readonly exprs: readonly Expr[];
    }
  /** Probe side is `input`; the build side is the broadcast rows of `stage`. Output: input's columns, then the build's. */
  | {
      readonly kind: 'HashJoin';
      readonly join: 'inner' | 'left';
      readonly input: FragmentNode;
      readonly stage: number;
      readonly buildColumns: readonly PlanColumn[];
      /** Over input's columns and over the build's columns. Empty: a product. */
      readonly probeKeys: readonly Expr[];
      readonly buildKeys: readonly Expr[];
      /** The rest of the ON condition, over the joined columns. */
      readonly residual: Expr | undefined;
    }
  /** Output: group keys, then one column of partial states an aggregate (opaque to all but FinalAggregate). */
  | {
      readonly kind: 'PartialAggregate';
      readonly input: FragmentNode;
      readonly groups: readonly Expr[];
      readonly aggregates: readonly Aggregate[];
    }
  /** Distinct rows; a final Distinct follows in the merge. */
  | { readonly kind: 'Distinct'; readonly input: FragmentNode }
  /** The first `limit` rows by `keys`; unordered when keys are empty. Expr limits are parameters or literals. */
  | { readonly kind: 'TopN'; readonly input: FragmentNode; readonly keys: readonly SortKey[]; readonly limit: Expr };

/** What the query coordinator does with the gathered rows. */
export type MergeNode =
  | { readonly kind: 'Gather'; readonly columns: readonly PlanColumn[] }
  | { readonly kind: 'Rows'; readonly rows: readonly (readonly Expr[])[]; readonly columns: readonly PlanColumn[] }
  | {
      readonly kind: 'FinalAggregate';
      readonly input: MergeNode;
      readonly groupTypes: readonly SqlType[];
      readonly aggregates: readonly Aggregate[];
    }
  | { readonly kind: 'Filter'; readonly input: MergeNode; readonly condition: Expr }
  | {
      readonly kind: 'Project';
      readonly input: MergeNode;
      readonly columns: readonly PlanColumn[];
      readonly exprs: readonly Expr[];
    }
  | { readonly kind: 'Distinct'; readonly input: MergeNode }
  | { readonly kind: 'Sort'; readonly input: MergeNode; readonly keys: readonly SortKey[] }
  | {
      readonly kind: 'Limit';
      readonly input: MergeNode;
      readonly limit: Expr | undefined;
      readonly offset: Expr | undefined;
    };

export interface Stage {
  readonly id: number;
  readonly exchange: 'broadcast' | 'gather';
  readonly fragment: FragmentNode;
  /** Partitions that can hold rows. Pruned where the condition gives whole keys; an affinity part alone prunes nothing. */
  readonly partitions: PartitionChoice;
  readonly output: readonly PlanColumn[];
}

/** `keys`: expressions (parameters, literals) of whole keys: only their partitions are read. */
export type PartitionChoice = { readonly kind: 'all' } | { readonly kind: 'keys'; readonly keys: readonly Expr[] };

export interface QueryPlan {
  readonly kind: 'query';
  readonly stages: readonly Stage[];
  readonly merge: MergeNode;
  readonly output: readonly PlanColumn[];
  readonly parameterCount: number;
  readonly catalogVersion: number;
  readonly notices: readonly string[];
}

/** SELECT ... WHERE __key = x: a get on the key's primary, then `project` over [key, value paths ...] as a scan would. */
export interface GetPlan {
  readonly kind: 'get';
  readonly key: Expr;
  readonly scan: Extract<FragmentNode, { kind: 'Scan' }>;
  /** Over the scan's columns; the scan's filter is the rest of the WHERE. */
  readonly exprs: readonly Expr[];
  /** ORDER BY, over the scan's columns, where the key is a text that may mean two keys. */
  readonly sort?: readonly SortKey[] | undefined;
  readonly output: readonly PlanColumn[];
  readonly parameterCount: number;
  readonly catalogVersion: number;
  readonly notices: readonly string[];
}

export interface InsertPlan {
  readonly kind: 'insert';
  readonly map: string;
  /** undefined when the map does not exist yet: INSERT creates it as a put would. */
  readonly mapId: number | undefined;
  /** One per row: the key and the document's fields. */
  readonly rows: readonly {
    readonly key: Expr;
    readonly fields: readonly { readonly path: readonly (string | number)[]; readonly value: Expr }[];
  }[];
  /** A row whose key exists: DUPLICATE_KEY for the statement, left alone, or overwritten. */
  readonly onConflict: 'error' | 'nothing' | 'replace';
  readonly parameterCount: number;
  readonly catalogVersion: number;
  readonly notices: readonly string[];
}

/** UPDATE and DELETE: `scan` finds the rows (its first column is the key, its second the version), then each is re-checked and changed. */
export interface ModifyPlan {
  readonly kind: 'update' | 'delete';
  readonly map: string;
  readonly mapId: number;
  readonly scan: Extract<FragmentNode, { kind: 'Scan' }>;
  readonly partitions: PartitionChoice;
  /** UPDATE: over the scan's columns. */
  readonly assignments: readonly { readonly path: readonly (string | number)[]; readonly value: Expr }[];
  readonly parameterCount: number;
  readonly catalogVersion: number;
  readonly notices: readonly string[];
}

/** TRUNCATE: every entry of a map goes; where the logs do not hold that at once, piece by piece. */
export interface TruncatePlan {
  readonly kind: 'truncate';
  readonly map: string;
  readonly mapId: number;
  readonly parameterCount: number;
  readonly catalogVersion: number;
  readonly notices: readonly string[];
}

export interface ExplainPlan {
  readonly kind: 'explain';
  readonly analyze: boolean;
  readonly target: Exclude<Plan, ExplainPlan>;
  readonly parameterCount: number;
  readonly catalogVersion: number;
  readonly notices: readonly string[];
}

export type Plan = QueryPlan | GetPlan | InsertPlan | ModifyPlan | TruncatePlan | ExplainPlan;

/** What the planner may know of the maps: plain data, sent to the thread that plans. */
export interface CatalogView {
  readonly catalogVersion: number;
  readonly maps: readonly CatalogMap[];
}

/** Kinds of values that a path holds, as bits. */
export const VALUE_KIND = { number: 1, bigint: 2, decimal: 4, date: 8, text: 16, boolean: 32, other: 64 } as const;

export interface CatalogMap {
  readonly name: string;
  readonly mapId: number;
  readonly affinityParts: number;
  /**
   * Paths of the documents, as far as they were looked for; undefined: nobody has looked. Top-level fields come in the
   * order in which documents show them.
   */
  readonly paths: readonly (readonly string[])[] | undefined;
  /** By place in `paths`: which kinds of values documents hold there, as bits of VALUE_KIND. */
  readonly valueKinds?: readonly number[] | undefined;
  /** Entries, about; larger maps are probed, smaller ones are built. */
  readonly entries: number;
}
