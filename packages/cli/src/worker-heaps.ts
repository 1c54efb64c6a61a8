/**
 * How large the heaps of a member's worker threads become before they are collected.
 *
 *   main thread     --initial-old-space-size of the process (`member-flags.ts`): the room that messages need
 *   worker threads  WORKER_FLOOR_MB: V8 reads the flag when a thread's heap is made
 *
 * worker-heaps W1  It is set before the first worker starts, and after the heap of the main thread was made.
 */
import { setFlagsFromString } from 'node:v8';

/** MiB of old generation below which V8 does not collect the whole of it. */
const WORKER_FLOOR_MB = 16;

/** Has threads that start from now on collect early. For a process that is a member and nothing else. Idempotent. */
export function keepWorkersSmall(): void {
  setFlagsFromString(`--initial-old-space-size=${WORKER_FLOOR_MB}`);
}
