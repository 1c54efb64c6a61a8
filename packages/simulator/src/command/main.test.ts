import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

function simulated(...flags: readonly string[]): { readonly lines: readonly string[]; readonly code: number | null } {
  const node = ['--conditions=@ashlar/source', '--disable-warning=ExperimentalWarning', MAIN, ...flags];
  const { stdout, status } = spawnSync(process.execPath, node, { encoding: 'utf8' });
  return { lines: stdout.trimEnd().split('\n'), code: status };
}

describe('npm run simulate', () => {
  it('runs seeds from the first on, and counts them in its last line', () => {
    const { lines, code } = simulated('--seeds', '2', '--first', '3');
    expect([lines.at(-1), code]).toEqual(['2 seeds, 0 failed', 0]);
    expect(lines[0]).toMatch(/^events \d+/);
  });

  it('says how to repeat a seed that failed; a mutant ought to', () => {
    const { lines, code } = simulated('--seeds', '5', '--mutant', 'forget-answers', '--stop');
    expect([lines[0], lines[1]]).toEqual([
      expect.stringMatching(/^seed 2 at .* ms: applied-once: /),
      '  repeat: npm run simulate -- --seed 2 --mutant forget-answers --trace',
    ]);
    expect([lines.at(-1), code]).toEqual(['2 seeds, 1 failed', 0]);
  });

  it('shows what happened, and speaks JSON', () => {
    const traced = simulated('--seed', '4', '--trace').lines;
    expect(traced[0]).toMatch(/seed 4: \{"members"/);
    expect(traced.length).toBeGreaterThan(500);
    expect(JSON.parse(simulated('--seeds', '1', '--json').lines[0]!)).toMatchObject({ seeds: 1, failed: 0 });
  });

  it.each([[['--seeds', 'many']], [['--mutant', 'unheard-of']], [['--sed', '1']]])('refuses %j', (flags) => {
    expect(simulated(...flags).code).toBe(2);
  });
});
