/** Which records a subscription wants: by type, and by a condition over the document. */
import {
  type DocumentColumn,
  DocumentRow,
  type EvalContext,
  type Evaluator,
  type Expr,
  evaluatorOf,
} from '@ashlar/expressions';
import type { LogRecordView } from '@ashlar/storage';
import type { EventTypeNumber } from './event-columns.ts';

export interface FilterOptions {
  /** Empty: all. */
  readonly types: readonly number[];
  /** Over `columns`; undefined: every record. */
  readonly condition: Expr | undefined;
  readonly columns: readonly DocumentColumn[];
  readonly parameters: readonly unknown[];
}

export class EventFilter {
  readonly #types: ReadonlySet<number>;
  readonly #evaluate: Evaluator | undefined;
  readonly #context: EvalContext;
  readonly #row: DocumentRow;

  constructor(options: FilterOptions) {
    this.#types = new Set(options.types);
    this.#evaluate = options.condition === undefined ? undefined : evaluatorOf(options.condition);
    this.#context = { parameters: options.parameters };
    this.#row = new DocumentRow(options.columns);
  }

  /**
   * Whether a record's document meets the condition: the new value, or the old one where there is no new.
   *
   * @throws GridError where the condition cannot be computed for this document
   */
  wants(type: EventTypeNumber, record: LogRecordView): boolean {
    if (this.#types.size > 0 && !this.#types.has(type)) return false;
    if (this.#evaluate === undefined) return true;
    record.positionKey();
    this.#row.key(record.bytes, record.start, record.stop);
    if (record.hasValue) record.positionValue();
    else record.positionOldValue();
    this.#row.document(record.bytes, record.start, record.stop, record.version, record.expiresAt);
    return this.#evaluate(this.#row.value, this.#context) === true;
  }
}
