/**
 * The Node versions that packages and the checkout promise to run on, as npm has them. They lie in the checkout's own cache,
 * fetched once: into a folder aside that gets its name when it is whole, so that suites beside each other may both fetch.
 *
 * Where npm cannot bring them the versions are left out, unless ASHLAR_REQUIRE_SERVERS is set: then that fails.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
  if (!isWhole() && !fetchOlder()) return [own];
  return [own, ...Object.entries(VERSIONS).map(([alias, name]) => ({ name, path: pathOf(alias) }))];
}

function fetchOlder(): boolean {
  mkdirSync(dirname(CACHE), { recursive: true });
  const aside = mkdtempSync(`${CACHE}-`);
  writeFileSync(join(aside, 'package.json'), '{ "private": true }\n');
  const wanted = Object.entries(VERSIONS).map(
    ([alias, version]) => `${alias}@npm:node-linux-${process.arch}@${version}`,
  );
  try {
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--no-save', ...wanted], { cwd: aside, stdio: 'pipe' });
    if (!isWhole()) replaceCache(aside);
    return true;
  } catch (error) {
    if (process.env['ASHLAR_REQUIRE_SERVERS'] === '1') throw error;
    process.stderr.write(
      'ashlar: npm brings no other versions of Node: what else is promised is tried on this one alone\n',
    );
    return false;
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

function replaceCache(fetched: string): void {
  try {
    renameSync(fetched, CACHE);
  } catch {
    if (isWhole()) return; // another suite was first
    rmSync(CACHE, { recursive: true, force: true }); // left by a fetch that was broken off
    renameSync(fetched, CACHE);
  }
}

function pathOf(alias: string): string {
  return join(CACHE, 'node_modules', alias, 'bin', 'node');
}

function isWhole(): boolean {
  return Object.keys(VERSIONS).every((alias) => existsSync(pathOf(alias)));
}
