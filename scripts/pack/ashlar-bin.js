#!/usr/bin/env node
/**
 * `ashlar` as installed. A member's heaps want flags that Node takes only at its start (see MEMBER_NODE_FLAGS), so
 * `ashlar start` puts a Node with them in this one's place: same process, same number, no wrapper to be killed.
 */
import os from 'node:os';
import process from 'node:process';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `ashlar: Node 22.18 or later is wanted, this is ${process.versions.node}; the client (@ashlar/client) runs on Node 20.19\n` +
      `npm can bring one for this command: npx -p node@24 ashlar ${process.argv[2] ?? 'start'}\n`,
  );
  process.exit(1);
}

const main = new URL('../dist/main.js', import.meta.url);
const missing = missingFlags();
if (process.argv[2] === 'start' && missing.length > 0 && process.platform !== 'win32') {
  process.removeAllListeners('warning'); // that execve is experimental is our business
  process.execve(
    process.execPath,
    [process.argv0, ...process.execArgv, ...missing, process.argv[1], ...process.argv.slice(2)],
    process.env,
  );
}
await import(main.href);

function missingFlags() {
  const given = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ');
  const v8Threads = Math.min(4, Math.max(1, os.availableParallelism() - 1));
  const heap = ['--max-semi-space-size=4', '--max-old-space-size=2048'];
  heap.push('--initial-old-space-size=96', '--heap-growing-percent=50');
  const wanted = [...heap, `--v8-pool-size=${v8Threads}`, '--disable-warning=ExperimentalWarning'];
  return wanted.filter((flag) => !given.includes(flag.split('=')[0]));
}
