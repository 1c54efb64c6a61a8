/**
 * How deep within calls from user code a piece of user code runs; that chooses its user pool. A listener may wait for
 * processors, a processor and a job wait for nobody: so with a pool for each no chain of calls, over any number of
 * members, waits for a thread that it holds itself.
 */
export const CALL_DEPTH = { listener: 0, processor: 1, job: 2 } as const;
