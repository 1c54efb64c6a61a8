/** An application of somebody who knows nothing but npm: a folder of its own, our tarballs installed, nothing of this checkout. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);
const COMMAND_TIMEOUT_MS = 120_000;

export type Installer = 'npm' | 'pnpm';

/** Paths by package name. */
export type Tarballs = Readonly<Record<string, string>>;

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

export class Application {
  readonly folder: string;
  readonly #children: ChildProcess[] = [];
  readonly #groups: number[] = [];

  /** @param manifest  none leaves the folder empty */
  constructor(manifest = '{ "name": "application", "private": true, "type": "module" }\n') {
    // Whoever has a space in the path to his folder is not to find out that nobody tried.
    this.folder = mkdtempSync(join(tmpdir(), 'ashlar application '));
    if (manifest !== '') this.write('package.json', manifest);
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.folder, file), text);
  }

  /**
   * Installs our tarballs and others. pnpm looks for what a tarball depends on in the registry, where we are not yet: it is told
   * of the tarball. It runs no build scripts that nobody approved, and says so with its exit code.
   */
  async install(installer: Installer, tarballs: Tarballs, others: readonly string[] = []): Promise<void> {
    const packages = [...Object.values(tarballs), ...others];
    if (installer === 'npm') {
      await run('npm', ['install', '--no-audit', '--no-fund', ...packages], this.#options());
      return;
    }
    const overrides = Object.entries(tarballs).map(([name, file]) => `  '${name}': 'file:${file}'\n`);
    this.write('pnpm-workspace.yaml', `overrides:\n${overrides.join('')}`);
    await run('npx', ['--yes', 'pnpm@12.21.0', 'add', ...packages], this.#options()).catch((error: Error) => {
      if (!/IGNORED_BUILDS/.test(`${error.message}${(error as { stdout?: string }).stdout}`)) throw error;
    });
  }

  async run(command: string, args: readonly string[]): Promise<Ran> {
    const { promise, resolve } = Promise.withResolvers<Ran>();
    execFile(command, args, this.#options(dirname(command)), (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ stdout, stderr, code });
    });
    return promise;
  }

  /** A line as typed into a shell, where `node` is this one. */
  async shell(line: string, node: string, env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const { promise, resolve } = Promise.withResolvers<Ran>();
    const options = this.#options(dirname(node));
    execFile('sh', ['-c', line], { ...options, env: { ...options.env, ...env } }, (error, stdout, stderr) => {
      resolve({ stdout, stderr, code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1 });
    });
    return promise;
  }

  /**
   * A line that starts a member, as typed into a shell: its processes are a group of their own, as a terminal's are.
   *
   * @returns its address, and what does as Ctrl-C does: resolves when all of its processes are gone, with what they wrote
   */
  async startInShell(
    line: string,
    node: string,
    env: Readonly<Record<string, string>>,
  ): Promise<{ address: string; interrupt: () => Promise<string> }> {
    const options = this.#options(dirname(node));
    const child = spawn('sh', ['-c', line], {
      ...{ cwd: this.folder, stdio: 'pipe', detached: true },
      env: { ...options.env, ...env },
    });
    this.#groups.push(child.pid!);
    let told = '';
    const closed = new Promise<string>((resolve) => child.once('close', () => resolve(told)));
    const ready = Promise.withResolvers<string>();
    child.stderr.on('data', (text: Buffer) => {
      told += text;
      const address = /is ready\s+gRPC\s+(\S+)\n/.exec(told)?.[1];
      if (address !== undefined) ready.resolve(address);
    });
    void closed.then(() => ready.reject(new Error(`the member did not start: ${told}`)));
    const address = await ready.promise;
    const interrupt = async (): Promise<string> => {
      process.kill(-child.pid!, 'SIGINT');
      return closed;
    };
    return { address, interrupt };
  }

  /** Starts `ashlar start` under a Node, on a free port. @returns its address */
  async startMember(node: string): Promise<{ address: string; child: ChildProcess }> {
    const args = ['start', '--ready-json', '--exit-with-parent', '--set', 'memory.maxBytes=64MiB'];
    const ports = ['--set', 'grpc.port=0', '--set', 'http.port=0', '--set', 'log.level=warn'];
    const child = spawn(node, [this.bin, ...args, ...ports], {
      cwd: this.folder,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: this.#options(dirname(node)).env,
    });
    this.#children.push(child);
    let told = '';
    child.stderr.on('data', (text: Buffer) => (told += text));
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.startsWith('{')) continue;
      const ready = JSON.parse(line) as { event: string; address: string };
      if (ready.event === 'listening') return { address: ready.address, child };
      told += line;
    }
    throw new Error(`the member did not start: ${told}`);
  }

  get bin(): string {
    return join(this.folder, 'node_modules', 'ashlar', 'bin', 'ashlar.js');
  }

  async end(): Promise<void> {
    const exits = this.#children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    });
    await Promise.all(exits);
    for (const group of this.#groups) endGroup(group);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Without what jest and this checkout put into the environment. */
  #options(path?: string) {
    const { NODE_OPTIONS: _options, PATH = '', ...env } = process.env;
    const clean = PATH.split(':').filter((place) => !place.includes('node_modules/.bin'));
    const first = path === undefined || path === '.' ? [dirname(process.execPath)] : [path];
    return {
      cwd: this.folder,
      timeout: COMMAND_TIMEOUT_MS,
      encoding: 'utf8' as const,
      env: { ...env, PATH: [...first, ...clean].join(':'), NO_COLOR: '1' },
    };
  }
}

function endGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // It is gone, as it should be.
  }
}

/** Writes the tarballs, into a folder that the caller removes. */
export function packTarballs(root: string, folder: string): Tarballs {
  execFileSync(process.execPath, ['scripts/pack/main.mjs', folder], { cwd: root, stdio: 'pipe' });
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const file = (name: string): string => join(folder, `${name}-${version}.tgz`);
  return { '@ashlar/api': file('ashlar-api'), '@ashlar/client': file('ashlar-client'), ashlar: file('ashlar') };
}
