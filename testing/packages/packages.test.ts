/** The packages for users, as a user gets them: installed from tarballs into an empty folder, run on every Node promised. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application, type Installer, packTarballs, type Tarballs } from './application.ts';
import { nodeVersions } from './nodes.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NODES = nodeVersions();
const MEMBER_NODES = NODES.filter(({ name }) => !name.startsWith('20'));
const INSTALLERS: readonly Installer[] = ['npm', 'pnpm'];

const README_EXAMPLE = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))![1]!;
const EXPECTED = "{ brand: 'x', balance: 100, owner: { id: 7 } }\n[ { brand: 'x', total: 150 } ]\nupdate a1 -5\n";

const PROCESSORS = `
import { defineProcessor } from '@ashlar/api';
enum Kind { Debit = 'debit' }
export const debit = defineProcessor<{ balance: number }, { amount: number }, string>((entry, { amount }) => {
  entry.value = { ...entry.value!, balance: entry.value!.balance - amount };
  return Kind.Debit + ' ' + entry.value.balance;
});
`;
const DEPLOYS = `
import { connect, Decimal, defineMap, GridError } from '@ashlar/client';
import * as api from '@ashlar/api';
import { debit } from './bank.processors.js';
const grid = await connect({ seeds: [process.argv[2]!] });
const accounts = grid.map(defineMap<string, { balance: number }>('deployed'));
await accounts.put('a', { balance: 10 });
await grid.deploy(new URL('./bank.processors.ts', import.meta.url));
console.log(await accounts.process('a', debit, { amount: 3 }));
console.log(api.Decimal === Decimal, api.GridError === GridError);
await grid.sql('SELECT nothing FROM nowhere').all().catch((error: unknown) => console.log(GridError.is(error, 'UNKNOWN_MAP')));
await grid.close();
`;
const REQUIRES = `
const { join } = require('node:path');
const { connect } = require('@ashlar/client');
const { next } = require('./count.processors.cjs');
connect({ seeds: [process.argv[2]] }).then(async (grid) => {
  await grid.map('required').put('k', { n: 1n });
  console.log(await grid.map('required').get('k'));
  await grid.deploy(join(__dirname, 'count.processors.cjs'));
  console.log(await grid.map('required').process('k', next));
  await grid.sql('SELECT nothing FROM nowhere').all().catch((error) => console.log(error.constructor.name, error.code));
  await grid.close();
});
`;
const REQUIRED_PROCESSORS = `
const { defineProcessor } = require('@ashlar/api');
exports.next = defineProcessor((entry) => (entry.value = { n: entry.value.n + 1n }).n);
`;

let tarballs: Tarballs;

const packed = mkdtempSync(join(tmpdir(), 'ashlar-packed-'));

beforeAll(() => {
  tarballs = packTarballs(ROOT, packed);
}, 120_000);
afterAll(() => rmSync(packed, { recursive: true }));

describe('a tarball', () => {
  const contents = (name: string): string[] =>
    execFileSync('tar', ['tzf', tarballs[name]!], { encoding: 'utf8' }).trim().split('\n');
  const manifest = (name: string) =>
    JSON.parse(execFileSync('tar', ['xzOf', tarballs[name]!, 'package/package.json'], { encoding: 'utf8' }));

  it.each(['@ashlar/api', '@ashlar/client', 'ashlar'])(
    '%s holds what a user needs, and nothing of this workspace',
    (name) => {
      const files = contents(name);
      expect(files).toEqual(expect.arrayContaining(['package/LICENSE', 'package/README.md', 'package/package.json']));
      expect(files.filter((file) => /test|tsbuildinfo|\.map$|\/src\//.test(file))).toEqual([]);
      expect(JSON.stringify(manifest(name))).not.toMatch(/workspace:|@ashlar\/(?!api|client)/);
      const text = execFileSync('tar', ['xzOf', tarballs[name]!], { encoding: 'latin1', maxBuffer: 1 << 28 });
      expect(text).not.toContain(ROOT.replace(/\/$/, ''));
    },
  );

  it('of the client names exactly its api, and holds none', () => {
    const { version, dependencies } = manifest('@ashlar/client');
    expect(dependencies['@ashlar/api']).toBe(version);
    const bundle = execFileSync('tar', ['xzOf', tarballs['@ashlar/client']!, 'package/dist/index.js'], {
      encoding: 'utf8',
    });
    expect(bundle).not.toMatch(/class (Decimal|GridError)\b/);
  });
});

describe.each(INSTALLERS)('an application, installed by %s', (installer) => {
  const application = new Application();
  let address: string;

  beforeAll(async () => {
    const typescript = [
      'typescript@npm:typescript@5.9',
      'typescript55@npm:typescript@5.5',
      'typescript7@npm:typescript@7.0.2',
    ];
    const tools = ['publint@0.3.25', '@arethetypeswrong/cli@0.18'];
    await application.install(installer, tarballs, [
      '@types/node@20',
      ...typescript,
      ...(installer === 'npm' ? tools : []),
    ]);
    ({ address } = await application.startMember(process.execPath));
    application.write('bank.processors.ts', PROCESSORS);
    application.write('deploys.ts', DEPLOYS);
    application.write('requires.cjs', REQUIRES);
    application.write('count.processors.cjs', REQUIRED_PROCESSORS);
  }, 180_000);

  afterAll(() => application.end());

  const tsc = (name: string, ...args: string[]) =>
    application.run(process.execPath, [join(application.folder, 'node_modules', name, 'bin', 'tsc'), ...args]);

  const STRICT = [
    '--strict',
    '--skipLibCheck',
    'false',
    '--types',
    'node',
    '--target',
    'es2022',
    '--lib',
    'es2023,esnext.disposable',
  ];

  it.each(['typescript55', 'typescript', 'typescript7'])('has types that %s takes', async (name) => {
    application.write('readme.ts', README_EXAMPLE.replace('127.0.0.1:7710', address));
    application.write('types.ts', readFileSync(join(ROOT, 'packages/api/test/types.ts'), 'utf8'));
    for (const [module, resolution] of [
      ['nodenext', 'nodenext'],
      ['esnext', 'bundler'],
    ]) {
      const how = ['--module', module!, '--moduleResolution', resolution!];
      const { stdout, code } = await tsc(name, ...STRICT, ...how, '--noEmit', 'readme.ts', 'deploys.ts', 'types.ts');
      expect({ stdout, code }).toEqual({ stdout: '', code: 0 });
    }
  });

  it('compiles the example of the README, and a program that deploys', async () => {
    application.write('readme.ts', README_EXAMPLE.replace('127.0.0.1:7710', address));
    const compiled = await tsc(
      'typescript',
      ...STRICT,
      '--module',
      'nodenext',
      '--outDir',
      'out',
      'readme.ts',
      'deploys.ts',
    );
    expect(compiled).toEqual({ stdout: '', stderr: '', code: 0 });
  });

  it.each(NODES)('runs the example of the README on Node $name', async ({ path }) => {
    expect(await application.run(path, ['out/readme.js'])).toMatchObject({ code: 0, stdout: EXPECTED });
  });

  it.each(NODES)('deploys a processor on Node $name, compiled', async ({ path }) => {
    expect(await application.run(path, ['out/deploys.js', address])).toEqual({
      stdout: 'debit 7\ntrue true\ntrue\n',
      stderr: '',
      code: 0,
    });
  });

  it.each(NODES)('gets the client by require, and deploys CommonJS, on Node $name', async ({ path }) => {
    const { stdout, code } = await application.run(path, ['requires.cjs', address]);
    expect({ stdout, code }).toEqual({ stdout: '{ n: 1n }\n2n\nGridError UNKNOWN_MAP\n', code: 0 });
  });

  it.each(MEMBER_NODES)('has a member and a command line on Node $name', async ({ path }) => {
    const { address: own } = await application.startMember(path);
    const put = await application.run(path, [application.bin, 'put', 'shop', 'a', '{"n":1}', '--address', own]);
    expect(put).toMatchObject({ code: 0 });
    const query = 'SELECT sum(n) AS total FROM shop';
    const sql = await application.run(path, [application.bin, 'sql', query, '--mode', 'ndjson', '--address', own]);
    expect(sql).toMatchObject({ code: 0, stdout: '{"total":1}\n' });
  });

  it('finds the command by npx', async () => {
    const { stdout, code } = await application.run('npx', ['--no-install', 'ashlar', 'ping', '--address', address]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining(address) });
  });

  if (installer === 'npm') {
    it.each(['@ashlar/api', '@ashlar/client', 'ashlar'])('%s passes publint', async (name) => {
      const { stdout, stderr, code } = await application.run('npx', [
        '--no-install',
        'publint',
        'run',
        '--strict',
        tarballs[name]!,
      ]);
      expect({ code, told: code === 0 ? '' : stdout + stderr }).toEqual({ code: 0, told: '' });
    });

    it.each(['@ashlar/api', '@ashlar/client'])('%s passes attw', async (name) => {
      const args = ['--no-install', 'attw', tarballs[name]!, '--profile', 'esm-only'];
      const { stdout, stderr, code } = await application.run('npx', args);
      expect({ code, told: code === 0 ? '' : stdout + stderr }).toEqual({ code: 0, told: '' });
    });
  }
});

const node20 = NODES.find(({ name }) => name.startsWith('20'));
(node20 === undefined ? it.skip : it)(
  'a member says which Node it wants on Node 20',
  async () => {
    const path = node20?.path ?? '';
    const application = new Application();
    try {
      await application.install('npm', tarballs);
      const { code, stderr } = await application.run(path, [application.bin, 'start']);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/Node 22\.18 or later is wanted.*\n.* npx -p node@24 ashlar start\n$/),
      });
    } finally {
      await application.end();
    }
  },
  120_000,
);
