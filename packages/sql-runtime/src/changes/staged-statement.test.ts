import { GridError, type MemberId, OutcomeUnknownError, type Version } from '@ashlar/core';
import type { StageState } from './change-part.ts';
import type { PartHandle } from './part-handle.ts';
import { runStaged } from './staged-statement.ts';

interface Script {
  readonly rows?: number;
  /** What each stage comes to; then staged. */
  readonly stages?: (StageState | GridError)[];
  readonly commit?: GridError;
  readonly kept?: boolean[];
}

/** Members that do as they are told, and note what was asked of them. */
function members(scripts: Readonly<Record<string, Script>>, log: string[], onStage?: (member: string) => void) {
  return Object.entries(scripts).map(([name, { rows = 1, stages = [], commit, kept = [] }]): PartHandle => {
    const note = (what: string): void => void log.push(`${name} ${what}`);
    return {
      member: name as MemberId,
      isAsking: false,
      get isKept() {
        return kept.shift() ?? true;
      },
      find: async () => ({ rows, odd: [], keysFound: [] }),
      stage: async (isInTurn) => {
        note(isInTurn ? 'stage in turn' : 'stage');
        onStage?.(name);
        const state = stages.shift() ?? 'staged';
        if (GridError.is(state)) throw state;
        return state;
      },
      release: async () => note('release'),
      awaitRoom: async () => note('room'),
      keep: async () => note('keep'),
      commit: async () => {
        note('commit');
        if (commit !== undefined) throw commit;
        return { affected: rows, version: 7 as Version };
      },
      close: () => note('close'),
    };
  });
}

async function run(scripts: Readonly<Record<string, Script>>, signal = new AbortController().signal) {
  const log: string[] = [];
  const ended = await runStaged(members(scripts, log), { keepMs: 1000, signal }).catch((error: GridError) => error);
  return {
    ended,
    asked: log.filter((line) => !line.endsWith('close')),
    closed: log.filter((l) => l.endsWith('close')),
  };
}

const odd = new GridError('TYPE_MISMATCH', 'odd');

describe('a statement over several members', () => {
  it('stages on those that have rows, at once, then commits on all of them', async () => {
    const { ended, asked, closed } = await run({ b: { rows: 2 }, c: { rows: 0 }, a: { rows: 3 } });
    expect(ended).toEqual({ affected: 5, version: 7, odd: [] });
    expect(asked).toEqual(['a stage', 'b stage', 'a commit', 'b commit']);
    expect(closed).toHaveLength(3);
  });

  it('commits nowhere where one member refuses, and all are closed', async () => {
    const { ended, asked, closed } = await run({ a: {}, b: { stages: [odd] }, c: {} });
    expect(ended).toBe(odd);
    expect(asked).toEqual(['a stage', 'b stage', 'c stage']);
    expect(closed).toHaveLength(3);
  });

  it('lets go of higher members before it waits at one, and goes on in the order of ids', async () => {
    const { asked } = await run({ c: {}, a: {}, b: { stages: ['busy'] }, d: { stages: ['busy'] } });
    expect(asked).toEqual([
      ...['a stage', 'b stage', 'c stage', 'd stage', 'c release'],
      ...['b stage in turn', 'c stage in turn', 'd stage in turn'],
      ...['a commit', 'b commit', 'c commit', 'd commit'],
    ]);
  });

  it('holds nothing while a member waits for room in its logs', async () => {
    const { ended, asked } = await run({ a: {}, b: { stages: ['noRoom'] }, c: {} });
    expect(ended).toMatchObject({ affected: 3 });
    expect(asked).toEqual([
      ...['a stage', 'b stage', 'c stage', 'c release', 'a release', 'b room'],
      ...['a stage', 'b stage', 'c stage', 'a commit', 'b commit', 'c commit'],
    ]);
  });

  it('also where the room is missing when its turn comes', async () => {
    const { ended, asked } = await run({ a: { stages: ['busy'] }, b: { stages: ['staged', 'noRoom'] } });
    expect(ended).toMatchObject({ affected: 2 });
    expect(asked).toEqual([
      ...['a stage', 'b stage', 'b release', 'a stage in turn', 'b stage in turn', 'a release', 'b room'],
      ...['a stage', 'b stage', 'a commit', 'b commit'],
    ]);
  });

  it('keeps what may be too old before it commits', async () => {
    const { asked } = await run({ a: { kept: [false] }, b: {} });
    expect(asked).toEqual(['a stage', 'b stage', 'a keep', 'b keep', 'a commit', 'b commit']);
  });

  it('ends where its caller leaves before the commits, and not from then on', async () => {
    for (const leavesAt of ['a', 'b']) {
      const log: string[] = [];
      const caller = new AbortController();
      const parts = members({ a: {}, b: {} }, log, (member) => {
        if (member === leavesAt) caller.abort();
      });
      await expect(runStaged(parts, { keepMs: 1000, signal: caller.signal })).rejects.toMatchObject({
        code: 'CANCELLED',
      });
      expect(log.filter((line) => line.endsWith('commit'))).toEqual([]);
    }
    const caller = new AbortController();
    const parts = members({ a: {}, b: {} }, []);
    const commit = parts[0]!.commit;
    const leaving: PartHandle = {
      ...parts[0]!,
      commit: () => {
        caller.abort();
        return commit();
      },
    };
    expect(await runStaged([leaving, parts[1]!], { keepMs: 1000, signal: caller.signal })).toMatchObject({
      affected: 2,
    });
  });
});

describe('a commit that is not heard of', () => {
  const lost = new OutcomeUnknownError('changePart');
  const expired = new GridError('LEASE_EXPIRED', 'too late');

  it('is PARTIAL_COMMIT with what was applied, what was not and what is unknown', async () => {
    const { ended } = await run({ a: { rows: 3 }, b: { rows: 4, commit: lost }, c: { rows: 5, commit: expired } });
    expect(ended).toMatchObject({
      code: 'PARTIAL_COMMIT',
      retryable: false,
      details: {
        ...{ affected: 3, rowsNotApplied: 5, rowsUnknown: 4, cause: 'LEASE_EXPIRED' },
        ...{ applied: ['a'], notApplied: ['c'], unknown: ['b'] },
      },
      outcomes: [
        { member: 'a', outcome: 'applied', rows: 3 },
        { member: 'b', outcome: 'unknown', rows: 4 },
        { member: 'c', outcome: 'notApplied', rows: 5 },
      ],
    });
    expect((ended as GridError).message).toContain(
      '3 rows on a were changed, 5 rows on c were not, 4 rows on b may have',
    );
  });

  it('of the one member with rows is OUTCOME_UNKNOWN; where nothing was applied anywhere it is that error', async () => {
    expect((await run({ a: { rows: 0 }, b: { commit: lost } })).ended).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect((await run({ a: { commit: expired }, b: { commit: expired } })).ended).toBe(expired);
    expect((await run({ a: { commit: lost }, b: { commit: lost } })).ended).toMatchObject({
      code: 'PARTIAL_COMMIT',
      details: { affected: 0, applied: [], unknown: ['a', 'b'] },
    });
  });
});
