import { joinTtls, splitTtls } from './ttl-columns.ts';

const NONE = new Uint32Array(0);

describe('times to live on the wire', () => {
  it('are rules and times apart, and one column again', () => {
    const operations = Uint32Array.of(0, 2, 3, 7, 9);
    const ttls = Float64Array.of(0, 500, -1, 0.5, -2);
    const wire = splitTtls({ operations, ttls })!;
    expect(wire).toEqual({
      operations: Uint32Array.of(2, 7),
      ttlMs: Float64Array.of(500, 0.5),
      ruleOperations: Uint32Array.of(0, 3, 9),
      rules: Uint32Array.of(0, 1, 2),
    });
    expect(joinTtls(wire)).toEqual({ operations, ttls });
  });

  it('without rules are as they are', () => {
    const columns = { operations: Uint32Array.of(1), ttls: Float64Array.of(5) };
    expect(splitTtls(columns)).toBeUndefined();
    expect(
      joinTtls({ operations: columns.operations, ttlMs: columns.ttls, ruleOperations: NONE, rules: NONE }),
    ).toEqual(columns);
  });

  it.each([0, -1, -2, -5, Number.NaN, -Infinity])(
    'never become a rule: %p in the column of times is no time',
    (ttl) => {
      const wire = { operations: Uint32Array.of(0), ttlMs: Float64Array.of(ttl), ruleOperations: NONE, rules: NONE };
      expect(joinTtls(wire).ttls[0]).toBeNaN();
    },
  );

  it('are refused where a rule is unknown or has no operation', () => {
    const wire = { operations: NONE, ttlMs: new Float64Array(0), ruleOperations: Uint32Array.of(0) };
    expect(() => joinTtls({ ...wire, rules: Uint32Array.of(3) })).toThrow('rule 3');
    expect(() => joinTtls({ ...wire, rules: NONE })).toThrow('differ in number');
  });
});
