/**
 * Which lane of user workers runs what. A listener may wait for processors, a processor and a job wait for nobody: so
 * with a lane each no chain of calls, over any number of members, waits for a thread that it holds itself.
 */
export const LANE = { listener: 0, processor: 1, job: 2 } as const;
