/** The judge of histories, beside a dumb twin that tries every order. */
import { type Random, seededRandom } from '@ashlar/core';
import fc from 'fast-check';
import { judge } from './linearizable.ts';
import { ABSENT, applied, type KeyValue, type Operation, operationText } from './operation.ts';

type Draft = Partial<Operation> & Pick<Operation, 'kind'>;

/** Operations one after the other, but for the times that they state. */
function history(...drafts: readonly Draft[]): Operation[] {
  return drafts.map((draft, at) => ({
    ...{ client: at, key: 'k', given: 0, answer: undefined, callMs: at * 10, returnMs: at * 10 + 5 },
    ...draft,
  }));
}

const kindOf = (...drafts: readonly Draft[]): string => judge(history(...drafts)).kind;

/** Every order that keeps to real time, every choice of unknown operations. */
function isLinearizable(operations: readonly Operation[], value: KeyValue = ABSENT): boolean {
  if (operations.every(({ returnMs }) => returnMs === Infinity)) return true;
  const firstReturn = Math.min(...operations.map(({ returnMs }) => returnMs));
  return operations.some((next) => {
    if (next.callMs > firstReturn) return false;
    const after = applied(next, value);
    return (
      after !== undefined &&
      isLinearizable(
        operations.filter((one) => one !== next),
        after,
      )
    );
  });
}

describe('a history', () => {
  it('of one client is judged as a register that counts', () => {
    expect(kindOf({ kind: 'put', given: 1 }, { kind: 'get', answer: 1 })).toBe('linearizable');
    expect(kindOf({ kind: 'put', given: 1 }, { kind: 'get', answer: ABSENT })).toBe('violation');
    expect(kindOf({ kind: 'increment', given: 2, answer: 2 }, { kind: 'increment', given: 1, answer: 3 })).toBe(
      'linearizable',
    );
    expect(kindOf({ kind: 'increment', given: 1, answer: 1 }, { kind: 'increment', given: 1, answer: 1 })).toBe(
      'violation',
    );
  });

  it('may order what overlaps, and not what does not', () => {
    const puts = [
      { kind: 'put', given: 1, callMs: 0, returnMs: 100 },
      { kind: 'put', given: 2, callMs: 0, returnMs: 100 },
    ] as const;
    const first = { kind: 'get', answer: 1, callMs: 200, returnMs: 201 } as const;
    const second = { kind: 'get', answer: 2, callMs: 202, returnMs: 203 } as const;
    expect(kindOf(...puts, first)).toBe('linearizable');
    expect(kindOf(...puts, second)).toBe('linearizable');
    expect(kindOf(...puts, first, second)).toBe('violation');
  });

  it('L1: may hold an unknown operation at any time after its call, or never', () => {
    const lost = { kind: 'put', given: 2, returnMs: Infinity } as const;
    const one = { kind: 'put', given: 1 } as const;
    expect(kindOf(one, lost, { kind: 'get', answer: 1 }, { kind: 'get', answer: 2 })).toBe('linearizable');
    expect(kindOf(one, lost, { kind: 'get', answer: 1 })).toBe('linearizable');
    expect(kindOf({ kind: 'get', answer: 2 }, lost)).toBe('violation');
    expect(kindOf(one, lost, { kind: 'get', answer: 2 }, { kind: 'get', answer: 1 })).toBe('violation');
  });

  it('L1: an unknown increment counts once', () => {
    const lost = { kind: 'increment', given: 5, returnMs: Infinity } as const;
    expect(kindOf(lost, { kind: 'increment', given: 1, answer: 6 })).toBe('linearizable');
    expect(kindOf(lost, { kind: 'increment', given: 1, answer: 1 }, { kind: 'get', answer: 6 })).toBe('linearizable');
    expect(kindOf(lost, { kind: 'increment', given: 1, answer: 11 })).toBe('violation');
  });

  it('that breaks off names the operation, and what the key may have held', () => {
    const verdict = judge(
      history({ kind: 'get', key: 'other', answer: ABSENT }, { kind: 'put', given: 1 }, { kind: 'get', answer: 9 }),
    );
    expect(verdict).toMatchObject({ kind: 'violation', key: 'k', operation: { answer: 9 }, values: [1] });
    if (verdict.kind === 'violation') expect(operationText(verdict.operation)).toBe('20.0..25.0 client 2: get k -> 9');
  });

  it('L3: is undecided where too much is under way, and never passed for right', () => {
    const puts = Array.from({ length: 40 }, (_, at) => ({ kind: 'put', given: at, callMs: 0, returnMs: 100 }) as const);
    expect(kindOf(...puts)).toBe('undecided');
  });

  it('is judged as the twin does that tries every order', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 6 }), (seed, count) => {
        const operations = randomHistory(seededRandom(seed), count);
        expect(judge(operations).kind === 'linearizable').toBe(isLinearizable(operations));
      }),
      { numRuns: 5000 },
    );
  });

  it('of thousands of operations of five clients on one key is judged, and one wrong answer in it found', () => {
    const operations = soundHistory(seededRandom(3), 5000);
    expect(judge(operations).kind).toBe('linearizable');
    const at = operations.findLastIndex(({ kind, returnMs }) => kind === 'get' && returnMs < Infinity);
    expect(judge(operations.with(at, { ...operations[at]!, answer: 1_000_000 })).kind).toBe('violation');
  });
});

/** Overlapping operations with answers by chance. */
function randomHistory(random: Random, count: number): Operation[] {
  const isCounted = random.below(2) === 0;
  return Array.from({ length: count }, (_, client) => {
    const callMs = random.below(10);
    const isUnknown = random.below(4) === 0;
    const returnMs = isUnknown ? Infinity : callMs + 1 + random.below(6);
    const base = { client, key: 'k', callMs, returnMs, given: 0 };
    const kind = random.below(3);
    const answer = isUnknown ? undefined : random.below(4) - 1;
    if (kind === 0) return { ...base, kind: 'get', answer };
    if (kind === 1 || !isCounted) return { ...base, kind: 'put', given: random.below(3), answer: undefined };
    return {
      ...base,
      kind: 'increment',
      given: 1 + random.below(2),
      answer: isUnknown ? undefined : 1 + random.below(4),
    };
  });
}

/** What five clients see of a register that takes each operation at a moment between its call and its return. */
function soundHistory(random: Random, count: number): Operation[] {
  const freeAt = new Array<number>(5).fill(0);
  const drafts = Array.from({ length: count }, (_, at) => {
    const client = random.below(5);
    const callMs = freeAt[client]! + random.next();
    const moment = callMs + random.next() * 10;
    const end = moment + random.next() * 10;
    freeAt[client] = end + random.next();
    return { at, client, callMs, moment, end };
  }).sort((a, b) => a.moment - b.moment);
  let value: KeyValue = ABSENT;
  return drafts.map(({ at, client, callMs, end }) => {
    const isUnknown = random.below(500) === 0;
    const kind = (['get', 'get', 'put', 'increment'] as const)[random.below(4)]!;
    const base = {
      client,
      key: 'k',
      callMs,
      returnMs: isUnknown ? Infinity : end,
      kind,
      given: kind === 'get' ? 0 : at,
    };
    const after = applied({ ...base, answer: undefined }, value)!;
    value = after;
    return { ...base, answer: isUnknown || kind === 'put' ? undefined : after };
  });
}
