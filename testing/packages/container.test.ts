/** The image and the compose file, as far as they can be looked at without an engine that runs containers. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const page = (name: string): string => readFileSync(join(ROOT, name), 'utf8');
const COMPOSE = 'examples/compose/compose.yaml';

function hasCompose(): boolean {
  try {
    execFileSync('docker', ['compose', 'version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('the compose file', () => {
  it('sets variables that members know', () => {
    const known = new Set([...page('docs/operating.md').matchAll(/ASHLAR_[A-Z_]+/g)].map(([name]) => name));
    const set = [...page(COMPOSE).matchAll(/^ {6}(ASHLAR_[A-Z_]+):/gm)].map(([, name]) => name!);
    expect(set.length).toBeGreaterThan(5);
    expect(set.filter((name) => !known.has(name))).toEqual([]);
  });

  const where = hasCompose() ? it : it.skip;
  where('is one that docker compose takes', () => {
    const config = execFileSync('docker', ['compose', '-f', COMPOSE, 'config'], { cwd: ROOT, encoding: 'utf8' });
    expect(config).toMatch(/ASHLAR_CLUSTER_JOIN: one:7710/);
  });
});

describe('the Dockerfile', () => {
  const text = page('Dockerfile');

  it('ends as a user without rights, with a health check, on a small image', () => {
    expect(text.match(/^FROM .*$/gm)).toEqual(['FROM node:24-slim AS build', 'FROM node:24-slim']);
    expect(text).toMatch(/^USER node$/m);
    expect(text).toMatch(/^HEALTHCHECK /m);
  });

  it('copies tarballs by the names that npm run pack gives them', () => {
    expect(page('scripts/pack/main.mjs')).toContain("join(ROOT, 'dist', 'packages')");
    expect(text).toContain('/source/dist/packages/*.tgz');
  });
});
