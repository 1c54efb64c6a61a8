/** The commands for entries: get, put, rm, keys, export, watch, bench. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Decimal, type EntryEvent, type GridKey, type ResultColumn } from '@ashlar/api';
import { type FakeWorld, runFake } from '../testing/fake-io.ts';

const accounts: FakeWorld = {
  maps: {
    accounts: [
      ['a1', { balance: 100 }],
      [5, 'text'],
      ['5', '7'],
    ],
  },
};

describe('ashlar get', () => {
  it('shows values in the form that put takes', async () => {
    expect(await runFake(['get', 'accounts', 'a1', '5', '"5"'], accounts)).toMatchObject({
      exitCode: 0,
      stdout: '{"balance":100}\ntext\n"7"\n',
    });
    expect((await runFake(['get', 'accounts', '5', '--text', '--raw'], accounts)).stdout).toBe('7\n');
    const { stdout } = await runFake(['get', 'accounts', 'a1'], { ...accounts, isTTY: true });
    expect(stdout).toBe('{\n  "balance": 100\n}\n');
  });

  it('leaves with 1 and a word when a key is missing; of a missing map it tells the nearest', async () => {
    expect(await runFake(['get', 'accounts', 'a2', 'a1'], accounts)).toMatchObject({
      exitCode: 1,
      stdout: '{"balance":100}\n',
      stderr: 'accounts has no key a2\n',
    });
    expect(await runFake(['get', 'acounts', 'a1'], accounts)).toMatchObject({
      exitCode: 1,
      stderr: "error: unknown map 'acounts' (UNKNOWN_MAP)\nhint: did you mean 'accounts'?\n",
    });
  });

  it('tells version and absence with --json', async () => {
    expect((await runFake(['get', 'accounts', 'a1', 'a2', '--json'], accounts)).stdout).toBe(
      '{"key":"a1","found":true,"value":{"balance":100},"version":7}\n{"key":"a2","found":false}\n',
    );
  });
});

describe('ashlar put', () => {
  it('stores JSON where it is JSON, else text', async () => {
    const put = async (...args: string[]) => [...(await runFake(['put', 'm', ...args])).maps.get('m')!][0];
    expect(await put('a', '{"n":[1,null]}')).toEqual(['a', { n: [1, null] }]);
    expect(await put('5', '-5')).toEqual([5, -5]);
    expect(await put('"5"', 'some text')).toEqual(['5', 'some text']);
    expect(await put('5', '6', '--text')).toEqual(['5', '6']);
    expect(await put('["a",1]', '12345678901234567890')).toEqual([['a', 1], 12345678901234567890n]);
  });

  it('tells of a document that became text', async () => {
    expect(await runFake(['put', 'm', 'a', '{n:1}'])).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('notice: stored as text: the value begins as JSON'),
    });
    expect(await runFake(['put', 'm', 'a', '[1,'])).toMatchObject({
      stderr: expect.stringContaining('notice: stored as text'),
    });
    expect((await runFake(['put', 'm', 'a', '{n:1}', '--text'])).stderr).toBe('');
    expect((await runFake(['put', 'm', 'a', 'n:1}'])).stderr).toBe('');
    expect((await runFake(['put', 'm', 'a', '"{n:1}"'])).stderr).toBe('');
  });

  it('reads a value from standard input', async () => {
    const { maps } = await runFake(['put', 'm', 'a', '-'], { input: '{"n":\n1}\n' });
    expect(maps.get('m')!.get('a')).toEqual({ n: 1 });
  });

  it('takes a time to live with its unit', async () => {
    expect((await runFake(['put', 'm', 'a', '1', '--ttl', '30s'])).asked).toContain('put m "a" ttl 30000');
    expect(await runFake(['put', 'm', 'a', '1', '--ttl', '30'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('500ms, 30s'),
    });
  });

  it('leaves with 1 where a condition prevents it', async () => {
    expect(await runFake(['put', 'accounts', 'a1', '1', '--if-absent'], accounts)).toMatchObject({
      exitCode: 1,
      stderr: 'not stored: accounts has a1 already\n',
    });
    expect(await runFake(['put', 'accounts', 'a1', '1', '--if-version', '6'], accounts)).toMatchObject({
      exitCode: 1,
      stderr: 'not stored: accounts has no a1 of version 6\n',
    });
    const stored = await runFake(['put', 'accounts', 'a1', '1', '--if-version', '7', '--json'], accounts);
    expect(stored).toMatchObject({ exitCode: 0, stdout: '{"map":"accounts","key":"a1","stored":true}\n' });
    expect(await runFake(['put', 'm', 'a', '1', '--if-absent', '--if-version', '7'])).toMatchObject({ exitCode: 2 });
  });

  it('refuses what is not a key', async () => {
    expect(await runFake(['put', 'm', 'true', '1'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('error: true is not a key (INVALID_KEY)'),
    });
  });
});

describe('ashlar rm', () => {
  it('tells how many entries it removed', async () => {
    const { stdout, maps } = await runFake(['rm', 'accounts', 'a1', 'a2', '5'], accounts);
    expect(stdout).toBe('2 keys removed\n');
    expect([...maps.get('accounts')!.keys()]).toEqual(['5']);
    expect(await runFake(['rm', 'acounts', 'a1'], accounts)).toMatchObject({ exitCode: 1 });
  });
});

describe('ashlar keys', () => {
  it('lists keys in the form that get takes', async () => {
    const answer = {
      columns: [{ name: '__key', type: 'unknown' as const }],
      batches: [[['a'], [5], ['5']], [[['a', 1n]]]],
    };
    const ran = await runFake(['keys', 'My map', '--prefix', 'x', '--limit', '10'], { answer });
    expect(ran.stdout).toBe('a\n5\n"5"\n["a",1]\n');
    expect(ran.asked).toContain('sql SELECT __key FROM "My map" WHERE starts_with(__key::text, $1) LIMIT 10 ["x"]');
    expect((await runFake(['keys', 'm', '--json'], { answer })).stdout).toBe('"a"\n5\n"5"\n["a",1]\n');
  });
});

const KIND = `coalesce(json_typeof(__value), 'null')`;

function isDocument(value: unknown): value is { readonly n: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  return isDocument(value) ? 'object' : 'other';
}

describe('ashlar export and import', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ashlar-export-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  const value = { t: 'a,"b"', n: 1.5, i: 7, b: true, at: new Date(0), j: { a: [1, null] } };
  const fields: ResultColumn[] = [
    { name: 't', type: 'text' },
    { name: 'n', type: 'float8' },
    { name: 'i', type: 'int8' },
    { name: 'b', type: 'boolean' },
    { name: 'at', type: 'timestamptz' },
    { name: 'j', type: 'json' },
  ];
  const keys: GridKey[] = ['a', 5, '5', ['x', 1], Uint8Array.of(1, 255)];
  const key: ResultColumn = { name: '__key', type: 'unknown' };
  const mixed: [GridKey, unknown][] = [
    ['a', { n: 1 }],
    ['t', 'text'],
    ['q', '5'],
    ['n', 5],
    ['b', 2n ** 60n],
    ['l', [1, 'x', null]],
    ['none', null],
    ['no', false],
    ['e', ''],
  ];
  const world: FakeWorld = {
    maps: { docs: keys.map((one) => [one, value]) },
    answers: {
      'SELECT * FROM "docs" LIMIT 0': { columns: fields, batches: [] },
      [`SELECT __key, "t", "n", "i", "b", "at", "j", ${KIND} FROM "docs"`]: {
        columns: [key, ...fields, { name: 'coalesce', type: 'text' }],
        batches: [keys.map((one) => [one, value.t, value.n, BigInt(value.i), value.b, value.at, value.j, 'object'])],
      },
      [`SELECT __key FROM "docs" WHERE ${KIND} <> 'object' LIMIT 1`]: { columns: [key], batches: [] },
      'SELECT * FROM "mixed" LIMIT 0': { columns: [{ name: 'n', type: 'float8' }], batches: [] },
      [`SELECT __key FROM "mixed" WHERE ${KIND} <> 'object' LIMIT 1`]: { columns: [key], batches: [[['t']]] },
      [`SELECT __key, "n", __value, ${KIND} FROM "mixed"`]: {
        columns: [
          key,
          { name: 'n', type: 'float8' },
          { name: '__value', type: 'json' },
          { name: 'coalesce', type: 'text' },
        ],
        batches: [mixed.map(([one, value]) => [one, isDocument(value) ? value.n : null, value, kindOf(value)])],
      },
      'SELECT * FROM "late" LIMIT 0': { columns: [{ name: 'n', type: 'float8' }], batches: [] },
      [`SELECT __key FROM "late" WHERE ${KIND} <> 'object' LIMIT 1`]: { columns: [key], batches: [] },
      [`SELECT __key, "n", ${KIND} FROM "late"`]: {
        columns: [key, { name: 'n', type: 'float8' }, { name: 'coalesce', type: 'text' }],
        batches: [[['a', 1, 'object']], [['b', null, 'number']]],
      },
      'SELECT __key, __value FROM "docs"': {
        columns: [key, { name: '__value', type: 'json' }],
        batches: [keys.map((one) => [one, value]), []],
      },
      'SELECT __key, __value FROM "odd"': {
        columns: [key, { name: '__value', type: 'json' }],
        batches: [
          [
            ['n', 5],
            ['l', [1, 2]],
            ['none', null],
            ['own', { __key: 1 }],
            ['empty', {}],
            ['big', { n: 2n ** 60n, d: Decimal.parse('1.50') }],
          ],
        ],
      },
    },
  };

  it.each(['parquet', 'csv', 'ndjson'])('.%s brings the entries back under their keys', async (ending) => {
    const file = join(folder, `docs.${ending}`);
    const exported = await runFake(['export', 'docs', file], world);
    expect(exported).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^5 rows of docs written to /) });
    expect(exported.stderr).toBe('');
    const { maps } = await runFake(['import', file, '--map', 'back']);
    const asRead = {
      parquet: value,
      csv: { ...value, at: '1970-01-01 00:00:00.000Z', j: '{"a":[1,null]}' },
      ndjson: { ...value, at: '1970-01-01T00:00:00.000Z' },
    }[ending];
    expect([...maps.get('back')!]).toEqual(keys.map((one) => [one, asRead]));
  });

  it.each(['parquet', 'csv'])('.%s has a column for values that are not documents', async (ending) => {
    const file = join(folder, `mixed.${ending}`);
    expect(await runFake(['export', 'mixed', file], world)).toMatchObject({ exitCode: 0, stderr: '' });
    const { maps } = await runFake(['import', file, '--map', 'back']);
    expect([...maps.get('back')!]).toEqual(mixed);
  });

  it.each(['parquet', 'csv'])('.%s without such a column is refused when one comes', async (ending) => {
    const before = readdirSync(folder);
    const { exitCode, stderr } = await runFake(['export', 'late', join(folder, `late.${ending}`)], world);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/the value of b in late is not a document/);
    expect(readdirSync(folder)).toEqual(before);
  });

  it('writes nulls of CSV as it is told', async () => {
    const answers = {
      'SELECT * FROM "m" LIMIT 0': { columns: [{ name: 'n', type: 'text' as const }], batches: [] },
      [`SELECT __key FROM "m" WHERE ${KIND} <> 'object' LIMIT 1`]: { columns: [key], batches: [] },
      [`SELECT __key, "n", ${KIND} FROM "m"`]: {
        columns: [key, { name: 'n', type: 'text' as const }, { name: 'coalesce', type: 'text' as const }],
        batches: [
          [
            ['a', null, 'object'],
            ['b', '', 'object'],
            ['c', 'NA', 'object'],
          ],
        ],
      },
    };
    const run = await runFake(['export', 'm', '-', '--format', 'csv', '--null', 'NA'], { answers });
    expect(run.stdout).toBe('__key,n\na,NA\nb,""\nc,"NA"\n');
    expect(await runFake(['export', 'm', '-', '--null', 'NA'], { answers })).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('--null is for csv'),
    });
  });

  it('keeps values that are not documents in ndjson', async () => {
    const file = join(folder, 'odd.ndjson');
    await runFake(['export', 'odd', file, '--json'], world);
    expect(Object.fromEntries((await runFake(['import', file, '--map', 'back'])).maps.get('back')!)).toEqual({
      n: 5,
      l: [1, 2],
      none: null,
      own: { __key: 1 },
      empty: {},
      big: { n: 2n ** 60n, d: '1.50' },
    });
  });

  it('writes one JSON array, also of nothing', async () => {
    const file = join(folder, 'docs.json');
    await runFake(['export', 'docs', file], world);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toHaveLength(5);
    const none = { answer: { columns: [key, { name: '__value', type: 'json' as const }], batches: [] } };
    expect((await runFake(['export', 'docs', '-', '--format', 'json'], none)).stdout).toBe('[\n]\n');
    expect((await runFake(['export', 'docs', '-'], none)).stdout).toBe('');
  });

  it('leaves no file behind that is not whole', async () => {
    const before = readdirSync(folder);
    const broken = { ...world, answers: { ...world.answers, 'SELECT __key, __value FROM "docs"': new Error('lost') } };
    expect(await runFake(['export', 'docs', join(folder, 'broken.ndjson')], broken)).toMatchObject({ exitCode: 1 });
    expect(await runFake(['export', 'docs', join(folder, 'no', 'x.ndjson')], world)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('cannot be written'),
    });
    expect(readdirSync(folder)).toEqual(before);
  });

  it('refuses a format it does not know before it asks the grid', async () => {
    const { stderr, asked } = await runFake(['export', 'docs', '-', '--format', 'cvs'], world);
    expect({ stderr, asked }).toEqual({
      stderr: "error: unknown format 'cvs' (INVALID_ARGUMENT)\nhint: did you mean 'csv'?\n",
      asked: [],
    });
    expect((await runFake(['export', 'docs', 'docs.txt'], world)).stderr).toContain('or say --format');
  });
});

describe('ashlar watch', () => {
  const base = { map: 'accounts', key: 'a1', token: 'T' };
  const events = [
    { ...base, type: 'insert', value: { n: 1 }, oldValue: undefined, version: 43_200_000_123_000 },
    { ...base, type: 'update', value: { n: 2 }, oldValue: { n: 1 }, version: 43_200_000_124_000 },
    { ...base, type: 'remove', value: undefined, oldValue: { n: 2 }, version: 43_200_000_125_000 },
  ] as EntryEvent<GridKey, unknown>[];

  it('shows a line an event until it has seen --count', async () => {
    const ran = await runFake(['watch', 'accounts', '--count', '3', '--where', 'n > $1', '-p', '0'], {
      ...accounts,
      events,
    });
    expect(ran).toMatchObject({
      exitCode: 0,
      stdout: [
        '00:00:00.123 insert a1 {"n":1}',
        '00:00:00.124 update a1 {"n":2} (was {"n":1})',
        '00:00:00.125 remove a1 (was {"n":2})',
        '',
      ].join('\n'),
      stderr: 'watching accounts; Ctrl-C leaves\n',
    });
    expect(ran.asked[1]).toContain('"params":[0],"where":"n > $1"');
  });

  it('is JSON with --json, and leaves with 130 on Ctrl-C', async () => {
    const ran = await runFake(['watch', 'accounts', '--json', '--tokens'], { ...accounts, events }, ({ interrupt }) =>
      setTimeout(interrupt, 50),
    );
    expect(ran.exitCode).toBe(130);
    expect(
      ran.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(events.map((event) => ({ ...event })));
  });

  it('refuses a map that is not there, unless it is told that it will be', async () => {
    expect(await runFake(['watch', 'acounts'], accounts)).toMatchObject({ exitCode: 1 });
    expect(await runFake(['watch', 'later', '--new', '--count', '1'], { events })).toMatchObject({ exitCode: 0 });
  });

  it('refuses unknown types of events with the nearest', async () => {
    expect((await runFake(['watch', 'accounts', '--types', 'insrt'], accounts)).stderr).toContain(
      "did you mean 'insert'?",
    );
  });
});

describe('ashlar bench', () => {
  const load = ['bench', '--keys', '100', '--value-bytes', '10', '--in-flight', '2', '--seconds', '1'];

  it('drops the map it made, and tells figures', async () => {
    const ran = await runFake([...load, '--map', 'b'], {});
    expect(ran.exitCode).toBe(0);
    expect(ran.stdout).toMatch(/│ get │ +[\d,]+ │ +[\d,]+\/s │/);
    expect(ran.asked).toContain('drop b');
    expect(ran.maps.has('b')).toBe(false);
  });

  it('tells a line a figure with --json, also when Ctrl-C ends it early', async () => {
    const ran = await runFake([...load, '--reads', '100', '--json'], {}, ({ interrupt }) => setTimeout(interrupt, 300));
    expect(ran.exitCode).toBe(130);
    const figures = ran.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(figures.map(({ metric }) => metric)).toEqual([
      ...['get', 'put'].flatMap((name) => [
        `${name}_per_second`,
        `${name}_p50_ms`,
        `${name}_p99_ms`,
        `${name}_p99.9_ms`,
      ]),
      'errors',
    ]);
    expect(figures[0]).toEqual({
      bench: 'load',
      case: '100% reads, 100 keys, 10 bytes, 2 in flight',
      subject: 'ashlar',
      metric: 'get_per_second',
      value: expect.any(Number),
      unit: '1/s',
    });
    expect(ran.maps.size).toBe(0);
  });

  it('does not touch a map that is there', async () => {
    expect(await runFake(['bench', '--map', 'accounts'], accounts)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('there is a map accounts already'),
      maps: new Map([['accounts', new Map(accounts.maps!['accounts'])]]),
    });
  });
});
