/**
 * The Node versions that packages promise to run on, as npm has them. They lie in the checkout's own cache, fetched once.
 *
 * Where npm cannot bring them the versions are left out, unless ASHLAR_REQUIRE_SERVERS is set: then that fails.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CACHE = join(ROOT, 'node_modules', '.cache', 'ashlar-nodes');
/** The oldest of each line that is promised, and the line's newest. */
const VERSIONS = { node20: '20.19', node22: '22.18', node22new: '22' } as const;

export interface NodeVersion {
  /** "20.19" */
  readonly name: string;
  readonly path: string;
}

/** This checkout's own Node first. */
export function nodeVersions(): readonly NodeVersion[] {
  const own = { name: '24', path: process.execPath };
  if (process.platform !== 'linux' || (process.arch !== 'x64' && process.arch !== 'arm64')) return [own];
  const older = Object.entries(VERSIONS).map(([alias, name]) => ({
    name,
    path: join(CACHE, 'node_modules', alias, 'bin', 'node'),
  }));
  if (!older.every(({ path }) => existsSync(path)) && !fetchOlder()) return [own];
  return [own, ...older];
}

function fetchOlder(): boolean {
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(join(CACHE, 'package.json'), '{ "private": true }\n');
  const wanted = Object.entries(VERSIONS).map(
    ([alias, version]) => `${alias}@npm:node-linux-${process.arch}@${version}`,
  );
  try {
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--no-save', ...wanted], { cwd: CACHE, stdio: 'pipe' });
    return true;
  } catch (error) {
    if (process.env['ASHLAR_REQUIRE_SERVERS'] === '1') throw error;
    process.stderr.write('ashlar: npm brings no other versions of Node: packages are tried on this one alone\n');
    return false;
  }
}
