import type { GridView } from '@ashlar/cluster';
import type { MemberId, PartitionId } from '@ashlar/core';
import { encodeKey, encodeValue, partitionOf } from '@ashlar/serialization';
import { rowsBatch } from '@ashlar/sql-executor';
import { HeldMemory } from '../held/held-memory.ts';
import { QueryCoordinator } from '../query-coordinator.ts';
import { planAs, rowsIn, statementOf } from '../testing/plans.ts';
import { EXPLAIN_COLUMNS, explain } from './explain.ts';

const PARTITIONS = 4;

/** Members a and b, two partitions each; every fragment gives one row, and `ran` tells where; `read` tells the keys. */
function bench({ fails }: { readonly fails?: Error } = {}) {
  const ran: MemberId[] = [];
  const read: string[] = [];
  const members = ['a', 'b'].map((id) => ({ id, address: `${id}.example:7400` }));
  const control = {
    partitionCount: PARTITIONS,
    table: { members, owners: [[0], [1], [0], [1]] },
    maps: new Map(['t', 'u'].map((name) => [name, { affinityParts: 0 }])),
    requireComplete: () => undefined,
    untilServed: () => undefined,
  } as unknown as GridView;
  const queries = new QueryCoordinator({
    control,
    snapshots: {
      open: async (read: ReadonlyMap<MemberId, readonly PartitionId[]>) => ({
        ids: new Map([...read.keys()].map((member) => [member, 1])),
        ...{ version: 9, isIdle: false, releaseAt: () => undefined, release: () => undefined },
      }),
    } as never,
    pool: {} as never,
    memoryBytes: 1 << 20,
    held: new HeldMemory({ bytesMax: 1 << 20, statementBytesMax: 1 << 20, unreadMaxMs: 1000, nowMs: () => 0 }),
    runFragment: async function* ({ member }, stats) {
      ran.push(member);
      if (fails !== undefined) throw fails;
      Object.assign(stats, { rowsScanned: 5, rowsOut: 1, tasks: 2 });
      yield rowsBatch([{ name: 'n', type: 'any' }], [[1]]);
    },
  });
  const keys = {
    get: async (map: string, key: unknown) => {
      if (fails !== undefined) throw fails;
      read.push(`${map} ${key}`);
      return key === 'absent' ? undefined : { value: encodeValue({ n: 1 }), version: 1, expiresAtMs: 0 };
    },
  };
  const lines = async (text: string, parameters: readonly unknown[] = []): Promise<string[]> => {
    const told: string[] = [];
    const deps = { control, queries, keys, pool: {} as never };
    for await (const batch of explain(planAs('explain', text), statementOf(parameters), deps)) {
      for (const row of rowsIn(batch)) told.push(row[0] as string);
    }
    return told;
  };
  return { lines, ran, read, members };
}

/** The address of the owner of a key's partition. */
function ownerOf(key: string, { members }: ReturnType<typeof bench>): string {
  const bytes = encodeKey(key);
  return members[partitionOf(bytes, 0, bytes.length, 0, PARTITIONS) % 2]!.address;
}

const addressesIn = (lines: readonly string[]): string[] => {
  return [...new Set(lines.flatMap((line) => line.match(/[ab]\.example:7400/g) ?? []))].sort();
};

describe('EXPLAIN', () => {
  it('gives one column of text, a line a row, none of them empty', async () => {
    expect(EXPLAIN_COLUMNS).toEqual([{ name: 'plan', type: 'text' }]);
    const lines = await bench().lines('EXPLAIN SELECT s, sum(n) FROM t GROUP BY s');
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(line).toMatch(/^\s*\S[^\n]*$/);
  });

  it.each([
    'SELECT n FROM t',
    'SELECT a.n FROM t a JOIN u b ON a.n = b.n',
    'UPDATE t SET n = 1',
    'DELETE FROM t WHERE n = 1',
    'TRUNCATE t',
  ])('names the members that %s asks, and runs nothing', async (text) => {
    const { lines, ran } = bench();
    expect(addressesIn(await lines(`EXPLAIN ${text}`))).toEqual(['a.example:7400', 'b.example:7400']);
    expect(ran).toEqual([]);
  });

  it.each([
    'SELECT n FROM t WHERE __key = $1',
    'UPDATE t SET n = 1 WHERE __key = $1',
    'DELETE FROM t WHERE __key = $1',
  ])('names the owner of the key alone that %s means', async (text) => {
    const one = bench();
    for (const key of ['x', 'y', 'z', 'and more']) {
      expect(addressesIn(await one.lines(`EXPLAIN ${text}`, [key]))).toEqual([ownerOf(key, one)]);
    }
  });

  it.each(['INSERT INTO t (__key, n) VALUES (1, 2)', 'SELECT 1'])('shows %s, which scans nowhere', async (text) => {
    const lines = await bench().lines(`EXPLAIN ${text}`);
    expect(lines.length).toBeGreaterThan(0);
    expect(addressesIn(lines)).toEqual([]);
  });
});

describe('EXPLAIN ANALYZE', () => {
  it('runs the query, and adds what each member did and how many rows came', async () => {
    const { lines, ran } = bench();
    const plain = await lines('EXPLAIN SELECT n FROM t');
    const analyzed = await lines('EXPLAIN ANALYZE SELECT n FROM t');
    expect(ran.sort()).toEqual(['a', 'b']);
    expect(analyzed.slice(0, plain.length)).toEqual(plain);
    const [first, second, sum, ...others] = analyzed.slice(plain.length);
    const did = (member: string) =>
      new RegExp(`^stage \\d+ on ${member}: 2 partitions, 2 tasks, 5 rows scanned, 1 sent, `);
    expect(first).toMatch(did('a'));
    expect(second).toMatch(did('b'));
    expect(sum).toMatch(/^2 rows in /);
    expect(others).toEqual([]);
  });

  it.each([
    ['k', 1],
    ['absent', 0],
  ])('reads one key as the statement would: %s', async (key, count) => {
    const { lines, read } = bench();
    const plain = await lines('EXPLAIN SELECT n FROM t WHERE __key = $1', [key]);
    const analyzed = await lines('EXPLAIN ANALYZE SELECT n FROM t WHERE __key = $1', [key]);
    expect(read).toEqual([`t ${key}`]);
    expect(analyzed).toEqual([...plain, expect.stringMatching(new RegExp(`^${count} rows in `))]);
  });

  it.each(['UPDATE t SET n = 1', 'DELETE FROM t', 'TRUNCATE t', 'INSERT INTO t (__key, n) VALUES (1, 2)'])(
    'of %s changes nothing, and says so',
    async (text) => {
      const { lines, ran, read } = bench();
      const analyzed = await lines(`EXPLAIN ANALYZE ${text}`);
      expect(analyzed.at(-1)).toContain('nothing was run');
      expect(analyzed.slice(0, -1)).toEqual(await lines(`EXPLAIN ${text}`));
      expect([ran, read]).toEqual([[], []]);
    },
  );

  it('fails as the query does', async () => {
    const fails = new Error('a part failed');
    for (const text of ['SELECT n FROM t', "SELECT n FROM t WHERE __key = 'k'"]) {
      await expect(bench({ fails }).lines(`EXPLAIN ANALYZE ${text}`)).rejects.toBe(fails);
    }
  });
});
