/** Statements as they are planned, for tests of what runs them. */
import type { Version } from '@ashlar/core';
import { OddTally } from '@ashlar/expressions';
import { columnValues, decodeColumns, encodeParameters } from '@ashlar/serialization';
import type { CatalogView, Plan } from '@ashlar/sql-plan';
import { planStatement } from '@ashlar/sql-planner';
import type { Statement } from '../query-coordinator.ts';

/** Maps t and u, whose documents have a number n and a text s. */
const CATALOG: CatalogView = {
  catalogVersion: 1,
  maps: ['t', 'u'].map((name, index) => ({
    ...{ name, mapId: index + 1, affinityParts: 0, entries: 10 },
    ...{ paths: [['n'], ['s']], valueKinds: [1, 16] },
  })),
};

/** The plan of a statement over maps t and u. */
export function planOf(text: string): Plan {
  return (planStatement(text, CATALOG, new Set(['t', 'u'])) as { readonly plan: Plan }).plan;
}

/** As planOf(), for a statement that is planned as `kind`. */
export function planAs<K extends Plan['kind']>(kind: K, text: string): Extract<Plan, { kind: K }> {
  const plan = planOf(text);
  if (plan.kind !== kind) throw new Error(`${text} is planned as ${plan.kind}, not as ${kind}`);
  return plan as Extract<Plan, { kind: K }>;
}

/** A statement under way, with these parameters. */
export function statementOf(parameters: readonly unknown[], changes: Partial<Statement> = {}): Statement {
  return {
    ...{ parameters, parameterBytes: encodeParameters(parameters), clockMs: 0, strict: false, odd: new OddTally() },
    ...{ seen: 0 as Version, signal: new AbortController().signal, trace: undefined, deadlineMs: undefined },
    ...changes,
  };
}

/** The rows of an encoded batch; none where there is no batch. */
export function rowsIn(batch: Uint8Array | undefined): readonly (readonly unknown[])[] {
  if (batch === undefined) return [];
  const { length, columns } = decodeColumns(batch);
  const values = columns.map(columnValues);
  return Array.from({ length }, (_, row) => values.map((column) => column[row]));
}
