/** Batches of random calls against a direct run of the same processor, and batches that are ended at random moments. */
import type { MutableEntry } from '@ashlar/api';
import { seededRandom } from '@ashlar/core';
import fc from 'fast-check';
import { type ProcessorBatch, ProcessorRunner } from '../src/index.ts';
import { type Step, script } from './files/script.ts';
import { batchOf, type Fixture, makeFixture, newValueOf, resultOf } from './fixture.ts';

let fixture: Fixture;
let runner: ProcessorRunner;

beforeAll(async () => {
  fixture = await makeFixture({ file: 'script.ts', limits: { wallMs: 5_000 }, threads: [2, 1, 1] });
  runner = new ProcessorRunner(fixture.pools, fixture.modules);
});
afterAll(() => fixture.close());

interface TwinState {
  value: unknown;
  ttlMs: number | undefined;
  newTtlMs: number | undefined;
  action: 'keep' | 'set' | 'remove';
  isRenewed: boolean;
  /** What the call that ran last answered. */
  hasChanged: boolean;
  lastChange: number;
}

/** One call, run directly over plain objects. */
function runTwin(state: TwinState, key: string, step: Step, now: number, seed: number): unknown {
  const random = seededRandom(seed);
  let value = structuredClone(state.value);
  let isAssigned = false;
  let ttlMs: number | undefined;
  const entry: MutableEntry<{ n?: number }> = {
    key,
    now,
    get exists() {
      return isAssigned ? value !== undefined : state.value !== undefined;
    },
    get value() {
      return value as { n?: number } | undefined;
    },
    set value(next) {
      isAssigned = true;
      value = next;
    },
    remove: () => {
      entry.value = undefined;
    },
    get ttlMs() {
      return ttlMs ?? state.ttlMs;
    },
    set ttlMs(next) {
      ttlMs = next;
    },
    random: () => random.next(),
  };
  state.hasChanged = false;
  if (step.op === 'exit') return 'USER_CODE_FAILED';
  try {
    const result = script.run(entry, step);
    applyTo(state, isAssigned, value, ttlMs);
    return result;
  } catch {
    return 'USER_CODE_FAILED';
  }
}

function applyTo(state: TwinState, isAssigned: boolean, value: unknown, ttlMs: number | undefined): void {
  if (isAssigned && value === undefined && state.value === undefined) return;
  if (isAssigned) {
    state.hasChanged = true;
    state.action = value === undefined ? 'remove' : 'set';
    state.value = value;
    if (value === undefined) {
      state.isRenewed = true;
      state.ttlMs = undefined;
      state.newTtlMs = undefined;
    }
  }
  if (ttlMs !== undefined && state.value !== undefined) {
    state.hasChanged = true;
    state.ttlMs = ttlMs;
    state.newTtlMs = ttlMs;
  }
}

const step = fc.record({
  op: fc.oneof(
    {
      weight: 60,
      arbitrary: fc.constantFrom('read', 'set', 'remove', 'ttl', 'inPlace', 'throw', 'random', 'setAndThrow'),
    },
    { weight: 1, arbitrary: fc.constant('exit') },
  ),
  number: fc.integer({ min: 0, max: 99 }),
}) as fc.Arbitrary<Step>;

const program = fc.record({
  values: fc.array(fc.option(fc.record({ n: fc.integer() }), { nil: undefined }), { minLength: 1, maxLength: 5 }),
  calls: fc.array(fc.record({ entry: fc.nat(), step }), { maxLength: 60 }),
});

function toBatch({ values, calls }: { values: unknown[]; calls: { entry: number; step: Step }[] }): ProcessorBatch {
  return batchOf(
    'script',
    values,
    calls.map((call) => ({ entry: call.entry % values.length, args: call.step })),
    'script',
  );
}

/** A document as it comes back: fields that are undefined are gone. */
const stored = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null)) as unknown;

describe('a batch of processor calls', () => {
  it('agrees with a direct run of the same function', async () => {
    await fc.assert(
      fc.asyncProperty(program, async ({ values, calls }) => {
        const batch = toBatch({ values, calls });
        const outcomes = await runner.run(batch);
        const states = values.map(
          (value): TwinState => ({
            ...{ value, ttlMs: undefined, newTtlMs: undefined, action: 'keep', isRenewed: false },
            ...{ hasChanged: false, lastChange: -1 },
          }),
        );
        for (const [index, call] of calls.entries()) {
          const entry = call.entry % values.length;
          const state = states[entry]!;
          const expected = runTwin(state, `k${entry}`, call.step, batch.nowMs[index]!, batch.seeds[index]!);
          expect(stored(resultOf(outcomes, index))).toEqual(stored(expected));
          expect(outcomes.hasChanged(index)).toBe(state.hasChanged);
          if (state.hasChanged) state.lastChange = index;
        }
        for (const [entry, state] of states.entries()) {
          const outcome = outcomes.entry(entry);
          const { action, ttlMs, isRenewed, lastChange } = outcome;
          expect([action, ttlMs, isRenewed]).toEqual([state.action, state.newTtlMs, state.isRenewed]);
          expect(lastChange).toBe(state.lastChange);
          if (action === 'set') expect(stored(newValueOf(outcome))).toEqual(stored(state.value));
        }
        outcomes.release();
      }),
      { numRuns: 100 },
    );
  });

  it('that is ended at a random moment keeps a prefix of its calls and nothing of the others', async () => {
    const random = seededRandom(11);
    const calls = Array.from({ length: 6_000 }, (_, index) => ({
      entry: index % 3,
      step: { op: 'set', number: index } as Step,
    }));
    for (let round = 0; round < 15; round++) {
      const abort = new AbortController();
      const running = runner.run(toBatch({ values: [{ n: -1 }, { n: -1 }, { n: -1 }], calls }), {
        signal: abort.signal,
      });
      setTimeout(() => abort.abort(), random.below(25));
      const outcomes = await running;
      const firstFailed = calls.findIndex((_, call) => outcomes.error(call) !== undefined);
      const done = firstFailed < 0 ? calls.length : firstFailed;
      const codes = new Set(calls.slice(done).map((_, index) => outcomes.error(done + index)?.code));
      expect([...codes]).toEqual(done < calls.length ? ['CANCELLED'] : []);
      for (let entry = 0; entry < 3; entry++) {
        const last = calls.findLastIndex((call, index) => index < done && call.entry === entry);
        const outcome = outcomes.entry(entry);
        expect(outcome.action).toBe(last < 0 ? 'keep' : 'set');
        if (last >= 0) expect(newValueOf(outcome)).toEqual({ n: last });
      }
      outcomes.release();
    }
  });
});
