/** The judge of histories, beside a dumb twin that tries every order. */
import { seededRandom } from '@ashlar/core';
import fc from 'fast-check';
import { judge } from './checker.ts';
import { applied, fits, type Operation, type Value } from './history.ts';

type Draft = Partial<Operation> & Pick<Operation, 'op'>;

/** Operations one after the other, but for the times that they state. */
function history(...drafts: readonly Draft[]): Operation[] {
  return drafts.map((draft, at) => {
    const times = { call: at * 10, return: draft.ok === 'unknown' ? null : at * 10 + 5 };
    return { client: at, key: 'k', ok: true, ...times, ...draft } as Operation;
  });
}

const kindOf = (...drafts: readonly Draft[]): string => judge(history(...drafts)).kind;

/** Every order that keeps to real time, every choice of unknown operations. */
function isLinearizable(operations: readonly Operation[], state: Value = null): boolean {
  if (operations.every(({ ok }) => ok !== true)) return true;
  const firstReturn = Math.min(...operations.map((one) => one.return ?? Infinity));
  return operations.some((next) => {
    if (next.call > firstReturn) return false;
    const { state: after, out } = applied(state, next);
    const rest = operations.filter((one) => one !== next);
    return fits(next, out) && isLinearizable(rest, after);
  });
}

describe('a history', () => {
  it('of one client is judged as a register', () => {
    expect(
      kindOf({ op: 'put', in: 1 }, { op: 'get', out: 1 }, { op: 'remove', out: true }, { op: 'get', out: null }),
    ).toBe('linearizable');
    expect(kindOf({ op: 'put', in: 1 }, { op: 'get', out: null })).toBe('violation');
    expect(kindOf({ op: 'incr', in: 1, out: 1 }, { op: 'incr', in: 1, out: 1 })).toBe('violation');
    expect(kindOf({ op: 'putIfAbsent', in: 1, out: true }, { op: 'putIfAbsent', in: 2, out: true })).toBe('violation');
    expect(kindOf({ op: 'put', in: 1 }, { op: 'cas', in: [2, 3], out: true })).toBe('violation');
    expect(kindOf({ op: 'put', in: 1 }, { op: 'cas', in: [1, 3], out: true }, { op: 'getAndPut', in: 4, out: 3 })).toBe(
      'linearizable',
    );
  });

  it('may order what overlaps, and not what does not', () => {
    const puts = [
      { op: 'put', in: 1, call: 0, return: 100 },
      { op: 'put', in: 2, call: 0, return: 100 },
    ] as const;
    expect(kindOf(...puts, { op: 'get', out: 1, call: 200, return: 201 })).toBe('linearizable');
    expect(
      kindOf(...puts, { op: 'get', out: 1, call: 200, return: 201 }, { op: 'get', out: 2, call: 202, return: 203 }),
    ).toBe('violation');
  });

  it('may hold an unknown operation at any time after its call, or never', () => {
    const lost = { op: 'put', in: 2, ok: 'unknown' } as const;
    expect(kindOf({ op: 'put', in: 1 }, lost, { op: 'get', out: 1 }, { op: 'get', out: 2 })).toBe('linearizable');
    expect(kindOf({ op: 'put', in: 1 }, lost, { op: 'get', out: 1 })).toBe('linearizable');
    expect(kindOf({ op: 'get', out: 2 }, lost)).toBe('violation');
    expect(kindOf({ op: 'put', in: 1 }, lost, { op: 'get', out: 2 }, { op: 'get', out: 1 })).toBe('violation');
  });

  it('that breaks off names the key and what came there', () => {
    const other = { op: 'get', out: null, key: 'other' } as const;
    const verdict = judge(history(other, { op: 'put', in: 1 }, { op: 'get', out: 9 }));
    expect(verdict).toMatchObject({ kind: 'violation', key: 'k', operations: [{ op: 'put' }, { op: 'get', out: 9 }] });
  });

  it('is undecided where the search takes too long, and never passed for right', () => {
    const puts = Array.from({ length: 8 }, (_, at) => ({ op: 'put', in: at, call: 0, return: 100 }) as const);
    expect(judge(history(...puts, { op: 'get', out: 99, call: 200, return: 201 }), 50).kind).toBe('undecided');
  });

  it('is judged as the twin does that tries every order', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 6 }), (seed, count) => {
        const operations = randomHistory(seed, count);
        expect(judge(operations).kind === 'linearizable').toBe(isLinearizable(operations));
      }),
      { numRuns: 3000 },
    );
  });

  it('of thousands of operations of eight clients on one key is judged, and one wrong answer in it found', () => {
    const operations = soundHistory(3, 8000);
    expect(judge(operations).kind).toBe('linearizable');
    const at = operations.findLastIndex(({ op, ok }) => op === 'get' && ok === true);
    expect(judge(operations.with(at, { ...operations[at]!, out: -1 } as Operation)).kind).toBe('violation');
  });
});

/** Overlapping operations with answers by chance. */
function randomHistory(seed: number, count: number): Operation[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, client) => {
    const call = random.below(10);
    const isUnknown = random.below(5) === 0;
    const times = { client, key: 'k', call, return: isUnknown ? null : call + 1 + random.below(6) };
    const small = (): number => 1 + random.below(2);
    const truth = random.below(2) === 0;
    const drafts: Draft[] = [
      { op: 'get', out: random.below(3) === 0 ? null : small() },
      { op: 'put', in: small() },
      { op: 'getAndPut', in: small(), out: random.below(2) === 0 ? null : small() },
      { op: 'putIfAbsent', in: small(), out: truth },
      { op: 'cas', in: [small(), small()], out: truth },
      { op: 'remove', out: truth },
      { op: 'incr', in: 1, out: small() },
    ];
    return { ...times, ok: isUnknown ? 'unknown' : true, ...drafts[random.below(drafts.length)]! } as Operation;
  });
}

/** What eight clients see of a register that takes each operation at a moment between its call and its return. */
function soundHistory(seed: number, count: number): Operation[] {
  const random = seededRandom(seed);
  const freeAt = new Array<number>(8).fill(0);
  const drafts = Array.from({ length: count }, (_, at) => {
    const client = random.below(8);
    const call = freeAt[client]! + random.next();
    const moment = call + random.next() * 10;
    const end = moment + random.next() * 10;
    freeAt[client] = end + random.next();
    return { at, client, call, moment, end };
  }).sort((a, b) => a.moment - b.moment);
  let state: Value = null;
  return drafts.map(({ at, client, call, end }) => {
    const isUnknown = random.below(1600) === 0;
    const kinds: Draft[] = [
      { op: 'get' },
      { op: 'get' },
      { op: 'put', in: at },
      { op: 'getAndPut', in: at },
      { op: 'putIfAbsent', in: at },
      { op: 'cas', in: [state, at] },
      { op: 'remove' },
      { op: 'incr', in: 1 },
    ];
    const draft = kinds[random.below(kinds.length)]!;
    const base = { client, key: 'k', call, return: isUnknown ? null : end, ok: isUnknown ? 'unknown' : true, ...draft };
    const outcome = applied(state, base as Operation);
    state = outcome.state;
    return (isUnknown ? base : { ...base, out: outcome.out }) as Operation;
  });
}
