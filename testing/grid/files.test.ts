/** Files as others write them, and the product's own: what goes in comes out, against a grid of two members. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Decimal, type Grid, type GridKey } from '@ashlar/client';
import type { SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter, schemaFromColumnData } from 'hyparquet-writer';
import { Duck } from './sql/duck.ts';
import { TestGrid } from './support/grid.ts';
import { runCliProcess } from './support/member-process.ts';

let grid: TestGrid;
let client: Grid;
let folder: string;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2 });
  client = await grid.connect();
  folder = await mkdtemp(join(tmpdir(), 'ashlar-files-'));
});

afterAll(async () => {
  await grid.stop();
  await rm(folder, { recursive: true, force: true });
});

const ashlar = (...args: string[]) => runCliProcess([...args, '--address', grid.members[0]!.address]);

let maps = 0;

/** The entries that a file brings into a map of its own. */
async function imported(file: string, ...options: string[]): Promise<Map<GridKey, unknown>> {
  const name = `imported${maps++}`;
  const run = await ashlar('import', file, '--map', name, ...options);
  if (run.code !== 0) throw new Error(run.stderr);
  return entriesOf(name);
}

async function entriesOf(map: string): Promise<Map<GridKey, unknown>> {
  const entries = new Map<GridKey, unknown>();
  for await (const { key, value } of client.map(map).entries()) entries.set(key, value);
  return entries;
}

/** A Parquet file of what DuckDB selects. */
async function parquetOf(query: string, options = ''): Promise<string> {
  const file = join(folder, `duck${maps++}.parquet`);
  const duck = await Duck.open([`COPY (${query}) TO '${file}' (FORMAT parquet${options})`]);
  duck.close();
  return file;
}

const firstOf = async (query: string) => (await imported(await parquetOf(query))).get(0);

describe('Parquet', () => {
  it('goes on behind an empty row group', async () => {
    const bytes = new ByteWriter();
    const columnData = (data: number[]) => [{ name: 'n', type: 'DOUBLE' as const, data }];
    const schema = schemaFromColumnData({ columnData: columnData([1]) });
    const writer = new ParquetWriter({ writer: bytes, schema });
    for (const data of [[], [1, 2], [], [3]]) await writer.write({ columnData: columnData(data) });
    await writer.finish();
    const file = join(folder, 'empty-group.parquet');
    await writeFile(file, new Uint8Array(bytes.getBuffer()));
    expect([...(await imported(file)).values()].map((row) => (row as { n: number }).n).sort()).toEqual([1, 2, 3]);
  });

  it('keeps bytes bytes, also in lists', async () => {
    const row = await firstOf(`SELECT '\\x00\\xFFa'::BLOB AS b, ['\\x01'::BLOB, NULL] AS l, 'text' AS t`);
    expect(row).toEqual({ b: Uint8Array.of(0, 255, 97), l: [Uint8Array.of(1), null], t: 'text' });
  });

  it('keeps decimals exact to 38 digits', async () => {
    const row = await firstOf(
      `SELECT 123456789012345678901234567890.12345678::DECIMAL(38,8) AS d, -0.05::DECIMAL(4,2) AS s,
              -123456789012.25::DECIMAL(18,2) AS l, [1.5::DECIMAL(3,1)] AS list, {'x': 2.50::DECIMAL(3,2)} AS o`,
    );
    const { d, s, l, list, o } = row as { d: Decimal; s: Decimal; l: Decimal; list: Decimal[]; o: { x: Decimal } };
    const decimals = [d, s, l, list[0]!, o.x];
    expect(decimals.every((value) => Decimal.is(value))).toBe(true);
    expect(decimals.map(String)).toEqual([
      ...['123456789012345678901234567890.12345678', '-0.05', '-123456789012.25', '1.5', '2.50'],
    ]);
  });

  it('keeps the first character of a text, and rounds times down', async () => {
    const row = await firstOf(
      `SELECT '\uFEFFtext' AS bom, TIMESTAMP '1969-12-31 23:59:59.999500' AS micros,
              TIMESTAMP_NS '1969-12-31 23:59:59.999999999' AS nanos, TIMESTAMP_MS '1950-01-01 00:00:00.001' AS millis,
              DATE '1900-02-28' AS day, TIME '23:59:59.000001' AS time, TIME '07:00:00' AS whole`,
    );
    expect(row).toEqual({
      bom: '\uFEFFtext',
      micros: new Date(-1),
      nanos: new Date(-1),
      millis: new Date('1950-01-01T00:00:00.001Z'),
      day: new Date('1900-02-28'),
      time: '23:59:59.000001',
      whole: '07:00:00',
    });
  });

  it('keeps maps, whatever their keys, in lists and in each other', async () => {
    const row = await firstOf(
      `SELECT MAP {'__proto__': 1, 'b': 2} AS m, MAP {'o': MAP {'constructor': [1, 2]}} AS mm, [MAP {1: 'x'}] AS lm,
              NULL::MAP(VARCHAR, INT) AS none, MAP {}::MAP(VARCHAR, INT) AS empty, {'__proto__': 5} AS s`,
    );
    const own = (value: unknown) => Object.entries(value as object);
    const { m, mm, lm, none, empty, s } = row as Record<string, unknown>;
    expect([own(m), own(s)]).toEqual([
      [
        ['__proto__', 1],
        ['b', 2],
      ],
      [['__proto__', 5]],
    ]);
    expect({ mm, lm, none, empty }).toEqual({
      mm: { o: { constructor: [1, 2] } },
      lm: [{ 1: 'x' }],
      none: null,
      empty: {},
    });
  });

  it('keeps integers exact, at any depth', async () => {
    const row = await firstOf(
      `SELECT 5::BIGINT AS small, 9007199254740993::BIGINT AS big, [5::BIGINT, 9007199254740993] AS list,
              {'n': 7::BIGINT} AS o, '{"n": 9007199254740993}'::JSON AS j`,
    );
    const big = 9007199254740993n;
    expect(row).toEqual({ small: 5, big, list: [5, big], o: { n: 7 }, j: { n: big } });
  });

  it('may tell its types by logical types alone, as Arrow does', async () => {
    const optional = { repetition_type: 'OPTIONAL' } as const;
    const time = (unit: 'MILLIS' | 'MICROS' | 'NANOS') => ({ type: 'TIME', isAdjustedToUTC: false, unit }) as const;
    const schema: SchemaElement[] = [
      { name: 'root', num_children: 4 },
      { name: 'ms', type: 'INT32', logical_type: time('MILLIS'), ...optional },
      { name: 'us', type: 'INT64', logical_type: time('MICROS'), ...optional },
      { name: 'ns', type: 'INT64', logical_type: time('NANOS'), ...optional },
      { name: 'day', type: 'INT32', logical_type: { type: 'DATE' }, ...optional },
    ];
    const bytes = new ByteWriter();
    const writer = new ParquetWriter({ writer: bytes, schema });
    await writer.write({
      columnData: [
        { name: 'ms', data: [3_723_004, null] },
        { name: 'us', data: [3_723_000_004n, null] },
        { name: 'ns', data: [86_399_999_999_999n, null] },
        { name: 'day', data: [-1, null] },
      ],
    });
    await writer.finish();
    const file = join(folder, 'logical.parquet');
    await writeFile(file, new Uint8Array(bytes.getBuffer()));
    const rows = await imported(file);
    expect(rows.get(0)).toEqual({
      ...{ ms: '01:02:03.004', us: '01:02:03.000004', ns: '23:59:59.999999999' },
      ...{ day: new Date('1969-12-31') },
    });
    expect(rows.get(1)).toEqual({ ms: null, us: null, ns: null, day: null });
  });

  it('that holds a time no Date has is refused, and not called damaged', async () => {
    const run = await ashlar('import', await parquetOf("SELECT 'infinity'::TIMESTAMP AS t"), '--map', 'endless');
    expect(run).toMatchObject({ code: 1, stderr: expect.stringMatching(/column t .* is out of range/) });
    expect(run.stderr).toContain('hint: write it as text');
  });

  it('may have two columns of one name', async () => {
    const bytes = new ByteWriter();
    const columnData = [
      { name: 'value', type: 'DOUBLE' as const, data: [1, 2] },
      { name: 'value', type: 'DOUBLE' as const, data: [3, 4] },
    ];
    const writer = new ParquetWriter({ writer: bytes, schema: schemaFromColumnData({ columnData }) });
    await writer.write({ columnData });
    await writer.finish();
    const file = join(folder, 'twins.parquet');
    await writeFile(file, new Uint8Array(bytes.getBuffer()));
    const run = await ashlar('import', file, '--map', 'twins');
    expect(run.stderr).toContain("notice: column 2, 'value' again, is called 'value_1'");
    expect((await entriesOf('twins')).get(1)).toEqual({ value: 2, value_1: 4 });
  });
});

describe('an export', () => {
  const values: [GridKey, unknown][] = [
    ['document', { n: 1.5, t: 'x', b: true, z: null }],
    ['other', { n: 1e-7, t: '', b: false, z: null }],
    ['text', 'just text'],
    ['digits', '42'],
    [42, 42],
    ['list', [1, 'a']],
    ['nothing', null],
    ['large', 2n ** 62n],
  ];

  beforeAll(() => client.map('mixed').putAll(values));

  it.each(['parquet', 'csv', 'ndjson', 'json'])('to .%s brings every value back', async (ending) => {
    const file = join(folder, `mixed.${ending}`);
    const run = await ashlar('export', 'mixed', file);
    expect(run).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^8 rows of mixed written to/) });
    const back = await imported(file);
    expect(new Map([...back].sort())).toEqual(new Map([...values].sort()));
  });

  it('to Parquet keeps values of several types in one field', async () => {
    const rows = Array.from({ length: 3000 }, (_, n): [GridKey, unknown] => [
      n,
      {
        n: n % 2 === 0 ? n : `text ${n}`,
        rare: n === 1700 ? 2n ** 60n : null,
        j: n > 2000 ? { big: 2n ** 60n } : 'x',
        i: n < 10 ? 1.5 : n,
      },
    ]);
    await client.map('several').putAll(rows);
    const file = join(folder, 'several.parquet');
    expect(await ashlar('export', 'several', file)).toMatchObject({ code: 0, stderr: '' });
    expect(await imported(file)).toEqual(new Map(rows));
  });

  it('to Parquet keeps whole numbers wider than 64 bits, alone in their field too', async () => {
    const rows: [GridKey, unknown][] = [
      [1, { n: 2n ** 70n, m: 2n ** 64n, l: 2n ** 63n - 1n }],
      [2, { n: -(2n ** 63n) - 1n, m: 5, l: -(2n ** 63n) }],
    ];
    await client.map('wider').putAll(rows);
    const file = join(folder, 'wider.parquet');
    expect(await ashlar('export', 'wider', file)).toMatchObject({ code: 0, stderr: '' });
    expect(await imported(file)).toEqual(new Map(rows));
  });

  it('to CSV and back keeps nulls and empty texts with a null text', async () => {
    await client.map('nulls').putAll([
      [1, { a: '', b: 'x' }],
      [2, { a: null, b: 'NULL' }],
    ]);
    const file = join(folder, 'nulls.csv');
    expect(await ashlar('export', 'nulls', file, '--null', 'NULL')).toMatchObject({ code: 0 });
    expect((await readFile(file, 'utf8')).split('\n').sort()).toEqual(['', '1,"",x', '2,NULL,"NULL"', '__key,a,b']);
    expect(await imported(file, '--null', 'NULL')).toEqual(
      new Map<GridKey, unknown>([
        [1, { a: '', b: 'x' }],
        [2, { a: null, b: 'NULL' }],
      ]),
    );
  });

  it('to Parquet brings bytes and lists of them back', async () => {
    await client.map('bytes').put('k', { b: Uint8Array.of(0, 200), t: 'x' });
    const file = join(folder, 'bytes.parquet');
    expect(await ashlar('export', 'bytes', file)).toMatchObject({ code: 0 });
    expect((await imported(file)).get('k')).toEqual({ b: Uint8Array.of(0, 200), t: 'x' });
  });

  it.each(['', '__key', '__value', '__version', '__expires_at'])(
    "of documents with a field '%s' loses nothing in silence",
    async (field) => {
      await client.map('fields').clear();
      const document = { n: 1, [field]: 2 };
      await client.map('fields').put('k', document);
      for (const ending of ['csv', 'parquet']) {
        const refused = await ashlar('export', 'fields', join(folder, `fields.${ending}`));
        expect(refused).toMatchObject({
          code: 1,
          stderr: expect.stringMatching(/no column can stand for it.*ndjson/s),
        });
      }
      const file = join(folder, 'fields.ndjson');
      expect(await ashlar('export', 'fields', file)).toMatchObject({ code: 0, stderr: '' });
      expect(await imported(file)).toEqual(new Map([['k', document]]));
    },
  );

  it('to ndjson brings every character back', async () => {
    const odd = { t: 'a\u2028b\u2029c\r\n\u0085"\\', n: 9007199254740993n, u: '\u{1F600}' };
    await client.map('odd').put('k\u2028', odd);
    const file = join(folder, 'odd.ndjson');
    expect(await ashlar('export', 'odd', file)).toMatchObject({ code: 0 });
    expect(await imported(file)).toEqual(new Map([['k\u2028', odd]]));
  });
});

describe('an import', () => {
  it('makes two keys of two whole numbers beyond 2^53', async () => {
    const file = join(folder, 'ids.ndjson');
    await writeFile(file, '{"id":9007199254740993}\n{"id":9007199254740992}\n');
    expect([...(await imported(file, '--key', 'id')).keys()].sort()).toEqual([9007199254740992n, 9007199254740993n]);
  });

  it('reads what it is told of encoding and delimiter', async () => {
    const file = join(folder, 'latin.csv');
    await writeFile(file, Buffer.from('name:n\nGrüße:1\n', 'latin1'));
    expect((await imported(file, '--encoding', 'latin1', '--delimiter', ':')).get(0)).toEqual({ name: 'Grüße', n: 1 });
    const refused = await ashlar('import', file, '--map', 'm');
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/latin\.csv, line 2: byte 9 is not UTF-8/),
    });
    expect(await ashlar('import', file, '--map', 'm', '--delimiter', 'ab')).toMatchObject({ code: 2 });
  });

  it('of an empty file fails', async () => {
    const file = join(folder, 'nothing.csv');
    await writeFile(file, '');
    expect(await ashlar('import', file, '--map', 'm')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is empty'),
    });
  });
});
