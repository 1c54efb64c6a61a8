/** What a chaos run found, as its last line tells it, and whether that is all right. */

import type { FaultKind } from './faults/faults.ts';
import { budgetOf, percentile, type Takeover } from './faults/takeover.ts';
import type { EventCounts } from './judges/event-chain.ts';

/** One fault as it went. */
export interface FaultRecord {
  readonly kind: FaultKind;
  readonly text: string;
  /**
   * Whether it held up every partition. The coordinator was away, and each had a copy on its member: nobody can take that copy out of
   * the set then, so none can answer. Or it heard nobody, and took all for dead.
   */
  readonly isAllHeldUp: boolean;
  /** Calls that were answered between its begin and its end. */
  readonly answered: number;
  /** Whether all partitions of the victim must have changed their epoch, and how many have not. */
  readonly mustChangeEpoch: boolean;
  readonly sameEpochs: number;
  /** Milliseconds until a write of each concerned partition was acknowledged. */
  readonly outagesMs: readonly number[];
  /** Where those of them went that another member took over. */
  readonly takeovers: readonly Takeover[];
  /** Until every partition had all of its copies again, from the end of the fault; undefined: it never had. */
  readonly settledMs: number | undefined;
}

export interface Findings {
  readonly seed: number;
  readonly minutes: number;
  readonly acknowledged: number;
  readonly unknown: number;
  /** What was asked for, and what came. */
  readonly wanted: readonly FaultKind[];
  readonly faults: readonly FaultRecord[];
  readonly failovers: number;
  readonly shrinks: number;
  readonly transfers: number;
  /** Acknowledged writes that are gone. */
  readonly lost: number;
  /** Contradictions in what clients saw, and what failed as nothing should. */
  readonly violations: number;
  readonly events: EventCounts;
  readonly effects: { readonly lost: number; readonly doubled: number };
  /** In words; the first of each kind. */
  readonly complaints: readonly string[];
}

/** The last line of a run. */
export interface Verdict {
  readonly seed: number;
  readonly minutes: number;
  readonly acknowledged: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly failovers: number;
  readonly shrinks: number;
  readonly transfers: number;
  readonly lost: number;
  readonly violations: number;
  readonly unknown_share: number;
  readonly events: EventCounts;
  readonly effects: { readonly lost: number; readonly doubled: number };
  readonly outage_ms: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Parts of the median outage after a kill. */
  readonly budget_ms: { readonly detection: number; readonly promotion: number; readonly caller: number };
  readonly ok: boolean;
}

const UNKNOWN_SHARE_MAX = 0.01;
/** Calls that have to be answered within each fault. */
export const ANSWERED_LEAST = 100;

export function verdictOf(findings: Findings): Verdict {
  const { seed, minutes, acknowledged, unknown, failovers, shrinks, transfers, lost, violations } = findings;
  const faults: Record<string, number> = {};
  for (const { kind } of findings.faults) faults[kind] = (faults[kind] ?? 0) + 1;
  return {
    ...{ seed, minutes, acknowledged, faults, failovers, shrinks, transfers, lost, violations },
    unknown_share: Number((unknown / Math.max(1, acknowledged + unknown)).toFixed(5)),
    events: findings.events,
    effects: findings.effects,
    outage_ms: outageOf(findings.faults),
    budget_ms: budgetOf(findings.faults.filter(({ kind }) => kind === 'kill').flatMap(({ takeovers }) => takeovers)),
    ok: shortcomings(findings).length === 0,
  };
}

/** Why a run is not all right, in words. */
export function shortcomings(findings: Findings): string[] {
  const { acknowledged, unknown, lost, violations, events, effects, faults, wanted } = findings;
  const counts = { ...prefixed('events', events), ...prefixed('effects', effects), lost, violations };
  const wrong = Object.entries(counts).flatMap(([name, count]) => (count > 0 ? [`${name}: ${count}`] : []));
  const share = unknown / Math.max(1, acknowledged + unknown);
  if (share >= UNKNOWN_SHARE_MAX) wrong.push(`${(share * 100).toFixed(2)} % of the mutations are unknown`);
  if (wanted.length > 0 && faults.length === 0) wrong.push('there was no time for a fault');
  return [...wrong, ...faults.flatMap(shortcomingOf)];
}

function prefixed(prefix: string, counts: object): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [`${prefix} ${name}`, count as number]));
}

function shortcomingOf(fault: FaultRecord): string[] {
  const wrong: string[] = [];
  const { answered, isAllHeldUp, mustChangeEpoch, sameEpochs, text } = fault;
  if (answered < ANSWERED_LEAST && !isAllHeldUp) wrong.push(`only ${answered} calls were answered during: ${text}`);
  if (mustChangeEpoch && sameEpochs > 0) wrong.push(`${sameEpochs} partitions kept their epoch through: ${text}`);
  if (fault.settledMs === undefined) wrong.push(`not all copies came back after: ${fault.text}`);
  return wrong;
}

/** Of kills where there were any, else of all faults. */
function outageOf(faults: readonly FaultRecord[]): Verdict['outage_ms'] {
  const kills = faults.filter(({ kind }) => kind === 'kill');
  const all = (kills.length > 0 ? kills : faults).flatMap(({ outagesMs }) => outagesMs);
  return { p50: percentile(all, 0.5), p99: percentile(all, 0.99), max: percentile(all, 1) };
}
