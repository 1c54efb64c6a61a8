/** A process that rewrites a number of entries each second, in batches, with values that change no answer, and prints the number. */
import { connect } from '@ashlar/client';
import { seededRandom } from '@ashlar/core';
import { documentOf, Rows } from './ashlar.ts';
import { makeColumns, ROW_COUNT } from './data.ts';

const TICK_MS = 10;

const [address, perSecond] = process.argv.slice(2) as [string, string];
const batch = Math.round((Number(perSecond) * TICK_MS) / 1000);
const grid = await connect({ seeds: [address] });
const map = grid.map(Rows);
const columns = makeColumns();
const random = seededRandom(99);
let revision = 0;
let written = 0;

process.stdin.resume().on('end', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
process.stdout.write('{"ready":true}\n');
const startedMs = performance.now();
for (let tick = 1; ; tick++) {
  revision++;
  const rows = Array.from({ length: batch }, () => random.below(ROW_COUNT));
  await map.putAll(rows.map((row) => [row, documentOf(columns, row, revision)] as const));
  written += batch;
  if (tick % (1000 / TICK_MS) === 0) {
    process.stdout.write(`${JSON.stringify({ perSecond: (written / (performance.now() - startedMs)) * 1000 })}\n`);
  }
  const dueMs = startedMs + tick * TICK_MS;
  const waitMs = dueMs - performance.now();
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
}
