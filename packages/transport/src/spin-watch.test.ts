import { jest } from '@jest/globals';
import { BatchWatch, CallWatch } from './spin-watch.ts';
import { SPIN_MS, Spinner } from './spinner.ts';

/** A spinner over a loop that does not turn by itself. */
function fakeSpinner() {
  const clock = { ms: 1000 };
  const spinner = new Spinner({ nowMs: () => clock.ms, nextTurn: () => undefined, involuntarySwitches: () => 0 }, '');
  return { clock, spinner };
}

function caller() {
  const { clock, spinner } = fakeSpinner();
  const calls = new CallWatch(spinner);
  /** A call that is answered at once. */
  const call = (): void => {
    calls.sent(1);
    calls.answered(1);
  };
  return { clock, spinner, calls, call };
}

describe('a caller', () => {
  it('sleeps for its first call, and spins for those that follow closely (P1)', () => {
    const { clock, spinner, calls } = caller();
    calls.sent(1);
    expect(spinner.isWatching).toBe(false);
    calls.answered(1);
    clock.ms += 0.5;
    calls.sent(1);
    expect(spinner.isWatching).toBe(true);
    calls.answered(1);
    expect(spinner.isWatching).toBe(false);
    expect(spinner.figures()).toMatchObject({ spins: 1, hits: 1 });
  });

  it('sleeps where it calls now and then (P1)', () => {
    const { clock, spinner, call } = caller();
    for (let times = 0; times < 10; times++) {
      call();
      clock.ms += 2;
    }
    expect(spinner.figures().spins).toBe(0);
  });

  it('sleeps while many calls are out, and spins for the last few (P1)', () => {
    const { spinner, calls, call } = caller();
    call();
    calls.sent(3);
    calls.sent(64);
    const { spins } = spinner.figures();
    calls.answered(60);
    calls.sent(1);
    calls.answered(5);
    calls.answered(1);
    // The last two of many.
    expect(spinner.figures().spins).toBe(spins);
    calls.answered(1);
    calls.sent(1);
    calls.answered(1);
    calls.sent(1);
    expect(spinner.isWatching).toBe(true);
    calls.answered(2);
    expect(spinner.isWatching).toBe(false);
  });

  it('spins for twice as long as answers took lately, and sleeps where they take too long (P1)', () => {
    const { clock, spinner, calls } = caller();
    const watch = jest.spyOn(spinner, 'watch');
    /** Calls that take so long. @returns for how long it was ready to spin for the last of them */
    const forMs = (tookMs: number): number | undefined => {
      for (let call = 0; call < 40; call++) {
        watch.mockClear();
        calls.sent(1);
        clock.ms += tookMs;
        calls.answered(1);
      }
      return watch.mock.lastCall?.[1];
    };
    expect(forMs(0.03)).toBe(SPIN_MS);
    expect(forMs(0.2)).toBeCloseTo(0.4, 3);
    expect(forMs(5)).toBeUndefined();
    expect(forMs(0.03)).toBe(SPIN_MS);
  });

  it('does not wait for what a lost stream owes (P1)', () => {
    const { spinner, calls, call } = caller();
    call();
    calls.sent(2);
    expect(spinner.isWatching).toBe(true);
    calls.lost(2);
    expect(spinner.isWatching).toBe(false);
  });
});

describe('a member', () => {
  function member() {
    const { clock, spinner } = fakeSpinner();
    const batches = new BatchWatch(spinner);
    /** A batch that comes some time after the one before, and is answered. */
    const batch = (afterMs: number, calls = 1): void => {
      clock.ms += afterMs;
      batches.arrived(calls);
      batches.answered();
    };
    return { clock, spinner, batches, batch };
  }

  it('spins once a few batches came closely after each other (P2)', () => {
    const { spinner, batch } = member();
    batch(0);
    expect(spinner.isWatching).toBe(false);
    for (let times = 0; times < 12; times++) batch(0.08);
    expect(spinner.isWatching).toBe(true);
    expect(spinner.figures().hits).toBeGreaterThan(0);
  });

  it('sleeps between batches that are further apart (P2)', () => {
    const { spinner, batch } = member();
    for (let times = 0; times < 20; times++) batch(0.3);
    expect(spinner.figures().spins).toBe(0);
  });

  it('stops once they come further apart (P2)', () => {
    const { spinner, clock, batch } = member();
    for (let times = 0; times < 12; times++) batch(0.05);
    spinner.rest(clock.ms);
    const { spins } = spinner.figures();
    for (let times = 0; times < 4; times++) batch(50);
    expect(spinner.figures().spins).toBe(spins);
  });

  it('sleeps between batches of many streams, however close (P2)', () => {
    const { clock, spinner } = fakeSpinner();
    const streams = Array.from({ length: 16 }, () => new BatchWatch(spinner));
    for (let batch = 0; batch < 640; batch++) {
      clock.ms += 0.02;
      streams[batch % 16]!.arrived(1);
      streams[batch % 16]!.answered();
    }
    expect(spinner.figures().spins).toBe(0);
  });

  it('sleeps between batches of many calls (P2)', () => {
    const { spinner, batch } = member();
    for (let times = 0; times < 20; times++) batch(0.05, 32);
    expect(spinner.figures().spins).toBe(0);
  });
});
