/**
 * `sql`: one row by its key, by a SELECT and by a get of the same record, from one member; client and member on a core each.
 */
import { type Case, type Running, runCases, SERVER_CORE, startClient, stopAll } from '../kv/harness.ts';
import { startMember } from '../member-process.ts';
import type { BenchOptions } from '../options.ts';
import type { Reporter } from '../report.ts';

const ROUNDS = 5;
const SUBJECTS = { ashlar: 'ashlar-sql', 'kv-get': 'ashlar' } as const;
const CASES: Readonly<Record<string, Case>> = {
  'by-key x1': { count: 3_000, writeShare: 0, inFlight: 1, shape: 'record' },
  'by-key x64': { count: 10_000, writeShare: 0, inFlight: 64, shape: 'record' },
};

export async function benchSql(reporter: Reporter, options: BenchOptions): Promise<void> {
  const subjects = options.chosen('subject', Object.keys(SUBJECTS)) as readonly (keyof typeof SUBJECTS)[];
  const running = new Map<string, Running>();
  try {
    for (const subject of subjects) {
      const member = await startMember({ 'memory.maxBytes': '512MiB' }, SERVER_CORE);
      running.set(subject, await startClient(SUBJECTS[subject], [member], member.address));
    }
    const chosen = options.chosen('case', Object.keys(CASES));
    const rounds = options.rounds ?? ROUNDS;
    await runCases({ bench: 'sql', cases: CASES, chosen, rounds, running, subjectsOf: () => subjects }, reporter);
  } finally {
    await stopAll(running.values());
  }
}
