/**
 * Keeps every loop of user code stoppable.
 *
 * V8 13's optimising compiler (Turboshaft, in its loop unrolling phase) drops the interrupt check from loops whose
 * body makes and fills arrays, although nothing in there checks either: `for (;;) new Array(1000).fill(1)` then answers
 * no terminate(), takes no heap limit and even holds up the exit of the process (seen on Node 24.21). Without the phase
 * every loop checks.
 *
 * The flag counts for the whole process and for code compiled from then on, so it is set before the first module of
 * user code is loaded, and not in a member that has none. It costs small loops their automatic unrolling: 16 to 25 % on
 * column kernels (measured), nothing on those that are written or generated four steps at a time.
 */
import { setFlagsFromString } from 'node:v8';

let isSet = false;

/** Main thread; idempotent. */
export function keepLoopsInterruptible(): void {
  if (isSet) return;
  isSet = true;
  setFlagsFromString('--no-turboshaft-loop-unrolling');
}
