/** Readers of text files: what stands in a file comes out, or is refused with its line. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { csvLines } from '../results/csv-result.ts';
import { type OpenOptions, openRows } from './open.ts';
import type { Document } from './rows.ts';
import { uniqueNames } from './unique-names.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ashlar-files-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

let count = 0;

async function read(ending: string, content: string | Uint8Array, options: OpenOptions & { limit?: number } = {}) {
  const path = join(folder, `file-${count++}.${ending}`);
  await writeFile(path, content);
  const { limit, ...rest } = options;
  const source = await openRows(path, rest);
  const rows: Document[] = [];
  for await (const batch of source.batches(limit)) rows.push(...batch.rows);
  return { rows, notices: source.notices ?? [] };
}

const rowsOf = async (...args: Parameters<typeof read>) => (await read(...args)).rows;

/** The values of a file of one column. */
const column = async (lines: readonly string[], options: OpenOptions = {}) =>
  (await rowsOf('csv', `v,other\n${lines.map((line) => `${line},x\n`).join('')}`, options)).map(({ v }) => v);

describe('names of columns', () => {
  it.each<[string[], string[]]>([
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    [
      ['value', 'value', 'value'],
      ['value', 'value_1', 'value_2'],
    ],
    [
      ['value', 'value', 'value_1'],
      ['value', 'value_2', 'value_1'],
    ],
    [
      ['', 'a', ''],
      ['column_1', 'a', 'column_3'],
    ],
    [
      ['column_2', ''],
      ['column_2', 'column_2_1'],
    ],
    [
      ['__proto__', '__proto__'],
      ['__proto__', '__proto___1'],
    ],
  ])('%j are %j', (given, names) => {
    expect(uniqueNames(given).names).toEqual(names);
  });

  it('are told where they changed, and not one by one without end', () => {
    expect(uniqueNames(['a', 'a', '']).notices).toEqual([
      "column 2, 'a' again, is called 'a_1'",
      "column 3 has no name and is called 'column_3'",
    ]);
    expect(uniqueNames(Array.from({ length: 100 }, () => 'a')).notices).toHaveLength(6);
  });
});

describe('the header of a CSV file', () => {
  it('may name two columns alike, or not at all', async () => {
    const { rows, notices } = await read('csv', 'value,,value\n1,2,3\n');
    expect(rows).toEqual([{ value: 1, column_2: 2, value_1: 3 }]);
    expect(notices).toHaveLength(2);
  });

  it('may be longer than what is looked at first', async () => {
    const names = Array.from({ length: 20_000 }, (_, index) => `name${index}`);
    const rows = await rowsOf('csv', `${names.join(',')}\n${names.map((_, index) => index).join(',')}\n`);
    expect(Object.keys(rows[0]!)).toHaveLength(20_000);
    expect(rows[0]).toMatchObject({ name0: 0, name19999: 19_999 });
  });

  it('alone is a file without rows', async () => {
    expect(await rowsOf('csv', 'a,b\n')).toEqual([]);
  });
});

describe('numbers in CSV', () => {
  it.each<[string, number]>([
    ['.5', 0.5],
    ['5.', 5],
    ['-.5', -0.5],
    ['1e-05', 0.00001],
    ['1E5', 100_000],
    ['+3', 3],
    ['  7', 7],
    ['8\t ', 8],
    ['1e+300', 1e300],
    ['-0', -0],
    ['NaN', Number.NaN],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['0', 0],
    ['0.10', 0.1],
    ['9007199254740991', 9007199254740991],
  ])('%j is %d', async (text, value) => {
    expect(await column(['1', text])).toEqual([1, value]);
  });

  it.each([
    '007',
    '-01',
    '9007199254740993',
    '1e400',
    '1_000',
    '0x10',
    '1,5',
    '.',
    '+',
    'e5',
    '1e',
    '--1',
    '5 %',
    'nan',
  ])('%j is text, and so is its column', async (text) => {
    expect(await column(['1', `"${text}"`])).toEqual(['1', text]);
  });

  it('come back from the exports of this product', async () => {
    const values = [1e-7, 1e21, 2 ** 53, -(2 ** 60), -0, 0.1 + 0.2, Number.NaN, Number.POSITIVE_INFINITY, 5e-324];
    const text = csvLines([['v', 'w'], ...values.map((value) => [value, 1])]);
    expect((await rowsOf('csv', text)).map(({ v }) => v)).toEqual(values);
  });
});

describe('the type of a CSV column', () => {
  it('is that of all its rows, also beyond the first thousands', async () => {
    const numbers = Array.from({ length: 5000 }, (_, index) => String(index));
    expect((await column([...numbers, 'n/a'])).slice(-2)).toEqual(['4999', 'n/a']);
    expect((await column([...numbers, 'n/a']))[0]).toBe('0');
    expect((await column([...numbers, '5000']))[0]).toBe(0);
  });

  it('is that of the rows which are wanted', async () => {
    const rows = await rowsOf('csv', 'v,w\n1,a\n2,b\nx,c\n', { limit: 2 });
    expect(rows).toEqual([
      { v: 1, w: 'a' },
      { v: 2, w: 'b' },
    ]);
  });

  it('is boolean where all are true or false', async () => {
    expect(await column(['true', 'false', ''])).toEqual([true, false, null]);
    expect(await column(['true', '1'])).toEqual(['true', '1']);
  });
});

describe('null and the empty text in CSV', () => {
  it('are told apart by quotes in a column of texts', async () => {
    expect(await column(['a', '', '""'])).toEqual(['a', null, '']);
  });

  it('are both null in a column of numbers', async () => {
    expect(await column(['1', '', '""'])).toEqual([1, null, null]);
  });

  it('are told apart by a null text of the caller', async () => {
    expect(await column(['a', '', 'NA', '"NA"'], { nullText: 'NA' })).toEqual(['a', '', null, 'NA']);
    expect(await column(['1', 'NA', '3'], { nullText: 'NA' })).toEqual([1, null, 3]);
  });

  it.each([undefined, 'NULL', '\\N', '-'])('survive a round trip with %j', async (nullText) => {
    const values = ['', null, 'a', 'NULL', '\\N', '-', ' ', '"', 'a\rb', 'a\r', 'a\r\nb', '\u2028', ',;|\t'];
    const text = csvLines([['v', 'w'], ...values.map((value) => [value, 'x'])], nullText);
    expect((await rowsOf('csv', text, { nullText })).map(({ v }) => v)).toEqual(values);
  });
});

describe('lines of CSV', () => {
  it('end with either line end, also in one file', async () => {
    expect(await rowsOf('csv', 'a,b\n1,x\r\n2,y\r\n')).toEqual([
      { a: 1, b: 'x' },
      { a: 2, b: 'y' },
    ]);
    expect(await rowsOf('csv', 'a,b\r\n1,x\n2,y')).toHaveLength(2);
    expect(await rowsOf('csv', 'a,b\r1,x\r2,y\r')).toHaveLength(2);
  });

  it('keep line ends that stand in quotes', async () => {
    expect(await rowsOf('csv', 'a,b\n1,"x\r\ny"\n2,"\n"\n')).toEqual([
      { a: 1, b: 'x\r\ny' },
      { a: 2, b: '\n' },
    ]);
  });

  it('are rows, blank ones too where the file has one column', async () => {
    expect(await rowsOf('csv', 'a\nx\n\n""\ny\n\n')).toEqual([
      { a: 'x' },
      { a: null },
      { a: '' },
      { a: 'y' },
      { a: null },
    ]);
    expect(await rowsOf('csv', 'a,b\n\n1,2\n\n')).toEqual([{ a: 1, b: 2 }]);
  });

  it('with too many or too few fields are refused by their number', async () => {
    await expect(rowsOf('csv', 'a,b\n1,2\n3\n')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/file-\d+\.csv cannot be read: .*line 3/),
    });
    await expect(rowsOf('csv', 'a,b\n1,"2\n')).rejects.toMatchObject({ message: expect.stringMatching(/line/) });
  });
});

it('reading a CSV file for its types ends when the signal fires', async () => {
  const path = join(folder, 'cancelled.csv');
  await writeFile(path, 'a,b\n1,2\nnot,a,row\n');
  const source = await openRows(path);
  const stop = new AbortController();
  stop.abort();
  const first = source.batches(undefined, stop.signal)[Symbol.asyncIterator]().next();
  await expect(first).rejects.toMatchObject({ code: 'CANCELLED' });
});

describe('the delimiter of a CSV file', () => {
  it.each([
    [',', 'a,b\n"x;y",2\n'],
    [';', 'a;b\n"x,y";2\n'],
    ['\t', 'a\tb\nx,y\t2\n'],
    ['|', 'a|b\nx;y|2\n'],
  ])('%j is found', async (_delimiter, text) => {
    const [row] = await rowsOf('csv', text);
    expect(row).toMatchObject({ b: 2 });
    expect(String(row!.a)).toMatch(/^x.y$/);
  });

  it('is found beside decimal commas, and inside of quotes there is none', async () => {
    expect(await rowsOf('csv', 'name;price\nfoo, bar;1,5\nbaz;2,5\n')).toEqual([
      { name: 'foo, bar', price: '1,5' },
      { name: 'baz', price: '2,5' },
    ]);
    expect(await rowsOf('csv', 'a\n"x,y;z"\n')).toEqual([{ a: 'x,y;z' }]);
  });

  it.each([
    ['', 'sep=;\r\na;b\r\n1;x,y\r\n'],
    ['behind a mark', '\uFEFFsep=;\na;b\n1;x,y\n'],
  ])('is taken from the line by which spreadsheets tell it %s', async (_where, text) => {
    expect(await rowsOf('csv', text)).toEqual([{ a: 1, b: 'x,y' }]);
    expect(await rowsOf('csv', text, { delimiter: ';' })).toEqual([{ a: 1, b: 'x,y' }]);
    await expect(rowsOf('csv', `${text}3\n`)).rejects.toMatchObject({ message: expect.stringMatching(/line 4/) });
  });

  it('can be said', async () => {
    expect(await rowsOf('csv', 'a:b\n1:2\n', { delimiter: ':' })).toEqual([{ a: 1, b: 2 }]);
    expect(await rowsOf('csv', 'a,b\n1,2\n', { delimiter: ';' })).toEqual([{ 'a,b': '1,2' }]);
  });
});

describe('the encoding of a text file', () => {
  const text = 'a,b\nGrüße,2\n';

  it.each<[string, Uint8Array, string | undefined]>([
    ['UTF-8', Buffer.from(text), undefined],
    ['UTF-8 behind a mark', Buffer.from(`\uFEFF${text}`), undefined],
    ['UTF-16 behind a mark', Buffer.from(`\uFEFF${text}`, 'utf16le'), undefined],
    ['UTF-16', Buffer.from(text, 'utf16le'), 'utf16le'],
    ['UTF-16, the high byte first', Buffer.from(`\uFEFF${text}`, 'utf16le').swap16(), undefined],
    ['latin1', Buffer.from(text, 'latin1'), 'latin1'],
  ])('%s is read', async (_name, bytes, encoding) => {
    expect(await rowsOf('csv', bytes, { encoding })).toEqual([{ a: 'Grüße', b: 2 }]);
  });

  it('refuses bytes that are not UTF-8, with line and offset', async () => {
    await expect(rowsOf('csv', Buffer.from('a,b\nx,1\nGrüße,2\n', 'latin1'))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/, line 3: byte 10 is not UTF-8$/),
      hint: expect.stringMatching(/--encoding latin1/),
      details: { line: 3, offset: 10 },
    });
  });

  it.each(['csv', 'ndjson', 'json'])(
    'refuses them far behind the beginning of a .%s file, at their place',
    async (ending) => {
      const row = ending === 'csv' ? 'ü,2\n' : '{"a":"ü","b":2}\n';
      const head = Buffer.from((ending === 'csv' ? 'a,b\n' : '') + row.repeat(50_000));
      const bytes = Buffer.concat([head, Buffer.from([0xe2, 0x82]), Buffer.from('x')]);
      await expect(rowsOf(ending, bytes)).rejects.toMatchObject({
        details: { line: 50_001 + (ending === 'csv' ? 1 : 0), offset: head.length },
      });
      await expect(rowsOf(ending, bytes.subarray(0, -1))).rejects.toMatchObject({ details: { offset: head.length } });
    },
  );

  it('is told when there is none of its name', async () => {
    await expect(rowsOf('csv', text, { encoding: 'latin11' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      hint: expect.stringMatching(/latin1/),
    });
  });
});

describe('a file that is not text', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', Buffer.alloc(0), /is empty$/],
    ['blanks', Buffer.from(' \n\n'), /holds nothing but blanks$/],
    ['zeros', Buffer.alloc(100), /zero bytes/],
    ['gzip', Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), /gzip/],
    ['zip', Buffer.from('PK\x03\x04 and so on', 'latin1'), /zip/],
    ['Parquet', Buffer.from('PAR1 and so on'), /Parquet/],
  ])('but %s is refused', async (_what, bytes, message) => {
    for (const ending of ['csv', 'tsv', 'ndjson', 'json']) {
      await expect(rowsOf(ending, bytes)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(message),
      });
    }
  });

  it('is told to be unpacked, by its name alone', async () => {
    await expect(rowsOf('csv.gz', 'a\n1\n')).rejects.toMatchObject({
      message: expect.stringMatching(/\.csv\.gz is compressed$/),
      hint: 'unpack it first',
    });
  });

  it('is told when an option means nothing to its kind', async () => {
    await expect(rowsOf('ndjson', '{}\n', { delimiter: ';' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(rowsOf('parquet', 'PAR1', { encoding: 'latin1' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('lines of JSON', () => {
  it('hold every character that JSON allows in a text', async () => {
    const odd = 'a\u2028b\u2029c\u0085d\u000be';
    const line = JSON.stringify({ odd });
    expect(await rowsOf('ndjson', `\uFEFF${line}\r\n\n${line}\n{"odd":"x"}`)).toEqual([{ odd }, { odd }, { odd: 'x' }]);
  });

  it('keep whole numbers beyond 2^53', async () => {
    const text = '{"id":9007199254740993,"list":[9007199254740992],"d":1e300,"n":12}\n{"id":9007199254740992}\n';
    expect(await rowsOf('ndjson', text)).toEqual([
      { id: 9007199254740993n, list: [9007199254740992n], d: 1e300, n: 12 },
      { id: 9007199254740992n },
    ]);
  });

  it('are refused by their number', async () => {
    await expect(rowsOf('ndjson', '{}\n{"a":}\n')).rejects.toMatchObject({ details: { line: 2 } });
    await expect(rowsOf('ndjson', '{}\n\n[1]\n')).rejects.toMatchObject({ details: { line: 3 } });
  });
});

describe('a JSON file', () => {
  const expected = [{ a: '}]"\\', b: { c: [1, {}] } }, { id: 9007199254740993n }];
  const [first, second] = ['{"a":"}]\\"\\\\","b":{"c":[1,{}]}}', '{"id":9007199254740993}'];

  it.each([
    ['an array', `[${first},${second}]`],
    ['an array over lines', `[\n${first},\n${second}\n]\n`],
    ['an array with air in it', ` [ ${first.replaceAll(',', ' ,\n ')}\r\n,\t${second} ] `],
    ['objects one after the other', `${first}\n${second}\n`],
    ['objects without lines', `${first}${second}`],
    ['an array behind a mark', `\uFEFF[${first},${second}]`],
  ])('may be %s', async (_form, text) => {
    expect(await rowsOf('json', text)).toEqual(expected);
  });

  it('may be empty as an array is', async () => {
    expect(await rowsOf('json', '[]')).toEqual([]);
    expect(await rowsOf('json', '[\n]\n')).toEqual([]);
  });

  it('is read up to the limit', async () => {
    expect(await rowsOf('json', '[{"n":1},{"n":2},{"n":', { limit: 2 })).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it('is cut at any place into pieces', async () => {
    const wide = Array.from({ length: 30_000 }, (_, n) => ({ n, text: `"{[\\ü${n}` }));
    expect(await rowsOf('json', JSON.stringify(wide))).toEqual(wide);
  });

  it.each([
    ['[1]', /line 1: a JSON object or ']' is expected, not '1'/],
    ['[{}\n{}]', /line 2: ',' or ']' is expected, not '{'/],
    ['[{},]', /a JSON object is expected, not ']'/],
    ['[{}', /no ']' at its end/],
    ['[{}]\n{}', /line 2: the end of the file is expected/],
    ['[\n{"a":1', /line 2: the object that begins here has no end/],
    ['[\n{"a":}]', /line 2: not valid JSON/],
    ['[{"a":[}]]', /not valid JSON|has no end/],
    ['"text"', /an array of objects, or an object, is expected/],
  ])('that is %j is refused with its line', async (text, message) => {
    await expect(rowsOf('json', text)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    });
  });
});
