/**
 * Keeps every loop of user code stoppable.
 *
 * V8 13's optimising compiler (Turboshaft, in its loop unrolling phase) drops the interrupt check from loops whose
 * body calls built-ins, although those calls do not check either: `for (;;) new Array(1000).fill(1)` then answers no
 * terminate(), takes no heap limit and even holds up the exit of the process (seen on Node 24.21). Without the phase
 * every loop checks; column kernels run as fast as before (measured).
 *
 * The flag counts for the whole process and for code compiled from then on, so it is set before the first worker runs.
 */
import { setFlagsFromString } from 'node:v8';

export function keepLoopsInterruptible(): void {
  setFlagsFromString('--no-turboshaft-loop-unrolling');
}
