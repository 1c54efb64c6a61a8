/**
 * The grid as applications see it, and members have it for what is asked of them. The room `grid` implements it over a router:
 * `@ashlar/client` gives it by a connection.
 */
import type { GridError, SpinFigures } from '@ashlar/core';
import type { Call } from './calls.ts';
import type { Job, RunOptions } from './compute.ts';
import type { GridKey, GridMap, MapDefinition, UntypedDefinition } from './maps.ts';

/** SQL types of results; the client's README has the JavaScript type of each. */
export type SqlTypeName =
  | 'boolean'
  | 'int4'
  | 'int8'
  | 'float8'
  | 'numeric'
  | 'text'
  | 'bytea'
  | 'timestamptz'
  | 'date'
  | 'interval'
  | 'json'
  | 'unknown';

export interface ResultColumn {
  readonly name: string;
  readonly type: SqlTypeName;
}

/** A statement under way. Nothing is sent before the first row, `all`, `first` or `execute` is asked for. */
export interface SqlResult<Row> extends AsyncIterable<Row> {
  /** Every row, by the labels of its columns; a label that comes again is numbered: `SELECT 1 AS a, 2 AS a` gives a and a_1. */
  all(): Promise<Row[]>;
  /** The first row, or undefined; the rest is not computed further. */
  first(): Promise<Row | undefined>;
  /** Rows changed by INSERT, UPDATE, DELETE, TRUNCATE; rows returned by SELECT. */
  execute(): Promise<{ readonly affected: number }>;
  /** Rows column by column, as they come; the fastest way to read many. */
  batches(): AsyncIterable<ColumnBatch>;
  /** Names and types, once the first batch is here. */
  columns(): Promise<readonly ResultColumn[]>;
  /**
   * Things worth knowing that are no errors: a path no row has, with the nearest name; how many rows held values of a kind
   * that the statement had no use for (known when the result is read to its end).
   */
  notices(): Promise<readonly string[]>;
}

export interface ColumnBatch {
  readonly columns: readonly ResultColumn[];
  readonly rowCount: number;
  /** values(column)[row]; null for SQL NULL. */
  values(column: number): readonly unknown[];
}

/** A tagged template (values become parameters, never text) or text with parameters. */
export interface SqlTag {
  <Row = Record<string, unknown>>(text: TemplateStringsArray, ...values: unknown[]): SqlResult<Row>;
  <Row = Record<string, unknown>>(text: string, params?: readonly unknown[], options?: SqlOptions): SqlResult<Row>;
}

export interface SqlOptions extends Call {
  /**
   * Where a path without a declared type holds a value of another kind than the statement asks for, ends the
   * statement with TYPE_MISMATCH and the like. Default false: such a value reads as NULL, and `notices()` say so.
   */
  readonly strict?: boolean | undefined;
}

export interface DeployOptions extends Call {
  /** Names the module; default: the file's name without endings. A new deployment under a name replaces the old. */
  readonly name?: string;
  readonly limits?: ModuleLimits;
}

export interface ModuleLimits {
  /** Wall clock of one call, milliseconds. Default 1000 (jobs: none). */
  readonly wallMs?: number;
  /** V8 heap of the worker that runs it, bytes; at least 16 MB. */
  readonly heapBytes?: number;
}

export interface DeployedModule {
  readonly module: string;
  /** SHA-256 of the bundle, hex. */
  readonly hash: string;
}

export interface PingResult {
  readonly member: string;
  readonly address: string;
  /** Undefined: the member did not answer. */
  readonly roundTripMs: number | undefined;
  /** Why it did not. */
  readonly error: GridError | undefined;
}

/** One number that a member reports: a line of its /metrics page. */
export interface Figure {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What one member counts and measures. */
export interface MemberStats {
  readonly member: string;
  readonly address: string;
  /** Empty when the member did not answer. */
  readonly figures: readonly Figure[];
  /** Why it did not. */
  readonly error: GridError | undefined;
}

/** A member in the table. */
export interface ClusterMember {
  readonly member: string;
  readonly address: string;
  /** Members of one zone fail together. */
  readonly zone: string;
  /** The grid has heard of it of late. */
  readonly alive: boolean;
}

/** Who holds a partition, by the names of members. */
export interface PartitionCopies {
  /**
   * `unassigned`: nobody holds it yet; `promoting`: a primary has been named and takes over; `serving`; `lost`: every copy is gone,
   * see `Grid.recover`.
   */
  readonly phase: 'unassigned' | 'promoting' | 'serving' | 'lost';
  /** Rises with every change of the primary. */
  readonly epoch: number;
  /** Who serves it, takes over, or was the last to serve it; undefined: nobody was. */
  readonly primary: string | undefined;
  /** Who has every acknowledged change, the primary among them. */
  readonly inSync: readonly string[];
  /** Of those, whose process is gone: another one was started under the name, and holds nothing. */
  readonly gone: readonly string[];
  /** Who ought to hold a copy; who is not in sync is taking it over. */
  readonly wanted: readonly string[];
}

/** The grid's members and copies, as one member knows them. */
export interface ClusterState {
  /** Who told. */
  readonly member: string;
  readonly tableVersion: number;
  /** Copies wanted of a partition beside its primary's. */
  readonly backups: number;
  /** Copies in sync, the primary's counted, without which a partition takes no writes. */
  readonly minInSync: number;
  readonly members: readonly ClusterMember[];
  /** By partition; empty while the grid awaits members. */
  readonly partitions: readonly PartitionCopies[];
}

/** A map of the grid, as it is now. */
export interface MapSummary {
  readonly name: string;
  readonly entries: number;
  /** Grid memory it takes on all members: entries, older versions, log, columns. */
  readonly bytes: number;
}

/** What a job is run with: its own arguments, if it has any, and the map it reads: one that has values as it wants them. */
export type JobArguments<Args, V = unknown, K extends GridKey = GridKey> = (undefined extends Args ? unknown : Args) & {
  readonly map: MapDefinition<K, V> | UntypedDefinition | string;
};

export interface Grid extends AsyncDisposable {
  map<V = unknown>(name: string): GridMap<GridKey, V>;
  map<K extends GridKey, V>(definition: MapDefinition<K, V> | string): GridMap<K, V>;
  readonly sql: SqlTag;
  /** Every map there is, by name. */
  maps(call?: Call): Promise<readonly MapSummary[]>;
  /**
   * Removes a map with all its entries and its definition; false where there was none. When it resolves no live member
   * has the map. What reads or follows it meanwhile ends with MAP_DROPPED.
   *
   * @throws (rejects with) GridError DEADLINE_EXCEEDED when a member does not confirm it in time: it is dropped all the
   *   same; OUTCOME_UNKNOWN when no answer came in time
   */
  drop(map: string, call?: Call): Promise<boolean>;
  /** Bundles a TypeScript or JavaScript file, puts it on every member and names its processors, jobs and listeners. */
  deploy(file: string | URL, options?: DeployOptions): Promise<DeployedModule>;
  /** Stops a module's listeners and forgets its name. */
  undeploy(module: string, call?: Call): Promise<boolean>;
  run<Args, Partial, Result, V, K extends GridKey>(
    job: Job<Args, Partial, Result, V, K>,
    args: JobArguments<Args, V, K>,
    options?: RunOptions,
  ): Promise<Awaited<Result>>;
  /** Asks every member in the table for a sign of life; one that cannot be reached is listed as such. */
  ping(call?: Call): Promise<readonly PingResult[]>;
  /** The metrics of every member in the table; one that cannot be reached is listed as such. */
  stats(call?: Call): Promise<readonly MemberStats[]>;
  /** Members, and who holds which partition. */
  cluster(call?: Call): Promise<ClusterState>;
  /**
   * An operator's word that lost partitions, whose every copy is gone, shall begin anew, empty. Nothing else brings them back.
   *
   * @param partitions  'all': every one that is lost
   * @returns those that began anew
   * @throws (rejects with) GridError LEASE_HELD when who served one last may still do so, `details.waitMs` for how long;
   *   INVALID_ARGUMENT when one of them is not lost. Then nothing was changed.
   */
  recover(partitions: readonly number[] | 'all', call?: Call): Promise<readonly number[]>;
  /** What this process spun so far; members' figures are among their metrics, `ashlar_spin_*`. */
  readonly spin: SpinFigures;
  /** Rejects what is in flight with CLIENT_CLOSED. Idempotent. */
  close(): Promise<void>;
}
