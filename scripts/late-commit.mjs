/**
 * `npm run test:late-commit [-- --sample] [jest's own arguments]`: the suites that start members, with commits that come
 * late (`testing.commitDelayMs` of their configuration). Nothing may differ in what they see but latency.
 *
 *   --sample  what continuous integration runs: some five minutes
 *
 * Members take the settings from the environment, so that whoever starts one need not know of them; suites that set the
 * delay themselves keep theirs. Tests and hooks may take four times their limits (testing/jest/environment.mjs). Suites that
 * start no member are left out, but where they lie in a folder with others.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NODE_OPTIONS_OF_TESTS } from './node-options.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const LATE = { ASHLAR_TESTING_COMMIT_DELAY_MS: '20ms', ASHLAR_TESTING_SEED: '7' };
/** Where members are started: folders, and parts of them, as jest is given them. */
const ALL = ['testing/grid/', 'testing/sqllogictest/', 'testing/fuzz/', 'testing/packages/', 'examples/', 'soak'];
/** Chosen to fit into some five minutes on two cores: every way to write and to read, and what hangs on commits in each. */
const SAMPLE = [
  ...['kv', 'time-to-live', 'sessions', 'refusals', 'drops', 'events', 'listeners', 'import', 'unconfirmed-maps'],
  ...['callers-that-stall', 'held-logs', 'sql', 'sql-changes', 'sql-errors', 'catalog-doors', 'values-everywhere'],
].map((name) => `testing/grid/${name}.test.ts`);
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
