/**
 * When V8 frees the bytes of messages that nobody holds any more.
 *
 *   bytes of young array buffers >= twice the largest young generation --> a short collection frees them
 *   bytes since the last collection of the whole heap > its room ------> the whole heap is collected
 *
 * Out of the box the first bound is 64 MiB, and the second one mostly comes before it: with values of 10 KB and more each some
 * fifty megabytes of messages make V8 mark the whole heap, on all its helper threads. With the first bound at 16 MiB short
 * collections, a third of a millisecond each, do the work.
 *
 * message-garbage M1  It is set while the process runs: as an argument the flag would end a Node that does not know it.
 * message-garbage M2  Only for a process that is a member and nothing else: threads that are started later take it for the size of
 *                     their young generation, where none was given.
 */
import { setFlagsFromString } from 'node:v8';

/** MiB. V8 takes twice as much where pointers are not compressed, as in Node. */
const YOUNG_MAX_MB = 8;
/** The first V8 that knows the flag: Node 24's. */
const KNOWN_FROM = [13, 6] as const;

/** Whether V8 knows the flag. @param v8  its version, as `process.versions` has it */
export function knowsYoungMax(v8: string): boolean {
  const [major = 0, minor = 0] = v8.split('.').map(Number);
  return major > KNOWN_FROM[0] || (major === KNOWN_FROM[0] && minor >= KNOWN_FROM[1]);
}

/** Has the bytes of messages freed by short collections. Idempotent. */
export function freeMessagesEarly(): void {
  if (knowsYoungMax(process.versions.v8)) setFlagsFromString(`--scavenger-max-new-space-capacity-mb=${YOUNG_MAX_MB}`);
}
