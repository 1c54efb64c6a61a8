/** The command line as a process against a real grid: entries, files, statements, events, load. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Grid } from '@ashlar/client';
import { FUNCTIONS } from '../../packages/cli/src/shell/words.ts';
import { TestGrid } from './support/grid.ts';
import { endingOf, runCliProcess, spawnCli } from './support/member-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'ashlar-commands-'));
let grid: TestGrid;
let client: Grid;
let env: Record<string, string>;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2 });
  client = await grid.connect();
  env = { ASHLAR_ADDRESS: grid.seeds.join(',') };
});

afterAll(async () => {
  await grid.stop();
  rmSync(folder, { recursive: true });
});

const ashlar = (args: readonly string[], input?: string) => runCliProcess(args, env, input);
const file = (name: string): string => join(folder, name);

describe('sql --mode csv', () => {
  it('numbers labels that come again, as JSON does', async () => {
    const { stdout } = await ashlar(['sql', '--mode', 'csv', 'SELECT 1 AS a, 2 AS a, 3 AS a_1']);
    expect(stdout).toBe('a,a_2,a_1\n1,2,3\n');
  });
});

describe('sql --json', () => {
  it('numbers labels that come again, in columns and rows alike', async () => {
    const { code, stdout } = await ashlar(['sql', '--json', 'SELECT 1 AS a, 2 AS a']);
    expect(code).toBe(0);
    const { columns, rows } = JSON.parse(stdout);
    expect([columns.map(({ name }: { name: string }) => name), rows]).toEqual([['a', 'a_1'], [{ a: 1, a_1: 2 }]]);
  });
});

describe('entries', () => {
  it('are put, got, listed and removed', async () => {
    expect(await ashlar(['put', 'shop', 'a1', '-', '--ttl', '1h'], '{"n": 1, "o": {"id": 7}}\n')).toMatchObject({
      code: 0,
    });
    expect(await ashlar(['put', 'shop', 'a1', '2', '--if-absent'])).toMatchObject({ code: 1 });
    const got = await ashlar(['get', 'shop', 'a1', '--json']);
    const { version, expiresAt, ...entry } = JSON.parse(got.stdout);
    expect(entry).toEqual({ key: 'a1', found: true, value: { n: 1, o: { id: 7 } } });
    expect(Date.parse(expiresAt)).toBeGreaterThan(version / 1000);
    expect(await ashlar(['put', 'shop', 'a1', '{"n":2}', '--if-version', `${version}`])).toMatchObject({ code: 0 });
    expect(await ashlar(['put', 'shop', 'a1', '{"n":3}', '--if-version', `${version}`])).toMatchObject({ code: 1 });
    await client.map('shop').putAll([
      [['x', 1n], 1],
      [Uint8Array.of(1, 255), 2],
      ['5', 3],
      [5, 4],
      ['a2', 5],
    ]);
    const keys = (await ashlar(['keys', 'shop'])).stdout.trim().split('\n');
    expect(keys.sort()).toEqual(['"5"', '5', '["x",1]', 'a1', 'a2', '{"bytes":"01ff"}']);
    expect((await ashlar(['get', 'shop', ...keys])).stdout).toBe('3\n4\n1\n{"n":2}\n5\n2\n');
    expect(
      (await ashlar(['keys', 'shop', '--prefix', 'a', '--json', '--limit', '5'])).stdout.split('\n').sort(),
    ).toEqual(['', '"a1"', '"a2"']);
    expect((await ashlar(['rm', 'shop', ...keys, 'nobody'])).stdout).toBe('6 keys removed\n');
    expect(await ashlar(['get', 'shop', 'a1'])).toMatchObject({ code: 1, stderr: 'shop has no key a1\n' });
  });

  it.each([
    ['get', ['shpo', 'a']],
    ['rm', ['shpo', 'a']],
    ['keys', ['shpo']],
    ['watch', ['shpo']],
    ['export', ['shpo', '-']],
    ['sql', ['\\d shpo']],
  ])('%s tells the nearest map, and makes none', async (command, args) => {
    await client.map('shop').put('a', 1);
    const { code, stderr } = await ashlar([command, ...args]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "error: unknown map 'shpo' (UNKNOWN_MAP)\nhint: did you mean 'shop'?\n",
    });
    expect((await client.maps()).map(({ name }) => name)).not.toContain('shpo');
  });

  it('end quietly when the reader has seen enough', async () => {
    await client.map('many').putAll(Array.from({ length: 50_000 }, (_, n) => [n, { n }]));
    const child = spawnCli(['keys', 'many'], env);
    let stderr = '';
    child.stderr!.on('data', (text: Buffer) => (stderr += text));
    child.stdout!.once('data', () => child.stdout!.destroy());
    const { code, signal } = await endingOf(child);
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  });
});

describe('files', () => {
  it.each(['parquet', 'csv', 'ndjson'])('go out as .%s and come back as the same map', async (ending) => {
    const rows = Array.from(
      { length: 5000 },
      (_, n) => [`k${n}`, { n, half: n / 2, t: `text, "${n}"`, even: n % 2 === 0 }] as const,
    );
    await client.map('original').putAll(rows);
    const target = file(`copy.${ending}`);
    expect(await ashlar(['export', 'original', target])).toMatchObject({ code: 0 });
    expect(await ashlar(['import', target, '--map', `copy_${ending}`])).toMatchObject({ code: 0 });
    expect(await client.map(`copy_${ending}`).size()).toBe(5000);
    const values = await client.map(`copy_${ending}`).getAll(rows.map(([key]) => key));
    expect(values).toEqual(rows.map(([, value]) => value));
  });

  it('hold one moment of a map that changes meanwhile', async () => {
    const ticks = client.map<{ n: number }>('ticks');
    await ticks.putAll(Array.from({ length: 2000 }, (_, n) => [n, { n: 0 }]));
    await ticks.putAll([
      ['first', { n: 0 }],
      ['second', { n: 0 }],
    ]);
    let isOver = false;
    const changing = (async () => {
      for (let n = 1; !isOver; n += 1) {
        await ticks.put('first', { n });
        await ticks.put('second', { n });
      }
    })();
    await ashlar(['export', 'ticks', file('ticks.ndjson')]);
    isOver = true;
    await changing;
    const lines = readFileSync(file('ticks.ndjson'), 'utf8').trim().split('\n');
    const values = new Map(lines.map((line) => JSON.parse(line)).map(({ __key, n }) => [__key, n as number]));
    expect(values.size).toBe(2002);
    // Written one after the other: at no moment is the second ahead, or two behind.
    expect([0, 1]).toContain(values.get('first')! - values.get('second')!);
  });
});

describe('statements', () => {
  it('come from a pipe and from files, one after the other, up to the first that fails', async () => {
    const script = `.mode csv
INSERT INTO steps (__key, n) VALUES ('a', 1), ('b', 2); -- two rows
SELECT __key, n FROM steps
  ORDER BY n;
SELECT nothing FROM stpes;
INSERT INTO steps (__key, n) VALUES ('c', 3);
`;
    const piped = await ashlar(['sql'], script);
    expect(piped).toMatchObject({ code: 1, stdout: '__key,n\na,1\nb,2\n' });
    expect(piped.stderr).toContain("standard input:5: error: unknown map 'stpes' (UNKNOWN_MAP)");
    expect(piped.stderr).toContain("hint: did you mean 'steps'?\nstopped at statement 3");
    expect(await client.map('steps').size()).toBe(2);
    writeFileSync(file('two.sql'), 'SELECT 1 AS a;\n\\x\nSELECT 2 AS b');
    const { stdout } = await ashlar(['sql', '-f', file('two.sql')]);
    expect(stdout).toMatch(/│ +a │[\s\S]*─\[ row 1 \]─+\nb │ 2\n1 row in/);
  });

  it('are cancelled in the grid by Ctrl-C', async () => {
    await client.map('many').putAll(Array.from({ length: 20_000 }, (_, n) => [n, { n }]));
    const child = spawnCli(['sql', 'SELECT count(*) FROM many a, many b WHERE a.n * b.n = -1'], env);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    child.kill('SIGINT');
    expect(await endingOf(child)).toMatchObject({ code: 130 });
    // Each member has one thread for queries: this would wait for it.
    expect(await client.sql('SELECT count(*) AS n FROM many WHERE n < 10', [], { timeoutMs: 10_000 }).all()).toEqual([
      { n: 10 },
    ]);
  });

  it('may use every function that the shell offers', async () => {
    const refusals = await Promise.all(
      FUNCTIONS.map(async (name) => {
        const error = await client
          .sql(`SELECT ${name}(1, 2, 3, 4, 5, 6, 7)`)
          .all()
          .catch((caught: unknown) => caught);
        return { name, isUnknown: (error as { code?: string }).code === 'UNKNOWN_FUNCTION' };
      }),
    );
    expect(refusals.filter(({ isUnknown }) => isUnknown)).toEqual([]);
  });
});

describe('changes', () => {
  it('are shown as they happen, until Ctrl-C', async () => {
    const map = client.map<{ n: number }>('watched');
    await map.put('before', { n: 0 });
    const child = spawnCli(['watch', 'watched', '--where', 'n > $1', '-p', '1', '--json'], env);
    const lines: string[] = [];
    const { promise: seen, resolve } = Promise.withResolvers<void>();
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (lines.push(line) >= 2) resolve();
    });
    // Until the subscription stands, changes are not seen.
    const writing = setInterval(() => void map.put('a', { n: 2 }).catch(() => {}), 50);
    await seen;
    clearInterval(writing);
    child.kill('SIGINT');
    expect(await endingOf(child)).toMatchObject({ code: 130 });
    expect(JSON.parse(lines[1]!)).toMatchObject({
      type: 'update',
      map: 'watched',
      key: 'a',
      value: { n: 2 },
      oldValue: { n: 2 },
    });
  });

  it('begin where a token says', async () => {
    const map = client.map<{ n: number }>('tokens');
    await map.put('a', { n: 1 });
    const watching = ashlar(['watch', 'tokens', '--json', '--tokens', '--count', '1']);
    const writing = setInterval(() => void map.put('a', { n: 2 }).catch(() => {}), 50);
    const { token } = JSON.parse((await watching).stdout);
    clearInterval(writing);
    await map.put('b', { n: 3 });
    const later = await ashlar(['watch', 'tokens', '--json', '--from', token, '--types', 'insert', '--count', '1']);
    expect(JSON.parse(later.stdout)).toMatchObject({ type: 'insert', key: 'b', value: { n: 3 } });
  });
});

it('bench measures the grid and leaves nothing behind', async () => {
  const load = ['bench', '--keys', '1000', '--in-flight', '8', '--seconds', '1'];
  const { code, stdout } = await ashlar([...load, '--json']);
  const figures = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { metric: string; value: number });
  const figure = (wanted: string) => figures.find(({ metric }) => metric === wanted)!.value;
  expect({ code, errors: figure('errors') }).toEqual({ code: 0, errors: 0 });
  expect(figure('get_per_second')).toBeGreaterThan(0);
  const child = spawnCli([...load, '--seconds', '60', '--map', 'bench_cut_short'], env);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  child.kill('SIGINT');
  expect(await endingOf(child)).toMatchObject({ code: 130 });
  expect((await client.maps()).filter(({ name }) => name.startsWith('bench'))).toEqual([]);
});
