/** The commands for operators of copies: cluster, recover. */
import { type ClusterState, GridError, type PartitionCopies } from '@ashlar/api';
import { runFake } from '../testing/fake-io.ts';

const KNOWN = '1 of 2 members alive; at least 1 in sync to write; table 17 as a knows it';
const recoveries = (asked: readonly string[]): string[] => asked.filter((one) => one.startsWith('recover'));

function row(phase: PartitionCopies['phase'], primary: string | undefined, inSync: string[], gone: string[] = []) {
  return { phase, epoch: 4, primary, inSync, gone, wanted: ['a', 'b'] } satisfies PartitionCopies;
}

function state(...partitions: readonly PartitionCopies[]): ClusterState {
  const members = ['a', 'b'].map((member) => {
    return { member, address: `${member}:1`, zone: 'host', alive: member === 'a' };
  });
  return { member: 'a', tableVersion: 17, backups: 1, minInSync: 1, members, partitions };
}

describe('ashlar cluster', () => {
  it('tells who holds what, and lists the partitions that lack something', async () => {
    const cluster = state(row('serving', 'a', ['a', 'b']), row('serving', 'a', ['a']), row('serving', 'b', ['b', 'a']));
    const { exitCode, stdout } = await runFake(['cluster'], { cluster });
    expect(exitCode).toBe(0);
    expect(stdout).toBe(`2 of 3 partitions with all 2 copies, 1 fewer; ${KNOWN}
┌────────┬─────────┬──────┬───────┬────────────┬──────────────┬────────────┐
│ member │ address │ zone │ alive │ primary of │ in sync with │ takes over │
├────────┼─────────┼──────┼───────┼────────────┼──────────────┼────────────┤
│ a      │ a:1     │ host │ yes   │ 2          │ 1            │ 0          │
│ b      │ b:1     │ host │ no    │ 1          │ 1            │ 1          │
└────────┴─────────┴──────┴───────┴────────────┴──────────────┴────────────┘
┌───────────┬─────────┬───────┬─────────┬─────────┬──────┬────────────┐
│ partition │ state   │ epoch │ primary │ in sync │ gone │ takes over │
├───────────┼─────────┼───────┼─────────┼─────────┼──────┼────────────┤
│ 1         │ serving │ 4     │ a       │ a       │      │ b          │
└───────────┴─────────┴───────┴─────────┴─────────┴──────┴────────────┘
`);
  });

  it('leaves with 1 where a partition has no primary or is lost', async () => {
    const cluster = state(row('promoting', 'b', ['b']), row('lost', 'b', ['b'], ['b']));
    const { exitCode, stdout } = await runFake(['cluster'], { cluster });
    expect(exitCode).toBe(1);
    expect(stdout).toContain(`0 of 2 partitions with all 2 copies, 1 no primary, 1 lost; ${KNOWN}\n`);
    expect(stdout).toContain('│ 0         │ promoting │ 4     │ b       │ b       │      │ a          │');
    expect(stdout).toContain('│ 1         │ lost      │ 4     │ b       │ b       │ b    │            │');
  });

  it('lists every partition where it is asked to, and all of it as JSON', async () => {
    const cluster = state(row('serving', 'a', ['a', 'b']));
    expect((await runFake(['cluster', '--partitions'], { cluster })).stdout).toMatch(
      /0\s+.*serving\s+.*4\s+.*a\s+.*a, b/,
    );
    expect(JSON.parse((await runFake(['cluster', '--json'], { cluster })).stdout)).toEqual(
      JSON.parse(JSON.stringify(cluster)),
    );
  });
});

describe('ashlar recover', () => {
  it('names the partitions that began anew', async () => {
    const { stdout, asked } = await runFake(['recover', '--accept-loss', '3, 5-7,6'], {});
    expect(recoveries(asked)).toEqual(['recover 3,5,6,7']);
    expect(stdout).toBe('begun anew, empty: partitions 3, 5-7\n');
    expect((await runFake(['recover', '--accept-loss', 'all', '--json'], {})).stdout).toBe('{"recovered":[1,2,3,7]}\n');
  });

  it('waits until nobody can hold a lease any more, and says so', async () => {
    const held = new GridError('LEASE_HELD', 'too early', { details: { waitMs: 60 } });
    const { exitCode, stdout, stderr, asked } = await runFake(['recover', '--accept-loss', '3'], {
      recoverErrors: [held, held],
    });
    expect(exitCode).toBe(0);
    expect(recoveries(asked)).toEqual(['recover 3', 'recover 3', 'recover 3']);
    expect(stderr).toBe('waiting 60.0 ms: who held them last may still serve\n'.repeat(2));
    expect(stdout).toBe('begun anew, empty: partition 3\n');
  });

  it('says what it was refused', async () => {
    const refused = new GridError('INVALID_ARGUMENT', 'partition 3 is not lost');
    const { exitCode, stderr } = await runFake(['recover', '--accept-loss', '3'], { recoverErrors: [refused] });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: 'error: partition 3 is not lost (INVALID_ARGUMENT)\n',
    });
  });

  it.each([[[]], [['--accept-loss', 'x']], [['--accept-loss', '9-3']], [['--accept-loss', '']]])(
    'refuses %j: a loss is accepted by name',
    async (flags) => {
      const { exitCode, stderr } = await runFake(['recover', ...flags], {});
      expect(exitCode).toBe(2);
      expect(stderr).toContain('--accept-loss');
    },
  );
});
