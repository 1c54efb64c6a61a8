/**
 * What the grid holds when all has healed, beside what was acknowledged.
 *
 * final-state F1  A key that was written once is there if its write was acknowledged.
 * final-state F2  A counter is at least the sum of what was acknowledged, and at most that and what is unknown.
 * final-state F3  A cause whose write was acknowledged has all of its effects, each once; one whose write is unknown has all or none.
 */
import type { Grid, GridKey } from '@ashlar/client';
import type { CounterSum, Load } from '../load/load.ts';
import { ONCE } from '../load/load.ts';
import { COPIES, Effects } from '../load/user-code.ts';

/** What a run may have lost or doubled, and in words. */
export interface FinalFaults {
  lost: number;
  violations: number;
  readonly effects: { lost: number; doubled: number };
  readonly complaints: string[];
}

const SHOWN = 10;

/** The entries of a map, by the text of their key. */
export async function contentsOf(grid: Grid, map: string): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  for await (const { key, value } of grid.map<GridKey, unknown>(map).entries()) found.set(JSON.stringify(key), value);
  return found;
}

/** @param contents  of every map that is judged, by its name */
export function judgeFinalState(load: Load, contents: ReadonlyMap<string, ReadonlyMap<string, unknown>>): FinalFaults {
  const faults: FinalFaults = { lost: 0, violations: 0, effects: { lost: 0, doubled: 0 }, complaints: [] };
  judgeOnce(load.once, contents.get(ONCE)!, faults);
  judgeCounters(load.counters, contents.get('counters')!, faults);
  judgeEffects(load.causes, contents.get(Effects.name)!, faults);
  return faults;
}

function complain(faults: FinalFaults, text: string): void {
  if (faults.complaints.length < SHOWN) faults.complaints.push(text);
}

/** final-state F1 */
function judgeOnce(once: Load['once'], found: ReadonlyMap<string, unknown>, faults: FinalFaults): void {
  for (const [key, isAcknowledged] of once) {
    if (!isAcknowledged || found.has(JSON.stringify(key))) continue;
    faults.lost++;
    complain(faults, `${key} was acknowledged, and is gone`);
  }
}

/** final-state F2 */
function judgeCounters(sums: Load['counters'], found: ReadonlyMap<string, unknown>, faults: FinalFaults): void {
  for (const [key, { acknowledged, unknown }] of sums as ReadonlyMap<string, CounterSum>) {
    const value = (found.get(JSON.stringify(key)) as { readonly n: number } | undefined)?.n ?? 0;
    const facts = `${key} is ${value}; ${acknowledged} increments were acknowledged, ${unknown} are unknown`;
    if (value < acknowledged) {
      faults.lost += acknowledged - value;
      complain(faults, facts);
    }
    if (value > acknowledged + unknown) {
      faults.violations += value - acknowledged - unknown;
      complain(faults, facts);
    }
  }
}

/** final-state F3 */
function judgeEffects(causes: Load['causes'], found: ReadonlyMap<string, unknown>, faults: FinalFaults): void {
  const versions = new Map<number, Map<number, number>>();
  for (const text of found.keys()) {
    const [cause, version] = JSON.parse(text) as [number, number, number];
    const ofCause = versions.get(cause) ?? new Map<number, number>();
    ofCause.set(version, (ofCause.get(version) ?? 0) + 1);
    versions.set(cause, ofCause);
  }
  for (const [cause, isAcknowledged] of causes) {
    const ofCause = [...(versions.get(cause) ?? [])];
    const missing = ofCause.some(([, copies]) => copies !== COPIES) || (isAcknowledged && ofCause.length === 0);
    const facts = `cause ${cause} (${isAcknowledged ? 'acknowledged' : 'unknown'}) has effects ${JSON.stringify(ofCause)}`;
    if (missing) {
      faults.effects.lost++;
      complain(faults, facts);
    }
    if (ofCause.length > 1) {
      faults.effects.doubled++;
      complain(faults, facts);
    }
  }
}
