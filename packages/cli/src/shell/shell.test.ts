/** The shell as a user meets it: sessions on a dumb terminal, and scripts. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GridError } from '@ashlar/api';
import { type FakeWorld, runFake, type SqlAnswer } from '../testing/fake-io.ts';

const GOLDEN = new URL('../../testdata/shell-session.txt', import.meta.url);

const one: SqlAnswer = { columns: [{ name: 'n', type: 'int4' }], batches: [[[1]]] };
const brands: SqlAnswer = {
  columns: [
    { name: 'brand', type: 'text' },
    { name: 'note', type: 'text' },
    { name: 'total', type: 'float8' },
  ],
  batches: [[['x', '', 12.5]], [['y', null, -3]]],
};
const unknownMap = new GridError('UNKNOWN_MAP', "unknown map 'brand'", {
  hint: "did you mean 'brands'?",
  position: { offset: 14, line: 2, column: 6 },
});

const world: FakeWorld = {
  maps: { brands: [['x', {}]], 'My map': [] },
  answers: {
    'select 1': one,
    'SELECT *\nFROM brands': brands,
    'SELECT *\nFROM brand': unknownMap,
    'DELETE FROM brands': { columns: [], batches: [], affected: 2 },
    'SELECT forever': { ...one, hangs: true },
    'SELECT __key, * FROM "brands" LIMIT 1000': brands,
    'SELECT __key, * FROM "brand" LIMIT 1000': unknownMap,
  },
};

it('holds the session of testdata/shell-session.txt (UPDATE_GOLDEN=1 rewrites it)', async () => {
  const golden = readFileSync(GOLDEN, 'utf8');
  const typed = [...golden.matchAll(/^ashlar.> (.*)$/gm)].map(([, line]) => line!).slice(0, -1);
  const ran = await runFake(['sql'], { ...world, typed });
  const transcript = ran.transcript
    .replaceAll(/in [\d.]+ (µs|ms|s)\b/g, 'in 0 ms')
    .replaceAll(/^ashlar \S+ at/gm, 'ashlar at');
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(GOLDEN, transcript);
  expect(transcript).toBe(golden);
  expect(ran.exitCode).toBe(0);
});

it('cancels the statement that runs on Ctrl-C, and goes on', async () => {
  const typed = ['SELECT forever;', 'select 1;'];
  const ran = await runFake(['sql'], { ...world, typed }, ({ interrupt }) => setTimeout(interrupt, 50));
  expect(ran.transcript).toContain('SELECT forever;\ncancelled\nashlar=> select 1;\n┌');
  expect(ran.exitCode).toBe(0);
});

describe('statements from a pipe', () => {
  const run = (input: string, args: readonly string[] = []) => runFake(['sql', ...args], { ...world, input });

  it('keep what looks like the end of a line inside of their strings', async () => {
    const texts = ['a\r\nb', 'a\u2028b\u2029c', 'a\rb'];
    for (const text of texts) {
      const answers = { [`SELECT '${text}'`]: one };
      for (const end of ['\n', '\r\n']) {
        const ran = await runFake(['sql', '--mode', 'csv'], {
          answers,
          input: `.timer off${end}SELECT '${text}';${end}`,
        });
        expect(ran).toMatchObject({ exitCode: 0, stderr: '', stdout: expect.stringContaining('1') });
      }
    }
  });

  it('run one after the other', async () => {
    const { exitCode, stdout } = await run('.mode csv\nselect 1; select 1;\nselect 1');
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: 'n\n1\nn\n1\nn\n1\n' });
  });

  it('stop at the first that fails, and tell its place', async () => {
    const { exitCode, stderr, asked } = await run('select 1;\n\nSELECT *\nFROM brand; select 1;');
    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      [
        "standard input:4: error: unknown map 'brand' (UNKNOWN_MAP)",
        '  FROM brand',
        '       ^',
        "hint: did you mean 'brands'?",
        'stopped at statement 2; those before it are done',
        '',
      ].join('\n'),
    );
    expect(asked.slice(1)).toEqual(['sql select 1 []', 'sql SELECT *\nFROM brand []']);
  });

  it('are told as JSON with --json, errors too', async () => {
    const { stdout, stderr } = await run('DELETE FROM brands; SELECT *\nFROM brand;', ['--json']);
    expect(JSON.parse(stdout)).toMatchObject({ affected: 2 });
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: 'UNKNOWN_MAP' },
      file: 'standard input',
      line: 2,
      statement: 2,
    });
  });

  it('end with 130 on Ctrl-C', async () => {
    const ran = await runFake(['sql'], { ...world, input: 'SELECT forever;' }, ({ interrupt }) =>
      setTimeout(interrupt, 50),
    );
    expect(ran).toMatchObject({ exitCode: 130, stderr: '' });
  });

  it('take the commands of the shell; a wrong one stops them', async () => {
    const { exitCode, stderr } = await run('\\x\n\\zzzzz\nselect 1;');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^standard input:2: error: unknown command \\zzzzz /);
    expect((await run('\\q\nselect 1;')).asked).toEqual(['connect 127.0.0.1:7710']);
  });
});

describe('ashlar sql', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ashlar-shell-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  it('runs the statements of an argument', async () => {
    expect((await runFake(['sql', 'select 1; select 1', '--mode', 'ndjson'], world)).stdout).toBe('{"n":1}\n{"n":1}\n');
    const failed = await runFake(['sql', 'select 1;\nSELECT *\nFROM brand'], world);
    expect(failed.stderr).toMatch(/^line 3: error: unknown map/);
    expect((await runFake(['sql', '\\d', '--json'], world)).stdout).toBe(
      '{"name":"brands","entries":1,"bytes":100}\n{"name":"My map","entries":0,"bytes":0}\n',
    );
  });

  it('runs files, which read files, and names the one that failed', async () => {
    const inner = file('inner.sql', '-- fails\nSELECT *\nFROM brand;\n');
    const outer = file('outer.sql', `.mode csv\nselect 1;\n\\i ${inner}\nselect 1;\n`);
    const ran = await runFake(['sql', '-f', outer], world);
    expect(ran).toMatchObject({ exitCode: 1, stdout: 'n\n1\n' });
    expect(ran.stderr).toMatch(new RegExp(`^${inner}:3: error: unknown map`));
    const absent = await runFake(['sql', '-f', file('absent.sql', '\\i nowhere.sql\n')], world);
    expect(absent.stderr).toMatch(/absent\.sql:1: error: there is no file nowhere\.sql/);
    const endless = file('endless.sql', `\\i ${join(folder, 'endless.sql')}\n`);
    expect((await runFake(['sql', '-f', endless], world)).stderr).toContain('files read each other more than 16 deep');
  });

  it('fits tables to the terminal: cells are cut first, then columns left out', async () => {
    const wide: SqlAnswer = {
      columns: ['a', 'b', 'c', 'd'].map((name) => ({ name, type: 'text' })),
      batches: [[['1', 'x'.repeat(30), '漢字'.repeat(10), 'last']]],
    };
    const { stdout } = await runFake(['sql', 'w'], { answer: wide, isTTY: true, columns: 50, env: { NO_COLOR: '1' } });
    expect(stdout.split('\n')[4]).toBe(`│ 1    │ ${'x'.repeat(13)}… │ ${'漢字'.repeat(3)}… │ last │`);
    const narrow = await runFake(['sql', 'w'], { answer: wide, isTTY: true, columns: 24, env: { NO_COLOR: '1' } });
    expect(narrow.stdout).toContain('2 columns more: \\x shows them');
    for (const line of narrow.stdout.split('\n').slice(0, 6)) expect(line.length).toBeLessThanOrEqual(24);
  });

  it('tells NULL from the empty string in CSV', async () => {
    expect((await runFake(['sql', 'b', '--mode', 'csv'], { answer: brands })).stdout).toBe(
      'brand,note,total\nx,"",12.5\ny,,-3\n',
    );
  });
});
