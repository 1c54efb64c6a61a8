/**
 * The soak of one store as a process of its own: `SEED`. Tells its counts every second as a line of JSON, and at the end,
 * when its stdin ends or it is told to, how it went.
 */
import { SoakFault } from '../tally.ts';
import { StoreSoak } from './store-soak.ts';

const TELL_EVERY_MS = 1000;

const soak = new StoreSoak(Number(process.argv[2]));
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
// Who started this is gone.
process.stdout.on('error', () => process.exit(1));
process.stdin.resume().on('end', () => stop.abort());

const tell = (line: object): boolean =>
  process.stdout.write(`${JSON.stringify({ counts: soak.tally.counts(), ...line })}\n`);
const telling = setInterval(() => tell({ kind: 'running' }), TELL_EVERY_MS);
try {
  await soak.run(stop.signal);
  tell({ kind: 'ended' });
} catch (error) {
  const facts = error instanceof SoakFault ? error.facts : undefined;
  tell({ kind: 'fault', message: (error as Error).message, stack: (error as Error).stack, facts });
  process.exitCode = 1;
} finally {
  clearInterval(telling);
  process.stdin.destroy();
}
