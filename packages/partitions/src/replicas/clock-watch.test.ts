/** A machine that slept, and a wall clock that was set, are told from each other. */
import { ClockWatch } from './clock-watch.ts';

function bench() {
  const at = { monotonicMs: 1000, wallMs: 5_000_000, bootMs: 9000 };
  const watch = new ClockWatch({
    monotonicMs: () => at.monotonicMs,
    wallMs: () => at.wallMs,
    bootMs: () => at.bootMs,
  });
  const pass = (ms: number): void => {
    at.monotonicMs += ms;
    at.wallMs += ms;
    at.bootMs += ms;
  };
  return { at, watch, pass };
}

describe('a look at the clocks', () => {
  it('finds nothing while they go on together', () => {
    const { watch, pass } = bench();
    for (const ms of [0, 15, 400, 60_000]) {
      pass(ms);
      expect(watch.look()).toBeUndefined();
    }
  });

  it('W1: finds a suspension once', () => {
    const { at, watch, pass } = bench();
    at.wallMs += 3000;
    at.bootMs += 3000;
    expect(watch.look()).toEqual({ gapMs: 3000, isSuspension: true });
    pass(10);
    expect(watch.look()).toBeUndefined();
  });

  it('W2: a wall clock that is set is none; set back, it is nothing', () => {
    const { at, watch } = bench();
    at.wallMs += 3_600_000;
    expect(watch.look()).toEqual({ gapMs: 3_600_000, isSuspension: false });
    at.wallMs -= 7_200_000;
    expect(watch.look()).toBeUndefined();
    at.wallMs += 200;
    at.bootMs += 200;
    expect(watch.look()).toEqual({ gapMs: 200, isSuspension: true });
  });
});
