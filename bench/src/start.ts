/** `start`: from the start of a bare member's process to its first answered get. The client is loaded before. */
import { connect } from '@ashlar/client';
import { startMember } from './member-process.ts';
import { median, type Reporter } from './report.ts';

const ROUNDS = 7;

export async function benchStart(reporter: Reporter): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const startedMs = performance.now();
    const member = await startMember();
    const grid = await connect({ seeds: [member.address] });
    const found = await grid.map('nothing').get('key');
    const elapsedMs = performance.now() - startedMs;
    if (found !== undefined) throw new Error('an empty member answered a value');
    // The first round fills caches of the file system and of compiled code.
    if (round > 0) times.push(elapsedMs);
    await grid.close();
    await member.stop();
  }
  const value = median(times);
  reporter.figure({ bench: 'start', case: 'first-get', subject: 'ashlar', metric: 'start_ms', value, unit: 'ms' });
}
