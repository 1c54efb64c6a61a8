import type { GridView } from '@ashlar/cluster';
import {
  GridError,
  GridIncompleteError,
  type MemberId,
  type PartitionId,
  StaleEpochError,
  type Version,
} from '@ashlar/core';
import { OddTally } from '@ashlar/expressions';
import { encodeKey, partitionOf } from '@ashlar/serialization';
import { rowsBatch } from '@ashlar/sql-executor';
import type { QueryPlan } from '@ashlar/sql-plan';
import type { GridSnapshots } from './grid-snapshots.ts';
import { HeldMemory } from './held/held-memory.ts';
import { type FragmentCall, QueryCoordinator, type Statement } from './query-coordinator.ts';

const COLUMNS = [{ name: 'n', type: 'int4' as const }];
const SCAN = { kind: 'Scan', map: 'm', mapId: 1, alias: 'm', columns: [], filter: undefined } as const;
const GATHER = { kind: 'Gather', columns: COLUMNS } as const;
const ALL = { kind: 'all' } as const;

function batch(...numbers: readonly number[]): Uint8Array {
  return rowsBatch(
    COLUMNS,
    numbers.map((number) => [number]),
  );
}

function literal(value: number | string | null): object {
  return { kind: 'literal', value, type: 'any', at: 0 };
}

function statement(changes: Partial<Statement> = {}): Statement {
  return {
    ...{ parameters: [], parameterBytes: new Uint8Array(0), clockMs: 0, strict: false, odd: new OddTally() },
    ...{ seen: 0 as Version, signal: new AbortController().signal, trace: undefined, deadlineMs: undefined },
    ...changes,
  } as Statement;
}

function plan(
  merge: object,
  stages: readonly object[] = [{ id: 0, fragment: SCAN, partitions: ALL, exchange: 'gather' }],
) {
  return { kind: 'query', stages, merge } as unknown as QueryPlan;
}

/** Members a and b with two partitions each; a fragment gives what `rows` says of its member, then ends. */
function bench(rows: Readonly<Record<string, readonly (Uint8Array | GridError)[]>>, isComplete = true) {
  const events: string[] = [];
  const calls: FragmentCall[] = [];
  const held = new HeldMemory({ bytesMax: 1 << 20, statementBytesMax: 1 << 20, unreadMaxMs: 1000, nowMs: () => 0 });
  const control = {
    partitionCount: 4,
    isComplete,
    table: {
      members: [{ id: 'a' }, { id: 'b' }],
      owners: isComplete ? [[0], [1], [0], [1]] : [],
    },
    maps: new Map([['m', { affinityParts: 0 }]]),
    untilServed: () => undefined,
    requireComplete: () => {
      if (!isComplete) throw new GridIncompleteError({ members: [], expectedMembers: 2, awaited: [] } as never);
    },
  } as unknown as GridView;
  const snapshots = {
    open: async (read: ReadonlyMap<MemberId, readonly PartitionId[]>) => {
      events.push('open');
      let isReleased = false;
      return {
        ids: new Map([...read.keys()].map((member, index) => [member, index + 1])),
        version: 9 as Version,
        isIdle: false,
        releaseAt: (member: MemberId) => void events.push(`release ${member}`),
        release: () => {
          if (!isReleased) events.push('release');
          isReleased = true;
        },
      };
    },
  } as unknown as GridSnapshots;
  const coordinator = new QueryCoordinator({
    ...{ control, snapshots, held, memoryBytes: 1 << 20 },
    pool: { run: () => ({ result: Promise.reject(new Error('short merges need no worker')) }) } as never,
    runFragment: async function* (call, stats) {
      calls.push(call);
      try {
        for (const bytes of rows[call.member] ?? []) {
          if (bytes instanceof GridError) throw bytes;
          stats.rowsOut += 1;
          yield bytes;
        }
        call.onScanned?.();
      } finally {
        events.push(`end ${call.member}`);
      }
    },
  });
  return { coordinator, events, calls, held };
}

async function countOf(batches: AsyncIterable<Uint8Array>): Promise<number> {
  let count = 0;
  for await (const _batch of batches) count++;
  return count;
}

describe('a query', () => {
  it('query-coordinator Q1: reads at one version everywhere, each member its own partitions, and lets go in the end', async () => {
    const { coordinator, events, calls, held } = bench({ a: [batch(1)], b: [batch(2)] });
    expect(await countOf(coordinator.run(plan(GATHER), statement()))).toBe(2);
    expect(calls.map(({ member, partitions, version }) => [member, partitions, version])).toEqual([
      ['a', [0, 2], 9],
      ['b', [1, 3], 9],
    ]);
    expect(events[0]).toBe('open');
    expect(events.at(-1)).toBe('release');
    expect(held.bytes).toBe(0);
  });

  it('query-coordinator Q1: lets go also when its reader leaves, and ends its parts', async () => {
    const { coordinator, events, held } = bench({ a: [batch(1), batch(2)], b: [batch(3), batch(4)] });
    for await (const _batch of coordinator.run(plan(GATHER), statement())) break;
    expect([...events].sort()).toEqual(['end a', 'end b', 'open', 'release']);
    expect(held.bytes).toBe(0);
  });

  it('query-coordinator Q2: whose rows are gathered lets go of the snapshot before they are merged', async () => {
    const { coordinator, events, held } = bench({ a: [batch(2)], b: [batch(1)] });
    const sort = {
      kind: 'Sort',
      input: GATHER,
      keys: [
        { expr: { kind: 'column', index: 0, name: 'n', type: 'int4', at: 0 }, descending: false, nullsFirst: false },
      ],
    };
    const stream = coordinator.run(plan(sort), statement());
    await stream.next();
    expect(events).toContain('release');
    await stream.return();
    expect(held.bytes).toBe(0);
  });

  it('tells what its parts read laxly, and what each of them did', async () => {
    const { coordinator } = bench({ a: [batch(1), batch(2)], b: [] });
    const runs: Parameters<QueryCoordinator['run']>[2] = [];
    await countOf(coordinator.run(plan(GATHER), statement(), runs));
    expect(runs).toMatchObject([
      { stage: 0, member: 'a', partitions: 2, stats: { rowsOut: 2 } },
      { stage: 0, member: 'b', partitions: 2, stats: { rowsOut: 0 } },
    ]);
  });

  it('that builds a table first hands it to the parts of the next stage, and reads on only in the last', async () => {
    const { coordinator, calls } = bench({ a: [batch(1)], b: [batch(2)] });
    const stages = [
      { id: 3, fragment: SCAN, partitions: ALL, exchange: 'broadcast' },
      { id: 4, fragment: SCAN, partitions: ALL, exchange: 'gather' },
    ];
    await countOf(coordinator.run(plan(GATHER, stages), statement()));
    const [first, , last] = calls as [FragmentCall, FragmentCall, FragmentCall];
    expect([first.onScanned, typeof last.onScanned]).toEqual([undefined, 'function']);
    expect(last.buildTables.map(({ stage, batches }) => [stage, batches.length])).toEqual([[3, 2]]);
  });

  it('fails as a part does, and lets go', async () => {
    const full = new GridError('OUT_OF_MEMORY', 'full');
    const { coordinator, events, held } = bench({ a: [batch(1)], b: [full] });
    await expect(countOf(coordinator.run(plan(GATHER), statement()))).rejects.toBe(full);
    expect([events.at(-1), held.bytes]).toEqual(['release', 0]);
  });

  it('of which a partition moves says that its snapshot has ended, and why', async () => {
    const lost = new StaleEpochError(1, 1, 2);
    const { coordinator, events, held } = bench({ a: [batch(1)], b: [lost] });
    const ended = { code: 'SNAPSHOT_EXPIRED', retryable: true, cause: lost };
    await expect(countOf(coordinator.run(plan(GATHER), statement()))).rejects.toMatchObject(ended);
    expect([events.at(-1), held.bytes]).toEqual(['release', 0]);
  });

  it('opens no snapshot where its keys cannot be computed', async () => {
    const { coordinator, events } = bench({});
    const nothing = { kind: 'cast', operand: literal('x'), type: 'int4', at: 0 };
    const stages = [{ id: 0, fragment: SCAN, partitions: { kind: 'keys', keys: [nothing] }, exchange: 'gather' }];
    await expect(countOf(coordinator.run(plan(GATHER, stages), statement()))).rejects.toBeInstanceOf(GridError);
    expect(events).toEqual([]);
  });
});

describe('the members that a query asks', () => {
  it('are those that have partitions of the keys meant: both keys of a text, none of NULL', () => {
    const { coordinator } = bench({});
    const partition = (key: number | string): number => {
      const bytes = encodeKey(key);
      return partitionOf(bytes, 0, bytes.length, 0, 4);
    };
    const asked = (value: number | string | null): number[] =>
      coordinator
        .membersOf({ kind: 'keys', keys: [literal(value)] } as never, SCAN as never, [])
        .flatMap(({ partitions }) => partitions)
        .sort();
    expect(asked('x')).toEqual([partition('x')]);
    expect(asked('17')).toEqual([...new Set([partition('17'), partition(17)])].sort());
    expect(asked(null)).toEqual([]);
  });

  it('are not known while the grid is incomplete', () => {
    const { coordinator } = bench({}, false);
    const asked = () => coordinator.membersOf(ALL, SCAN as never, []);
    expect(asked).toThrow(expect.objectContaining({ code: 'GRID_INCOMPLETE', retryable: true }));
  });
});
