/** Mutations of a batch that may have been sent before: the numbers by which their session knows them, and its answers. */
import { GridError } from '@ashlar/core';
import { isMutation, type KvBatch, STATUS } from '@ashlar/transport';
import type { Answers } from './answers.ts';
import { offsetsOf } from './batch-columns.ts';
import { type BatchRecord, type EarlierRecords, keptAnswer, type Session, unknownOutcome } from './sessions.ts';

export class EarlierSendings {
  readonly #batch: KvBatch;
  readonly #session: Session | undefined;
  readonly #record: BatchRecord | undefined;
  #offsets: Uint32Array | undefined;
  #records: EarlierRecords | undefined;

  /** @param record  of the batch itself: only earlier ones answer */
  constructor(batch: KvBatch, session: Session | undefined, record: BatchRecord | undefined) {
    this.#batch = batch;
    this.#session = session;
    this.#record = record;
  }

  /** What answered a mutation, or will; undefined: nobody ever saw it. @throws GridError OUTCOME_UNKNOWN */
  recordOf(operation: number): BatchRecord | undefined {
    const number = this.#numberOf(operation);
    if (number === 0) return undefined;
    if (this.#session === undefined) throw unknownOutcome('its session is not known here any more');
    const { first = number, last = number } = this.#record ?? {};
    this.#records ??= this.#session.earlier(first, last, this.#record);
    return this.#records.find(number);
  }

  /** Answers a mutation as its record, which is finished, says. @throws GridError OUTCOME_UNKNOWN */
  repeat(operation: number, record: BatchRecord, answers: Answers): void {
    const kept = keptAnswer(record, this.#numberOf(operation));
    answers.statuses[operation] = kept.status;
    if (kept.error !== undefined) answers.fail(operation, kept.error);
    else if (kept.valueDropped && kept.status === STATUS.REFUSED) answers.fail(operation, forgottenRefusal());
    else if (kept.valueDropped) throw unknownOutcome('it was applied, but its answer was too long to keep');
    else if (kept.value !== undefined) answers.value(operation, kept.value, 0, kept.value.length);
  }

  /** The number by which the session knows a mutation; 0 for reads, and where there is no session. */
  #numberOf(operation: number): number {
    const { requestOffsets, firstRequest, opcodes, session } = this.#batch;
    if (!isMutation(opcodes[operation]!) || session === 0) return 0;
    if (requestOffsets !== undefined) return firstRequest + requestOffsets[operation]!;
    this.#offsets ??= offsetsOf(opcodes);
    return firstRequest + this.#offsets[operation]!;
  }
}

/** Of a member whose memory for answers is used up. */
function forgottenRefusal(): GridError {
  return new GridError('PROCESSOR_REFUSED', 'the processor refused; its details were too long to keep', {
    hint: 'nothing was applied: a new call tells why, if it still refuses',
  });
}
