/** workers: thread pools beside the arena: limits, kill, restart, lanes. Runs in the main thread; serveWorker in workers. */
export { hardenRealm } from './harden.ts';
export { IndexAllocator } from './index-allocator.ts';
export { keepLoopsInterruptible } from './interruptible-loops.ts';
export { LANE_COUNT, WorkerLanes, type WorkerLanesOptions } from './lanes.ts';
export { type Handler, type ServeOptions, serveWorker, transferring, type WorkerContext } from './serve-worker.ts';
export { type CodePlace, userErrorToWire } from './thrown.ts';
export {
  type PoolStats,
  type ResourceLimits,
  type RunOptions,
  USER_HEAP_BACKSTOP,
  type WorkerMemory,
  WorkerPool,
  type WorkerPoolOptions,
  type WorkerTask,
} from './worker-pool.ts';
