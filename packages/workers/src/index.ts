/** workers: thread pools beside the arena: limits, kill, restart, a pool for each depth of calls. Runs in the main thread; serveWorker in workers. */
export { hardenRealm } from './harden.ts';
export { IndexAllocator } from './index-allocator.ts';
export { keepLoopsInterruptible } from './interruptible-loops.ts';
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
export { CALL_DEPTH_COUNT, WorkerPools, type WorkerPoolsOptions } from './worker-pools.ts';
