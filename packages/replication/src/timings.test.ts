import { CLOCK_DRIFT_MAX, checkedTimings, DEFAULT_TIMINGS } from './timings.ts';

describe('timings', () => {
  it('have a grace that outlasts every lease, with clocks that drift apart (T1)', () => {
    const { leaseMs, graceMs } = checkedTimings(DEFAULT_TIMINGS);
    const holder = leaseMs / (1 - CLOCK_DRIFT_MAX);
    const grantor = graceMs / (1 + CLOCK_DRIFT_MAX);
    expect(grantor).toBeGreaterThan(holder);
    expect(() => checkedTimings({ ...DEFAULT_TIMINGS, graceMs: leaseMs * 1.1 })).toThrow('T1');
  });

  it('leave time to renew a lease', () => {
    expect(() => checkedTimings({ ...DEFAULT_TIMINGS, heartbeatMs: 300 })).toThrow('three heartbeats');
  });
});
