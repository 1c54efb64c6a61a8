/**
 * `members`: what it costs to have three members instead of one where both have the same core: batches become thinner, and
 * each member has its streams, sessions and wake-ups. The client has the other core.
 */
import { type Case, type Running, runCases, SERVER_CORE, startClient, stopAll } from '../kv/harness.ts';
import { type MemberProcess, startMember } from '../member-process.ts';
import type { BenchOptions } from '../options.ts';
import type { Reporter } from '../report.ts';

const ROUNDS = 5;
const MEMBERS = { m1: 1, m3: 3 } as const;
const CASES: Readonly<Record<string, Case>> = {
  '95/5 x512': { count: 300_000, writeShare: 0.05, inFlight: 512, shape: 'text' },
  '50/50 x512': { count: 300_000, writeShare: 0.5, inFlight: 512, shape: 'text' },
};

export async function benchMembers(reporter: Reporter, options: BenchOptions): Promise<void> {
  const subjects = options.chosen('subject', Object.keys(MEMBERS)) as readonly (keyof typeof MEMBERS)[];
  const running = new Map<string, Running>();
  try {
    for (const subject of subjects) {
      const members = await startMembers(MEMBERS[subject]);
      const addresses = members.map(({ address }) => address).join(',');
      running.set(subject, await startClient('ashlar', members, addresses));
    }
    const chosen = options.chosen('case', Object.keys(CASES));
    const rounds = options.rounds ?? ROUNDS;
    await runCases({ bench: 'members', cases: CASES, chosen, rounds, running, subjectsOf: () => subjects }, reporter);
  } finally {
    await stopAll(running.values());
  }
}

/** The first one says that it is ready before the others have joined: clients wait for those. */
async function startMembers(count: number): Promise<MemberProcess[]> {
  const first = await startMember({ 'cluster.expectedMembers': count }, SERVER_CORE);
  const members = [first];
  while (members.length < count) {
    members.push(await startMember({ 'cluster.join': first.address, 'cluster.expectedMembers': count }, SERVER_CORE));
  }
  return members;
}
