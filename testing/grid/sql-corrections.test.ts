/** Small things that PostgreSQL has so, and their kin: each answer here is PostgreSQL 15's (UTC, C.UTF-8). */
import { Decimal, type Grid } from '@ashlar/client';
import { rowsOf } from './sql/rows.ts';
import { TestGrid } from './support/grid.ts';

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start();
  client = await grid.connect();
  await client.map('zero').putAll([
    [1, { k: 0 }],
    [2, { k: 0n }],
  ]);
});

afterAll(() => grid.stop());

const resultOf = async (expression: string, parameters: unknown[] = []): Promise<unknown> =>
  (await rowsOf(client, `SELECT ${expression}`, parameters))[0]![0];

async function columnOf(text: string, parameters: unknown[] = []): Promise<unknown[]> {
  return (await rowsOf(client, text, parameters)).map(([value]) => value);
}

it.each<[string, unknown]>([
  ["'İ' ILIKE '_'", true],
  ["length(upper('ß'))", 1],
  ["lower('ΑΣ')", 'ασ'],
  ["initcap('ǆabc o''neil 1ab')", "Ǆabc O'Neil 1ab"],
  ["'' LIKE '\\'", false],
  ["'a' LIKE 'b\\'", false],
  ["extract(epoch FROM timestamp '2243-01-01 00:00:00.123')", Decimal.parse('8615030400.123000')],
  ["extract(epoch FROM timestamp '0001-01-01 00:00:00.5')", Decimal.parse('-62135596799.500000')],
  ["extract(second FROM timestamp '0001-01-01 00:00:00.125')", Decimal.parse('0.125000')],
  ["extract(milliseconds FROM timestamp '2243-01-01 00:00:59.999')", Decimal.parse('59999.000')],
  ["extract(epoch FROM date '9999-12-31')", Decimal.parse('253402214400')],
  ["extract(epoch FROM interval '300 years 1.000001 seconds')", Decimal.parse('9467280001.000001')],
  ["extract(epoch FROM interval '1 year 1 mon 1 day 1 sec')", Decimal.parse('34236001.000000')],
  ["(interval '3000000 hours')::text", '3000000:00:00'],
  ["(interval '1-2' / 3)::text", '4 mons 20 days'],
  ['16777217::real = 16777216::real', true],
  ['0.1::real = 0.1::float8', false],
  ['0.1::real::float8', 0.10000000149011612],
  ['0.1::real * 3', 0.30000000447034836],
  ['16777217::real + 1::real = 16777216::real', true],
  ['32767.4::smallint', 32767],
  ['(-32768)::smallint', -32768],
  ["json_typeof('1')", 'number'],
  ['json_typeof(\'"a"\')', 'string'],
  ["jsonb_typeof('[1]')", 'array'],
  ["json_array_length('[1,2]')", 2],
  ["json_extract_path_text('{\"a\":{\"b\":1}}', 'a', 'b')", '1'],
  ["json_extract_path('{\"a\":12345678901234567890}', 'a')", 12345678901234567890n],
  ["'[1, 1e2, 9007199254740993]'::json", [1, 100, 9007199254740993n]],
  ["NOT 'true'", false],
  ["'yes' AND true", true],
  ["'f' OR 'no'", false],
  ["CASE WHEN 't' THEN 1 END", 1],
  ["'off' IS FALSE", true],
])('%s', async (expression, expected) => {
  expect(await resultOf(expression)).toEqual(expected);
});

it.each([
  ['40000::smallint', 'NUMERIC_OVERFLOW'],
  ['32767.5::smallint', 'NUMERIC_OVERFLOW'],
  ["'40000'::smallint", 'NUMERIC_OVERFLOW'],
  ['1e39::real', 'NUMERIC_OVERFLOW'],
  ['1e-50::float8::real', 'NUMERIC_OVERFLOW'],
  ["'2024-02-29'::interval", 'INVALID_CAST'],
  ["interval '1 2'", 'INVALID_CAST'],
  ["interval '3000000000 hours'", 'INVALID_CAST'],
  ["'a' LIKE '\\'", 'INVALID_ARGUMENT'],
  ["json_typeof('x')", 'INVALID_CAST'],
  ['1 / 0 * NULL::int', 'DIVISION_BY_ZERO'],
  ["'[1e400]'::json", 'NUMERIC_OVERFLOW'],
  ["NOT 'maybe'", 'INVALID_CAST'],
  ['NOT 1', 'TYPE_MISMATCH'],
])('%s is refused', async (expression, code) => {
  await expect(resultOf(expression)).rejects.toMatchObject({ code });
});

describe('a text as a condition', () => {
  it.each(['true', 'yes', '1'])('%s, written or given', async (text) => {
    for (const [condition, count] of [
      ['?', 2],
      ['NOT ?', 0],
      ['? AND k = 0', 2],
      ['k > 0 OR ?', 2],
      ['(?) IS NOT TRUE', 0],
      ['CASE WHEN ? THEN k = 0 END', 2],
    ] as const) {
      const keys = (written: string, parameters: unknown[]): Promise<unknown[]> =>
        columnOf(`SELECT __key FROM zero WHERE ${condition.replace('?', written)}`, parameters);
      expect(await keys(`'${text}'`, [])).toHaveLength(count);
      expect(await keys('$1', [text])).toHaveLength(count);
    }
  });

  it('is refused where it reads as neither', async () => {
    await expect(columnOf("SELECT 1 FROM zero WHERE 'maybe'")).rejects.toMatchObject({ code: 'INVALID_CAST' });
    await expect(columnOf('SELECT 1 FROM zero WHERE $1', ['maybe'])).rejects.toMatchObject({ code: 'TYPE_MISMATCH' });
  });
});

describe('a text that a parameter brings', () => {
  it.each<[string, string, unknown]>([
    ['abs($1)', '-7', 7],
    ['round($1, 1)', '7.25', 7.3],
    ['sqrt($1)', '9', 3],
    ['$1 ^ 2', '3', 9],
    ["left('abcdefghi', $1)", '7', 'abcdefg'],
    ['extract(year FROM $1)', '2024-05-06', Decimal.parse('2024')],
    ["date_trunc('month', $1)", '2024-05-06', new Date('2024-05-01')],
    ['greatest($1, 5)', '7', 7],
    ['least(5, $1)', '7', 5],
    ['coalesce($1, 5)', '7', 7],
    ['coalesce(NULL, $1, 5) + 1', '7', 8],
    ['CASE WHEN true THEN $1 ELSE 5 END', '7', 7],
    ['nullif($1, 7)', '7', null],
    ['nullif(7, $1)', '7', null],
    ['$1 IN (7, 8)', '7', true],
    ['$1 NOT IN (7, 8)', '7', false],
    ["date '2024-01-01' + $1", '7', new Date('2024-01-08')],
    ["greatest($1, date '2024-01-01')", '2024-01-08', new Date('2024-01-08')],
    ['length($1)', '7', 1],
  ])('is read in %s as a quoted literal is: %s', async (expression, text, expected) => {
    expect(await resultOf(expression, [text])).toEqual(expected);
    expect(await resultOf(expression.replaceAll('$1', `'${text}'`))).toEqual(expected);
  });

  it('changes nothing for other values', async () => {
    expect(await resultOf('round($1, 1)', [Decimal.parse('7.25')])).toEqual(Decimal.parse('7.3'));
    expect(await resultOf('greatest($1, 5)', [7n])).toBe(7n);
    expect(await resultOf('coalesce($1, 5) / 2', [7])).toBe(3.5);
    expect(await resultOf("date '2024-01-01' + $1", ['1 day'])).toEqual(new Date('2024-01-02'));
    await expect(resultOf('abs($1)', ['x'])).rejects.toMatchObject({ code: 'TYPE_MISMATCH' });
  });

  it.each([7, 7n])('days beside a date are whole numbers: %p', async (days) => {
    expect(await resultOf("date '2024-01-08' - $1", [days])).toEqual(new Date('2024-01-01'));
    expect(await resultOf("$1 + date '2024-01-01'", [days])).toEqual(new Date('2024-01-08'));
    await expect(resultOf("date '2024-01-08' - $1", [7.5])).rejects.toMatchObject({ code: 'TYPE_MISMATCH' });
  });
});

describe('LIMIT and OFFSET', () => {
  it.each<[unknown, number]>([
    [1, 1],
    [1n, 1],
    ['1', 1],
    [Decimal.parse('1'), 1],
    [null, 2],
  ])('%s', async (given, count) => {
    expect(await columnOf('SELECT k FROM zero LIMIT $1', [given])).toHaveLength(count);
  });

  it.each([new Date(1), true, [1], '', '0x1', '1e0', -1, 1.5, Number.NaN, Uint8Array.of(1), {}])(
    '%s is refused',
    async (given) => {
      for (const clause of ['LIMIT', 'OFFSET']) {
        const asked = columnOf(`SELECT k FROM zero ${clause} $1`, [given]);
        await expect(asked).rejects.toMatchObject({ code: 'INVALID_PARAMETER' });
      }
    },
  );
});

describe('intervals', () => {
  it('come over the wire as large as SQL has them', async () => {
    const milliseconds = 3_000_000 * 3_600_000;
    expect(await resultOf("interval '3000000 hours'")).toEqual({ months: 0, days: 0, milliseconds });
    expect(await resultOf("interval '-2000000000 hours 0.000001 seconds'")).toMatchObject({ months: 0, days: 0 });
    expect(await resultOf("interval '1 year 2 days 00:00:01.000001'")).toEqual({
      months: 12,
      days: 2,
      milliseconds: 1000.001,
    });
  });

  it('are refused as values of documents, in the words of SQL', async () => {
    const refusal = {
      code: 'TYPE_MISMATCH',
      message: expect.stringContaining('interval'),
      hint: expect.stringContaining('::text'),
    };
    const texts = [
      "INSERT INTO spans (__key, span) VALUES (1, interval '1 day')",
      "INSERT INTO spans (__key, a.b) VALUES (1, timestamp '2024-01-02' - timestamp '2024-01-01')",
      "UPDATE zero SET span = interval '1 day'",
      'UPDATE zero SET span = coalesce(missing, $1)::interval',
    ];
    for (const text of texts) {
      await expect(client.sql(text, text.includes('$1') ? ['1 day'] : []).execute()).rejects.toMatchObject(refusal);
    }
    await client.map('dated').put(1, { a: new Date(0), b: new Date(86_400_000) });
    await expect(client.sql('UPDATE dated SET span = b - a').execute()).rejects.toMatchObject(refusal);
    await client.sql('UPDATE dated SET span = (b - a)::text').execute();
    expect(await client.map('dated').get(1)).toMatchObject({ span: '1 day' });
  });
});

describe('a strict operator of NULL', () => {
  it.each([
    '54 / k * CAST(NULL AS int)',
    'CAST(NULL AS int) * (54 / k)',
    '54 / k = NULL',
    'abs(54 / k) + NULL',
    'power(54 / k, NULL)',
    'NOT (1 / k > NULL)',
    'NULL::text || (1 / k)::text',
    '(1 / k)::text LIKE NULL',
    '1 / k IN (NULL)',
    '1 / k + NULL::numeric',
    '-(1 / k * NULL)',
    'substring((1 / k)::text, NULL)',
  ])('%s is NULL without a look at the rest', async (expression) => {
    expect(await columnOf(`SELECT ${expression} FROM zero`)).toEqual([null, null]);
  });

  it.each([
    ['SELECT (1 / k > NULL) IS NULL FROM zero', [true, true]],
    ['SELECT CASE WHEN 1 / k > NULL THEN 1 ELSE 2 END FROM zero', [2, 2]],
    ['SELECT 1 FROM zero WHERE 1 / k > 0 AND false', []],
    ['SELECT 1 FROM zero WHERE 1 / k > 0 OR true', [1, 1]],
  ])('%s', async (text, expected) => {
    expect(await columnOf(text)).toEqual(expected);
  });

  it.each(['(1 / k > 0) AND NULL', 'coalesce(1 / k, 5)', 'greatest(1 / k, NULL)', '1 / k IS DISTINCT FROM NULL'])(
    '%s is none: the division counts',
    async (expression) => {
      await expect(columnOf(`SELECT ${expression} FROM zero`)).rejects.toMatchObject({ code: 'DIVISION_BY_ZERO' });
    },
  );
});

describe('COALESCE and CASE over a path have one type', () => {
  const fill = async (values: readonly unknown[]): Promise<void> => {
    await client.map('mixed').clear();
    await client.map('mixed').putAll(values.map((d, key) => [key, { d }]));
  };
  const day = new Date('2020-01-01');

  it.each<[string, unknown, string, unknown]>([
    ['dates', new Date(5), '2020-01-01', day],
    ['bigints', 5n, '7', 7n],
    ['numbers', 5.5, '7', 7],
    ['decimals', Decimal.parse('5.50'), '7.10', Decimal.parse('7.10')],
    ['booleans', true, 'false', false],
    ['texts', 'a', '2020-01-01', '2020-01-01'],
    ['dates, where the text is none', new Date(5), 'n/a', 'n/a'],
  ])('%s', async (_, value, text, expected) => {
    await fill([value, null]);
    const both = [value, expected];
    expect(await columnOf(`SELECT coalesce(d, '${text}') FROM mixed ORDER BY __key`)).toEqual(both);
    expect(await columnOf('SELECT coalesce(d, $1) FROM mixed ORDER BY __key', [text])).toEqual(both);
    expect(await columnOf(`SELECT CASE WHEN d IS NULL THEN '${text}' ELSE d END FROM mixed ORDER BY __key`)).toEqual(
      both,
    );
    expect(await columnOf(`SELECT coalesce(min(d) FILTER (WHERE d IS NULL), '${text}') FROM mixed`)).toEqual([
      expected,
    ]);
  });
});
