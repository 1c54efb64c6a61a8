/**
 * `events --live-heap`: what the main thread of a member holds while changes are told for a minute, right after collections of its
 * whole heap. A heap that is flat stays within 10 MB around its middle.
 */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Child } from '../child-process.ts';
import type { LineProcess } from '../line-process.ts';
import type { Metrics } from '../rounds.ts';
import type { RunFigures, RunRequest } from './run.ts';

/** A line of `tell-live-heap.ts`. */
export interface LiveHeap {
  readonly liveHeapBytes: number;
  /** Array buffers and C++ objects that the heap holds. */
  readonly liveExternalBytes: number;
}

/** Node's flag for the member that is to be measured. */
export const TELLS_LIVE_HEAP: readonly string[] = [
  `--import=${fileURLToPath(new URL('tell-live-heap.ts', import.meta.url))}`,
];

const MINUTE_MS = 60_000;
const MB = 1e6;

/** Repeats the request for a minute. @throws Error when the member told nothing meanwhile */
export async function liveHeapOf(server: Child, client: LineProcess, request: RunRequest): Promise<Metrics> {
  const told: LiveHeap[] = [];
  const lines = createInterface({ input: server.process.stdout! });
  const endMs = performance.now() + MINUTE_MS;
  lines.on('line', (line) => {
    if (line.startsWith('{"liveHeapBytes"')) told.push(JSON.parse(line) as LiveHeap);
  });
  while (performance.now() < endMs) await client.ask<RunFigures>(request);
  lines.close();
  if (told.length === 0) throw new Error('the member told nothing of its heap');
  const held = told.map(({ liveHeapBytes, liveExternalBytes }) => (liveHeapBytes + liveExternalBytes) / MB);
  return {
    live_heap_first_mb: [held[0]!, 'MB'],
    live_heap_min_mb: [Math.min(...held), 'MB'],
    live_heap_max_mb: [Math.max(...held), 'MB'],
    live_heap_last_mb: [held.at(-1)!, 'MB'],
  };
}
