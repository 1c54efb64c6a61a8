import { CancelledError, GridError } from '@ashlar/core';
import { MemberMetrics, NO_TRACING } from '@ashlar/observe';
import {
  columnValue,
  decodeColumns,
  decodeKey,
  decodeValue,
  encodeKey,
  encodeValue,
  type Key,
  shortAnswerOf,
} from '@ashlar/serialization';
import { type EntryPlace, getRows } from '@ashlar/sql-executor';
import type { Plan } from '@ashlar/sql-plan';
import { planAs, planOf } from '../testing/plans.ts';
import { type ShortCall, ShortStatements, type WrittenAnswer } from './short-statements.ts';

type Answer = ReturnType<ShortStatements['answer']>;

const BY_KEY = 'SELECT * FROM t WHERE __key = $1';

/** A member with three entries, of which it finds those that are not `away`. */
function bench(changes: { readonly plan?: (text: string) => Promise<Plan>; readonly isPlanned?: boolean } = {}) {
  const entries = new Map<unknown, unknown>([
    ['k', { n: 7, s: 'x' }],
    ['1', { n: 1, s: 'text' }],
    [1, { n: 2 }],
    ['long', { s: 'x'.repeat(2 << 20) }],
    ['scalar', 5],
  ]);
  const told = { away: false, planned: 0, asked: [] as unknown[], required: [] as string[], complete: true };
  const metrics = new MemberMetrics();
  const statements = new ShortStatements({
    control: {
      requireComplete: () => {
        if (!told.complete) throw new GridError('GRID_INCOMPLETE', 'members are missing');
      },
    },
    planning: {
      planNow: (text) => (changes.isPlanned === false ? undefined : planOf(text)),
      plan: (text) => {
        told.planned++;
        return changes.plan?.(text) ?? Promise.resolve(planOf(text));
      },
    },
    keys: {
      look: (_, bytes): EntryPlace | undefined | 'unknown' => {
        const value = entries.get(decodeKey(bytes, 0, bytes.length));
        if (told.away) return 'unknown';
        if (value === undefined) return undefined;
        const valueBytes = Uint8Array.from([0, ...encodeValue(value)]);
        return { valueBytes, valueStart: 1, valueEnd: valueBytes.length, version: 3, expiresAt: 0 };
      },
      get: async (_, key, { signal }) => {
        told.asked.push(key);
        if (key === 'hanging')
          await new Promise((_resolve, reject) =>
            signal.addEventListener('abort', () => reject(new CancelledError('it'))),
          );
        if (key === 'failing') throw new GridError('MEMBER_UNREACHABLE', 'b is away');
        const value = entries.get(key);
        return value === undefined ? undefined : { value: encodeValue(value), version: 3, expiresAtMs: 0 };
      },
    },
    ...{ metrics, tracing: NO_TRACING },
  });
  const call: ShortCall = {
    ...{ deadlineMs: undefined, trace: undefined },
    require: (permission, map) => void told.required.push(`${permission} ${map}`),
  };
  const ask = (text: string, parameters: readonly unknown[], header = 0, strict = false): Answer =>
    statements.answer({ text, header, strict, parameters }, call);
  return { ask, told, metrics, statements, call };
}

const read = (answer: WrittenAnswer | undefined) => {
  return answer === undefined ? undefined : shortAnswerOf(decodeValue(answer.bytes, answer.start, answer.end));
};
const now = (answer: Answer) => {
  if (answer instanceof Promise) throw new Error('it is answered later');
  return read(answer);
};

describe('a statement that comes as an operation', () => {
  it('is answered in the same turn, with a header for who has another', () => {
    const { ask, told, metrics } = bench();
    const first = now(ask(BY_KEY, ['k']));
    expect(first).toMatchObject({ rowCount: 1, cells: [7, 'x'], notices: [] });
    expect(first?.header?.columns.map(({ name, type }) => [name, type])).toEqual([
      ['n', 'any'],
      ['s', 'any'],
    ]);
    expect(now(ask(BY_KEY, ['k'], first!.number))).toEqual({ ...first, header: undefined });
    expect(now(ask(BY_KEY, ['absent'], first!.number))).toMatchObject({ rowCount: 0, cells: [] });
    expect(told.required).toEqual(['read t', 'read t', 'read t']);
    expect([metrics.queries, metrics.queriesByKey, metrics.queryFailures]).toEqual([3, 3, 0]);
  });

  it.each([
    'SELECT n, s, n AS m FROM t WHERE __key = $1',
    'SELECT __key, __value, s FROM t WHERE __key = $1',
    'SELECT n + 1, upper(s), __version FROM t WHERE __key = $1',
    "SELECT n FROM t WHERE __key = $1 AND s = 'x'",
    'SELECT s, n FROM t WHERE __key = $1 ORDER BY n DESC',
    'SELECT n::int4, n::numeric, n IS NULL FROM t WHERE __key = $1',
  ])('R2: has the rows that the stream makes of it: %s', (text) => {
    const { ask } = bench();
    for (const key of ['k', '1', 1, 'absent', 'scalar']) {
      const values = { k: { n: 7, s: 'x' }, '1': { n: 1, s: 'text' }, scalar: 5 } as Record<string, unknown>;
      const found =
        key === '1'
          ? [
              ['1', values['1']],
              [1, { n: 2 }],
            ]
          : key === 1
            ? [[1, { n: 2 }]]
            : [[key, values[key]]];
      const entries = found
        .filter(([, value]) => value !== undefined)
        .map(([one, value]) => ({ key: encodeKey(one as Key), value: encodeValue(value), version: 3, expiresAtMs: 0 }));
      const task = { plan: planAs('get', text), entries, parameters: encodeValue([key]), clockMs: 0, strict: false };
      const { batch } = getRows(task);
      const rows = batch === undefined ? { length: 0, columns: [] } : decodeColumns(batch);
      const cells = Array.from({ length: rows.length }, (_, row) =>
        rows.columns.map((column) => columnValue(column, row)),
      );
      expect(now(ask(text, [key]))?.cells.map(String)).toEqual(cells.flat().map(String));
    }
  });

  it('tells of both keys that a text means, and of values of odd kinds', () => {
    const { ask } = bench();
    expect(now(ask('SELECT n FROM t WHERE __key = $1', ['1']))?.notices).toEqual([expect.stringContaining('has both')]);
    const odd = now(ask('SELECT s + 1 AS sum FROM t WHERE __key = $1', ['k']));
    expect([odd?.cells, odd?.notices.length]).toEqual([[null], 1]);
  });

  it.each<[string, readonly unknown[], readonly unknown[]]>([
    ['SELECT n FROM t WHERE __key = $1 LIMIT 1', ['k'], [7]],
    ['SELECT n FROM t WHERE __key = $1 ORDER BY n DESC LIMIT 1', ['1'], [2]],
    ['SELECT n FROM t WHERE __key = $1 LIMIT $2', ['k', 0], []],
    ["SELECT n, s FROM t WHERE __key IN ($1, '1', 'k', 'absent') ORDER BY n DESC", ['k'], [7, 'x', 2, null, 1, 'text']],
    ["SELECT n FROM t WHERE __key IN ('1', 'k') AND n > $1 ORDER BY n LIMIT 1 OFFSET 1", [1], [7]],
    ["SELECT DISTINCT s IS NULL AS none FROM t WHERE __key IN ('1', 'k') ORDER BY 1", [], [false, true]],
  ])('P1: may have several keys, an order and a limit: %s', (text, parameters, cells) => {
    const { ask, metrics } = bench();
    expect(now(ask(text, parameters))?.cells).toEqual(cells);
    expect(metrics.queriesByKey).toBe(1);
  });

  it('of several keys takes the stream where one of them is elsewhere, or there are very many', () => {
    const { ask, told } = bench();
    const keys = (count: number): string => Array.from({ length: count }, (_, key) => `'k${key}'`).join();
    expect(now(ask(`SELECT n FROM t WHERE __key IN ('k', ${keys(255)})`, []))).toMatchObject({ rowCount: 1 });
    expect(ask(`SELECT n FROM t WHERE __key IN ('k', ${keys(256)})`, [])).toBeUndefined();
    told.away = true;
    expect(ask("SELECT n FROM t WHERE __key IN ('1', 'k')", [])).toBeUndefined();
  });

  it('fails with its own error and place, and counts as failed', () => {
    const { ask, metrics } = bench();
    expect(() => ask('SELECT 1 / (n - 7) FROM t WHERE __key = $1', ['k'])).toThrow(
      expect.objectContaining({ code: 'DIVISION_BY_ZERO', position: expect.objectContaining({ line: 1 }) }),
    );
    expect(() => ask(BY_KEY, [])).toThrow(expect.objectContaining({ code: 'INVALID_PARAMETER' }));
    expect([metrics.queries, metrics.queryFailures]).toEqual([2, 2]);
  });

  it('needs the permission to read its map', () => {
    const { statements } = bench();
    const require = (): never => {
      throw new GridError('PERMISSION_DENIED', 'you may not');
    };
    const request = { text: BY_KEY, header: 0, strict: false, parameters: ['k'] };
    expect(() => statements.answer(request, { require, deadlineMs: undefined, trace: undefined })).toThrow(
      expect.objectContaining({ code: 'PERMISSION_DENIED' }),
    );
  });

  it.each([
    'SELECT count(*) FROM t',
    'SELECT 1',
    'DELETE FROM t WHERE __key = $1',
    'INSERT INTO t (__key) VALUES ($1)',
  ])('R1: takes the stream where it is no get: %s', async (text) => {
    const { ask, metrics } = bench();
    expect(await ask(text, ['k'])).toBeUndefined();
    expect(metrics.queries).toBe(0);
  });

  it('R1: takes the stream for a long document, and while members are missing', async () => {
    const { ask, told, metrics } = bench();
    expect(ask(BY_KEY, ['long'])).toBeUndefined();
    expect(ask('SELECT n + 1 FROM t WHERE __key = $1', ['long'])).toBeUndefined();
    told.complete = false;
    expect(ask(BY_KEY, ['k'])).toBeUndefined();
    expect(metrics.queries).toBe(0);
  });
});

describe('a statement that cannot be answered in the turn in which it came', () => {
  it('is answered once its keys were read elsewhere', async () => {
    const { ask, told, metrics } = bench();
    told.away = true;
    expect(read(await ask(BY_KEY, ['k']))).toMatchObject({ rowCount: 1, cells: [7, 'x'] });
    expect(read(await ask(BY_KEY, ['1']))).toMatchObject({ rowCount: 2, cells: [1, 'text', 2, null] });
    expect(told.asked).toEqual(['k', '1', 1]);
    expect([metrics.queries, metrics.queriesByKey]).toEqual([2, 2]);
  });

  it('R1: takes the stream where a member cannot be reached, or does not answer in time', async () => {
    const { ask, told, metrics } = bench();
    told.away = true;
    expect(await ask(BY_KEY, ['failing'])).toBeUndefined();
    expect(await ask(BY_KEY, ['hanging'])).toBeUndefined();
    expect(metrics.queries).toBe(0);
  });

  it('R2: is planned, once for all that come together, after it has come', async () => {
    const { ask, told } = bench({ isPlanned: false });
    const together = await Promise.all([ask(BY_KEY, ['k']), ask(BY_KEY, ['1']), ask(BY_KEY, ['absent'])]);
    expect(together.map((answer) => read(answer)?.rowCount)).toEqual([1, 2, 0]);
    expect(told.planned).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(read(await ask(BY_KEY, ['k']))).toMatchObject({ rowCount: 1 });
    expect(told.planned).toBe(2);
  });

  it('R1: takes the stream where it cannot be planned, or not in time', async () => {
    const failing = bench({ isPlanned: false, plan: () => Promise.reject(new GridError('UNKNOWN_MAP', 'no map')) });
    expect(await failing.ask(BY_KEY, ['k'])).toBeUndefined();
    const hanging = bench({ isPlanned: false, plan: () => new Promise(() => undefined) });
    expect(await hanging.ask(BY_KEY, ['k'])).toBeUndefined();
  });

  it('R3: takes the stream at once where many wait', async () => {
    const { ask } = bench({ isPlanned: false, plan: () => new Promise(() => undefined) });
    const waiting = Array.from({ length: 256 }, () => ask(BY_KEY, ['k']));
    expect(ask(BY_KEY, ['k'])).toBeUndefined();
    expect(await Promise.all(waiting)).toEqual(Array(256).fill(undefined));
    expect(ask(BY_KEY, ['k'])).toBeInstanceOf(Promise);
  });
});
