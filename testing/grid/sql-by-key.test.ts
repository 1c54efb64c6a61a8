/**
 * Statements that read one entry, both ways: by the stream of statements, which a text takes that a client has not sent before, and as
 * operations on their key, which the same text takes from then on.
 */
import type { SqlOptions } from '@ashlar/api';
import { Decimal, defineMap, type Grid } from '@ashlar/client';
import { TestGrid } from './support/grid.ts';

interface Told {
  readonly rows: readonly unknown[];
  readonly batches: readonly unknown[];
  readonly columns: readonly unknown[];
  readonly notices: readonly string[];
  readonly affected: number;
  readonly first: unknown;
}

type Outcome = Told | { readonly code: string; readonly message: string; readonly position: unknown };

const ENTRIES: readonly (readonly [string | number | bigint | Uint8Array, unknown])[] = [
  ['plain', { n: 1, s: 'x', flag: true, nothing: null, nested: { deep: [1, 2, { a: 'b' }] }, list: [] }],
  ['numbers', { n: -0, big: 2n ** 62n, huge: -(10n ** 40n), exact: Decimal.parse('1.50'), s: 'y', real: 0.1 }],
  ['dates', { at: new Date(1_700_000_000_123), before: new Date(-5), bytes: Uint8Array.of(0, 255), n: 'odd' }],
  ['texts', { s: 'gr\u00fc\u00dfe \ud83d\ude00', n: 5e300, __proto__x: 1 }],
  ['scalar', 17],
  ['text', 'a text of its own'],
  ['12', { n: 12, s: 'text twelve' }],
  [12, { n: 120, s: 'number twelve' }],
  ['13', { n: 13, s: 'text thirteen' }],
  [14, { n: 14, s: 'number fourteen' }],
  [1.5, { n: 1.5 }],
  [2n ** 60n, { n: 60 }],
  [Uint8Array.of(1, 2, 3), { n: 3 }],
];
const KEYS: readonly unknown[] = [
  ...ENTRIES.map(([key]) => key),
  ...['absent', '1.5', '1.50', '14', 13, null, true, Decimal.parse('14'), Decimal.parse('14.0'), new Date(5), NaN, -1],
];
const TEXTS: readonly string[] = [
  'SELECT * FROM mixed WHERE __key = $1',
  'SELECT * FROM mixed b WHERE $1 = b.__key',
  'SELECT __key, n, s FROM mixed WHERE __key = $1',
  'SELECT n + 1 AS next, n, n AS n, upper(s) FROM mixed WHERE __key = $1',
  "SELECT n FROM mixed WHERE __key = $1 AND s = 'x'",
  'SELECT n, s FROM mixed WHERE __key = $1 ORDER BY n DESC',
  'SELECT nested, nested.deep, list, at, before::date AS day, bytes, exact, big, huge FROM mixed WHERE __key = $1',
  'SELECT __value, __version > 0 AS has, __expires_at FROM mixed WHERE __key = $1',
  'SELECT big::numeric / 3 AS third, n::int8 AS whole FROM mixed WHERE __key = $1',
  "SELECT at + interval '1 day' AS later, at - at AS none FROM mixed WHERE __key = $1",
  'SELECT 1 / (n - 1) AS broken FROM mixed WHERE __key = $1',
  'SELECT s::int AS cast_of FROM mixed WHERE __key = $1',
  'SELECT nn FROM mixed WHERE __key = $1',
  'SELECT length(s), coalesce(s, $2), $2::int8 AS given FROM mixed WHERE __key = $1',
  'SELECT n FROM mixed WHERE __key = $1 ORDER BY n LIMIT 1',
  'SELECT n FROM mixed WHERE __key = $1 ORDER BY s LIMIT 1 OFFSET 1',
  'SELECT n FROM mixed WHERE __key = $1 LIMIT -1',
  "SELECT s, n FROM mixed WHERE __key IN ($1, 'plain', '12', 'absent', 'plain') AND n < 100 ORDER BY s DESC LIMIT 3",
  "SELECT DISTINCT upper(s) AS s FROM mixed WHERE __key IN ($1, 'plain', 14) AND __key <> '13' ORDER BY 1",
  'SELECT count(*) AS n FROM mixed WHERE __key = $1',
];
/** Fail for the key 'plain', too. */
const BROKEN = /broken|LIMIT -1/;
const STRICT = /cast_of/;

async function toldBy(
  client: Grid,
  text: string,
  parameters: readonly unknown[],
  options: SqlOptions,
): Promise<Outcome> {
  const ask = () => client.sql<Record<string, unknown>>(text, parameters, options);
  try {
    const rows = await ask().all();
    const asked = ask();
    const batches: unknown[] = [];
    const columns = await asked.columns();
    for await (const batch of asked.batches()) {
      batches.push(batch.columns, ...batch.columns.map((_, column) => [...batch.values(column)]));
    }
    const notices = await asked.notices();
    const { affected } = await ask().execute();
    return { rows, batches, columns, notices, affected, first: await ask().first() };
  } catch (error) {
    const { code, message, position } = error as { code: string; message: string; position: unknown };
    return { code, message, position };
  }
}

/** As jest compares: NaN equals NaN, -0 is not 0, Decimals by their text. */
function shown(value: unknown): unknown {
  if (Decimal.is(value)) return `decimal ${value.toString()}`;
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== 'object' || value === null) return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, shown(field)]));
}

async function byKeyCount(client: Grid): Promise<number> {
  const members = await client.stats();
  const figures = members.flatMap((member) => member.figures);
  return figures
    .filter(({ name }) => name === 'ashlar_queries_by_key_total')
    .reduce((sum, { value }) => sum + value, 0);
}

describe.each([1, 3])('statements by key in a grid of %i', (memberCount) => {
  let grid: TestGrid;
  let client: Grid;
  let spaces = 0;

  /** A text that no client has sent. */
  const fresh = (text: string): string => `${text}${' '.repeat((spaces += 1))}`;

  beforeAll(async () => {
    grid = await TestGrid.start({ members: memberCount });
    client = await grid.connect();
    await client.map('mixed').putAll(ENTRIES as never);
  });

  afterAll(() => grid.stop());

  it.each(TEXTS)('tell the same as operations as by a stream: %s', async (text) => {
    const text2 = text.includes('$2') ? ['7'] : [];
    for (const strict of [false, true]) {
      const known = await toldBy(client, text, ['plain', ...text2], { strict });
      expect('rows' in known).toBe(!BROKEN.test(text) && !(strict && STRICT.test(text)));
      const told = KEYS.map(async (key) => {
        const parameters = [key, ...text2];
        const byStream = await toldBy(client, fresh(text), parameters, { strict });
        return { key, byStream, byKey: await toldBy(client, text, parameters, { strict }) };
      });
      for (const { key, byStream, byKey } of await Promise.all(told)) {
        expect({ key, told: shown(byKey) }).toEqual({ key, told: shown(byStream) });
      }
    }
  });

  it('do travel as operations, with parameters and with numbers in the text', async () => {
    for (let round = 0; round < 3; round++) await client.sql`SELECT n FROM mixed WHERE __key = ${'plain'}`.all();
    for (let key = 1; key <= 3; key++) await client.sql(`SELECT n FROM mixed WHERE __key = ${key}`).all();
    const before = await byKeyCount(client);
    for (let round = 0; round < 20; round++) {
      expect(await client.sql`SELECT n FROM mixed WHERE __key = ${'plain'}`.all()).toEqual([{ n: 1 }]);
      expect(await client.sql(`SELECT n FROM mixed WHERE __key = ${14 + round}`).all()).toEqual(
        round === 0 ? [{ n: 14 }] : [],
      );
    }
    expect((await byKeyCount(client)) - before).toBeGreaterThan(30);
  });

  it('find composite keys of maps with affinity, also where this client has declared the map otherwise', async () => {
    const keys = Array.from({ length: 20 }, (_, n) => ['eu', n] as const);
    const parts = client.map<readonly [string, number], { n: number }>(defineMap('parts', { affinityParts: 1 }));
    await parts.putAll(keys.map((key) => [key, { n: key[1] }]));
    const other = await grid.connect();
    other.map(defineMap('parts', { affinityParts: 2 }));
    for (const one of [client, other, await grid.connect()]) {
      for (const key of keys)
        expect(await one.sql`SELECT n FROM parts WHERE __key = ${key}`.all()).toEqual([{ n: key[1] }]);
    }
  });

  it('see every write that was acknowledged before, also one that brings a new column', async () => {
    const map = client.map<Record<string, unknown>>('growing');
    await map.put('k', { a: 0 });
    for (let round = 1; round <= 30; round++) {
      const name = `f${round % 7}`;
      await map.put(`other ${round}`, { [name]: round });
      await map.put('k', { a: round });
      const [row] = await client.sql`SELECT * FROM growing WHERE __key = ${'k'}`.all();
      expect(row).toMatchObject({ a: round, [name]: null });
    }
  });

  it('follow the kinds of numbers that documents hold', async () => {
    const map = client.map<Record<string, unknown>>('kinds');
    await map.put('k', { n: 1 });
    const sum = () => client.sql<{ sum: unknown }>`SELECT n + 1 AS sum FROM kinds WHERE __key = ${'k'}`.first();
    for (let round = 0; round < 3; round++) {
      await map.put('k', { n: 1 });
      expect(shown(await sum())).toEqual({ sum: 2 });
      await map.put('k', { n: Decimal.parse('1.5') });
      expect(shown(await sum())).toEqual({ sum: 'decimal 2.5' });
      await map.put('k', { n: 2n ** 60n });
      expect(shown(await sum())).toEqual({ sum: 2n ** 60n + 1n });
    }
  });

  it('find nothing once it was removed, truncated or has expired, and fail once the map is dropped', async () => {
    const map = client.map<{ n: number }>('passing');
    const read = () => client.sql`SELECT n FROM passing WHERE __key = ${'k'}`.all();
    await map.put('k', { n: 1 });
    for (let round = 0; round < 3; round++) expect(await read()).toEqual([{ n: 1 }]);
    await map.remove('k');
    expect(await read()).toEqual([]);
    await map.put('k', { n: 2 });
    expect(await read()).toEqual([{ n: 2 }]);
    await client.sql`TRUNCATE passing`.execute();
    expect(await read()).toEqual([]);
    await map.put('k', { n: 3 }, { ttlMs: 1 });
    while ((await map.get('k')) !== undefined);
    expect(await read()).toEqual([]);
    await client.drop('passing');
    await expect(read()).rejects.toMatchObject({ code: 'UNKNOWN_MAP' });
    await map.put('k', { n: 4 });
    for (let round = 0; round < 3; round++) expect(await read()).toEqual([{ n: 4 }]);
  });

  it('end with their signal, and are answered to whom waits', async () => {
    const read = (options?: SqlOptions) => client.sql('SELECT n FROM mixed WHERE __key = $1', ['plain'], options).all();
    await read();
    const given = new AbortController();
    const asked = read({ signal: given.signal });
    given.abort();
    await expect(asked).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(read({ signal: given.signal })).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await Promise.all(Array.from({ length: 500 }, () => read()))).toEqual(Array(500).fill([{ n: 1 }]));
  });

  it('are read once', async () => {
    const result = client.sql`SELECT n FROM mixed WHERE __key = ${'plain'}`;
    await result.all();
    await expect(result.all()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
