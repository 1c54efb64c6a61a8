/** Numbers of undeclared paths over two members: which kind a statement takes them as, and what it delivers. */
import { Decimal, type Grid } from '@ashlar/client';
import { rowsOf } from './sql/rows.ts';
import { TestGrid } from './support/grid.ts';

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2 });
  client = await grid.connect();
});

afterAll(() => grid.stop());

const decimal = (text: string): Decimal => Decimal.parse(text);

/** Documents { k } at 0, 1, 2 ..., in place of what the map had. */
async function fill(name: string, values: readonly unknown[]): Promise<void> {
  const map = client.map(name);
  await map.clear();
  await map.putAll(values.map((k, key) => [key, { k }]));
}

async function column(text: string, parameters: readonly unknown[] = []): Promise<unknown[]> {
  return (await rowsOf(client, text, parameters)).map(([value]) => value);
}

const shown = (values: readonly unknown[]): string[] =>
  values.map((value) => (Decimal.is(value) ? `d${value}` : typeof value === 'bigint' ? `${value}n` : String(value)));

describe('a path has one kind of number a statement', () => {
  const cases: [string, unknown[], unknown[]][] = [
    ['bigints alone', [0n, 3n, null], [0n, 2n, 0n]],
    ['numbers alone', [0, 3, null], [0.5, 2, 0.5]],
    ['both', [0, 3n, null], [0.5, 2, 0.5]],
    ['bigints and texts', [0n, 3n, null], [0n, 2n, 0n]],
  ];

  it.each(cases)('(COALESCE(k, 0) + 1) / 2 over %s', async (_, values, expected) => {
    await fill('kinds', values);
    expect(await column('SELECT (COALESCE(k, 0) + 1) / 2 FROM kinds ORDER BY __key')).toEqual(expected);
    expect(await column('SELECT (COALESCE(k, $1) + $2) / $3 FROM kinds ORDER BY __key', [0, 1, 2])).toEqual(expected);
    expect(await column("SELECT (COALESCE(k, '0') + '1') / '2' FROM kinds ORDER BY __key")).toEqual(expected);
    expect(await column('SELECT (COALESCE(k, $1) + $2) / $3 FROM kinds ORDER BY __key', ['0', '1', '2'])).toEqual(
      expected,
    );
    expect(await column('SELECT (CASE WHEN k IS NULL THEN 0 ELSE k END + 1) / 2 FROM kinds ORDER BY __key')).toEqual(
      expected,
    );
  });

  it.each([
    ['bigints', [3n, null], 'COALESCE(k, 1.5)', ['3n', 'd1.5']],
    ['numbers', [3, null], 'COALESCE(k, 1.5)', ['3', '1.5']],
    ['numbers', [3, null], 'k + 1.5', ['4.5', 'null']],
    ['decimals', [decimal('3.10'), null], 'COALESCE(k, 0)', ['d3.10', 'd0']],
    ['decimals', [decimal('3.10'), null], 'COALESCE(k, 0) / 2', ['d1.5500000000000000', 'd0.00000000000000000000']],
    ['decimals and bigints', [decimal('3.10'), 3n, null], 'COALESCE(k, 0)', ['d3.10', '3n', 'd0']],
    ['bigints', [3n, null], 'GREATEST(k, 1)', ['3n', '1n']],
    ['bigints', [3n], 'k / 2.0', ['d1.5000000000000000']],
    ['bigints', [3n], 'k::float8 / 2', ['1.5']],
    ['bigints', [7n], 'abs(-k) / 2', ['3n']],
    ['bigints', [7n], 'max(k) / 2', ['3n']],
    ['numbers', [7], 'max(k) / 2', ['3.5']],
    ['bigints', [7n], 'sum(k / 2)', ['3n']],
    ['bigints', [7n], 'sum(k) / avg(k::float8)', ['1']],
  ])('%s %j: %s', async (_, values, expression, expected) => {
    await fill('kinds', values);
    const order = /sum|max/.test(expression) ? '' : 'ORDER BY __key';
    expect(shown(await column(`SELECT ${expression} FROM kinds ${order}`))).toEqual(expected);
  });

  it('parameters alone divide as what they are', async () => {
    expect(shown(await column('SELECT $1 / $2', [7n, 2n]))).toEqual(['3n']);
    expect(shown(await column('SELECT $1 / 2', [7]))).toEqual(['3.5']);
    expect(shown(await column('SELECT $1 / 2', [decimal('7')]))).toEqual(['d3.5000000000000000']);
  });

  it('as the documents are now, though the plan was made before', async () => {
    const text = 'SELECT k / 2 FROM turns ORDER BY __key';
    for (let round = 0; round < 3; round++) {
      await fill('turns', [3n, 5n]);
      expect(await column(text)).toEqual([1n, 2n]);
      await client.map('turns').put(1, { k: 5 });
      expect(await column(text)).toEqual([1.5, 2.5]);
      await client.map('turns').put(1, { k: 5n });
      expect(await column(text)).toEqual([1n, 2n]);
      await client.map('turns').put(2, { k: decimal('5') });
      expect(shown(await column(text))).toEqual(['1.5', '2.5', 'd2.5000000000000000']);
      await client.map('turns').remove(2);
      await fill('turns', [3, 5]);
      expect(await column(text)).toEqual([1.5, 2.5]);
    }
  });

  it('for many statements at once, while the map is written to', async () => {
    await fill('busy', [3n, 5n]);
    const map = client.map('busy');
    let isOver = false;
    const writing = (async () => {
      for (let round = 0; !isOver; round++) await map.put(`other ${round % 100}`, { k: 7n, round });
    })();
    const ask = (): Promise<unknown[]> => column('SELECT coalesce(k, 0) / 2 FROM busy WHERE __key = 0');
    const answers = await Promise.all(Array.from({ length: 600 }, ask));
    isOver = true;
    await writing;
    expect(answers.filter(([half]) => half !== 1n)).toEqual([]);
    await map.put('last', { k: 1 });
    expect(await ask()).toEqual([1.5]);
  });

  it('also beneath another path, and for every path on its own', async () => {
    const map = client.map('nested');
    await map.putAll([
      [1, { a: { i: 7n, f: 7 } }],
      [2, { a: { i: 9n, f: 9 } }],
    ]);
    expect(await rowsOf(client, 'SELECT a.i / 2, a.f / 2, a.i / a.f FROM nested ORDER BY __key')).toEqual([
      [3n, 3.5, 1],
      [4n, 4.5, 1],
    ]);
  });

  it('and what is written follows it', async () => {
    await fill('written', [7n, 8n]);
    await client.sql('UPDATE written SET k = k / 2').execute();
    expect(await column('SELECT k FROM written ORDER BY __key')).toEqual([3n, 4n]);
  });
});

describe('sums of bigints', () => {
  it('are of any size, and quotients of them keep their digits', async () => {
    await fill('sums', [5n, -10n]);
    expect(shown(await column('SELECT sum(k) / 2 FROM sums'))).toEqual(['d-2.5000000000000000']);
    expect(shown(await column('SELECT sum(k::bigint) / 2 FROM sums'))).toEqual(['d-2.5000000000000000']);
    await fill('sums', [2n ** 63n - 1n, 2n ** 63n - 1n, 3n]);
    expect(await column('SELECT sum(k) FROM sums')).toEqual([2n ** 64n + 1n]);
    expect(await column('SELECT sum(k::bigint) FROM sums')).toEqual([2n ** 64n + 1n]);
  });

  it.each([
    ['COALESCE(sum(k), 0)', ['9n']],
    ['COALESCE(sum(k) FILTER (WHERE k > 100), 0)', ['0n']],
    ['CASE WHEN count(*) > 0 THEN sum(k) ELSE 0 END', ['9n']],
    ['sum(k) + 1', ['10n']],
    ['sum(k) - count(*)', ['6n']],
    ['sum(k) * sum(k)', ['81n']],
    ['-sum(k)', ['-9n']],
    ['sum(k) * 4611686018427387904', ['41505174165846491136n']],
    ['(sum(k) + 1) / 4', ['d2.5000000000000000']],
    ['sum(k) % 4', ['d1']],
    ['abs(sum(k))', ['d9']],
    ['round(sum(k), 2)', ['d9.00']],
    ['div(sum(k), 2)', ['d4']],
    ['sum(k) * 1.5', ['d13.5']],
    ['avg(k)', ['d3.0000000000000000']],
    ["sum(k) / '2'", ['d4.5000000000000000']],
    ["sum(k) % '4'", ['d1']],
    ["'100' / sum(k)", ['d11.1111111111111111']],
    ["sum(k::bigint) / '2'", ['d4.5000000000000000']],
    ["(sum(k) + '1') / '4'", ['d2.5000000000000000']],
  ])('%s keeps scale 0 or is a decimal', async (expression, expected) => {
    await fill('scaled', [2n, 3n, 4n]);
    expect(shown(await column(`SELECT ${expression} FROM scaled`))).toEqual(expected);
  });

  it('group by group, sorted and filtered by them', async () => {
    const map = client.map('grouped');
    await map.putAll([0, 1, 2, 3, 4, 5].map((key) => [key, { g: key % 2, k: BigInt(key) }]));
    const text = 'SELECT g, sum(k) AS s, sum(k) / 4 FROM grouped GROUP BY g HAVING sum(k) > 1 ORDER BY s DESC';
    expect((await rowsOf(client, text)).map(shown)).toEqual([
      ['1', '9n', 'd2.2500000000000000'],
      ['0', '6n', 'd1.5000000000000000'],
    ]);
  });
});

describe('div', () => {
  it.each([
    ['div(7, 2)', 'd3'],
    ['div(-7, 2)', 'd-3'],
    ['div(7.5, 2)', 'd3'],
    ['div(7.5::float8, 2)', '3'],
    ['div(9007199254740993::bigint, 2)', 'd4503599627370496'],
  ])('%s truncates', async (expression, expected) => {
    expect(shown(await column(`SELECT ${expression}`))).toEqual([expected]);
  });

  it('truncates numbers of documents of every kind', async () => {
    await fill('divided', [7, 7n, decimal('7.9'), -7]);
    expect(shown(await column('SELECT div(k, 2) FROM divided ORDER BY __key'))).toEqual(['3', 'd3', 'd3', '-3']);
    await expect(column('SELECT div(k, 0) FROM divided')).rejects.toMatchObject({ code: 'DIVISION_BY_ZERO' });
  });
});

describe('numbers of all kinds', () => {
  const WIDE = 2n ** 53n + 1n;

  it('compare by exact value in =, <, IN, joins, GROUP BY, DISTINCT and ORDER BY', async () => {
    await fill('exact', [2 ** 53, WIDE, decimal('9007199254740993.0'), 2 ** 53 + 2]);
    const keys = (condition: string, parameters: unknown[] = []): Promise<unknown[]> =>
      column(`SELECT __key FROM exact WHERE ${condition} ORDER BY __key`, parameters);
    expect(await keys('k = 9007199254740993')).toEqual([1, 2]);
    expect(await keys('k = $1', [WIDE])).toEqual([1, 2]);
    expect(await keys('k IN (9007199254740993, 5)')).toEqual([1, 2]);
    expect(await keys('k < $1', [WIDE])).toEqual([0]);
    expect(await keys('k <= 9007199254740992')).toEqual([0]);
    expect(await keys('k > 9007199254740993.0')).toEqual([3]);
    expect(await column('SELECT count(*) FROM exact a JOIN exact b ON a.k = b.k')).toEqual([6]);
    expect(await column('SELECT count(DISTINCT k) FROM exact')).toEqual([3]);
    expect(await column('SELECT __key FROM exact ORDER BY k DESC, __key')).toEqual([3, 1, 2, 0]);
  });

  it.each([
    [[1, 1n, decimal('1.0')], [1]],
    [[decimal('1.0'), 1n, 1], [1]],
    [[decimal('1.0'), 1n], [1n]],
    [[2n, 2, 2n, decimal('2.00')], [2]],
    [[0.1, decimal('0.10')], [0.1]],
    [[decimal('9007199254740993.0'), WIDE], [WIDE]],
    [[WIDE, decimal('9007199254740993.0')], [WIDE]],
    [[2n ** 80n + 1n, decimal(`${2n ** 80n + 1n}.00`), 2n ** 80n + 1n], [2n ** 80n + 1n]],
  ])('are one value in GROUP BY and DISTINCT: %j', async (values, expected) => {
    await fill('one', values);
    expect(await column('SELECT DISTINCT k FROM one')).toEqual(expected);
    expect(await rowsOf(client, 'SELECT k, count(*) FROM one GROUP BY k')).toEqual([[expected[0], values.length]]);
    expect(await column('SELECT min(k) FROM one')).toEqual(expected);
    expect(await column('SELECT max(k) FROM one')).toEqual(expected);
  });

  it('lose no digit beside each other', async () => {
    await fill('digits', [decimal('12345678901234567890.12'), 2n ** 60n + 1n, 0.5]);
    expect(shown(await column('SELECT k + COALESCE(missing, 0) FROM digits ORDER BY __key'))).toEqual([
      'd12345678901234567890.12',
      'd1152921504606846977',
      '0.5',
    ]);
    expect(shown(await column('SELECT k * 2 FROM digits ORDER BY __key'))).toEqual([
      'd24691357802469135780.24',
      '2305843009213693954n',
      '1',
    ]);
    expect(shown(await column('SELECT sum(k) FROM digits'))).toEqual(['d13498600405841414867.62']);
  });
});

describe('unqualified columns', () => {
  it('of many maps are found in one round, and the plan is kept', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `part${index}`);
    for (const [index, name] of names.entries()) await client.map(name).put('k', { [`c${index}`]: index });
    const joins = names.slice(1).map((name) => ` JOIN ${name} ON ${names[0]}.__key = ${name}.__key`);
    const text = `SELECT ${names.map((_, index) => `c${index}`).join(', ')} FROM ${names[0]}${joins.join('')}`;
    for (let round = 0; round < 3; round++) {
      expect(await rowsOf(client, text)).toEqual([names.map((_, index) => index)]);
    }
    // What decides a name may change: then the plan is another.
    await client.map(names[1]!).put('k', { c0: 1, c1: 1 });
    await expect(rowsOf(client, text)).rejects.toMatchObject({ code: 'AMBIGUOUS_COLUMN' });
  });
});
