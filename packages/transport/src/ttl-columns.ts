/**
 * Times to live of a batch's operations. Within a batch each is one number (core's time-to-live.ts); on the wire rules
 * stand in columns of their own, so that what is no time never becomes a rule.
 */
import { isTtlNumber } from '@ashlar/core';
import { malformed } from './wire.ts';

export interface TtlColumns {
  /** Ascending. */
  readonly operations: Uint32Array;
  /** Parallel. */
  readonly ttls: Float64Array;
}

export interface WireTtls {
  readonly operations: Uint32Array;
  readonly ttlMs: Float64Array;
  readonly ruleOperations: Uint32Array;
  /** TimeToLiveRule of kv.proto: 0 default, 1 keep, 2 never. */
  readonly rules: Uint32Array;
}

const RULE_MAX = 2;

function isRule(ttl: number): boolean {
  return ttl <= 0 && isTtlNumber(ttl);
}

/** Undefined: there are no rules, the columns are on the wire as they are. */
export function splitTtls({ operations, ttls }: TtlColumns): WireTtls | undefined {
  if (!ttls.some(isRule)) return undefined;
  const hasRule = (_: number, index: number): boolean => isRule(ttls[index]!);
  const hasNone = (_: number, index: number): boolean => !isRule(ttls[index]!);
  return {
    operations: operations.filter(hasNone),
    ttlMs: ttls.filter(hasNone),
    ruleOperations: operations.filter(hasRule),
    rules: Uint32Array.from(ttls.filter(hasRule), (ttl) => -ttl),
  };
}

/**
 * @returns columns of which the codec has still to check that they ascend and have one length
 * @throws GridError INVALID_ARGUMENT when rules and their operations do not go together
 */
export function joinTtls({ operations, ttlMs, ruleOperations, rules }: WireTtls): TtlColumns {
  const times = ttlMs.some((ttl) => ttl <= 0) ? ttlMs.map((ttl) => (ttl > 0 ? ttl : Number.NaN)) : ttlMs;
  if (rules.length === 0 && ruleOperations.length === 0) return { operations, ttls: times };
  if (rules.length !== ruleOperations.length || times.length !== operations.length) {
    throw malformed(`times to live and their operations differ in number`);
  }
  for (const rule of rules) if (rule > RULE_MAX) throw malformed(`rule ${rule} for a time to live`);
  const count = operations.length + ruleOperations.length;
  const joined = { operations: new Uint32Array(count), ttls: new Float64Array(count) };
  for (let at = 0, time = 0, rule = 0; at < count; at++) {
    const isTime =
      rule === ruleOperations.length || (time < operations.length && operations[time]! < ruleOperations[rule]!);
    joined.operations[at] = isTime ? operations[time]! : ruleOperations[rule]!;
    joined.ttls[at] = isTime ? times[time++]! : 0 - rules[rule++]!;
  }
  return joined;
}
