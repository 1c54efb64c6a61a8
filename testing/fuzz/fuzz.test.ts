/** The fuzzer, for half a minute with one seed: what it finds is printed with the input that showed it first. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const SECONDS = Number(process.env['ASHLAR_FUZZ_SECONDS'] ?? 30);
const SEED = Number(process.env['ASHLAR_FUZZ_SEED'] ?? 1234);

interface Report {
  readonly inputs: number;
  readonly findings: readonly object[];
}

async function fuzz(): Promise<Report> {
  const node = ['--conditions=@ashlar/source', '--disable-warning=ExperimentalWarning', MAIN];
  // Members refuse variables that they do not know.
  const { NODE_OPTIONS: _options, ASHLAR_FUZZ_SECONDS: _seconds, ASHLAR_FUZZ_SEED: _seed, ...env } = process.env;
  const child = spawn(process.execPath, [...node, '--json', '--seconds', String(SECONDS), '--seed', String(SEED)], {
    env,
  });
  const told = { stdout: '', stderr: '' };
  child.stdout.on('data', (text: Buffer) => (told.stdout += text));
  child.stderr.on('data', (text: Buffer) => (told.stderr += text));
  await new Promise((resolve) => child.once('close', resolve));
  if (told.stdout === '') throw new Error(`the fuzzer ended without a report:\n${told.stderr}`);
  return JSON.parse(told.stdout) as Report;
}

describe('every door of a member', () => {
  it(
    `answers whatever comes, for ${SECONDS} s (seed ${SEED}): no crash, no hang, no INTERNAL`,
    async () => {
      const { findings, inputs } = await fuzz();
      expect(findings).toEqual([]);
      expect(inputs).toBeGreaterThan(100);
    },
    (SECONDS + 120) * 1000,
  );
});
