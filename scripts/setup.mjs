/**
 * Makes a fresh checkout ready: installs what the lockfile names, once.
 *
 * Runs before `npm start` and `npm test` on whatever Node the user has (18 or later), so it is plain JavaScript and
 * uses nothing but Node. The install brings Node 24 as a package; the scripts that follow find it first on their PATH.
 * pnpm's own `.modules.yaml` exists after a failed install too, so a stamp of ours, written only on success, decides.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PNPM = 'pnpm@12.21.0';
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stampFile = join(root, 'node_modules', '.ashlar-setup');

const wanted = createHash('sha256');
for (const name of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json'])
  wanted.update(readFileSync(join(root, name)));
wanted.update(`${process.platform} ${process.arch}`);
const stamp = wanted.digest('hex');

if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp) {
  process.stderr.write('ashlar: installing dependencies (once)\n');
  const started = Date.now();
  const result = spawnSync('npx', ['--yes', PNPM, 'install', '--frozen-lockfile', '--reporter=silent'], {
    cwd: root,
    env: { ...process.env, ...cacheOfOurs() },
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (result.status !== 0) {
    process.stderr.write(
      `ashlar: the installation failed (pnpm exit ${result.status}); is the npm registry reachable?\n`,
    );
    process.exit(1);
  }
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, stamp);
  process.stderr.write(`ashlar: installed in ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}

const shipped = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
const [major, minor] = process.versions.node.split('.').map(Number);
if (!existsSync(shipped) && (major < 22 || (major === 22 && minor < 18))) {
  process.stderr.write(
    `ashlar: no Node package for ${process.platform}-${process.arch}; install Node 22.18 or later (this is ${process.versions.node})\n`,
  );
  process.exit(1);
}

/** Where the home folder takes no files npm and pnpm have nowhere to keep what they fetch: then that lies in the checkout. */
function cacheOfOurs() {
  const { HOME, npm_config_cache } = process.env;
  const fallback = join(root, 'node_modules', '.cache', 'npm');
  // npm hands its own cache to the scripts that it runs: the place may be one in the home folder.
  if (process.platform === 'win32' || HOME === undefined || canWrite(npm_config_cache ?? join(HOME, '.npm'))) return {};
  return { npm_config_cache: fallback, XDG_DATA_HOME: fallback, XDG_CACHE_HOME: fallback, XDG_STATE_HOME: fallback };
}

function canWrite(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
