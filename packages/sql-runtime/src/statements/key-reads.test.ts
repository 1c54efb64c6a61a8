import { GridError } from '@ashlar/core';
import { encodeValue, type Key } from '@ashlar/serialization';
import { type GetTask, getRows } from '@ashlar/sql-executor';
import type { WorkerPool } from '@ashlar/workers';
import { planAs, rowsIn, statementOf } from '../testing/plans.ts';
import { runGet, tellBothKeys } from './key-reads.ts';

/** A map with these entries, the keys that were asked for, and a worker's tasks. */
function bench(entries: readonly (readonly [Key, unknown])[]) {
  const documents = new Map<Key, unknown>(entries);
  const asked: string[] = [];
  const tasks: { readonly kind: string; readonly signal: AbortSignal | undefined }[] = [];
  const deps = {
    keys: {
      get: async (map: string, key: Key) => {
        asked.push(`${map} ${typeof key} ${key}`);
        if (!documents.has(key)) return undefined;
        return { value: encodeValue(documents.get(key)), version: 3, expiresAtMs: 0 };
      },
    },
    pool: {
      run: (kind: string, task: GetTask, { signal }: { readonly signal?: AbortSignal }) => {
        tasks.push({ kind, signal });
        return { result: Promise.resolve(getRows(structuredClone(task))) };
      },
    } as unknown as WorkerPool,
  };
  return { deps, asked, tasks };
}

async function collect(batches: AsyncIterable<Uint8Array>): Promise<(readonly unknown[])[]> {
  const rows: (readonly unknown[])[] = [];
  for await (const batch of batches) rows.push(...rowsIn(batch));
  return rows;
}

const BY_KEY = planAs('get', 'SELECT __key, n FROM t WHERE __key = $1');

describe('a statement that reads one key', () => {
  it('gives the row of its entry; without one, no batch', async () => {
    const { deps, asked } = bench([['k', { n: 7 }]]);
    expect(await collect(runGet(BY_KEY, statementOf(['k']), deps))).toEqual([['k', 7]]);
    expect(await collect(runGet(BY_KEY, statementOf(['absent']), deps))).toEqual([]);
    expect(asked).toEqual(['t string k', 't string absent']);
  });

  it('reads nothing for NULL, which is no key', async () => {
    const { deps, asked } = bench([['k', { n: 7 }]]);
    expect(await collect(runGet(BY_KEY, statementOf([null]), deps))).toEqual([]);
    expect(asked).toEqual([]);
  });

  it.each<[string, readonly (readonly [Key, unknown])[], unknown[], number]>([
    ['the text', [['1', { n: 'text' }]], [['1', 'text']], 0],
    ['the number', [[1, { n: 'number' }]], [[1, 'number']], 0],
    [
      'both',
      [
        ['1', { n: 'text' }],
        [1, { n: 'number' }],
      ],
      [
        ['1', 'text'],
        [1, 'number'],
      ],
      1,
    ],
  ])('by a text that prints as a number finds %s, and says so where it is both', async (_, entries, rows, notices) => {
    const { deps } = bench(entries);
    const statement = statementOf(['1']);
    expect(await collect(runGet(BY_KEY, statement, deps))).toEqual(rows);
    const told = statement.odd.counts().map(({ what }) => what);
    expect(told).toHaveLength(notices);
    for (const what of told) expect(what).toContain("the key '1' and the key 1");
  });

  it('by a number means that number alone', async () => {
    const { deps, asked } = bench([['1', { n: 'text' }]]);
    expect(await collect(runGet(BY_KEY, statementOf([1]), deps))).toEqual([]);
    expect(asked).toEqual(['t number 1']);
  });

  it('counts what it read laxly, and fails by it where it is strict', async () => {
    const plan = planAs('get', 'SELECT n * 2 FROM t WHERE __key = $1');
    const { deps } = bench([['k', { n: 'seven' }]]);
    const lax = statementOf(['k']);
    expect(await collect(runGet(plan, lax, deps))).toEqual([[null]]);
    expect(lax.odd.counts()).toMatchObject([{ rows: 1 }]);
    const strict = statementOf(['k'], { strict: true });
    await expect(collect(runGet(plan, strict, deps))).rejects.toMatchObject({ code: 'TYPE_MISMATCH' });
    expect(strict.odd.counts()).toEqual([]);
  });

  it('leaves long documents to a worker, under its own signal, and short ones not; the rows are the same', async () => {
    const plan = planAs('get', 'SELECT __key, n + $2 FROM t WHERE __key = $1');
    const long = { n: 7, list: new Array<number>(1_000_001).fill(0) };
    const { deps, tasks } = bench([
      ['long', long],
      ['short', { n: 7 }],
    ]);
    expect(await collect(runGet(plan, statementOf(['short', 1]), deps))).toEqual([['short', 8]]);
    expect(tasks).toEqual([]);
    const statement = statementOf(['long', 1]);
    expect(await collect(runGet(plan, statement, deps))).toEqual([['long', 8]]);
    expect(tasks).toEqual([{ kind: 'get', signal: statement.signal }]);
  });

  it('fails as its read does', async () => {
    const { deps } = bench([]);
    const lost = new Error('the member is gone');
    const keys = { get: () => Promise.reject(lost) };
    await expect(collect(runGet(BY_KEY, statementOf(['k']), { ...deps, keys }))).rejects.toBe(lost);
  });
});

describe('a query that looks up keys', () => {
  const both: readonly (readonly [Key, unknown])[] = [
    ['1', {}],
    [1, {}],
    ['2', {}],
    [3, {}],
  ];
  const told = async (text: string, parameters: readonly unknown[] = []): Promise<string[]> => {
    const statement = statementOf(parameters);
    await tellBothKeys(planAs('query', text), statement, bench(both).deps);
    return statement.odd.counts().map(({ what }) => what);
  };

  it('says which texts mean two keys that are both there', async () => {
    const notice = [expect.stringContaining("__key = '1'")];
    expect(await told("SELECT n FROM t WHERE __key IN ('1', '2', '3', 'x')")).toEqual(notice);
    expect(await told('SELECT n FROM t WHERE __key <> $1', ['1'])).toEqual(notice);
    expect(await told("SELECT n FROM t WHERE __key IN ('2', '3')")).toEqual([]);
    expect(await told('SELECT n FROM t WHERE __key IN (1, 2)')).toEqual([]);
    expect(await told('SELECT n FROM t')).toEqual([]);
    expect(await told('SELECT 1')).toEqual([]);
  });

  it('says it for every map that it reads, and once for a text', async () => {
    const text = "SELECT a.n FROM t a JOIN u b ON a.n = b.n WHERE a.__key IN ('1', 'x') AND b.__key IN ('1', 'y')";
    const { deps, asked } = bench(both);
    const statement = statementOf([]);
    await tellBothKeys(planAs('query', text), statement, deps);
    expect(asked.sort()).toEqual(['t number 1', 't string 1', 'u number 1', 'u string 1']);
    expect(statement.odd.counts()).toHaveLength(1);
  });

  it('does not fail for want of a notice: its rows are complete by then; nothing more is looked for', async () => {
    let asked = 0;
    const failsWith = (error: Error) => ({
      get: () => {
        asked++;
        return Promise.reject(error);
      },
    });
    const plan = planAs('query', "SELECT n FROM t WHERE __key IN ('1', '2', '3')");
    const statement = statementOf([]);
    for (const code of ['MEMBER_UNREACHABLE', 'UNKNOWN_MAP', 'DEADLINE_EXCEEDED'] as const) {
      asked = 0;
      await tellBothKeys(plan, statement, { keys: failsWith(new GridError(code, 'no')) });
      expect([asked, statement.odd.counts()]).toEqual([2, []]);
    }
    const bug = new TypeError('a bug');
    await expect(tellBothKeys(plan, statement, { keys: failsWith(bug) })).rejects.toBe(bug);
  });

  it('looks for so many texts of a statement and no more, however many maps it reads', async () => {
    const listOf = (count: number): string => Array.from({ length: count }, (_, n) => `'${n}'`).join();
    const list = listOf(15);
    const { deps, asked } = bench([]);
    const one = `SELECT n FROM t WHERE __key IN (${listOf(30)})`;
    await tellBothKeys(planAs('query', one), statementOf([]), deps);
    expect(asked).toHaveLength(2 * 20);
    asked.length = 0;
    const two = `SELECT a.n FROM t a JOIN u b ON a.n = b.n WHERE a.__key IN (${list}) AND b.__key IN (${list})`;
    await tellBothKeys(planAs('query', two), statementOf([]), deps);
    expect(asked).toHaveLength(2 * 20);
  });
});
