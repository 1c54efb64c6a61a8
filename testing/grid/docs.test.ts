/** The documents tell the truth: the README's example runs as it stands, and every file that a page names is there. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TestGrid } from './support/grid.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = (name: string): string => readFileSync(join(root, name), 'utf8');

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

  it('are the show, the benches, the soak and the fuzzer', () => {
    expect(programs.map(([name]) => name)).toEqual(['start', 'bench', 'soak', 'fuzz']);
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

describe('ARCHITECTURE.md', () => {
  it('names files that are there', () => {
    const files = new Set(globSync('packages/*/src/**/*.ts', { cwd: root }).map((file) => basename(file)));
    for (const [, path] of page('ARCHITECTURE.md').matchAll(/`([\w./-]+\.(?:ts|proto|mjs))`/g)) {
      const isWhole = existsSync(join(root, path!)) || existsSync(join(root, 'packages', path!));
      expect({ path, isThere: isWhole || files.has(basename(path!)) }).toEqual({ path, isThere: true });
    }
  });
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
