/**
 * What `npm test` does, in order, ending at the first step that fails: types and build, format and lint, direction of
 * imports, doors of the packages, every test. Runs under the Node that the checkout brought (the shell found it first on
 * its PATH).
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NODE_OPTIONS_OF_TESTS } from './node-options.mjs';
import { missingServers, SERVERS } from './servers.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name) => join(root, 'node_modules', '.bin', process.platform === 'win32' ? `${name}.cmd` : name);

const missing = missingServers();
if (missing.length > 0 && process.env.ASHLAR_REQUIRE_SERVERS === '1') {
  process.stderr.write(`ashlar: tests need ${missing.map((name) => SERVERS[name].install).join(', ')}\n`);
  process.exit(1);
}

const steps = [
  ['build and types', bin('tsc'), ['-b'], {}],
  ['types of the tests', bin('tsc'), ['-p', 'tsconfig.tests.json'], {}],
  ['format and lint', bin('biome'), ['check', '--error-on-warnings', '.'], {}],
  ['direction of imports', process.execPath, ['scripts/check-layers.mjs'], {}],
  ['doors of the packages', process.execPath, ['scripts/doors.mjs'], {}],
  [
    'tests',
    process.execPath,
    [join('node_modules', 'jest', 'bin', 'jest.js'), ...process.argv.slice(2)],
    { NODE_OPTIONS: NODE_OPTIONS_OF_TESTS },
  ],
];

for (const [name, command, args, env] of steps) {
  if (command !== process.execPath && !existsSync(command)) throw new Error(`${command} is missing: run npm run setup`);
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
    shell: process.platform === 'win32',
  });
  if (result.status !== 0) {
    process.stderr.write(`ashlar: ${name} failed\n`);
    process.exit(result.status ?? 1);
  }
}
if (missing.length > 0) {
  process.stderr.write(
    `ashlar: left out the suites of ${missing.join(', ')}: install ${missing.map((name) => SERVERS[name].install).join(', ')}\n`,
  );
}
