/**
 * What somebody does who knows nothing but npm: "From nothing" of docs/packages.md, word for word, in an empty folder.
 *
 * Read otherwise are only the place of the tarballs, and the ports, which tests share with others.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application, packTarballs } from './application.ts';
import { nodeVersions } from './nodes.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = readFileSync(join(ROOT, 'docs/packages.md'), 'utf8');
const WALK = PAGE.slice(PAGE.indexOf('## From nothing'), PAGE.indexOf('## What to know'));
const blocks = (language: string): string[] =>
  [...WALK.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(([, text]) => text!);

const [SET_UP, USE] = blocks('sh');
const FILES = blocks('ts').map((text) => ({ name: /^\/\/ (\S+)$/m.exec(text)![1]!, text }));
const [TOLD] = blocks('text');
/** What `tsc --init` of TypeScript 7 writes, but that declarations are checked, too. */
const STRICTEST = {
  ...{
    module: 'nodenext',
    target: 'es2022',
    types: [],
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
  },
  ...{ strict: true, verbatimModuleSyntax: true, isolatedModules: true, moduleDetection: 'force', skipLibCheck: false },
  ...{ allowImportingTsExtensions: true, noEmit: true },
};

const packed = mkdtempSync(join(tmpdir(), 'ashlar-packed-'));
const application = new Application('');
const ANY_PORT = { ASHLAR_GRPC_PORT: '0', ASHLAR_HTTP_PORT: '0' };

beforeAll(async () => {
  packTarballs(ROOT, packed);
  const lines = SET_UP!.trim().split('\n');
  expect(lines.pop()).toBe('npx ashlar start'); // for each Node, below
  for (const line of lines) {
    const command = line.replace('/path/to/ashlar/dist/packages', packed);
    expect(await application.shell(command, process.execPath)).toMatchObject({ code: 0 });
  }
}, 180_000);

afterAll(async () => {
  await application.end();
  rmSync(packed, { recursive: true });
});

describe.each(nodeVersions())('with Node $name', ({ name, path }) => {
  const isOld = name.startsWith('20');

  it('a member starts, a program of TypeScript uses it, Ctrl-C ends it', async () => {
    // What the page names for Node 20 fetches a newer one: here it is there already.
    const { address, interrupt } = await application.startInShell(
      'npx ashlar start',
      isOld ? process.execPath : path,
      ANY_PORT,
    );
    for (const file of FILES) {
      application.write(file.name, file.text.replace('connect()', `connect({ seeds: ['${address}'] })`));
    }
    const [program, query] = USE!.trim().split('\n');
    const run = isOld ? 'npx --yes tsx app.ts' : program!;
    expect(await application.shell(run, path)).toEqual({ code: 0, stdout: TOLD, stderr: '' });
    const asked = await application.shell(query!, isOld ? process.execPath : path, { ASHLAR_ADDRESS: address });
    expect(asked).toMatchObject({ code: 0, stdout: expect.stringMatching(/│ a1 +│ +-40 │\n│ a2 +│ +50 │/) });
    expect(await interrupt()).toMatch(/"msg":"stopped"/);
  }, 120_000);
});

// The newest @types/node, which the packages bring where there is none, is too new for TypeScript 5.5 itself.
it.each(['typescript@5.5 @types/node@20', 'typescript@5.9', 'typescript@7.0.2'])(
  'compiles with %s and no word of `types` or `lib`',
  async (compiler) => {
    const install = await application.shell(`npm install --no-save --no-audit --no-fund ${compiler}`, process.execPath);
    expect(install).toMatchObject({ code: 0 });
    application.write('tsconfig.json', JSON.stringify({ compilerOptions: STRICTEST, files: ['app.ts'] }));
    expect(await application.shell('npx tsc', process.execPath)).toEqual({ code: 0, stdout: '', stderr: '' });
  },
  120_000,
);
