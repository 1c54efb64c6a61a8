/** The documents tell the truth: the README's example runs as it stands, and every file that a page names is there. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ERROR_CODES } from '@ashlar/core';
import { TestGrid } from './support/grid.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = (name: string): string => readFileSync(join(root, name), 'utf8');
/** Files that documents name and that are the reader's to write. */
const THEIR_FILES: ReadonlySet<string> = new Set(['tracing.mjs']);
/** Words in capitals that are no error codes: constants, and a variable of the system. */
const OTHER_CAPITALS: ReadonlySet<string> = new Set([
  'MODULE_BYTES_MAX',
  'NO_COLOR',
  'CALL_DEPTH',
  'USER_HEAP_BACKSTOP',
]);

describe('README.md', () => {
  let grid: TestGrid;
  beforeAll(async () => {
    grid = await TestGrid.start({ members: 2 });
  });
  afterAll(() => grid.stop());

  it('has an example that runs as it stands', async () => {
    const [, code] = /```ts\n([\s\S]*?)```/.exec(page('README.md'))!;
    const { stdout, exitCode } = await runModule(code!.replace('127.0.0.1:7710', grid.seeds[0]!));
    expect(stdout).toBe(
      ["{ brand: 'x', balance: 100, owner: { id: 7 } }", "[ { brand: 'x', total: 150 } ]", 'update a1 -5', ''].join(
        '\n',
      ),
    );
    expect(exitCode).toBe(0);
  });

  it('names commands that the package has', () => {
    const { scripts } = JSON.parse(page('package.json')) as { scripts: Record<string, string> };
    for (const [, name] of page('README.md').matchAll(/^npm (?:run )?(\w+)/gm)) {
      if (name !== 'install') expect(scripts).toHaveProperty(name!);
    }
  });
});

describe('the programs of package.json', () => {
  const { scripts } = JSON.parse(page('package.json')) as { scripts: Record<string, string> };
  const programs = Object.entries(scripts).filter(([, command]) => /^node .*\.ts$/.test(command));

  it('are the show, the benches, the soak, first-answers, the chaos, the simulator and the fuzzer', () => {
    const names = ['start', 'bench', 'soak', 'first-answers', 'chaos', 'simulate', 'fuzz'];
    expect(programs.map(([name]) => name)).toEqual(names);
  });

  it.each(programs)('npm run %s -- --help tells its flags, and does nothing else', (name, command) => {
    const { NODE_OPTIONS: _unwanted, ...env } = process.env;
    const [, ...args] = command.split(' ');
    const run = spawnSync(process.execPath, [...args, '--help'], { cwd: root, env, encoding: 'utf8', timeout: 20_000 });
    expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(new RegExp(`^usage: npm (run )?${name} `, 'i'));
  });
});

describe('every page', () => {
  const pages = globSync(['*.md', 'docs/*.md', 'packages/*/README.md', 'examples/README.md'], { cwd: root });

  it.each(pages)('%s links to files that are there', (name) => {
    for (const [, target] of page(name).matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      expect({ target, isThere: existsSync(join(root, dirname(name), target!)) }).toEqual({ target, isThere: true });
    }
  });
});

describe('documents about the code', () => {
  const rooms = globSync('packages/*/README.md', { cwd: root });
  const sources = globSync(['{packages,bench,examples,testing,scripts,protos}/**/*.{ts,mjs,proto}'], {
    cwd: root,
    exclude: (name) => name === 'node_modules' || name === 'dist',
  });

  it.each(['ARCHITECTURE.md', 'docs/guarantees.md', 'docs/operating.md', ...rooms])(
    '%s names files that are there',
    (name) => {
      const files = new Set(sources.map((file) => basename(file)));
      for (const [, path] of page(name).matchAll(/`([\w./-]*\w\.(?:ts|proto|mjs))`/g)) {
        const isWhole = existsSync(join(root, path!)) || existsSync(join(root, 'packages', path!));
        const isThere = isWhole || files.has(basename(path!)) || THEIR_FILES.has(path!);
        expect({ path, isThere }).toEqual({ path, isThere: true });
      }
    },
  );

  it.each(rooms)('%s says what its room imports, as its manifest does', (name) => {
    const { dependencies = {} } = JSON.parse(page(join(dirname(name), 'package.json'))) as {
      dependencies?: Record<string, string>;
    };
    const imported = Object.keys(dependencies).flatMap((dependency) => /^@ashlar\/(.*)/.exec(dependency)?.[1] ?? []);
    const [, told] = /^(?:Imports:|- \*\*Imports\.\*\*) (.*)\.$/m.exec(page(name)) ?? [];
    const named = [...(told ?? '').matchAll(/`([a-z-]+)`/g)].map(([, room]) => room!);
    expect(named.sort()).toEqual(imported.sort());
  });

  it.each(['README.md', 'docs/guarantees.md', 'docs/operating.md', 'docs/packages.md', ...rooms])(
    '%s names error codes that there are',
    (name) => {
      const [others, codes] = [OTHER_CAPITALS, new Set<string>(Object.keys(ERROR_CODES))];
      const named = [...page(name).matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, code]) => code!);
      const unknown = named.filter((code) => !codes.has(code) && !others.has(code) && !code.startsWith('ASHLAR_'));
      expect(unknown).toEqual([]);
    },
  );
});

/** Runs a module's text from this folder, where packages are found as an application's would be. */
async function runModule(code: string): Promise<{ stdout: string; exitCode: number | null }> {
  const file = fileURLToPath(new URL('./readme.tmp.ts', import.meta.url));
  writeFileSync(file, code);
  try {
    const { NODE_OPTIONS: _unwanted, ...env } = process.env;
    const node = ['--conditions=@ashlar/source', '--disable-warning=ExperimentalWarning', file];
    const child = spawn(process.execPath, node, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let stdout = '';
    for await (const text of child.stdout) stdout += text;
    if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve));
    return { stdout, exitCode: child.exitCode };
  } finally {
    rmSync(file);
  }
}
