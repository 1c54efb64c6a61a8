/** The short form of `npm run chaos`, and what its judges look for. The long one: `npm run chaos`. */
import { ChaosRun, type ChaosRunOptions } from './chaos-run.ts';
import { FAULT_KINDS } from './faults/faults.ts';
import { parseOptions } from './options.ts';
import { type FaultRecord, type Findings, shortcomings, verdictOf } from './verdict.ts';

const RUN_TIMEOUT_MS = 120_000;

async function found(options: Partial<ChaosRunOptions>): Promise<Findings> {
  const run = new ChaosRun({
    ...{ seed: 11, forMs: 4000, faults: [], backups: 0, callsASecond: 150, calmMs: 500, stillMs: 2000 },
    ...options,
  });
  return run.run(new AbortController().signal);
}

const NOTHING = { lost: 0, doubled: 0 };

describe('a chaos run of three members with a backup each', () => {
  it(
    'finds nothing lost, doubled or contradictory where one is killed and links are slow',
    async () => {
      const findings = await found({ faults: ['kill', 'slow'], backups: 1, forMs: 5000 });
      expect(findings.complaints).toEqual([]);
      const events = { ...NOTHING, disordered: 0 };
      expect(verdictOf(findings)).toMatchObject({ lost: 0, violations: 0, events, effects: NOTHING });
      expect(findings.faults.map(({ kind }) => kind)).toContain('kill');
      expect(findings.acknowledged).toBeGreaterThan(100);
    },
    RUN_TIMEOUT_MS,
  );
});

describe('a chaos run of three members without backups', () => {
  it(
    'tells what is lost with a member that is killed, once an operator has accepted it: writes, events, effects',
    async () => {
      const verdict = verdictOf(await found({ faults: ['kill'], forMs: 2500, callsASecond: 300, calmMs: 1500 }));
      expect(verdict.ok).toBe(false);
      expect(verdict.lost).toBeGreaterThan(0);
      expect(verdict.violations).toBeGreaterThan(0);
      expect(verdict.events.lost).toBeGreaterThan(0);
      expect(verdict.effects.lost).toBeGreaterThan(0);
      expect(verdict.failovers).toBeGreaterThan(0);
    },
    RUN_TIMEOUT_MS,
  );
});

describe('the verdict', () => {
  const fault: FaultRecord = {
    ...{ kind: 'kill', text: 'kill -9 of b', answered: 500, mustChangeEpoch: true, sameEpochs: 0, isAllHeldUp: false },
    ...{ outagesMs: [900, 1000], takeovers: [{ namedMs: 820, servedMs: 850, answeredMs: 900 }], settledMs: 10 },
  };
  const sound: Findings = {
    ...{ seed: 1, minutes: 5, acknowledged: 10_000, unknown: 50, wanted: ['kill'], faults: [fault] },
    ...{
      failovers: 11,
      shrinks: 3,
      transfers: 5,
      lost: 0,
      violations: 0,
      events: { lost: 0, doubled: 0, disordered: 0 },
    },
    ...{ effects: { lost: 0, doubled: 0 }, complaints: [] },
  };

  it('of a sound run is all right, with every field of the last line', () => {
    expect(verdictOf(sound)).toEqual({
      ...{ seed: 1, minutes: 5, acknowledged: 10_000, faults: { kill: 1 }, failovers: 11, shrinks: 3, transfers: 5 },
      ...{ lost: 0, violations: 0, unknown_share: 0.00498, events: { lost: 0, doubled: 0, disordered: 0 } },
      ...{ effects: { lost: 0, doubled: 0 }, outage_ms: { p50: 1000, p99: 1000, max: 1000 } },
      ...{ budget_ms: { detection: 820, promotion: 30, caller: 50 }, ok: true },
    });
  });

  it.each<[string, Partial<Findings>]>([
    ['a lost write', { lost: 1 }],
    ['a contradiction', { violations: 1 }],
    ['a lost event', { events: { lost: 1, doubled: 0, disordered: 0 } }],
    ['an event that came twice', { events: { lost: 0, doubled: 1, disordered: 0 } }],
    ['an event out of order', { events: { lost: 0, doubled: 0, disordered: 1 } }],
    ['a lost effect', { effects: { lost: 1, doubled: 0 } }],
    ['an effect that came twice', { effects: { lost: 0, doubled: 1 } }],
    ['too much that nobody knows', { unknown: 150 }],
    ['a fault under which hardly anything was answered', { faults: [{ ...fault, answered: 99 }] }],
    ['a kill after which one of its partitions had its epoch', { faults: [{ ...fault, sameEpochs: 1 }] }],
    ['no fault at all, where some were asked for', { faults: [] }],
    ['a fault after which copies were missing', { faults: [{ ...fault, settledMs: undefined }] }],
  ])('does not pass over %s', (_, changes) => {
    expect(verdictOf({ ...sound, ...changes }).ok).toBe(false);
    expect(shortcomings({ ...sound, ...changes })).toHaveLength(1);
  });

  it('asks no answers of a fault that holds up every partition', () => {
    const heldUp = { ...fault, answered: 0, isAllHeldUp: true };
    expect(shortcomings({ ...sound, faults: [heldUp] })).toEqual([]);
  });
});

describe('the command line', () => {
  it('runs for five minutes with one backup and all faults, with a seed by chance, or as it is told', () => {
    expect(parseOptions([], () => 0.5)).toEqual({
      ...{ minutes: 5, seed: 2 ** 30, faults: FAULT_KINDS, backups: 1, callsASecond: 400, json: false },
      history: undefined,
    });
    const told = ['--minutes', '0.5', '--seed', '7', '--faults', 'kill,slow', '--backups', '0', '--json'];
    expect(parseOptions(told, Math.random)).toMatchObject({
      ...{ minutes: 0.5, seed: 7, faults: ['kill', 'slow'], backups: 0, json: true },
    });
    expect(parseOptions(['--faults', 'none'], Math.random).faults).toEqual([]);
  });

  it.each([
    ['--minutes', '0'],
    ['--seed', '1.5'],
    ['--faults', 'fire'],
    ['--backups', '9'],
    ['--rate', ''],
  ])('refuses %s %s', (flag, value) => {
    expect(() => parseOptions([flag, value], Math.random)).toThrow(flag);
  });
});
