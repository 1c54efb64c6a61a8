/**
 * Which records a subscription wants: by type, and by a condition over the document.
 *
 * filter F1  No document ends a feed: values of odd kinds read as NULL, and a document whose own zero the condition divides
 *            by does not match. Both are counted.
 * filter F2  What is wrong with the condition itself is refused when the subscription opens.
 */
import type { EventTypeNumber } from '@ashlar/core';
import {
  checkConstantParts,
  type DocumentColumn,
  DocumentRow,
  type EvalContext,
  type Expr,
  evaluatorOf,
  isMet,
  OddRows,
  type Row,
  RowDividesByZero,
} from '@ashlar/expressions';
import type { LogRecordView } from '@ashlar/storage';
import { type Equality, equalityOf } from './equality.ts';
import { KeyLook } from './key-look.ts';

export interface FilterOptions {
  /** Empty: all. */
  readonly types: readonly number[];
  /** The condition over `columns`; undefined: every record. */
  readonly condition: Expr | undefined;
  readonly columns: readonly DocumentColumn[];
  readonly parameters: readonly unknown[];
}

/** Documents that a filter had no clear answer for, since it was made. */
export interface FilterCounts {
  /** Left out: the condition divides by a zero of their own. */
  readonly dividedByZero: number;
  /** Documents with a value of another kind than the condition asks for, which reads as NULL. */
  readonly oddValues: number;
}

export class EventFilter {
  readonly #types: ReadonlySet<number>;
  readonly #condition: Expr | undefined;
  readonly #context: EvalContext;
  readonly #oddRows = new OddRows();
  /** What the condition reads. */
  readonly columns: readonly DocumentColumn[];
  readonly #row: DocumentRow;
  readonly #keyLook: KeyLook | undefined;
  /** What the condition begins with, where that is a comparison with constants. */
  readonly equality: Equality | undefined;
  #dividedByZero = 0;

  /** @throws GridError DIVISION_BY_ZERO and others of the condition itself */
  constructor(options: FilterOptions) {
    this.#types = new Set(options.types);
    this.#condition = options.condition;
    this.#context = { parameters: options.parameters, oddRows: this.#oddRows, dropsDivisionByZero: true };
    this.columns = options.columns;
    this.#row = new DocumentRow(options.columns);
    if (options.condition === undefined) return;
    evaluatorOf(options.condition);
    checkConstantParts(options.condition, { parameters: options.parameters });
    this.equality = equalityOf(options.condition, options.columns, { parameters: options.parameters });
    this.#keyLook = this.equality === undefined ? undefined : KeyLook.of(this.equality);
  }

  get counts(): FilterCounts {
    return { dividedByZero: this.#dividedByZero, oddValues: this.#oddRows.rowsNoted };
  }

  /** Whether a record's document meets the condition: the new value, or the old one where there is no new. */
  wants(type: EventTypeNumber, record: LogRecordView): boolean {
    if (this.#types.size > 0 && !this.#types.has(type)) return false;
    if (this.#condition === undefined) return true;
    record.positionKey();
    if (this.#keyLook?.excludes(record.bytes, record.start, record.stop) === true) return false;
    this.#row.key(record.bytes, record.start, record.stop);
    if (record.hasValue) record.positionValue();
    else record.positionOldValue();
    this.#row.document(record.bytes, record.start, record.stop, record.version, record.expiresAt);
    return this.#isMet(this.#condition, this.#row.value);
  }

  /** As wants(), of a record whose columns somebody else reads. */
  wantsRow(type: EventTypeNumber, row: Row): boolean {
    if (this.#types.size > 0 && !this.#types.has(type)) return false;
    return this.#condition === undefined || this.#isMet(this.#condition, row);
  }

  #isMet(condition: Expr, row: Row): boolean {
    this.#oddRows.row++;
    try {
      return isMet(condition, row, this.#context);
    } catch (error) {
      if (!(error instanceof RowDividesByZero)) throw error;
      this.#dividedByZero++;
      return false;
    }
  }
}
