/** SELECT over a grid of two members: every clause against hand-made answers, random statements against DuckDB. */
import { Decimal, type Grid, type GridKey } from '@ashlar/client';
import { seededRandom } from '@ashlar/core';
import { duckTables, itemsOf, shopsOf } from './sql/documents.ts';
import { Duck, difference } from './sql/duck.ts';
import { randomQuery } from './sql/grammar.ts';
import { explained, quiet, rowsOf } from './sql/rows.ts';
import { TestGrid } from './support/grid.ts';

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2 });
  client = await grid.connect();
});

afterAll(() => grid.stop());

describe('SELECT balance FROM /brand WHERE account.id = 12345678 AND account.brand = $1;', () => {
  it('runs as written', async () => {
    const brand = client.map('brand');
    await brand.putAll(
      Array.from({ length: 700 }, (_, index) => [
        `key ${index}`,
        { balance: index / 4, account: { id: 12345678 - (index % 7), brand: index % 2 === 0 ? 'acme' : 'zeta' } },
      ]),
    );
    const sql = 'SELECT balance FROM /brand WHERE account.id = 12345678 AND account.brand = $1;';
    const result = client.sql<{ balance: number }>(sql, ['acme']);
    const found = (await result.all()).map(({ balance }) => balance).toSorted((a, b) => a - b);
    expect(found).toEqual(Array.from({ length: 50 }, (_, index) => (index * 14) / 4));
    expect(await result.columns()).toEqual([{ name: 'balance', type: 'float8' }]);
    expect(await client.sql(sql, ['ACME']).all()).toEqual([]);
  });
});

describe('random SELECTs over 3,000 documents', () => {
  let duck: Duck;

  beforeAll(async () => {
    const [items, shops] = [itemsOf(3000, 7), shopsOf()];
    await client.map('items').putAll(items.map((item) => [item.id, item]));
    await client.map('shops').putAll(shops.map((shop, index) => [index, shop]));
    duck = await Duck.open(duckTables(items, shops));
  });

  afterAll(() => duck.close());

  it.each([1, 2, 3])('give what DuckDB gives over a typed table (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    for (let round = 0; round < 80; round++) {
      const { ashlar, duck: text, isOrdered } = randomQuery(random);
      const [mine, theirs] = await Promise.all([rowsOf(client, ashlar), duck.rows(text)]);
      expect([ashlar, difference(mine, theirs, isOrdered)]).toEqual([ashlar, undefined]);
    }
  });

  it('sum bigints and decimals exactly', async () => {
    const items = itemsOf(3000, 7);
    const big = items.reduce((sum, item) => sum + item.big, 0n);
    const price = items.reduce((sum, item) => (Decimal.is(item.price) ? sum.plus(item.price) : sum), Decimal.of(0n, 2));
    const [[sums]] = [await rowsOf(client, 'SELECT sum(big), sum(price), min(price), max(big) FROM items')];
    expect(String(sums![0])).toBe(String(big));
    expect((sums![1] as Decimal).equals(price)).toBe(true);
    expect(Decimal.is(sums![2])).toBe(true);
    expect(typeof sums![3]).toBe('bigint');
  });
});

describe('the types of results', () => {
  const document = {
    number: 1.5,
    big: 2n ** 60n,
    decimal: Decimal.parse('1.50'),
    text: 'x',
    flag: true,
    time: new Date('2024-02-29T12:00:00.123Z'),
    bytes: Uint8Array.of(1, 2),
    list: [1, 'two', { three: 3n }],
    object: { inner: null },
    nothing: null,
  };

  it('are told in columns() and arrive as JavaScript values', async () => {
    await client.map('types').put('only', document);
    const names = Object.keys(document);
    const result = client.sql(`SELECT ${names.join(', ')}, missing FROM types`);
    expect(await result.all()).toEqual([{ ...document, missing: null }]);
    const types = [
      'float8',
      'int8',
      'numeric',
      'text',
      'boolean',
      'timestamptz',
      'bytea',
      'json',
      'json',
      'unknown',
      'unknown',
    ];
    expect((await result.columns()).map(({ type }) => type)).toEqual(types);
  });

  it.each([
    ['count(*)', 'int8', 3],
    ['count(n)', 'int8', 2],
    ['sum(n)', 'float8', 4],
    ['avg(n)', 'float8', 2],
    ['count(DISTINCT __key) + 1', 'int8', undefined],
    ['min(d)', 'numeric', Decimal.parse('0.10')],
    ['sum(d)', 'numeric', Decimal.parse('0.40')],
    ['extract(year from max(t))', 'numeric', undefined],
    ['max(t)', 'timestamptz', new Date(86_400_000)],
  ])('%s is %s', async (expression, type, value) => {
    await client.map('measured').putAll([
      [1, { n: 1, d: Decimal.parse('0.10'), t: new Date(0) }],
      [2, { n: 3, d: Decimal.parse('0.30'), t: new Date(86_400_000) }],
      [3, { n: null }],
    ]);
    const result = client.sql<{ x: unknown }>(`SELECT ${expression} AS x FROM measured`);
    const [row] = await result.all();
    expect((await result.columns())[0]).toEqual({ name: 'x', type });
    if (value !== undefined) expect(row!.x).toEqual(value);
  });
});

describe('labels that come again', () => {
  it('are numbered in row objects, each value under a name of its own', async () => {
    const result = client.sql('SELECT 1 AS a, 2 AS a, 3 AS b, 4, 5');
    expect(await result.all()).toEqual([{ a: 1, a_1: 2, b: 3, '?column?': 4, '?column?_1': 5 }]);
    expect((await result.columns()).map(({ name }) => name)).toEqual(['a', 'a', 'b', '?column?', '?column?']);
    expect(await client.sql('SELECT 1 AS a, 2 AS a, 3 AS a_1').first()).toEqual({ a: 1, a_2: 2, a_1: 3 });
    await client.map('twice').put('k', { n: 1 });
    expect(await client.sql('SELECT x.n, y.n, x.* FROM twice x JOIN twice y ON x.__key = y.__key').all()).toEqual([
      { n: 1, n_1: 1, n_2: 1 },
    ]);
  });
});

describe('parameters', () => {
  it('are $1, ? or :name, of every type', async () => {
    expect(await rowsOf(client, 'SELECT $2, $1, $2', ['a', 'b'])).toEqual([['b', 'a', 'b']]);
    expect(await rowsOf(client, 'SELECT ?, ?', ['a', 'b'])).toEqual([['a', 'b']]);
    expect(await rowsOf(client, 'SELECT :x, :y, :x', ['a', 'b'])).toEqual([['a', 'b', 'a']]);
    const values = [1.5, 3n, 'x', true, null, new Date(5), Decimal.parse('1.5'), Uint8Array.of(7), [1, 'a'], { a: 1 }];
    const places = values.map((_, index) => `$${index + 1}`).join(', ');
    expect(await rowsOf(client, `SELECT ${places}`, values)).toEqual([values]);
  });

  it('of a tagged template are values, never text', async () => {
    const text = "'; DELETE FROM brand; --";
    expect(await client.sql`SELECT ${text} AS text, ${1} + ${2} AS sum`.all()).toEqual([{ text, sum: 3 }]);
  });

  it('that are missing are refused', async () => {
    await expect(client.sql('SELECT $1, $2', [1]).all()).rejects.toMatchObject({ code: 'INVALID_PARAMETER' });
    await expect(client.sql('SELECT ?', [undefined]).all()).rejects.toMatchObject({ code: 'INVALID_PARAMETER' });
    await expect(client.sql('SELECT __key FROM brand LIMIT $1', ['x']).all()).rejects.toMatchObject({
      code: 'INVALID_PARAMETER',
      position: { offset: 30 },
    });
  });
});

describe('names', () => {
  beforeAll(async () => {
    await client.map('Customers').putAll([
      [1, { Name: 'Ada', address: { zipCode: 1 }, total: 5, Total: 6 }],
      [2, { Name: 'Bob', nick: 'b', tags: ['x', 'y'] }],
    ]);
  });

  it('match exactly first, then without regard to case; labels keep the spelling of the documents', async () => {
    const rows = await client.sql('SELECT NAME, ADDRESS.zipcode, total FROM CUSTOMERS WHERE name = $1', ['Ada']).all();
    expect(rows).toEqual([{ Name: 'Ada', zipCode: 1, total: 5 }]);
    await expect(client.sql('SELECT TOTAL FROM Customers').all()).rejects.toMatchObject({
      code: 'AMBIGUOUS_COLUMN',
      position: { offset: 7 },
    });
  });

  it('that no document has are NULL and a notice with the nearest one', async () => {
    const result = client.sql('SELECT nik FROM Customers WHERE adress.zip IS NULL');
    expect(await result.all()).toEqual([{ nik: null }, { nik: null }]);
    expect(await result.notices()).toEqual([
      expect.stringMatching(/'adress'.*did you mean 'address'/),
      expect.stringMatching(/'nik'.*did you mean 'nick'/),
    ]);
  });

  it('of maps that do not exist are refused with the nearest one', async () => {
    await expect(client.sql('SELECT 1 FROM Custmers').all()).rejects.toMatchObject({
      code: 'UNKNOWN_MAP',
      hint: "did you mean 'Customers'?",
      position: { offset: 14, line: 1, column: 15 },
    });
  });

  it('* gives the fields of all documents, new ones as soon as they are written', async () => {
    const all = await client.sql('SELECT * FROM Customers ORDER BY Name').all();
    expect(all).toEqual([
      { Name: 'Ada', address: { zipCode: 1 }, total: 5, Total: 6, nick: null, tags: null },
      { Name: 'Bob', address: null, total: null, Total: null, nick: 'b', tags: ['x', 'y'] },
    ]);
    await client.map('Customers').put(3, { late: 1 });
    const [late] = await client.sql('SELECT * FROM Customers WHERE __key = 3').all();
    expect(late).toMatchObject({ late: 1, Name: null });
    await client.map('Customers').remove(3);
  });
});

describe('what there is', () => {
  it('SHOW TABLES lists the maps, a new one as soon as it is there', async () => {
    const names = async (): Promise<unknown[]> => (await client.sql('SHOW TABLES').all()).map(({ name }) => name);
    const before = await names();
    expect(before).not.toContain('shown');
    await client.map('shown').put('k', { n: 1, at: { x: 'a' } });
    expect(await names()).toEqual([...before, 'shown'].toSorted());
    await client.drop('shown');
    expect(await names()).toEqual(before);
  });

  it('DESCRIBE tells what documents hold now', async () => {
    const described = async (): Promise<unknown[]> =>
      (await client.sql<Record<string, string>>('DESCRIBE described').all()).map((row) => Object.values(row).join(' '));
    const common = ['__value json', '__version int8', '__expires_at timestamptz'];
    await client.map('described').put('k', { n: 1, at: { x: 'a' }, gone: null });
    expect(await described()).toEqual(['__key any', 'n float8', 'at json', 'at.x text', 'gone any', ...common]);
    await client.map('described').put('l', { n: 'one', since: new Date(0) });
    expect(new Set(await described())).toEqual(
      new Set(['__key any', 'n float8 or text', 'at json', 'at.x text', 'gone any', 'since timestamptz', ...common]),
    );
  });

  it('is not asked of tables of a system', async () => {
    await expect(client.sql('SELECT table_name FROM information_schema.tables').all()).rejects.toMatchObject({
      code: 'UNKNOWN_MAP',
      hint: expect.stringContaining('SHOW TABLES lists the maps'),
      position: { offset: 'SELECT table_name FROM '.length },
    });
  });

  it('a FULL JOIN is two LEFT JOINs, as its hint says', async () => {
    await client.map('lefts').putAll([1, 2].map((id) => [id, { id, l: `l${id}` }]));
    await client.map('rights').putAll([2, 3].map((id) => [id, { id, r: `r${id}` }]));
    await expect(client.sql('SELECT l, r FROM lefts a FULL JOIN rights b USING (id)').all()).rejects.toMatchObject({
      code: 'UNSUPPORTED_SQL',
      hint: expect.stringContaining('b LEFT JOIN a ... WHERE a.__key IS NULL'),
    });
    const parts = [
      'SELECT l, r FROM lefts a LEFT JOIN rights b ON a.id = b.id',
      'SELECT l, r FROM rights b LEFT JOIN lefts a ON a.id = b.id WHERE a.__key IS NULL',
    ];
    const rows = (await Promise.all(parts.map((text) => client.sql(text).all()))).flat();
    const shown = rows.map(({ l, r }) => `${l} ${r}`);
    expect(shown.toSorted()).toEqual(['l1 null', 'l2 r2', 'null r3']);
  });
});

describe('WHERE __key = ', () => {
  const KEYS: readonly GridKey[] = [
    1,
    -7,
    1.5,
    2n ** 80n,
    'k',
    '',
    Uint8Array.of(1, 2),
    ['a', 1],
    ['a', Uint8Array.of(3)],
    2 ** 60,
  ];

  it('finds the entry for keys of every type, and is a get', async () => {
    const map = client.map<{ index: number }>('keys');
    await map.putAll(KEYS.map((key, index) => [key, { index }]));
    for (const [index, key] of KEYS.entries()) {
      expect(await rowsOf(client, 'SELECT index FROM keys WHERE __key = $1', [key])).toEqual([[index]]);
    }
    expect(await rowsOf(client, 'SELECT __key FROM keys WHERE __key = $1', [1n])).toEqual([[1]]);
    for (const absent of [2, 'x', null, true, new Date(1), ['a']]) {
      expect(await rowsOf(client, 'SELECT index FROM keys WHERE __key = $1', [absent])).toEqual([]);
    }
    const plan = await explained(client, 'SELECT index FROM keys WHERE __key = $1 AND index > 0', ['k']);
    expect(plan[0]).toBe('Get keys by key $1');
    expect(plan.join('\n')).toMatch(/on 127\.0\.0\.1:\d+: 1 partition/);
  });

  it('IN a list asks only the partitions of the keys', async () => {
    await client.map('numbered').putAll(Array.from({ length: 500 }, (_, index) => [index, { index }]));
    const rows = await rowsOf(client, 'SELECT index FROM numbered WHERE __key IN (3, 4, $1, 9999) ORDER BY 1', [77]);
    expect(rows).toEqual([[3], [4], [77]]);
    const plan = await explained(client, 'SELECT index FROM numbered WHERE __key IN (3, 4, $1) AND index > 3', [77]);
    expect(plan.find((line) => line.startsWith('Stage'))).toMatch(/[123] of 256 partitions, of key 3, 4, \$1/);
    expect(plan.filter((line) => /on 127\.0\.0\.1:\d+: [123] partition/.test(line))).not.toHaveLength(0);
  });
});

describe('EXPLAIN', () => {
  it('shows stages, fragments, members and partitions', async () => {
    const plan = await explained(
      client,
      'SELECT s.title, count(*) FROM items i LEFT JOIN shops s ON i.owner.id = s.owner WHERE i.qty > 3 GROUP BY s.title',
    );
    const members = grid.members.map(({ address }) => address);
    for (const member of members) expect(plan).toContain(`  on ${member}: 128 partitions`);
    expect(plan).toContain('Stage 0, broadcast: 256 partitions');
    expect(plan).toContain('Stage 1, gather: 256 partitions');
    expect(plan.join('\n')).toMatch(/FinalAggregate.*\n.*Gather from stage 1/);
    expect(plan.join('\n')).toMatch(/PartialAggregate[^\n]*\n.*Join/);
  });

  it('ANALYZE runs the statement and tells what each member did', async () => {
    const plan = await explained(client, 'ANALYZE SELECT count(*) FROM items WHERE qty IS NOT NULL');
    const done = plan.filter((line) =>
      /^stage 0 on .*: 128 partitions, \d+ tasks, \d+ rows scanned, \d+ sent, [\d.]+ ms$/.test(line),
    );
    expect(done).toHaveLength(2);
    const scanned = done.map((line) => Number(/(\d+) rows scanned/.exec(line)![1]));
    expect(scanned.reduce((sum, count) => sum + count, 0)).toBe(3000);
    expect(plan.at(-1)).toMatch(/^1 rows? in/);
  });
});

describe('300,000 rows', () => {
  const COUNT = 300_000;

  beforeAll(async () => {
    const map = client.map('many');
    for (let from = 0; from < COUNT; from += 20_000) {
      await map.putAll(
        Array.from({ length: 20_000 }, (_, index) => [
          from + index,
          { n: from + index, s: `row ${(from + index) % 1000}` },
        ]),
      );
    }
  });

  it('stream through the iterator and through batches()', async () => {
    let sum = 0;
    let count = 0;
    for await (const row of client.sql<{ n: number }>('SELECT n, s FROM many')) {
      sum += row.n;
      count++;
    }
    expect([count, sum]).toEqual([COUNT, (COUNT * (COUNT - 1)) / 2]);
    let batchSum = 0;
    for await (const batch of client.sql('SELECT n FROM many WHERE s LIKE $1', ['%7']).batches()) {
      for (const n of batch.values(0)) batchSum += n as number;
    }
    const expected = Array.from({ length: COUNT }, (_, n) => (n % 10 === 7 ? n : 0)).reduce((a, b) => a + b, 0);
    expect(batchSum).toBe(expected);
    await quiet(grid);
  });

  it('let workers and snapshots go when the caller leaves early', async () => {
    for (let round = 0; round < 5; round++) {
      for await (const row of client.sql<{ n: number }>('SELECT n, s FROM many')) {
        expect(typeof row.n).toBe('number');
        break;
      }
      for await (const batch of client.sql('SELECT n, s FROM many').batches()) {
        expect(batch.rowCount).toBeGreaterThan(0);
        break;
      }
      expect(await client.sql('SELECT n FROM many').first()).toBeDefined();
    }
    await quiet(grid);
  });

  it('sorted and joined come complete', async () => {
    const top = await rowsOf(client, 'SELECT n FROM many ORDER BY s DESC, n DESC LIMIT 3 OFFSET 1');
    expect(top).toEqual([[298_999], [297_999], [296_999]]);
    const joined = 'SELECT count(*), sum(a.n - b.n) FROM many a JOIN many b ON a.__key = b.n WHERE a.n < 50000';
    expect(await rowsOf(client, joined)).toEqual([[50_000, 0]]);
  });
});
