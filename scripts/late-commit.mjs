/**
 * `npm run test:late-commit [-- --sample] [jest's own arguments]`: the suites that start members, with commits that come
 * late (`testing.commitDelayMs` of their configuration). Nothing may differ in what they see but latency.
 *
 *   --sample  what continuous integration runs: some minutes
 *
 * Members take the settings from the environment, so that whoever starts one need not know of them. Suites that start
 * none are left out.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NODE_OPTIONS_OF_TESTS } from './node-options.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const LATE = { ASHLAR_TESTING_COMMIT_DELAY_MS: '20ms', ASHLAR_TESTING_SEED: '7' };
/** Where members are started. */
const ALL = [
  'testing/grid/',
  'testing/grid/linearizability/',
  'testing/sqllogictest/',
  'testing/fuzz/',
  'examples/',
  'soak',
];
/** Suites that pass late whatever the machine; the others that ALL names are run by hand until they do. */
const SAMPLE = ['sessions', 'sql-changes'].map((name) => `testing/grid/${name}.test.ts`);
const SAMPLE_ELSEWHERE = ['testing/grid/linearizability/', 'testing/sqllogictest/sample'];

const given = process.argv.slice(2).filter((argument) => argument !== '--sample');
const isSample = process.argv.includes('--sample');
const chosen = isSample ? [...SAMPLE, ...SAMPLE_ELSEWHERE] : ALL;
// Paths of the caller's own go in place of ours; what follows an option is its value.
const isNamed = given.some((argument, at) => !argument.startsWith('-') && given[at - 1]?.startsWith('--') !== true);
// A value that is set already is meant.
const late = Object.fromEntries(Object.entries(LATE).map(([name, value]) => [name, process.env[name] || value]));
process.stderr.write(`ashlar: commits come up to ${late.ASHLAR_TESTING_COMMIT_DELAY_MS} late\n`);
const jest = join('node_modules', 'jest', 'bin', 'jest.js');
const result = spawnSync(process.execPath, [jest, ...given, ...(isNamed ? [] : chosen)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, ...late, NODE_OPTIONS: NODE_OPTIONS_OF_TESTS },
});
process.exit(result.status ?? 1);
