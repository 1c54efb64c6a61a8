/**
 * Node's flags for the process of a member. Its data lies outside of V8's heaps, which hold what is under way: collected
 * early they stay small. Without the flags each of a member's eight isolates lets garbage pile up as if it were alone:
 * 480 MB instead of 220 MB during the show (`bench/README.md`).
 *
 * The main thread needs more room than the others. V8 counts bytes of messages as part of the old generation until the next
 * collection, also those that short collections free; under 2 GiB it lets the heap grow by little more than a half, so that
 * 25 MB of messages made it collect the whole heap: with values of 10 KB ten times a second, two thirds of all processor
 * time (`message-garbage.ts` says what frees them instead). Query workers keep a limit of their own (`member/src/member-parts.ts`).
 *
 * V8 compiles and collects on threads of its own, four in every process of Node. Where there are fewer cores they stand in the
 * way of the main thread, one after the other, each for a slice of the scheduler's (some 4 ms): in the first minutes of a
 * process they were most of what made one call in a hundred late. A core is left for the main thread.
 */
import { availableParallelism } from 'node:os';

/** As many as V8 takes by itself. */
const V8_THREADS_MAX = 4;

/** @param cores  that the process may run on */
export function v8Threads(cores: number): number {
  return Math.min(V8_THREADS_MAX, Math.max(1, cores - 1));
}

export const MEMBER_NODE_FLAGS: readonly string[] = [
  // MiB of each half of the young generation, of every isolate.
  '--max-semi-space-size=4',
  // MiB; V8 lets a heap of this limit grow further between two collections than one of less.
  '--max-old-space-size=2048',
  // MiB of old generation below which the main thread never collects the whole of it: the room that messages need, in bytes, since a
  // multiple of what is live would be too little for a member that holds little. Workers have less (`worker-heaps.ts`).
  '--initial-old-space-size=96',
  // Above it a heap grows by so much between two collections, in every isolate. By the speeds that it measures V8 would choose
  // anything from a half to threefold: listeners of 16 MB grew to 75 MB, and members collected ten times a second, or never.
  '--heap-growing-percent=50',
  // Threads that compile and collect beside all isolates.
  `--v8-pool-size=${v8Threads(availableParallelism())}`,
];
