/** compute: entry processors, jobs, listeners, modules. Main-thread halves and worker halves; see the README. */
export { BatchPacker } from './batch-packer.ts';
export { CALL_DEPTH } from './call-depth.ts';
export { type JobActivity, type JobMap, type JobOptions, type JobReduce, JobRunner } from './job-runner.ts';
export {
  isTransient,
  type ListenerCall,
  type ListenerCallAnswer,
  type ListenerCallHandler,
  type ListenerEvent,
  type ListenerOutcome,
  type ListenerRun,
  ListenerRunner,
  type ListenerRunOptions,
  type ListenerWrite,
} from './listener-runner.ts';
export { type KnownLimits, ModuleRegistry, type ModuleSource, type RegisteredModule } from './module-registry.ts';
export { parsePath, readPath, writePath } from './path-text.ts';
export type { CallResult, EntryOutcome, ProcessorBatch, ProcessorOutcomes, RunningBatch } from './processor-batch.ts';
export { ProcessorRunner, type ProcessorRunOptions } from './processor-runner.ts';
export { isReadyModule, type ReadyOutcome, type ReadyProcessor, readyProcessor } from './ready-made.ts';
export { ReadyRun } from './ready-run.ts';
export { userHandlers } from './user-handlers.ts';
export { setTraceRunner, type TraceRunner } from './user-trace.ts';
