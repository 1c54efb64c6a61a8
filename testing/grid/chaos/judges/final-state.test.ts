import type { CounterSum, Load } from '../load/load.ts';
import { type FinalFaults, judgeFinalState } from './final-state.ts';

interface Case {
  readonly once?: Record<string, boolean>;
  readonly counters?: Record<string, CounterSum>;
  readonly causes?: Record<number, boolean>;
  readonly found?: Record<string, readonly (readonly [unknown, unknown])[]>;
}

function judged({ once = {}, counters = {}, causes = {}, found = {} }: Case): Omit<FinalFaults, 'complaints'> {
  const load = {
    once: new Map(Object.entries(once)),
    counters: new Map(Object.entries(counters)),
    causes: new Map(Object.entries(causes).map(([cause, isAcknowledged]) => [Number(cause), isAcknowledged])),
  } as unknown as Load;
  const maps = ['once', 'counters', 'causes', 'effects'];
  const contents = new Map(
    maps.map((map) => [map, new Map((found[map] ?? []).map(([key, value]) => [JSON.stringify(key), value]))]),
  );
  const { complaints, ...faults } = judgeFinalState(load, contents);
  expect(complaints.length > 0).toBe(
    faults.lost + faults.violations + faults.effects.lost + faults.effects.doubled > 0,
  );
  return faults;
}

const NOTHING = { lost: 0, violations: 0, effects: { lost: 0, doubled: 0 } };

describe('the final state', () => {
  it('has every key whose write was acknowledged, and may have those whose write is unknown', () => {
    const once = { a: true, b: false };
    expect(judged({ once, found: { once: [['a', 1]] } })).toEqual(NOTHING);
    expect(judged({ once, found: { once: [['b', 1]] } })).toEqual({ ...NOTHING, lost: 1 });
  });

  it.each([
    [5, NOTHING],
    [7, NOTHING],
    [3, { ...NOTHING, lost: 2 }],
    [8, { ...NOTHING, violations: 1 }],
  ])('has a counter of 5 acknowledged and 2 unknown increments at %d', (n, faults) => {
    const counters = { c: { acknowledged: 5, unknown: 2 } };
    expect(judged({ counters, found: { counters: [['c', { n }]] } })).toEqual(faults);
  });

  it('has the effects of every acknowledged cause, both, once', () => {
    const effects = (...keys: readonly (readonly number[])[]) => ({ effects: keys.map((key) => [key, 1] as const) });
    const causes = { 1: true, 2: false };
    expect(judged({ causes, found: effects([1, 9, 0], [1, 9, 1]) })).toEqual(NOTHING);
    expect(judged({ causes, found: effects([1, 9, 0], [1, 9, 1], [2, 8, 0], [2, 8, 1]) })).toEqual(NOTHING);
    const lost = { ...NOTHING, effects: { lost: 1, doubled: 0 } };
    expect(judged({ causes })).toEqual(lost);
    expect(judged({ causes, found: effects([1, 9, 0]) })).toEqual(lost);
    expect(judged({ causes, found: effects([1, 9, 0], [1, 9, 1], [2, 8, 0]) })).toEqual(lost);
    const doubled = effects([1, 9, 0], [1, 9, 1], [1, 10, 0], [1, 10, 1]);
    expect(judged({ causes, found: doubled })).toEqual({ ...NOTHING, effects: { lost: 0, doubled: 1 } });
  });
});
