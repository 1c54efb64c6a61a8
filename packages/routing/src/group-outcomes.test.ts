import { type ErrorCode, GridError } from '@ashlar/core';
import { encodeKey } from '@ashlar/serialization';
import fc from 'fast-check';
import { GroupOutcomes, KEYS_NAMED_MAX } from './group-outcomes.ts';

const NOT_DONE: readonly ErrorCode[] = ['OVERLOADED', 'DEADLINE_EXCEEDED', 'STALE_EPOCH', 'OUT_OF_MEMORY'];
const UNKNOWN: readonly ErrorCode[] = ['OUTCOME_UNKNOWN', 'INTERNAL', 'CORRUPT_DATA'];

const numbersUpTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const error = (code: ErrorCode): GridError => new GridError(code, `said ${code}`);

/** What becomes of a position: an error's code, done, or no answer. */
type Fate = ErrorCode | 'done' | 'pending';

function outcomesOf(fates: readonly Fate[], writes = true): GroupOutcomes {
  const outcomes = new GroupOutcomes(numbersUpTo(fates.length), writes);
  fates.forEach((fate, position) => {
    if (fate === 'done') outcomes.done(position);
    else if (fate !== 'pending') outcomes.failed(position, error(fate), undefined);
  });
  return outcomes;
}

function errorOf(fates: readonly Fate[], writes = true): GridError {
  const outcomes = outcomesOf(fates, writes);
  return outcomes.error('putAll', fates.length, outcomes.firstError!);
}

/** The keys, which are their positions, of those that have one of these fates. */
function named(fates: readonly Fate[], wanted: readonly Fate[]): string[] {
  return fates.flatMap((fate, position) => (wanted.includes(fate) ? [String(position)] : []));
}

describe('group-outcomes O1', () => {
  it('a position keeps its first outcome, whatever comes after, wherever it lies', () => {
    const outcomes = new GroupOutcomes(numbersUpTo(5001), true);
    for (const position of [0, 63, 64, 5000]) {
      expect(outcomes.done(position)).toBe(true);
      expect(outcomes.done(position)).toBe(false);
      outcomes.failed(position, error('OVERLOADED'), undefined);
    }
    expect([outcomes.settled, outcomes.firstError]).toEqual([4, undefined]);
    outcomes.failed(1, error('OUT_OF_MEMORY'), undefined);
    outcomes.failed(1, error('OUTCOME_UNKNOWN'), undefined);
    expect([outcomes.done(1), outcomes.settled, outcomes.firstError!.code]).toEqual([false, 5, 'OUT_OF_MEMORY']);
  });
});

describe('group-outcomes O2', () => {
  it('names the keys of each kind, and counts those that are too many to be named', () => {
    const count = KEYS_NAMED_MAX + 5;
    const fates: Fate[] = numbersUpTo(count * 2).map((index) => (index % 2 === 0 ? 'done' : 'OVERLOADED'));
    const { details } = errorOf(fates);
    expect(details).toMatchObject({ done: count, notDone: count, unknown: 0, failed: count, more: 5 });
    const { doneKeys, notDoneKeys, keys } = details as Record<string, readonly string[]>;
    expect([doneKeys!.length, notDoneKeys!.length, keys!.length]).toEqual(numbersUpTo(3).map(() => KEYS_NAMED_MAX));
    expect(notDoneKeys!.slice(0, 2)).toEqual(['1', '3']);
  });

  it('names what failed late by its bytes, where the group knows its first keys only', () => {
    const outcomes = new GroupOutcomes(['first'], true);
    outcomes.done(0);
    outcomes.failed(1, error('OVERLOADED'), encodeKey('second'));
    outcomes.failed(2, error('OUTCOME_UNKNOWN'), encodeKey(7n));
    expect(outcomes.error('putAll', 3, outcomes.firstError!).details).toMatchObject({
      ...{ doneKeys: ['"first"'], notDoneKeys: ['"second"'], unknownKeys: [expect.stringContaining('7')] },
    });
  });

  it('keeps room for the keys in doubt where very many were not done: these matter most', () => {
    const outcomes = new GroupOutcomes([], true);
    for (const position of numbersUpTo(KEYS_NAMED_MAX + 1)) {
      outcomes.failed(position, error('OVERLOADED'), encodeKey(position));
    }
    outcomes.failed(KEYS_NAMED_MAX + 1, error('OUTCOME_UNKNOWN'), encodeKey('doubt'));
    const { details } = outcomes.error('putAll', KEYS_NAMED_MAX + 2, outcomes.firstError!);
    expect(details).toMatchObject({ notDone: KEYS_NAMED_MAX + 1, unknown: 1, unknownKeys: ['"doubt"'] });
    expect(details!['notDoneKeys']).toHaveLength(KEYS_NAMED_MAX);
  });

  it('gives the refusals of user code with key, code and details, up to the same number', () => {
    const refused = (n: number): GridError =>
      new GridError('PROCESSOR_REFUSED', 'no', { refusal: { code: 'POOR', details: { n } } });
    const outcomes = new GroupOutcomes(['known'], true);
    outcomes.failed(0, refused(0), undefined);
    for (const position of numbersUpTo(KEYS_NAMED_MAX + 3).slice(1)) {
      outcomes.failed(position, refused(position), encodeKey(position));
    }
    const { refusal, refusals } = outcomes.error('processAll', KEYS_NAMED_MAX + 3, outcomes.firstError!);
    expect(refusal).toEqual({ code: 'POOR', details: { n: 0 } });
    expect(refusals).toHaveLength(KEYS_NAMED_MAX);
    expect(refusals!.slice(0, 2)).toEqual([
      { key: 'known', code: 'POOR', details: { n: 0 } },
      { key: 1, code: 'POOR', details: { n: 1 } },
    ]);
  });

  it('writes keys as people read them: bytes in hex, whole numbers of any size with an n', () => {
    const keys = ['a', 1, 2n ** 60n, Uint8Array.of(1, 255)];
    const outcomes = new GroupOutcomes(keys, true);
    for (const position of keys.keys()) outcomes.failed(position, error('OVERLOADED'), undefined);
    expect(outcomes.error('putAll', 4, outcomes.firstError!).details!['keys']).toEqual([
      ...['"a"', '1', '"1152921504606846976n"', '"01ff"'],
    ]);
  });
});

describe('group-outcomes O3', () => {
  const fate = fc.constantFrom<Fate>('done', ...NOT_DONE, ...UNKNOWN);
  const anyFates = fc.array(fate, { minLength: 1, maxLength: 40 }).filter((fates) => fates.some((f) => f !== 'done'));

  it('mutations done in part, or perhaps, are PARTIAL with the keys of each kind; else the first code speaks', () => {
    fc.assert(
      fc.property(anyFates, (fates) => {
        const [done, notDone, unknown] = [['done'], NOT_DONE, UNKNOWN].map((kind) => named(fates, kind as Fate[]));
        const failure = errorOf(fates);
        const first = fates.find((one) => one !== 'done');
        const kinds = [done, notDone, unknown].filter((keys) => keys!.length > 0).length;
        if (kinds > 1) {
          expect(failure).toMatchObject({ code: 'PARTIAL', retryable: false, details: { cause: first } });
          expect(failure.details).toMatchObject({ doneKeys: done, notDoneKeys: notDone, unknownKeys: unknown });
        } else expect(failure.code).toBe(first);
        expect(failure.details).toMatchObject({ asked: fates.length, failed: notDone!.length + unknown!.length });
      }),
    );
  });

  it('a group that may be sent again as a whole applied nothing', () => {
    fc.assert(
      fc.property(anyFates, (fates) => {
        if (errorOf(fates).retryable) expect(named(fates, ['done', ...UNKNOWN])).toEqual([]);
      }),
    );
  });

  it('reads that fail in part have nothing applied: the code is that of the first failure', () => {
    expect(errorOf(['done', 'OVERLOADED', 'INTERNAL'], false)).toMatchObject({
      ...{ code: 'OVERLOADED', details: { failed: 2, asked: 3, keys: ['1', '2'] } },
    });
  });

  it('counts what was never asked for as not done', () => {
    const outcomes = outcomesOf(['done']);
    outcomes.skip(2, error('DEADLINE_EXCEEDED'));
    expect(outcomes.error('putAll', 1, outcomes.firstError!)).toMatchObject({
      ...{ code: 'PARTIAL', details: { done: 1, notDone: 2, asked: 3, cause: 'DEADLINE_EXCEEDED' } },
    });
  });
});

describe('a group that is given up', () => {
  it('tells of mutations what had been done, and that the rest is in doubt', () => {
    const outcomes = outcomesOf(['done', 'OVERLOADED', 'pending', 'OUTCOME_UNKNOWN']);
    expect(outcomes.cancelled('putAll', 4)).toMatchObject({
      ...{ code: 'CANCELLED', retryable: false },
      details: { asked: 4, done: 1, doneKeys: ['0'], notDoneKeys: ['1'], unknown: 2, unknownKeys: ['2', '3'] },
    });
  });

  it('has nothing to tell of reads, or where nothing was asked for yet', () => {
    expect(outcomesOf(['done', 'pending'], false).cancelled('getAll', 2).details).toBeUndefined();
    expect(outcomesOf([]).cancelled('putAll', 0)).toMatchObject({ code: 'CANCELLED', details: undefined });
  });
});
