/**
 * The checkout on the oldest Node that runs it, where the newer one that set-up brings is not to be had.
 *
 * The compiler's `lib` and @types/node are those of Node 22 and keep newer names out (tsconfig.base.json, package.json); newer
 * syntax it would let pass, so that is looked for here.
 */
import { execFile, spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';
import { nodeVersions } from './nodes.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const OLDEST = '22.18';
const CLI = 'packages/cli/src/main.ts';
const FLAGS = ['--conditions=@ashlar/source', '--disable-warning=ExperimentalWarning'];

describe('the sources', () => {
  const files = globSync(['packages/*/src/**/*.ts', 'examples/src/**/*.ts', 'bench/src/**/*.ts', 'testing/**/*.ts'], {
    cwd: ROOT,
  });

  it('hold no syntax that the oldest Node lacks', async () => {
    const newer = await Promise.all(
      files.map(async (file) => ((await isNewer(readFileSync(join(ROOT, file), 'utf8'))) ? [file] : [])),
    );
    expect(files.length).toBeGreaterThan(500);
    expect(newer.flat()).toEqual([]);
  });

  it('would be found out', async () => {
    expect(await isNewer('export async function f(g: AsyncDisposable) { await using grid = g; }')).toBe(true);
    expect(await isNewer('export async function f(g: AsyncDisposable) { await g[Symbol.asyncDispose](); }')).toBe(
      false,
    );
  });
});

const oldest = nodeVersions().find(({ name }) => name === OLDEST);
const whereThere = oldest === undefined ? describe.skip : describe;

whereThere(`the checkout on Node ${OLDEST}`, () => {
  const path = oldest?.path ?? '';
  let address: string;
  let stop: () => Promise<void>;

  beforeAll(async () => {
    ({ address, stop } = await startMember(path));
  });
  afterAll(() => stop());

  it('has a command line that is the client of its member', async () => {
    expect(await run(path, [CLI, 'put', 'shop', 'a', '{"n":1}', '--address', address])).toMatchObject({ code: 0 });
    const query = 'SELECT sum(n) AS total FROM shop';
    expect(await run(path, [CLI, 'sql', query, '--mode', 'ndjson', '--address', address])).toEqual({
      code: 0,
      stdout: '{"total":1}\n',
      stderr: '',
    });
    const wrong = await run(path, [CLI, 'sql', 'SELECT n FROM shops', '--address', address]);
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('UNKNOWN_MAP') });
  });

  it('deploys, runs jobs and listeners: the examples', async () => {
    const flights = await run(path, ['examples/src/flights/main.ts', address]);
    expect(flights).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('100000 flights') });
    const fraud = await run(path, ['examples/src/fraud/main.ts', address]);
    expect(fraud).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('for 20000 transactions') });
  }, 120_000);
});

/** Whether a bundler that is asked for the oldest Node has to change something. */
async function isNewer(source: string): Promise<boolean> {
  const [forOldest, asItIs] = await Promise.all(
    [`node${OLDEST}`, 'esnext'].map((target) => transform(source, { loader: 'ts', target, format: 'esm' })),
  );
  return forOldest!.code !== asItIs!.code;
}

async function startMember(node: string): Promise<{ address: string; stop: () => Promise<void> }> {
  const settings = { 'grpc.port': 0, 'http.port': 0, 'memory.maxBytes': '256MiB', 'log.level': 'warn' };
  const sets = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  const args = [...FLAGS, CLI, 'start', '--ready-json', '--exit-with-parent', ...sets];
  const child = spawn(node, args, { cwd: ROOT, stdio: 'pipe', env: environment() });
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await gone;
  };
  let told = '';
  child.stderr.on('data', (text: Buffer) => (told += text));
  for await (const line of createInterface({ input: child.stdout })) {
    const ready = JSON.parse(line) as { event: string; address: string };
    if (ready.event === 'listening') return { address: ready.address, stop };
  }
  throw new Error(`the member did not start: ${told}`);
}

async function run(node: string, args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; stdout: string; stderr: string }>();
  const options = { cwd: ROOT, encoding: 'utf8', timeout: 60_000, env: environment() } as const;
  execFile(node, [...FLAGS, ...args], options, (error, stdout, stderr) => {
    const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
    resolve({ code, stdout, stderr });
  });
  return promise;
}

/** Without what jest put in for its own Node. */
function environment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, ...rest } = process.env;
  return { ...rest, NO_COLOR: '1' };
}
