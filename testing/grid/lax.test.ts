/** Documents of odd kinds never end what only reads, and are never made something else by what writes. */
import { Decimal } from '@ashlar/api';
import { type Grid, type GridKey, type GridMap, ready, type SubscribeOptions } from '@ashlar/client';
import { TestGrid } from './support/grid.ts';

let grid: TestGrid;
let client: Grid;

const NUMBERS = 2000;
const TEXTS = 37;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2, memory: '256MiB' });
  client = await grid.connect();
  const entries: [GridKey, unknown][] = Array.from({ length: NUMBERS }, (_, n) => [n, { n, b: n % 2 === 0 }]);
  for (let odd = 0; odd < TEXTS; odd++) entries.push([`odd ${odd}`, { n: 'n/a', b: 'yes' }]);
  entries.push(['none', { other: 1 }]);
  await client.map('odd').putAll(entries);
});

afterAll(() => grid.stop());

interface Answer {
  readonly rows: readonly (readonly unknown[])[];
  readonly notices: readonly string[];
}

async function ask(sql: string, parameters: readonly unknown[] = [], strict = false): Promise<Answer> {
  const result = client.sql(sql, parameters, { strict });
  const rows = (await result.all()).map((row) => Object.values(row));
  return { rows, notices: await result.notices() };
}

async function change(
  sql: string,
  parameters: readonly unknown[] = [],
): Promise<{ affected: number; notices: readonly string[] }> {
  const result = client.sql(sql, parameters);
  const { affected } = await result.execute();
  return { affected, notices: await result.notices() };
}

const TEXT_IN_N = `at least ${TEXTS} rows hold text in n`;

/** Several times: interpreted, by kernels over columns that are made and over warm ones. */
async function askAgain(sql: string, parameters: readonly unknown[] = []): Promise<Answer> {
  const first = await ask(sql, parameters);
  for (let run = 0; run < 3; run++) expect(await ask(sql, parameters)).toEqual(first);
  return first;
}

describe('what only reads', () => {
  it('finds what compares, and tells how many rows did not', async () => {
    expect(await askAgain('SELECT count(*) FROM odd WHERE n < 10')).toEqual({ rows: [[10]], notices: [TEXT_IN_N] });
    expect((await askAgain('SELECT count(*) FROM odd WHERE NOT n < 10')).rows).toEqual([[NUMBERS - 10]]);
    expect((await askAgain('SELECT count(*) FROM odd WHERE n < 10 OR n >= 10')).rows).toEqual([[NUMBERS]]);
    expect((await askAgain('SELECT count(*) FROM odd WHERE NOT (n < 10 AND n > 3)')).rows).toEqual([[NUMBERS - 6]]);
    expect((await askAgain('SELECT count(*) FROM odd WHERE (n < 10) IS NULL')).rows).toEqual([[TEXTS + 1]]);
  });

  it('is an error with strict: true', async () => {
    for (const sql of [
      'SELECT * FROM odd WHERE n < 10',
      'SELECT n + 1 FROM odd',
      'SELECT sum(n) FROM odd',
      'SELECT n FROM odd ORDER BY n',
      'SELECT max(n) FROM odd',
    ]) {
      await expect(ask(sql, [], true)).rejects.toMatchObject({ code: 'TYPE_MISMATCH' });
      await expect(ask(sql)).resolves.toMatchObject({ rows: expect.anything() });
    }
    expect(await ask('SELECT count(*) FROM odd WHERE __key < 10', [], false)).toMatchObject({ rows: [[10]] });
    await expect(ask('SELECT count(*) FROM odd WHERE __key < 10', [], true)).rejects.toMatchObject({
      code: 'TYPE_MISMATCH',
    });
  });

  it('gives NULL for outputs that have no value', async () => {
    const { rows, notices } = await askAgain(
      "SELECT n + 1 AS a, CAST(n AS int) AS b, upper(n) AS c, sqrt(0 - 1 - n) AS d, n || n AS e FROM odd WHERE __key IN (3, 'odd 3') ORDER BY a",
    );
    expect(rows).toEqual([
      [4, 3, null, null, null],
      [null, null, 'N/A', null, 'n/an/a'],
    ]);
    expect(notices).toContain('at least 1 row holds text in n');
    expect(notices).toContain('at least 1 row holds text in n that a cast to integer does not take');
  });

  it('of one key does the same as a get', async () => {
    expect(await ask("SELECT n + 1 FROM odd WHERE __key = 'odd 1'")).toEqual({
      rows: [[null]],
      notices: ['at least 1 row holds text in n'],
    });
    expect(await ask("SELECT n FROM odd WHERE __key = 'odd 1' AND n < 3")).toEqual({
      rows: [],
      notices: ['at least 1 row holds text in n'],
    });
  });

  it('leaves odd kinds out of sums, divides by what was summed, counts what is not null', async () => {
    const expected = [(NUMBERS * (NUMBERS - 1)) / 2, (NUMBERS - 1) / 2, NUMBERS + TEXTS];
    expect(await askAgain('SELECT sum(n), avg(n), count(n) FROM odd')).toEqual({
      rows: [expected],
      notices: [TEXT_IN_N],
    });
  });

  it('orders values of several kinds by kind, and says so', async () => {
    const { rows, notices } = await askAgain('SELECT n FROM odd WHERE n IS NOT NULL ORDER BY n DESC LIMIT 2');
    expect(rows).toEqual([[NUMBERS - 1], [NUMBERS - 2]]);
    expect(notices).toEqual(['ORDER BY n orders values of several kinds: by kind, then by value']);
    expect((await askAgain('SELECT n FROM odd ORDER BY n LIMIT 2')).rows).toEqual([['n/a'], ['n/a']]);
    expect((await askAgain('SELECT n FROM odd ORDER BY n')).rows.length).toBe(NUMBERS + TEXTS + 1);
    expect(await askAgain('SELECT min(n), max(n) FROM odd')).toEqual({
      rows: [['n/a', NUMBERS - 1]],
      notices: expect.arrayContaining([expect.stringMatching(/^max\(n\) orders values of several kinds/)]),
    });
  });

  it('groups them apart, and conditions over aggregates read them laxly too', async () => {
    const { rows } = await askAgain(
      'SELECT b, count(*), sum(n) FROM odd GROUP BY b HAVING sum(n) IS NULL OR sum(n) > 0 ORDER BY b',
    );
    expect(rows.length).toBe(4);
    expect((await askAgain('SELECT max(n) + 1 FROM odd WHERE b = TRUE GROUP BY b')).rows).toEqual([[NUMBERS - 1]]);
    expect((await askAgain('SELECT min(n) * 2 FROM odd')).rows).toEqual([[null]]);
  });

  it('joins values of one kind only, and says where the sides share none', async () => {
    await client.map('left_side').putAll(Array.from({ length: 50 }, (_, n): [GridKey, unknown] => [n, { k: n, m: n }]));
    await client
      .map('right_side')
      .putAll(
        Array.from({ length: 50 }, (_, n): [GridKey, unknown] => [n, { k: String(n), m: n % 2 === 0 ? n : String(n) }]),
      );
    const join = (key: string): string =>
      `SELECT count(*) FROM left_side a JOIN right_side b ON a.${key} = b.${key} WHERE a.m >= 0 AND b.k IS NOT NULL`;
    const { rows, notices } = await askAgain(join('k'));
    expect(rows).toEqual([[0]]);
    expect(notices).toEqual([
      expect.stringMatching(/^the join on .* matches nothing: .*(numbers|text), .*(numbers|text)$/),
    ]);
    expect(await askAgain(join('m'))).toEqual({ rows: [[25]], notices: [] });
    expect((await askAgain('SELECT count(b.m) FROM left_side a LEFT JOIN right_side b ON a.k = b.k')).rows).toEqual([
      [0],
    ]);
  });

  it('keeps division by zero and errors of the statement itself', async () => {
    await expect(ask('SELECT 1 / n FROM odd')).rejects.toMatchObject({ code: 'DIVISION_BY_ZERO' });
    await expect(ask('SELECT n / 0 FROM odd')).rejects.toMatchObject({ code: 'DIVISION_BY_ZERO' });
    await expect(ask('SELECT n FROM odd WHERE sqrt(-1) < n')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(ask("SELECT n FROM odd WHERE n LIKE 'n\\'")).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(ask('SELECT n FROM odd WHERE __version + 9223372036854775807 > 0')).rejects.toMatchObject({
      code: 'NUMERIC_OVERFLOW',
    });
  });
});

describe('quoted literals and string parameters', () => {
  it('take the kind of the row', async () => {
    const condition = async (where: string, parameters: readonly unknown[] = []): Promise<unknown> =>
      (await askAgain(`SELECT count(*) FROM odd WHERE ${where}`, parameters)).rows[0]![0];
    expect(await condition("n = '3'")).toBe(1);
    expect(await condition('n = $1', ['3'])).toBe(1);
    expect(await condition("n IN ('1', '2', 'n/a')")).toBe(2 + TEXTS);
    expect(await condition("n BETWEEN '10' AND '19'")).toBe(10);
    expect(await condition("b = 'true'")).toBe(NUMBERS / 2);
    expect(await condition("b NOT IN ('true', 'yes')")).toBe(NUMBERS / 2);
    expect((await ask("SELECT count(*) FROM odd WHERE n NOT IN ('a', 5)")).notices).toContain(
      `at least ${NUMBERS - 1} rows hold numbers in n, and 'a' is not a number`,
    );
  });
});

describe('what writes', () => {
  it('deletes what compares, whole', async () => {
    const map = client.map('doomed');
    await map.putAll(Array.from({ length: 500 }, (_, n): [GridKey, unknown] => [n, { n }]));
    await map.put('text', { n: 1 });
    await map.put(7n ** 30n, { n: 1 });
    const { affected, notices } = await change('DELETE FROM doomed WHERE __key < 100');
    expect(affected).toBe(100);
    expect(notices).toEqual(['at least 1 row holds text in __key']);
    expect(await map.size()).toBe(402);
  });

  it('never stores NULL for what SET cannot compute: an error names key and path, and nothing is changed', async () => {
    const map = client.map<{ n: unknown }>('kept_numbers');
    await map.putAll(Array.from({ length: 300 }, (_, n): [GridKey, { n: unknown }] => [n, { n }]));
    await map.put('the odd one', { n: 'n/a' });
    await expect(change('UPDATE "kept_numbers" SET n = n + 1')).rejects.toMatchObject({
      code: 'TYPE_MISMATCH',
      message: expect.stringMatching(/SET n of the entry with the key 'the odd one'/),
      details: { key: "'the odd one'", path: 'n' },
    });
    const values = await map.getAll([0, 1, 299, 'the odd one']);
    expect(values).toEqual([{ n: 0 }, { n: 1 }, { n: 299 }, { n: 'n/a' }]);
    expect((await change('UPDATE "kept_numbers" SET n = n + 1 WHERE n < 2')).affected).toBe(2);
  });

  it('changes nothing on any member where its condition fails on one', async () => {
    const map = client.map<{ n: unknown; seen?: number }>('divided');
    await map.putAll(Array.from({ length: 200 }, (_, n): [GridKey, { n: unknown }] => [n + 1, { n: n + 1 }]));
    await map.put('zero', { n: 0 });
    await map.put('odd', { n: 'n/a' });
    const byZero = { code: 'DIVISION_BY_ZERO' };
    await expect(change('DELETE FROM divided WHERE 100 / n > 0')).rejects.toMatchObject(byZero);
    await expect(change('UPDATE divided SET seen = 1 WHERE 100 / n > 0')).rejects.toMatchObject(byZero);
    await expect(change('UPDATE divided SET seen = 100 / n WHERE n >= 0')).rejects.toMatchObject(byZero);
    await expect(map.processWhere('100 / n > 0', [], ready.increment, { path: 'seen', by: 1 })).rejects.toMatchObject(
      byZero,
    );
    const strictly = client.sql('DELETE FROM divided WHERE n > 100', [], { strict: true });
    await expect(strictly.execute()).rejects.toMatchObject({ code: 'TYPE_MISMATCH' });
    expect((await ask('SELECT count(*) AS entries, count(seen) AS seen FROM divided')).rows).toEqual([[202, 0]]);
    expect((await change('DELETE FROM divided WHERE n <> 0 AND 100 / n < 1')).affected).toBe(100);
  });

  it('inserts nothing where a value cannot be computed, and names its key and path', async () => {
    const insert = 'INSERT INTO inserted (__key, n, in_a.b) VALUES ($1, $2 + 1, 1), ($3, 1, sqrt($4))';
    await expect(change(insert, ['a', 'n/a', 'b', 4])).rejects.toMatchObject({
      code: 'TYPE_MISMATCH',
      details: expect.objectContaining({ key: "'a'", path: 'n' }),
    });
    await expect(change(insert, ['a', 1, 'b', -4])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: expect.objectContaining({ key: "'b'", path: 'in_a.b' }),
    });
    expect(await client.map('inserted').size()).toBe(0);
    expect((await change(insert, ['a', 1, 'b', 4])).affected).toBe(2);
  });

  it('sets a field of a document only', async () => {
    const values = ['just text', 42, 7n, true, null, [1, 2, 3], new Date(0), Uint8Array.of(1), Decimal.parse('1.5')];
    const map = client.map<unknown>('no_documents');
    for (const [index, value] of values.entries()) {
      const key = `key ${index}`;
      await map.put(key, value);
      await map.put('other', { a: 0 });
      const nested = [{ in: value }, 'SET "in".deep = 1'] as const;
      for (const [stored, set] of value === null
        ? [[value, 'SET a = 1'] as const]
        : [[value, 'SET a = 1'] as const, nested]) {
        await map.put(key, stored);
        await expect(change(`UPDATE "no_documents" ${set}`)).rejects.toMatchObject({
          code: 'TYPE_MISMATCH',
          details: expect.objectContaining({ key: `'${key}'` }),
        });
        expect(await map.get(key)).toEqual(stored);
        expect(await map.get('other')).toEqual({ a: 0 });
      }
      expect((await change('UPDATE "no_documents" SET __value = $1 WHERE __key = $2', [{ a: 1 }, key])).affected).toBe(
        1,
      );
      await map.remove(key);
    }
    await map.put('null within', { a: null });
    expect((await change('UPDATE "no_documents" SET a.b = 1 WHERE __key = \'null within\'')).affected).toBe(1);
    expect(await map.get('null within')).toEqual({ a: { b: 1 } });
  });

  it('ready-made processors change documents only, and name the key', async () => {
    const map = client.map<unknown>('whole_values');
    for (const value of ['just text', null, [1], new Date(0)]) {
      await map.put('k', value);
      const refused = { code: 'TYPE_MISMATCH', details: expect.objectContaining({ key: "'k'" }) };
      await expect(map.process('k', ready.mergePatch, { patch: { a: 1 } })).rejects.toMatchObject(refused);
      await expect(map.process('k', ready.increment, { path: 'n', by: 1 })).rejects.toMatchObject(refused);
      expect(await map.get('k')).toEqual(value);
    }
  });

  it('processWhere runs on what compares', async () => {
    const map = client.map<{ n: unknown; seen?: number }>('processed');
    await map.putAll(Array.from({ length: 200 }, (_, n) => [n, { n }] as const));
    await map.put('odd', { n: 'n/a' });
    const { affected } = await map.processWhere('n < 50', [], ready.increment, { path: 'seen', by: 1 });
    expect(affected).toBe(50);
  });

  it('processWhere says what it read laxly, and changes nothing where it must not', async () => {
    const map: GridMap<GridKey, { n: unknown; seen?: number }> = client.map('watched');
    await map.putAll(Array.from({ length: 200 }, (_, n): [GridKey, { n: unknown }] => [n, { n }]));
    const see = (where: string, strict?: boolean) =>
      map.processWhere(where, [], ready.increment, { path: 'seen', by: 1 }, { strict });
    expect(await see('n < 50')).toEqual({ affected: 50, notices: [] });
    expect(await see('n < 50', true)).toEqual({ affected: 50, notices: [] });
    await map.putAll([
      ['odd', { n: 'n/a' }],
      ['odder', { n: [] }],
    ]);
    const { affected, notices } = await see('n < 50');
    expect([affected, notices.join(' ')]).toEqual([50, expect.stringMatching(/at least 1 row.*text in n/)]);
    await expect(see('n < 50', true)).rejects.toMatchObject({ code: 'TYPE_MISMATCH' });
    expect((await see('m IS NULL AND n = 1')).affected).toBe(1);
    expect((await client.sql('SELECT sum(seen) AS s FROM watched').first())!['s']).toBe(3 * 50 + 1);
  });
});

/** A subscription to `map`, and a promise for when it has looked at everything up to a version. */
async function feedOf(map: GridMap<GridKey, unknown>, options: SubscribeOptions) {
  const ready = Promise.withResolvers<void>();
  let seen = 0;
  let onSeen: () => void = () => undefined;
  const feed = map.subscribe({
    ...options,
    onReady: ready.resolve,
    onResolved: (version) => {
      seen = version;
      onSeen();
    },
  });
  await ready.promise;
  const until = (version: number): Promise<void> =>
    new Promise((resolve) => {
      onSeen = () => {
        if (seen >= version) resolve();
      };
      onSeen();
    });
  return { feed, until };
}

describe('a subscription', () => {
  it('is not ended by documents of odd kinds, nor by one that its condition divides by zero, also when it is resumed', async () => {
    const map = client.map<unknown>('fed');
    const { feed, until } = await feedOf(map, { where: '1 / n > 0' });
    await map.put('zero', { n: 0 });
    await map.put('text', { n: 'n/a' });
    await map.put('nothing', { n: null });
    await map.put('quoted', { n: '1' });
    await map.put('one', { n: 1 });
    const event = (await feed.next()).value!;
    expect(event).toMatchObject({ key: 'one' });
    await map.put('zero', { n: 0 });
    await map.put('two', { n: 2 });
    const two = (await feed.next()).value!;
    expect(two).toMatchObject({ key: 'two' });
    const waiting = feed.next();
    await until(two.version);
    expect(feed.stats()).toEqual({ dividedByZero: 2, oddValues: 2 });
    await feed.return?.();
    await waiting;

    const resumed = await feedOf(map, { where: '1 / n > 0', from: event.token });
    expect((await resumed.feed.next()).value).toMatchObject({ key: 'two' });
    await resumed.feed.return?.();
    const figures = (await client.stats()).flatMap((member) => member.figures);
    const total = (name: string): number =>
      figures.filter((figure) => figure.name === name).reduce((sum, { value }) => sum + value, 0);
    expect(total('ashlar_filter_divisions_by_zero_total')).toBeGreaterThanOrEqual(2);
    expect(total('ashlar_filter_odd_values_total')).toBeGreaterThanOrEqual(2);
  });

  it('whose condition is wrong by itself is refused at once', async () => {
    for (const where of ['n / 0 > 1', 'sqrt(-1) < n', "n LIKE 'a\\'"]) {
      await expect(client.map('fed').subscribe({ where }).next()).rejects.toMatchObject({
        code: expect.stringMatching(/^(DIVISION_BY_ZERO|INVALID_ARGUMENT)$/),
      });
    }
  });
});

describe('a key in quotes', () => {
  const BOTH = "__key = '1' means the key '1' and the key 1, and the map has both";
  let map: GridMap<GridKey, { n: number }>;

  beforeAll(async () => {
    map = client.map<{ n: number }>('keyed');
    await map.putAll([
      [1, { n: 1 }],
      ['1', { n: 10 }],
      [2, { n: 2 }],
      ['03', { n: 3 }],
      [3, { n: 30 }],
      [-4n, { n: 4 }],
      [2n ** 70n, { n: 70 }],
      [1.5, { n: 15 }],
      ['abc', { n: 100 }],
    ]);
  });

  const found = async (where: string, parameters: readonly unknown[] = []): Promise<unknown[]> =>
    (await ask(`SELECT n FROM keyed WHERE ${where} ORDER BY n`, parameters)).rows.map(([n]) => n);

  it.each([
    ["__key = '2'", [2]],
    ["'2' = __key", [2]],
    ["__key = '1'", [1, 10]],
    ["__key = '03'", [3]],
    ["__key = '3'", [30]],
    ["__key = '-4'", [4]],
    ["__key = '1180591620717411303424'", [70]],
    ["__key = '1.5'", [15]],
    ["__key = '1.50'", []],
    ["__key = ' 2'", []],
    ["__key = '2'::text", []],
    ["__key = '1'::text", [10]],
    ['__key = 1', [1]],
    ['__key = 1.0', [1]],
    ["__key IN ('2', 'abc', '03')", [2, 3, 100]],
    ["__key IN ('1', 3)", [1, 10, 30]],
  ])('%s finds what it spells, looked up or scanned', async (where, expected) => {
    expect(
      (await ask(`SELECT n FROM keyed WHERE ${where}`)).rows.map(([n]) => Number(n)).toSorted((a, b) => a - b),
    ).toEqual(expected);
    expect(await found(where)).toEqual(expected);
    expect(await found(`(${where}) OR n < 0`)).toEqual(expected);
    expect(await found(`n > 0 AND ${where}`)).toEqual(expected);
  });

  it('given as a parameter is the same', async () => {
    for (const [key, expected] of [
      ['2', [2]],
      ['1', [1, 10]],
      ['03', [3]],
      [1, [1]],
      [Decimal.parse('2'), [2]],
    ] as const) {
      expect(await found('__key = $1', [key])).toEqual(expected);
      expect((await ask('SELECT n FROM keyed WHERE __key = $1', [key])).rows.length).toBe(expected.length);
    }
  });

  it('says so where the map has both keys', async () => {
    expect((await ask("SELECT n FROM keyed WHERE __key = '1'")).notices).toEqual([BOTH]);
    expect((await ask("SELECT count(*) FROM keyed WHERE __key = '1'")).notices).toEqual([BOTH]);
    expect((await ask("SELECT n FROM keyed WHERE __key IN ('1', '2')")).notices).toEqual([BOTH]);
    expect((await ask("SELECT n FROM keyed WHERE __key = '2'")).notices).toEqual([]);
    expect((await ask('SELECT n FROM keyed WHERE __key = 1')).notices).toEqual([]);
  });

  it('changes one key or nothing', async () => {
    const refused = { code: 'INVALID_KEY', message: expect.stringContaining(BOTH) };
    const conditions = [
      "__key = '1'",
      "__key IN ('1', '2')",
      "__key = '1' OR n = 100",
      "'1' = __key AND n > 0",
      "NOT (__key <> '1')",
      "__key IS NOT DISTINCT FROM '1'",
    ];
    for (const where of conditions) {
      await expect(change(`UPDATE keyed SET n = 0 WHERE ${where}`)).rejects.toMatchObject(refused);
      await expect(change(`DELETE FROM keyed WHERE ${where}`)).rejects.toMatchObject(refused);
      await expect(map.processWhere(where, [], ready.increment, { path: 'n', by: 1 })).rejects.toMatchObject(refused);
    }
    await expect(change('DELETE FROM keyed WHERE __key = $1', ['1'])).rejects.toMatchObject(refused);
    expect(await map.getAll([1, '1', 2, 'abc'])).toEqual([{ n: 1 }, { n: 10 }, { n: 2 }, { n: 100 }]);
    expect((await change("UPDATE keyed SET n = n + 1 WHERE __key = '1' AND n = 10")).affected).toBe(1);
    expect((await change("UPDATE keyed SET n = 10 WHERE __key = '1'::text")).affected).toBe(1);
    expect((await change("UPDATE keyed SET n = n WHERE __key = '2'")).affected).toBe(1);
    expect(await map.getAll([1, '1', 2])).toEqual([{ n: 1 }, { n: 10 }, { n: 2 }]);
  });
});
