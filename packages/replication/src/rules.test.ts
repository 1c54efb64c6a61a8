import { type MemberId, replicaIdOf, type Sequence } from '@ashlar/core';
import { isSameMember, PRODUCTION_RULES } from './rules.ts';

describe('the rules of production', () => {
  it('cannot be changed', () => {
    expect(Object.isFrozen(PRODUCTION_RULES)).toBe(true);
    expect(Object.keys(PRODUCTION_RULES).length).toBeGreaterThanOrEqual(20);
  });

  it('tell incarnations of a member apart', () => {
    const [one, other] = ['1', '2'].map((incarnation) => replicaIdOf('a' as MemberId, incarnation));
    expect([isSameMember(one!, other!), PRODUCTION_RULES.isSameReplica(one!, other!)]).toEqual([true, false]);
    expect(PRODUCTION_RULES.isSameReplica(one!, replicaIdOf('a' as MemberId, '1'))).toBe(true);
  });

  it('commit what everybody has', () => {
    expect(PRODUCTION_RULES.committedBy([7, 5, 9] as Sequence[])).toBe(5);
  });
});
