/** `ashlar import` of files that are whole and of files that are not, into a grid of two members. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Grid } from '@ashlar/client';
import { Duck } from './sql/duck.ts';
import { TestGrid } from './support/grid.ts';
import { runCliProcess } from './support/member-process.ts';

const ROWS = 20_000;
const GROUP_ROWS = 4096;

let grid: TestGrid;
let client: Grid;
let folder: string;
let whole: string;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2 });
  client = await grid.connect();
  folder = await mkdtemp(join(tmpdir(), 'ashlar-import-'));
  whole = join(folder, 'whole.parquet');
  const rows = `SELECT i AS n, 'row ' || i AS label, i * 0.5::DOUBLE AS "__proto__" FROM range(${ROWS}) AS t(i)`;
  const duck = await Duck.open([
    `COPY (${rows}) TO '${whole}' (FORMAT parquet, ROW_GROUP_SIZE ${GROUP_ROWS}, COMPRESSION zstd)`,
  ]);
  duck.close();
});

afterAll(async () => {
  await grid.stop();
  await rm(folder, { recursive: true, force: true });
});

const runImport = (file: string, map: string) =>
  runCliProcess(['import', file, '--map', map, '--address', grid.members[0]!.address]);

/** A copy of the whole file with something done to its bytes. */
async function spoilt(name: string, spoil: (bytes: Buffer) => Buffer): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, spoil(await readFile(whole)));
  return path;
}

describe('a Parquet file', () => {
  it('is stored row by row, whatever its columns are called', async () => {
    const run = await runImport(whole, 'whole');
    expect(run).toMatchObject({ code: 0, stdout: expect.stringMatching(/^20,000 rows stored in whole/) });
    const value = await client.map<object>('whole').get(7);
    expect(Object.entries(value!)).toEqual([
      ['n', 7],
      ['label', 'row 7'],
      ['__proto__', 3.5],
    ]);
    const sums = await client.sql('SELECT count(*) AS n, sum(n) AS total FROM whole').all();
    expect(sums).toEqual([{ n: ROWS, total: (ROWS * (ROWS - 1)) / 2 }]);
  });
});

describe('a half-written Parquet file', () => {
  beforeAll(() => client.map('before').put('known', 1));

  afterEach(async () => {
    expect(await client.map('before').get('known')).toBe(1);
    expect(await client.sql('SELECT __value AS v FROM before').all()).toEqual([{ v: 1 }]);
  });

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['nothing', () => Buffer.alloc(0)],
    ['its first four bytes', (bytes) => bytes.subarray(0, 4)],
    ['its first half', (bytes) => bytes.subarray(0, bytes.length >> 1)],
    ['all but its last byte', (bytes) => bytes.subarray(0, -1)],
    ['all but the middle of its footer', (bytes) => Buffer.concat([bytes.subarray(0, -300), bytes.subarray(-8)])],
    ['zeros in place of its end', (bytes) => Buffer.concat([bytes.subarray(0, -500), Buffer.alloc(500)])],
  ])('that holds %s stores nothing and is refused by its name', async (what, spoil) => {
    const map = `half-${what.length}`;
    const run = await runImport(await spoilt('half.parquet', spoil), map);
    expect(run).toMatchObject({ code: 1, stdout: '' });
    expect(run.stderr).toMatch(/half\.parquet is not a readable parquet file: .+ \(INVALID_ARGUMENT\)\nhint: .*PAR1/);
    expect(run.stderr).not.toMatch(/\n\s+at /);
    expect(await client.map(map).size()).toBe(0);
  });

  it('with a hole in its middle keeps the row groups before it, and names column and row', async () => {
    const holed = await spoilt('holed.parquet', (bytes) =>
      Buffer.from(bytes).fill(0, bytes.length >> 1, (bytes.length >> 1) + 4096),
    );
    const run = await runImport(holed, 'holed');
    expect(run.code).toBe(1);
    const place = /holed\.parquet: column (\S+) from row (\d+) cannot be read: .+ \(INVALID_ARGUMENT\)/s.exec(
      run.stderr,
    );
    expect(run.stderr).toMatch(/hint: .*rows before this place were stored/);
    const stored = Number(place![2]);
    expect(stored % GROUP_ROWS).toBe(0);
    expect(stored).toBeGreaterThan(0);
    expect(await client.map('holed').size()).toBe(stored);
    const [sum] = await client.sql<{ n: number }>('SELECT sum(n) AS n FROM holed').all();
    expect(sum!.n).toBe((stored * (stored - 1)) / 2);
    expect((await runImport(whole, 'holed')).code).toBe(0);
    expect(await client.map('holed').size()).toBe(ROWS);
  });
});
