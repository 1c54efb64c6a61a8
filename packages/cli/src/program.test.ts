import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GridError } from '@ashlar/api';
import { runFake } from './testing/fake-io.ts';

const rows = {
  columns: [
    { name: 'brand', type: 'text' },
    { name: 'total', type: 'float8' },
  ],
  batches: [[['x', 12.5]], [['y', null]]],
} as const;

describe('the command line', () => {
  it('answers --help with an example, at every command', async () => {
    const names = 'start sql get put rm keys import export watch top stats ping config bench'.split(' ');
    for (const command of [[], ...names.map((name) => [name]), ['config', 'print'], ['config', 'schema']]) {
      const { exitCode, stdout } = await runFake([...command, '--help']);
      expect(exitCode).toBe(0);
      expect(stdout).toContain('Example:\n  $ ashlar');
      expect(stdout).not.toContain('[]');
    }
  });

  it('leaves with 2 and the nearest name when it is used wrongly', async () => {
    expect(await runFake(['sqll'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('Did you mean sql?'),
    });
    expect(await runFake(['sql', 'SELECT 1', '--jsn'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('Did you mean --json?'),
    });
    expect(await runFake(['sql', '--mode', 'jsno'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("did you mean 'json'?"),
    });
    expect(await runFake(['sql', 'SELECT 1', '--max-rows', '0'])).toMatchObject({ exitCode: 2 });
    expect(await runFake(['import', 'x.csv'])).toMatchObject({ exitCode: 2 });
  });

  it('finds the grid by --address, else ASHLAR_ADDRESS, else on this machine', async () => {
    const env = { ASHLAR_ADDRESS: 'a:1,b:2' };
    expect((await runFake(['ping'])).asked).toEqual(['connect 127.0.0.1:7710']);
    expect((await runFake(['ping'], { env })).asked).toEqual(['connect a:1 b:2']);
    expect((await runFake(['ping', '--address', 'c:3'], { env })).asked).toEqual(['connect c:3']);
  });

  it('tells a failure to connect in one line, with exit code 1', async () => {
    const connectFails = new GridError('CONNECT_TIMEOUT', 'no member answers at 127.0.0.1:7710', {
      hint: 'is one running? npx ashlar start',
    });
    expect(await runFake(['ping'], { connectFails })).toMatchObject({
      exitCode: 1,
      stdout: '',
      stderr: 'error: no member answers at 127.0.0.1:7710 (CONNECT_TIMEOUT)\nhint: is one running? npx ashlar start\n',
    });
  });

  it('leaves with 130 on Ctrl-C, without an error', async () => {
    const ran = await runFake(['sql', 'SELECT 1'], { connectFails: new Error('late') }, ({ interrupt }) => interrupt());
    expect(ran).toMatchObject({ exitCode: 130, stderr: '' });
  });
});

describe('ashlar sql', () => {
  it('shows a typed table, the row count and the time', async () => {
    const { exitCode, stdout } = await runFake(['sql', 'SELECT brand, total FROM t'], { answer: rows });
    expect(exitCode).toBe(0);
    expect(stdout.split('\n').slice(0, 7)).toEqual([
      '┌───────┬────────┐',
      '│ brand │  total │',
      '│ text  │ float8 │',
      '├───────┼────────┤',
      '│ x     │   12.5 │',
      '│ y     │   NULL │',
      '└───────┴────────┘',
    ]);
    expect(stdout).toMatch(/\n2 rows in \S+ \S+\n$/);
  });

  it('cuts a long table and says how to see the rest', async () => {
    const { stdout } = await runFake(['sql', 'SELECT 1', '--max-rows', '1'], { answer: rows });
    expect(stdout).toContain('│ x ');
    expect(stdout).not.toContain('│ y ');
    expect(stdout).toMatch(/first 1 row; --max-rows shows more/);
  });

  it('passes parameters: JSON where it is JSON, else text', async () => {
    const args = ['sql', 'SELECT $1, $2, $3', '--param', '5', '-p', 'SEA', '-p', '"7"'];
    expect((await runFake(args, { answer: rows })).asked).toContain('sql SELECT $1, $2, $3 [5,"SEA","7"]');
  });

  it('answers one JSON object with --json, empty results included', async () => {
    const answer = { columns: rows.columns, batches: [[['x', 9007199254740993n]], [['y', 1n]]] };
    const { stdout } = await runFake(['sql', 'SELECT 1', '--json'], { answer });
    expect(JSON.parse(stdout)).toEqual({
      columns: rows.columns,
      rows: [
        { brand: 'x', total: '9007199254740993' },
        { brand: 'y', total: 1 },
      ],
      rowCount: 2,
      timeMs: expect.any(Number),
    });
    const none = await runFake(['sql', 'SELECT 1', '--json'], { answer: { columns: rows.columns, batches: [] } });
    expect(JSON.parse(none.stdout)).toMatchObject({ columns: rows.columns, rows: [], rowCount: 0 });
  });

  it('tells how many rows a change concerned', async () => {
    const answer = { columns: [], batches: [], affected: 3 };
    const { stdout } = await runFake(['sql', '--', '-- mind\n/* it */ DELETE FROM t'], { answer });
    expect(stdout).toMatch(/^3 rows changed in /);
    const json = await runFake(['sql', 'update t set a = 1', '--json'], { answer });
    expect(JSON.parse(json.stdout)).toMatchObject({ affected: 3 });
  });

  it('shows the place of an error under the statement, and the hint', async () => {
    const answer = new GridError('UNKNOWN_MAP', "unknown map 'trade'", {
      hint: "did you mean 'trades'?",
      position: { offset: 21, line: 2, column: 6 },
    });
    const statement = 'SELECT count(*)\nFROM trade';
    expect(await runFake(['sql', statement], { answer })).toMatchObject({
      exitCode: 1,
      stderr: "error: unknown map 'trade' (UNKNOWN_MAP)\n  FROM trade\n       ^\nhint: did you mean 'trades'?\n",
    });
    const json = await runFake(['sql', statement, '--json'], { answer });
    expect(json.exitCode).toBe(1);
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'UNKNOWN_MAP', position: { line: 2, column: 6 } } });
  });

  it('tells notices beside the answer', async () => {
    const { stderr } = await runFake(['sql', 'SELECT 1'], { answer: { ...rows, notices: ['no row has ordr'] } });
    expect(stderr).toBe('notice: no row has ordr\n');
  });

  it('colours only a terminal without NO_COLOR', async () => {
    const escapes = '\u001b[';
    expect((await runFake(['sql', 'SELECT 1'], { answer: rows, isTTY: true })).stdout).toContain(escapes);
    expect((await runFake(['sql', 'SELECT 1'], { answer: rows })).stdout).not.toContain(escapes);
    const env = { NO_COLOR: '1' };
    expect((await runFake(['sql', 'SELECT 1'], { answer: rows, isTTY: true, env })).stdout).not.toContain(escapes);
  });
});

describe('ashlar import', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ashlar-cli-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const brands = file('brands.csv', 'code,name,share\n007,"Bond, James",0.5\n008,,2\n');

  it('stores rows by their number, with a type a column', async () => {
    const { exitCode, maps, stdout } = await runFake(['import', brands, '--map', 'brands']);
    expect(exitCode).toBe(0);
    expect([...maps.get('brands')!]).toEqual([
      [0, { code: '007', name: 'Bond, James', share: 0.5 }],
      [1, { code: '008', name: null, share: 2 }],
    ]);
    expect(stdout).toMatch(/^2 rows stored in brands: 45 B in /);
  });

  it('takes keys from fields, and no more rows than asked', async () => {
    const byCode = await runFake(['import', brands, '--map', 'brands', '--key', 'code', '--limit', '1']);
    expect([...byCode.maps.get('brands')!.keys()]).toEqual(['007']);
    const byBoth = await runFake(['import', brands, '--map', 'brands', '--key', 'code,share']);
    expect([...byBoth.maps.get('brands')!.keys()]).toEqual([
      ['007', 0.5],
      ['008', 2],
    ]);
  });

  it('refuses a row without its key by number, and names the fields', async () => {
    expect(await runFake(['import', brands, '--map', 'brands', '--key', 'name'])).toMatchObject({
      exitCode: 1,
      stderr: "error: row 1: the key field 'name' is null (INVALID_KEY)\nhint: fields of this row: code, name, share\n",
    });
  });

  it('reads newline-delimited JSON and names a broken line', async () => {
    const good = file('good.ndjson', '{"a":1}\n\n{"a":{"b":[2]}}\n');
    const { maps, stdout } = await runFake(['import', good, '--map', 'm', '--json']);
    expect([...maps.get('m')!.values()]).toEqual([{ a: 1 }, { a: { b: [2] } }]);
    expect(JSON.parse(stdout)).toMatchObject({ map: 'm', rows: 2 });
    const broken = file('broken.ndjson', '{"a":1}\n{"a":\n');
    expect((await runFake(['import', broken, '--map', 'm'])).stderr).toContain('broken.ndjson, line 2: not valid JSON');
  });

  it('refuses files that are not there or of no known kind', async () => {
    expect(await runFake(['import', join(folder, 'no.csv'), '--map', 'm'])).toMatchObject({ exitCode: 1 });
    const { stderr } = await runFake(['import', file('x.txt', ''), '--map', 'm']);
    expect(stderr).toContain('.parquet, .csv, .tsv, .ndjson, .jsonl, .json');
    const { stderr: noParquet } = await runFake(['import', file('x.parquet', 'nothing like it'), '--map', 'm']);
    expect(noParquet).toContain('x.parquet is not a readable parquet file');
  });
});

describe('ashlar start', () => {
  const member = { name: 'm', address: '127.0.0.1:7710', httpAddress: '127.0.0.1:7711', stop: async () => {} };

  it('hands its flags to the member and runs until Ctrl-C', async () => {
    const args = [
      'start',
      '--port',
      '7720',
      '--host',
      '::1',
      '--insecure',
      '--spin',
      'off',
      '--set',
      'workers.userThreads=2',
    ];
    const ran = await runFake(args, { member }, ({ interrupt }) => setTimeout(interrupt, 20));
    expect(ran.exitCode).toBe(0);
    const flags = {
      'grpc.port': '7720',
      'grpc.host': '::1',
      'http.host': '::1',
      'security.insecure': true,
      spin: 'off',
    };
    expect(ran.asked).toEqual([`start ${JSON.stringify({ ...flags, 'workers.userThreads': '2' })}`]);
    expect(ran.stderr).toContain('npx ashlar sql --address 127.0.0.1:7710');
  });

  it('tells readiness as one JSON line and stops with its parent', async () => {
    let stops = 0;
    const counting = { ...member, stop: async () => void (stops += 1) };
    const args = ['start', '--ready-json', '--exit-with-parent'];
    const ran = await runFake(args, { member: counting }, ({ parentGone }) => setTimeout(parentGone, 20));
    expect(JSON.parse(ran.stdout)).toEqual({
      event: 'listening',
      pid: process.pid,
      name: 'm',
      address: '127.0.0.1:7710',
      httpAddress: '127.0.0.1:7711',
    });
    expect({ exitCode: ran.exitCode, stops, stderr: ran.stderr }).toEqual({ exitCode: 0, stops: 1, stderr: '' });
  });

  it('tells a failed start to people and to the program that waits for it', async () => {
    const taken = new GridError('PORT_IN_USE', 'port 7710 is taken', { hint: 'give another --port' });
    const ran = await runFake(['start', '--ready-json'], { member: taken });
    expect(ran.exitCode).toBe(1);
    expect(JSON.parse(ran.stdout)).toMatchObject({ event: 'failed', code: 'PORT_IN_USE' });
    expect(ran.stderr).toBe('error: port 7710 is taken (PORT_IN_USE)\nhint: give another --port\n');
  });
});

describe('ashlar config', () => {
  const settingsOf = (stdout: string): Record<string, { value: unknown; origin: string; name?: string }> => {
    const { settings } = JSON.parse(stdout) as { settings: { setting: string; value: unknown; origin: string }[] };
    return Object.fromEntries(settings.map(({ setting, ...rest }) => [setting, rest]));
  };

  it('print: shows the value of every setting and where it comes from, but no secret', async () => {
    const env = { ASHLAR_GRPC_PORT: '7800', ASHLAR_SECURITY_TOKEN: 'hush' };
    const args = ['config', 'print', '--memory', '1GiB', '--set', 'log.level=warn'];
    const json = await runFake([...args, '--json'], { env });
    expect(settingsOf(json.stdout)).toMatchObject({
      'memory.maxBytes': { value: 2 ** 30, origin: 'flag', name: '--memory' },
      'grpc.port': { value: 7800, origin: 'environment', name: 'ASHLAR_GRPC_PORT' },
      'log.level': { value: 'warn', origin: 'flag', name: '--set log.level' },
      'http.port': { value: 7711, origin: 'default' },
      'security.token': { value: '***', origin: 'environment' },
    });
    const table = await runFake([...args, '--origins'], { env });
    expect(table.stdout).toMatch(/memory\.maxBytes +│ 1GiB +│ flag: --memory +│/);
    expect(table.stdout).toMatch(/grpc\.port +│ 7800 +│ environment: ASHLAR_GRPC_PORT +│/);
    expect(table.stdout).toMatch(/limits\.sessionTtlMs +│ 1min +│ default +│/);
    expect(json.stdout + table.stdout).not.toContain('hush');
    expect((await runFake(args, { env })).stdout).not.toContain('environment');
  });

  it('print: takes --set before a short flag, and refuses what start refuses', async () => {
    const both = await runFake(['config', 'print', '--json', '--port', '1', '--set', 'grpc.port=2']);
    expect(settingsOf(both.stdout)).toMatchObject({ 'grpc.port': { value: 2, name: '--set grpc.port' } });
    expect(await runFake(['config', 'print', '--http-port', '70000'])).toMatchObject({
      exitCode: 1,
      stdout: '',
      stderr: expect.stringContaining('--http-port: http.port is "70000": expected a whole number from 0 to 65535'),
    });
  });

  it('schema: prints the JSON schema of ashlar.yaml', async () => {
    const { exitCode, stdout } = await runFake(['config', 'schema']);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ properties: { memory: { properties: { maxBytes: {} } } } });
  });
});
