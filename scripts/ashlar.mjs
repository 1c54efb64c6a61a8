#!/usr/bin/env node
/**
 * `ashlar` of a checkout (`npx ashlar`): runs packages/cli from its sources with the checkout's own Node.
 *
 * Plain JavaScript, so that any Node from 18 on can start it; installs first where nothing is installed yet. Arguments,
 * streams and signals pass through, and the exit code is the command's.
 */
import './setup.mjs';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import os, { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// What a list of processes shows of this one; the command does the same (packages/cli/src/process-title.ts).
if (process.argv.some((argument) => /^--token(=|$)|^(--set=)?security\.(token|memberToken)=/.test(argument))) {
  process.title = 'ashlar';
}
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const shipped = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
const own = existsSync(shipped) ? shipped : process.execPath;

const child = spawn(
  own,
  [
    '--conditions=@ashlar/source',
    '--disable-warning=ExperimentalWarning',
    // The flags of a member, see packages/cli/src/member-flags.ts; a larger client sets its own in NODE_OPTIONS.
    ...memberFlags(process.env.NODE_OPTIONS ?? ''),
    join(root, 'packages', 'cli', 'src', 'main.ts'),
    ...process.argv.slice(2),
  ],
  {
    stdio: 'inherit',
    shell: process.platform === 'win32',
    // Where packages/cli/src/main.ts keeps what was compiled: told before it starts, so that it too is found there.
    env: { NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'), ...process.env },
  },
);
// A terminal sends Ctrl-C to the command as well: it decides what that means, this process only waits for it.
process.on('SIGINT', () => {});
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  process.stderr.write(`ashlar: cannot start ${own}: ${error.message}\n`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 1)));

function memberFlags(given) {
  const cores = os.availableParallelism?.() ?? os.cpus().length;
  const v8Threads = Math.min(4, Math.max(1, cores - 1));
  const heap = ['--max-semi-space-size=4', '--max-old-space-size=2048'];
  heap.push('--initial-old-space-size=96', '--heap-growing-percent=50');
  const flags = [...heap, `--v8-pool-size=${v8Threads}`];
  return flags.filter((flag) => !given.includes(flag.split('=')[0]));
}
