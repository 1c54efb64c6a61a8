import { CLOCK_DRIFT_MAX, checkedTimings, DEFAULT_TIMINGS } from './timings.ts';

describe('timings', () => {
  it('have a grace that outlasts every lease, with clocks that drift apart (T1)', () => {
    const { leaseMs, graceMs, loneLeaseMs, loneGraceMs } = checkedTimings(DEFAULT_TIMINGS);
    for (const [lease, grace] of [
      [leaseMs, graceMs],
      [loneLeaseMs, loneGraceMs],
    ] as const) {
      expect(grace / (1 + CLOCK_DRIFT_MAX)).toBeGreaterThan(lease / (1 - CLOCK_DRIFT_MAX));
    }
    expect(() => checkedTimings({ ...DEFAULT_TIMINGS, graceMs: leaseMs * 1.1 })).toThrow('T1');
    expect(() => checkedTimings({ ...DEFAULT_TIMINGS, loneGraceMs: loneLeaseMs * 1.1 })).toThrow('T1');
  });

  it('let who is alone wait for its coordinator at least as long as others for each other (T3)', () => {
    const { leaseMs } = DEFAULT_TIMINGS;
    expect(() => checkedTimings({ ...DEFAULT_TIMINGS, loneLeaseMs: leaseMs - 1 })).toThrow('T3');
  });

  it('leave time to renew a lease', () => {
    expect(() => checkedTimings({ ...DEFAULT_TIMINGS, heartbeatMs: 300 })).toThrow('three heartbeats');
  });
});
