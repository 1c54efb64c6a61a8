/** A value of every type in every place where a parameter or an argument can stand, over two members. */
import { Decimal, type Grid } from '@ashlar/client';
import { described, echo, Taken, Told, take } from './fixtures/values.ts';
import { rowsOf } from './sql/rows.ts';
import { EventLog } from './support/event-log.ts';
import { TestGrid } from './support/grid.ts';

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2 });
  client = await grid.connect();
  await client.deploy(new URL('./fixtures/values.ts', import.meta.url));
});

afterAll(() => grid.stop());

const PLAIN: readonly (readonly [name: string, value: unknown])[] = [
  ['a whole number', 42],
  ['a number with a fraction', -0.1],
  ['negative zero', -0],
  ['a large number', 2 ** 60],
  ['a bigint', 7n],
  ['a wide bigint', 2n ** 80n + 1n],
  ['a decimal', Decimal.parse('-12.500')],
  ['a long decimal', Decimal.parse(`${'9'.repeat(40)}.01`)],
  ['a date', new Date('2024-02-29T12:00:00.123Z')],
  ['bytes', Uint8Array.of(0, 1, 255)],
  ['no bytes', new Uint8Array(0)],
  ['a text', 'ä\u{1f600}\0'],
  ['an empty text', ''],
  ['true', true],
  ['false', false],
];

const NESTED: readonly (readonly [name: string, value: unknown])[] = [
  ['an array', [1, -0, 2n, Decimal.parse('0.10'), new Date(5), Uint8Array.of(9), null, 'x', [Decimal.parse('1')]]],
  ['an object', { amount: Decimal.parse('9.90'), at: new Date(5), raw: Uint8Array.of(9), inner: { list: [3n, null] } }],
  ['nothing in it', [{}, []]],
];

const VALUES = [...PLAIN, ...NESTED];
/** More than one member and more than one partition have a part. */
const KEYS = Array.from({ length: 12 }, (_, index) => `key ${index}`);

/** Documents { given } at KEYS; the first has the value, the others something else. */
async function fill(name: string, value: unknown): Promise<void> {
  const map = client.map(name);
  await map.clear();
  await map.putAll(KEYS.map((key, index) => [key, { given: index === 0 ? value : null, index }]));
}

const given = async (name: string, key: string): Promise<unknown> =>
  ((await client.map(name).get(key)) as { given: unknown } | undefined)?.given;

/** Equal, and of the same kind: jest takes a Decimal and a plain object of its fields for equal. */
function isSame(found: unknown, value: unknown): void {
  expect(described(found)).toBe(described(value));
}

describe.each(VALUES)('%s', (_, value) => {
  it('is selected as it was given, by one thread and by many', async () => {
    isSame((await rowsOf(client, 'SELECT $1', [value]))[0]![0], value);
    await fill('places', null);
    for (const [found] of await rowsOf(client, 'SELECT $1 FROM places', [value])) isSame(found, value);
    const [[grouped]] = (await rowsOf(client, 'SELECT $1 FROM places GROUP BY $1', [value])) as [[unknown]];
    isSame(grouped, value);
    const [[got]] = (await rowsOf(client, "SELECT $1 FROM places WHERE __key = 'key 3'", [value])) as [[unknown]];
    isSame(got, value);
  });

  it('is written by INSERT and UPDATE, whole and within objects', async () => {
    await fill('places', null);
    await client.sql('INSERT INTO places (__key, given, held.given) VALUES ($1, $2, $2)', ['new', value]).execute();
    isSame(await given('places', 'new'), value);
    await client.sql('UPDATE places SET given = $1', [value]).execute();
    for (const key of KEYS) isSame(await given('places', key), value);
    await client.sql('UPDATE places SET given = $1, deep.er = $2 WHERE index = 3', [{ a: [value] }, value]).execute();
    isSame(await given('places', KEYS[3]!), { a: [value] });
    isSame(((await client.map('places').get(KEYS[3]!)) as { deep: unknown }).deep, { er: value });
  });

  it('finds its like in the conditions of SELECT, UPDATE, DELETE and processWhere', async () => {
    const isSearched = (condition: string): Promise<unknown[][]> =>
      rowsOf(client, `SELECT __key FROM places WHERE ${condition}`, [value]);
    await fill('places', value);
    for (const condition of ['given = $1', 'given IN ($1)', 'given IS NOT DISTINCT FROM $1']) {
      expect([condition, await isSearched(condition)]).toEqual([condition, [[KEYS[0]]]]);
    }
    expect(await client.sql('UPDATE places SET hit = TRUE WHERE given = $1', [value]).execute()).toEqual({
      affected: 1,
    });
    const found = await client
      .map<{ given: unknown }>('places')
      .processWhere('given = $1', [value], take, { given: value });
    expect(found).toEqual({ affected: 1, notices: [] });
    isSame(await given('places', KEYS[0]!), value);
    expect(await client.sql('DELETE FROM places WHERE given = $1', [value]).execute()).toEqual({ affected: 1 });
    expect(await client.map('places').has(KEYS[0]!)).toBe(false);
  });

  it('finds its like in the condition of a subscription', async () => {
    const heard = client.map<{ given: unknown }>('heard');
    await heard.clear();
    const log = await EventLog.open(heard, { where: 'given = $1', params: [value] });
    await heard.putAll(KEYS.map((key, index) => [key, { given: index === 5 ? value : null }]));
    await log.until(1);
    await log.stop();
    expect(log.events.map(({ key }) => key)).toEqual([KEYS[5]]);
    isSame(log.events[0]!.value!.given, value);
  });

  it('reaches processors as it is, and comes back', async () => {
    const map = client.map(Taken);
    const expected = { given: value, is: described(value) };
    const answers = [
      await map.process('one', take, { given: value }),
      ...(await map.processAll(KEYS, take, { given: value })),
    ];
    expect(answers).toHaveLength(KEYS.length + 1);
    for (const answer of answers) {
      expect(answer!.is).toBe(expected.is);
      isSame(answer!.given, value);
    }
    for (const key of KEYS) isSame(await given('taken', key), value);
  });

  it('reaches jobs as it is, and comes back', async () => {
    await fill('places', null);
    const answers = await client.run(echo, { map: 'places', given: value });
    expect(answers).toHaveLength(2);
    for (const answer of answers) {
      expect(answer.is).toBe(described(value));
      isSame(answer.given, value);
    }
  });

  it('reaches listeners as it is, and what they call', async () => {
    await client.map(Taken).clear();
    await client.map(Told).put('told', { given: value });
    const deadlineMs = performance.now() + 20_000;
    while (!(await client.map(Taken).has('told')) && performance.now() < deadlineMs);
    isSame(await given('taken', 'told'), value);
  });
});

describe('a parameter that is null', () => {
  it('is NULL everywhere', async () => {
    await fill('places', 1);
    expect(await rowsOf(client, 'SELECT $1', [null])).toEqual([[null]]);
    expect(await rowsOf(client, 'SELECT __key FROM places WHERE given = $1', [null])).toEqual([]);
    expect(await rowsOf(client, 'SELECT count(*) FROM places WHERE given IS NOT DISTINCT FROM $1', [null])).toEqual([
      [KEYS.length - 1],
    ]);
    await client.sql('UPDATE places SET given = $1', [null]).execute();
    expect(await given('places', KEYS[0]!)).toBeNull();
  });
});

describe('a Decimal', () => {
  it('keeps its digits in what is computed with it', async () => {
    await fill('places', Decimal.parse('10.00'));
    await client.sql('UPDATE places SET given = given * $1 WHERE index = 0', [Decimal.parse('1.005')]).execute();
    isSame(await given('places', KEYS[0]!), Decimal.parse('10.05000'));
    isSame(
      (await rowsOf(client, 'SELECT sum(given + $1) FROM places', [Decimal.parse('0.001')]))[0]![0],
      Decimal.parse('10.05100'),
    );
  });
});
