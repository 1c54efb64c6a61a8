/** What SQL refuses, by name and with its place; queries that are too big, cancelled or too slow. */
import type { Grid } from '@ashlar/client';
import { quiet, rowsOf } from './sql/rows.ts';
import { TestGrid } from './support/grid.ts';

const COUNT = 20_000;

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2, settings: { 'memory.queryMaxBytes': '2MiB' } });
  client = await grid.connect();
  await client
    .map('items')
    .putAll(
      Array.from({ length: COUNT }, (_, n) => [
        n,
        { n, name: `item number ${n}`, group: n % 8, big: 2n ** 62n, seen: new Date(n) },
      ]),
    );
});

afterAll(() => grid.stop());

/** Statement, code, the text at whose first occurrence the error stands, a part of the message or hint. */
const REFUSED: readonly (readonly [string, string, string, RegExp])[] = [
  ['SELECT 1 / (n - 5) FROM items', 'DIVISION_BY_ZERO', '/', /./],
  ['SELECT n % 0 FROM items', 'DIVISION_BY_ZERO', '%', /./],
  ['SELECT n FROM items WHERE name > 5', 'TYPE_MISMATCH', '>', /column name \(text\)/],
  ['SELECT n FROM items WHERE name', 'TYPE_MISMATCH', 'name', /column name \(text\)/],
  ["SELECT n FROM items WHERE n LIKE '1%'", 'TYPE_MISMATCH', 'LIKE', /column n /],
  ['SELECT n FROM items WHERE seen = TRUE', 'TYPE_MISMATCH', '=', /column seen/],
  ['SELECT 1 + TRUE', 'TYPE_MISMATCH', '+', /./],
  ['SELECT sum(name) FROM items', 'TYPE_MISMATCH', 'sum', /./],
  ['SELECT CAST(name AS integer) FROM items', 'INVALID_CAST', 'CAST', /./],
  ["SELECT '2024-13-01'::date", 'INVALID_CAST', "'2024", /./],
  ["SELECT 12 + 'twelve'", 'INVALID_CAST', "'twelve'", /./],
  ['SELECT big * 4 FROM items', 'NUMERIC_OVERFLOW', '*', /./],
  ['SELECT 2147483647 + 1', 'NUMERIC_OVERFLOW', '+', /./],
  ['SELECT 99999999999::integer', 'NUMERIC_OVERFLOW', '::', /./],
  ['SELECT 1000::numeric(4, 1)', 'NUMERIC_OVERFLOW', '::', /numeric\(4, 1\)/],
  ['SELECT n FROM items UNION SELECT 1', 'UNSUPPORTED_SQL', 'UNION', /UNION/],
  ['SELECT n FROM items WHERE n IN (SELECT 1)', 'UNSUPPORTED_SQL', 'IN', /subquery/],
  ['WITH x AS (SELECT 1) SELECT * FROM x', 'UNSUPPORTED_SQL', 'x', /WITH/],
  ['SELECT row_number() OVER () FROM items', 'UNSUPPORTED_SQL', 'row_number', /window/],
  ['SELECT * FROM items a RIGHT JOIN items b ON a.n = b.n', 'UNSUPPORTED_SQL', 'RIGHT', /LEFT JOIN/],
  ['CREATE TABLE t (a int)', 'UNSUPPORTED_SQL', 'CREATE', /CREATE TABLE/],
  ['SELECT n FROM items GROUP BY ROLLUP (n)', 'UNSUPPORTED_SQL', 'ROLLUP', /./],
  ['SELECT n, count(*) FROM items', 'GROUPING_ERROR', 'n', /GROUP BY/],
  ['SELECT n FROM items WHERE count(*) > 1', 'GROUPING_ERROR', 'count', /HAVING/],
  ['SELECT lenght(name) FROM items', 'UNKNOWN_FUNCTION', 'lenght', /length/],
  ['SELECT n FROM itmes', 'UNKNOWN_MAP', 'itmes', /items/],
  ['SELECT a.n FROM items a JOIN items b ON a.n = b.n WHERE n = 1', 'AMBIGUOUS_COLUMN', 'n = 1', /./],
  ['SELECT n FORM items', 'SYNTAX_ERROR', 'items', /./],
  ["SELECT 'open", 'SYNTAX_ERROR', "'open", /./],
  ['SELECT 1; SELECT 2', 'SYNTAX_ERROR', 'SELECT 2', /./],
];

describe('a statement that is refused, rows of odd kinds as well where it is strict', () => {
  it.each(REFUSED)('%s: %s', async (sql, code, at, told) => {
    const failure = await client
      .sql(sql, [], { strict: true })
      .all()
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code, position: expect.objectContaining({ line: 1 }) });
    const { position, message, hint } = failure as { position: { offset: number }; message: string; hint?: string };
    expect(sql.slice(position.offset)).toBe(sql.slice(placeOf(sql, at)));
    expect(`${message} ${hint}`).toMatch(told);
    expect(await rowsOf(client, 'SELECT count(*) FROM items')).toEqual([[COUNT]]);
  });

  it('tells line and column of a text of several lines', async () => {
    const sql = 'SELECT n,\n  name,\n  nme || lenght(name)\nFROM items';
    await expect(client.sql(sql).all()).rejects.toMatchObject({ position: { offset: 27, line: 3, column: 10 } });
  });
});

/** Where an error about `part` stands: words are looked for as words. */
function placeOf(sql: string, part: string): number {
  const found = /^\w+$/.test(part) ? new RegExp(`\\b${part}\\b`).exec(sql)?.index : sql.indexOf(part);
  return found ?? -1;
}

describe('a query that needs more memory than memory.queryMaxBytes', () => {
  it.each([
    'SELECT * FROM items ORDER BY name',
    'SELECT name, count(*) FROM items GROUP BY name',
    'SELECT DISTINCT name FROM items',
    'SELECT a.name, b.name FROM items a JOIN items b ON a.name = b.name',
    'SELECT count(DISTINCT name) FROM items',
  ])('%s is refused, and lets everything go', async (sql) => {
    await expect(client.sql(sql).all()).rejects.toMatchObject({
      code: 'QUERY_MEMORY_EXCEEDED',
      hint: expect.stringMatching(/memory/),
    });
    await quiet(grid);
    expect(await rowsOf(client, 'SELECT count(*) FROM items')).toEqual([[COUNT]]);
  });

  it('does not need it when rows only pass through', async () => {
    expect(await rowsOf(client, 'SELECT name, n, seen FROM items')).toHaveLength(COUNT);
  });
});

describe('a query that runs for long', () => {
  /** 50 million pairs, none of which is a result. */
  const PAIRS = 'SELECT count(*) FROM items a JOIN items b ON a.group = b.group WHERE a.n + b.n = -1'.replaceAll(
    '.group',
    '."group"',
  );

  it('ends on the members when its signal fires', async () => {
    const abort = new AbortController();
    const running = client.sql(PAIRS, [], { signal: abort.signal }).all();
    setTimeout(() => abort.abort(), 100);
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
    await quiet(grid);
    expect(await rowsOf(client, 'SELECT count(*) FROM items')).toEqual([[COUNT]]);
  });

  it('ends on the members when its time is over', async () => {
    await expect(client.sql(PAIRS, [], { timeoutMs: 100 }).all()).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await quiet(grid);
    expect(await rowsOf(client, 'SELECT count(*) FROM items')).toEqual([[COUNT]]);
  });

  it('does not begin when its signal has fired', async () => {
    const signal = AbortSignal.abort();
    await expect(client.sql('SELECT 1', [], { signal }).all()).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('changes nothing when it is an UPDATE that is cancelled while it looks for its rows', async () => {
    const abort = new AbortController();
    const slow = `UPDATE items SET n = -1 WHERE ${"name LIKE '%a%b%c%d%' OR ".repeat(30)} n >= 0`;
    const running = client.sql(slow, [], { signal: abort.signal }).execute();
    abort.abort();
    await expect(running).rejects.toMatchObject({ code: expect.stringMatching(/CANCELLED|OUTCOME_UNKNOWN/) });
    await quiet(grid);
    const [[least]] = (await rowsOf(client, 'SELECT min(n) FROM items')) as [[number]];
    expect(least).toBe(0);
  });
});
