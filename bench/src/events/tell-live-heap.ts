/**
 * Loaded into a member before its own code (`--import`): every few seconds its main thread collects its whole heap and tells what
 * is left, as a line of JSON on stdout. What is left is live; what waits for a collection of V8's own choosing is not.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';
import type { LiveHeap } from './live-heap.ts';

const EVERY_MS = 3000;

// Worker threads load it as well, and stand still in this bench.
if (isMainThread) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const tell = (): void => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    process.stdout.write(
      `${JSON.stringify({ liveHeapBytes: heapUsed, liveExternalBytes: external } satisfies LiveHeap)}\n`,
    );
  };
  setInterval(tell, EVERY_MS).unref();
}
