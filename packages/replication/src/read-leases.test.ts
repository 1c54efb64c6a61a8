import type { MemberId, Version } from '@ashlar/core';
import { replicaIdOf } from '@ashlar/core';
import { GrantedLeases, HeldLeases } from './read-leases.ts';
import { PRODUCTION_RULES } from './rules.ts';

const B = replicaIdOf('b' as MemberId, '1');
const LEASE_MS = 100;
const LONG = 'a grantor whose leases last longer';
const LONG_LEASE_MS = 1000;

function held(): HeldLeases<string> {
  return new HeldLeases<string>((grantor) => (grantor === LONG ? LONG_LEASE_MS : LEASE_MS), PRODUCTION_RULES);
}

describe('leases that a replica holds', () => {
  it('count from before they were asked for, however late the answer comes (E1)', () => {
    const leases = held();
    const { number } = leases.ask(B, 1000, 7 as Version);
    leases.granted(B, { number, tableVersion: 1 }, 1090, 1);
    expect(leases.ceilingAt(B, 1099, 1)).toBe(7);
    expect(leases.ceilingAt(B, 1100, 1)).toBeUndefined();
  });

  it('last as long as their grantor has it', () => {
    const leases = held();
    const { number } = leases.ask(LONG, 1000, 7 as Version);
    leases.granted(LONG, { number, tableVersion: 1 }, 1010, 1);
    expect(leases.ceilingAt(LONG, 1999, 1)).toBe(7);
    expect(leases.ceilingAt(LONG, 2000, 1)).toBeUndefined();
  });

  it('count only by a table as new as the one that the grantor knew, and until then the one before does (E2)', () => {
    const leases = held();
    const first = leases.ask(B, 1000, 7 as Version);
    const second = leases.ask(B, 1050, 9 as Version);
    leases.granted(B, { number: first.number, tableVersion: 4 }, 1060, 4);
    leases.granted(B, { number: second.number, tableVersion: 5 }, 1070, 4);
    expect(leases.ceilingAt(B, 1080, 4)).toBe(7);
    expect(leases.ceilingAt(B, 1120, 4)).toBeUndefined();
    expect(leases.ceilingAt(B, 1120, 5)).toBe(9);
  });

  it('are not given for a question that is forgotten, answered or asked of another', () => {
    const leases = held();
    const first = leases.ask(B, 1000, 7 as Version);
    const second = leases.ask(B, 1050, 9 as Version);
    leases.granted(B, { number: second.number, tableVersion: 1 }, 1060, 1);
    // Late: its own questions were asked before.
    leases.granted(B, { number: first.number, tableVersion: 1 }, 1070, 1);
    leases.granted('c', { number: 1, tableVersion: 1 }, 1070, 1);
    expect(leases.ceilingAt(B, 1140, 1)).toBe(9);
    expect(leases.ceilingAt('c', 1070, 1)).toBeUndefined();
    for (let count = 0; count < 20; count++) leases.ask(B, 1100 + count, 9 as Version);
    leases.granted(B, { number: second.number + 1, tableVersion: 1 }, 1200, 1);
    expect(leases.ceilingAt(B, 1160, 1)).toBeUndefined();
  });

  it('end with a gap of the clock, and so do the questions under way (E3)', () => {
    const leases = held();
    const first = leases.ask(B, 1000, 7 as Version);
    leases.granted(B, { number: first.number, tableVersion: 1 }, 1001, 1);
    const second = leases.ask(B, 1002, 7 as Version);
    leases.endAll();
    leases.granted(B, { number: second.number, tableVersion: 1 }, 1003, 1);
    expect(leases.ceilingAt(B, 1004, 1)).toBeUndefined();
    const third = leases.ask(B, 1005, 8 as Version);
    leases.granted(B, { number: third.number, tableVersion: 1 }, 1006, 1);
    expect(leases.ceilingAt(B, 1007, 1)).toBe(8);
  });
});

describe('leases that a replica has granted', () => {
  it('are remembered by the last of them and the highest ceiling', () => {
    const leases = new GrantedLeases(PRODUCTION_RULES);
    expect([leases.lastMs(B), leases.ceiling(B)]).toEqual([Number.NEGATIVE_INFINITY, 0]);
    expect(leases.grant(B, { number: 3, ceiling: 9 as Version }, 10, 4)).toEqual({ number: 3, tableVersion: 4 });
    leases.grant(B, { number: 4, ceiling: 8 as Version }, 20, 4);
    expect([leases.lastMs(B), leases.ceiling(B)]).toEqual([20, 9]);
    leases.afterGap(50);
    expect([leases.lastMs(B), leases.ceiling(B)]).toEqual([50, 9]);
    leases.keepOnly((holder) => holder === B);
    expect(leases.lastMs(B)).toBe(50);
    leases.keepOnly(() => false);
    expect([leases.lastMs(B), leases.ceiling(B)]).toEqual([Number.NEGATIVE_INFINITY, 0]);
  });
});
