/**
 * What a statement answers: header, batches, end. What the runtime gives, members send (SqlOutput of `protos/ashlar/v1/sql.proto`)
 * and callers read.
 */

/** A column of a result; its type is `unknown` where it cannot be known. */
export interface StatementColumn {
  readonly name: string;
  readonly type: string;
  /** int8 that is a count: applications get it as a number. */
  readonly isCount?: boolean | undefined;
}

export interface StatementEnd {
  /** Rows changed; for a statement that changes nothing, rows read. */
  readonly affected: number;
  readonly rows: number;
  /** The highest version that the statement saw or made. */
  readonly version: number;
  readonly elapsedMs: number;
  /** What came up after the header. */
  readonly notices: readonly string[];
  /** Sent before it: a reader that got another number has not got the whole result. */
  readonly batches: number;
}

/** A statement that reads the entry of a key: it may travel as an operation on that key (short-statements.ts). */
export interface ByKey {
  readonly map: string;
  /** The parameter that the key is, from 1; 0: the text has the key. */
  readonly parameter: number;
}

export type StatementOutput =
  /** Comes first. Types as far as the plan and the first batch show them. */
  | {
      readonly kind: 'header';
      readonly columns: readonly StatementColumn[];
      readonly notices: readonly string[];
      readonly byKey?: ByKey | null | undefined;
    }
  /** Rows as encodeColumns() writes them: at most 256 KiB each, so that results never starve key-value traffic. */
  | { readonly kind: 'batch'; readonly bytes: Uint8Array }
  /** Last. */
  | ({ readonly kind: 'end' } & StatementEnd);
