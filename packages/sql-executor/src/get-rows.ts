/** The rows of a get: entries that were read by key, filtered, projected, sorted. Runs here, or in a worker for long documents. */
import {
  compareAcrossKinds,
  DocumentRow,
  type EvalContext,
  type Evaluator,
  type Expr,
  evaluatorOf,
  isMet,
  type OddCount,
  OddRows,
  type RowValue,
  vectorOf,
} from '@ashlar/expressions';
import { decodeParameters } from '@ashlar/serialization';
import type { GetPlan, PlanColumn, SortKey } from '@ashlar/sql-plan';
import { encodeBatch } from './vectors.ts';

/** An entry with its key in canonical bytes. */
export interface ReadEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly version: number;
  readonly expiresAtMs: number;
}

/** Plain data. */
export interface GetTask {
  readonly plan: GetPlan;
  readonly entries: readonly ReadEntry[];
  /** Encoded: serialization's parameters.ts. */
  readonly parameters: Uint8Array;
  readonly clockMs: number;
  readonly strict: boolean;
}

export interface GetRows {
  /** Undefined: no row. */
  readonly batch: Uint8Array | undefined;
  readonly odd: readonly OddCount[];
}

/** @param parameters  of the task, decoded */
export function getRows(
  { plan, entries, parameters: encoded, clockMs, strict }: GetTask,
  parameters: readonly unknown[] = decodeParameters(encoded),
): GetRows {
  const oddRows = strict ? undefined : new OddRows();
  const context = { parameters, nowMs: clockMs, oddRows };
  const reader = new GetReader(plan);
  const rows: GetRow[] = [];
  for (const { key, value, version, expiresAtMs } of entries) {
    const place = { valueBytes: value, valueStart: 0, valueEnd: value.length, version, expiresAt: expiresAtMs * 1000 };
    const row = reader.read(key, place, context);
    if (row !== undefined) rows.push(row);
  }
  const values = reader.sorted(rows).map((found) => found.values);
  const batch = rows.length === 0 ? undefined : rowsBatch(plan.output, values);
  return { batch, odd: oddRows?.counts() ?? [] };
}

/** Where an entry lies. */
export interface EntryPlace {
  readonly valueBytes: Uint8Array;
  readonly valueStart: number;
  readonly valueEnd: number;
  readonly version: number;
  /** Microseconds since 1970; 0: never. */
  readonly expiresAt: number;
}

/** What a get makes of an entry. */
export interface GetRow {
  readonly values: readonly RowValue[];
  /** What rows are sorted by. */
  readonly keys: readonly RowValue[];
}

const NO_KEYS: readonly RowValue[] = [];

/** The expressions of a get, ready to run on entries. */
export class GetReader {
  readonly #filter: Expr | undefined;
  readonly #sort: readonly SortKey[];
  readonly #values: readonly Evaluator[];
  readonly #keys: readonly Evaluator[];
  readonly #row: DocumentRow;

  constructor({ scan, exprs, sort = [] }: Pick<GetPlan, 'scan' | 'exprs' | 'sort'>) {
    this.#filter = scan.filter;
    this.#sort = sort;
    this.#values = exprs.map(evaluatorOf);
    this.#keys = sort.map(({ expr }) => evaluatorOf(expr));
    this.#row = new DocumentRow(scan.columns);
  }

  /**
   * @param key  the entry's, in canonical bytes
   * @returns undefined: the rest of the condition takes it away
   * @throws GridError: what the expressions throw
   */
  read(key: Uint8Array, place: EntryPlace, context: EvalContext): GetRow | undefined {
    const row = this.#row;
    row.document(place.valueBytes, place.valueStart, place.valueEnd, place.version, place.expiresAt);
    row.key(key, 0, key.length);
    if (context.oddRows !== undefined) context.oddRows.row++;
    if (this.#filter !== undefined && !isMet(this.#filter, row.value, context)) return undefined;
    const values = valuesOf(this.#values, row, context);
    return { values, keys: this.#keys.length === 0 ? NO_KEYS : valuesOf(this.#keys, row, context) };
  }

  /** The rows in their order: the array itself. */
  sorted(rows: GetRow[]): readonly GetRow[] {
    return rows.length < 2 || this.#sort.length === 0 ? rows : rows.sort((a, b) => orderOf(this.#sort, a.keys, b.keys));
  }
}

function valuesOf(evaluators: readonly Evaluator[], row: DocumentRow, context: EvalContext): readonly RowValue[] {
  const values = new Array<RowValue>(evaluators.length);
  for (let index = 0; index < evaluators.length; index++) values[index] = evaluators[index]!(row.value, context);
  return values;
}

/** Negative, 0 or positive as a row with the keys `a` comes before, with or after one with `b`. */
function orderOf(sort: readonly SortKey[], a: readonly RowValue[], b: readonly RowValue[]): number {
  for (const [index, { descending, nullsFirst }] of sort.entries()) {
    const [left, right] = [a[index]!, b[index]!];
    if (left === null && right === null) continue;
    if (left === null || right === null) return (left === null) === nullsFirst ? -1 : 1;
    const order = compareAcrossKinds(left, right);
    if (order !== 0) return descending ? -order : order;
  }
  return 0;
}

export function rowsBatch(columns: readonly PlanColumn[], rows: readonly (readonly RowValue[])[]): Uint8Array {
  const vectors = columns.map(({ type }, index) =>
    vectorOf(
      type,
      rows.map((row) => row[index]!),
    ),
  );
  return encodeBatch({ length: rows.length, columns: vectors }, columns);
}
