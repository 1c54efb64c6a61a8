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
 * answer-window W5  All searches of a member together look at `sliceRecords` records in a turn of the event loop, about.
 *                   What fits in is answered at once. As many are under way as batches that ask, which streams bound.
 */
import type { PartitionId } from '@ashlar/core';
import { type AnswerQuery, type AnswerSearch, type MemberStore, RecordCause, RecordKind } from '@ashlar/storage';

/** Records looked at in one turn of the event loop: a fraction of a millisecond. */
const SLICE_RECORDS = 16_384;
/** What a search costs beside the records that it looks at, in records. */
const SEARCH_RECORDS = 32;

const NO_BYTES = new Uint8Array(0);

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
      /** MessagePack; undefined: there was none, or it was not asked for. */
      readonly oldValue: Uint8Array | undefined;
      /** As it was handed to WriteBatch.answer(), perhaps empty; undefined: nothing was. */
      readonly result: Uint8Array | undefined;
    };

/** A search that goes on in later turns. */
interface Walk {
  readonly search: AnswerSearch;
  readonly whenOver: () => void;
}

export class AnswerWindow {
  readonly #store: Pick<MemberStore, 'searchAnswers'>;
  readonly #sliceRecords: number;
  /** Records that may still be looked at in this turn. */
  #left: number;
  #walks: Walk[] = [];
  #isTurning = false;

  constructor(store: Pick<MemberStore, 'searchAnswers'>, sliceRecords: number = SLICE_RECORDS) {
    this.#store = store;
    this.#sliceRecords = sliceRecords;
    this.#left = sliceRecords;
  }

  /**
   * @param query        of one session and partition
   * @param wantsValues  the numbers whose old values are asked for: those are copied. Default: all
   * @returns by the query's numbers, at once where this turn's share (answer-window W5) reaches and nothing is undecided; else resolves
   *          once that is so
   * @throws GridError SEQUENCE_GONE when the partition is not on this member (at once, or rejects with it)
   */
  find(
    partition: PartitionId,
    query: AnswerQuery,
    wantsValues?: ReadonlySet<number>,
  ): readonly EarlierOutcome[] | Promise<readonly EarlierOutcome[]> {
    const search = this.#store.searchAnswers(partition, query);
    const { length } = query.numbers;
    if (this.#walks.length === 0 && this.#step(search) && undecidedOf(search, length).length === 0)
      return outcomesOf(search, query, wantsValues);
    return this.#findLater(search, partition, query, wantsValues);
  }

  async #findLater(
    first: AnswerSearch,
    partition: PartitionId,
    query: AnswerQuery,
    wantsValues: ReadonlySet<number> | undefined,
  ): Promise<readonly EarlierOutcome[]> {
    const { length } = query.numbers;
    for (let search = first; ; search = this.#store.searchAnswers(partition, query)) {
      if (!search.isOver) await this.#walked(search);
      const undecided = undecidedOf(search, length);
      if (undecided.length === 0) return outcomesOf(search, query, wantsValues);
      for (const batch of undecided)
        if (isUnderWay(batch)) await new Promise<void>((resolve) => batch.whenDecided(resolve));
    }
  }

  #walked(search: AnswerSearch): Promise<void> {
    return new Promise((resolve) => {
      this.#walks.push({ search, whenOver: resolve });
      this.#turn();
    });
  }

  /** One step within what is left of this turn. @returns whether the search is over */
  #step(search: AnswerSearch): boolean {
    if (this.#left <= 0) return false;
    const before = search.looked;
    const isOver = search.step(this.#left);
    this.#left -= search.looked - before + SEARCH_RECORDS;
    this.#turn();
    return isOver;
  }

  /** The next turn has a share of its own, which the searches that wait take first, in turn. */
  #turn(): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    setImmediate(() => {
      this.#isTurning = false;
      this.#left = this.#sliceRecords;
      while (this.#walks.length > 0 && this.#left > 0) {
        const walk = this.#walks.shift()!;
        if (this.#step(walk.search)) walk.whenOver();
        else this.#walks.push(walk);
      }
    });
  }
}

type Undecided = NonNullable<ReturnType<AnswerSearch['undecided']>>;

function undecidedOf(search: AnswerSearch, count: number): readonly Undecided[] {
  const batches = new Set<Undecided>();
  for (let index = 0; index < count; index++) {
    const batch = search.stateOf(index) === 'applied' ? search.undecided(index) : undefined;
    if (batch !== undefined) batches.add(batch);
  }
  return [...batches];
}

function isUnderWay({ state }: Undecided): boolean {
  return state === 'open' || state === 'sealed';
}

function outcomesOf(
  search: AnswerSearch,
  { numbers }: AnswerQuery,
  wantsValues: ReadonlySet<number> | undefined,
): readonly EarlierOutcome[] {
  return numbers.map((number, index) => outcomeOf(search, index, wantsValues?.has(number) !== false));
}

function outcomeOf(search: AnswerSearch, index: number, wantsValue: boolean): EarlierOutcome {
  const state = search.stateOf(index);
  if (state !== 'applied') return { kind: state };
  const result = resultOf(search, index);
  if (result === 'lost') return { kind: 'unknown' };
  const record = search.record(index);
  const { kind, version, oldVersion, hasOldValue } = record;
  let oldValue: Uint8Array | undefined;
  if (hasOldValue && wantsValue) {
    record.positionOldValue();
    oldValue = record.bytes.slice(record.start, record.stop);
  }
  return { kind: 'applied', change: changeOf(kind), version, oldVersion, oldValue, result };
}

/** @returns 'lost': it was not kept; undefined: there is none beside the change */
function resultOf(search: AnswerSearch, index: number): Uint8Array | 'lost' | undefined {
  const record = search.result(index);
  if (record === undefined) return search.record(index).shortResult;
  if (!record.hasValue) return record.cause === RecordCause.memory ? 'lost' : NO_BYTES;
  record.positionValue();
  return record.bytes.slice(record.start, record.stop);
}

function changeOf(kind: RecordKind): 'put' | 'remove' | 'rewritten' {
  if (kind === RecordKind.put) return 'put';
  return kind === RecordKind.remove ? 'remove' : 'rewritten';
}
