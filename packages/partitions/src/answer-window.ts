/**
 * The log as answer window: the log of a partition knows how a mutation that is sent again was answered the first time. It
 * costs nothing while nothing is sent again, knows sessions that the member has never heard of, and moves with the
 * partition.
 *
 *   resent call -> one pass backwards a partition, in slices --> applied:    kind, versions, old value, result
 *                                                           |-> undecided:  joined: asked again once its batch is decided
 *                                                           |-> notApplied: it may be carried out
 *                                                           '-> unknown:    OUTCOME_UNKNOWN
 *
 * answer-window W1  `notApplied` is said only where the log is whole from the first sending on: "not found" is never taken
 *                   for it.
 * answer-window W2  Nothing is said of what is undecided before it is decided: committed, it is `applied`; lost, it is
 *                   looked for again.
 * answer-window W3  What changed nothing (a condition that failed, a refused processor, a remove of what was not there)
 *                   leaves no record: it is `notApplied` and may be carried out again, as its caller has no answer yet. What
 *                   a processor that changed its entry answered cannot be derived: WriteBatch.answer() puts it beside the
 *                   change. Where that is lost (it was too long to keep) the outcome is `unknown`. Ready-made processors
 *                   are pure: their results are computed again from the old value.
 * answer-window W4  A first sending that is read after its resend must apply nothing: streams count up for that (kv.proto),
 *                   not the log.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { PartitionId } from '@ashlar/core';
import { type AnswerQuery, type AnswerSearch, type MemberStore, RecordCause, RecordKind } from '@ashlar/storage';

/** Records looked at in one turn of the event loop: a fraction of a millisecond. */
const SLICE_RECORDS = 16_384;

/** What became of a mutation. */
export type EarlierOutcome =
  | { readonly kind: 'notApplied' }
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'applied';
      /** What it did to the entry. `rewritten`: a later write of the same step did it over; there may be no old value then. */
      readonly change: 'put' | 'remove' | 'rewritten';
      readonly version: number;
      /** Version of the value that it replaced or removed; 0: there was none. */
      readonly oldVersion: number;
      /** MessagePack; undefined: there was none. */
      readonly oldValue: Uint8Array | undefined;
      /** As it was handed to WriteBatch.answer(). */
      readonly result: Uint8Array | undefined;
    };

export class AnswerWindow {
  readonly #store: Pick<MemberStore, 'searchAnswers'>;
  readonly #sliceRecords: number;

  constructor(store: Pick<MemberStore, 'searchAnswers'>, sliceRecords: number = SLICE_RECORDS) {
    this.#store = store;
    this.#sliceRecords = sliceRecords;
  }

  /**
   * @param query  of one session and partition
   * @returns by the query's numbers; resolves once none of them is undecided any more
   * @throws GridError SEQUENCE_GONE when the partition is not on this member
   */
  async find(partition: PartitionId, query: AnswerQuery): Promise<readonly EarlierOutcome[]> {
    for (;;) {
      const search = this.#store.searchAnswers(partition, query);
      while (!search.step(this.#sliceRecords)) await nextTurn();
      if (!(await joined(search, query.numbers.length)))
        return query.numbers.map((_, index) => outcomeOf(search, index));
    }
  }
}

/** Waits for what is undecided (answer-window W2). @returns whether anything was: it is looked for again then */
async function joined(search: AnswerSearch, count: number): Promise<boolean> {
  let wasUndecided = false;
  for (let index = 0; index < count; index++) {
    const batch = search.stateOf(index) === 'applied' ? search.undecided(index) : undefined;
    if (batch === undefined) continue;
    wasUndecided = true;
    if (batch.state === 'open' || batch.state === 'sealed')
      await new Promise<void>((resolve) => batch.whenDecided(resolve));
  }
  return wasUndecided;
}

function outcomeOf(search: AnswerSearch, index: number): EarlierOutcome {
  const state = search.stateOf(index);
  if (state !== 'applied') return { kind: state };
  const result = resultOf(search, index);
  if (result === 'lost') return { kind: 'unknown' };
  const record = search.record(index);
  const { kind, version, oldVersion, hasOldValue } = record;
  let oldValue: Uint8Array | undefined;
  if (hasOldValue) {
    record.positionOldValue();
    oldValue = record.bytes.slice(record.start, record.stop);
  }
  return { kind: 'applied', change: changeOf(kind), version, oldVersion, oldValue, result };
}

/** @returns 'lost': it was not kept; undefined: it was undefined */
function resultOf(search: AnswerSearch, index: number): Uint8Array | 'lost' | undefined {
  const record = search.result(index);
  if (record === undefined) return search.record(index).shortResult;
  if (!record.hasValue) return record.cause === RecordCause.memory ? 'lost' : undefined;
  record.positionValue();
  return record.bytes.slice(record.start, record.stop);
}

function changeOf(kind: RecordKind): 'put' | 'remove' | 'rewritten' {
  if (kind === RecordKind.put) return 'put';
  return kind === RecordKind.remove ? 'remove' : 'rewritten';
}
