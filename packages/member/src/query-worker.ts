/**
 * Entry file of the query workers: planning, fragments, merging, the scans of statements that change rows, looking for
 * the paths of documents. No user code is ever loaded here, and no room above sql-executor: each thread would hold the wire's
 * libraries for itself.
 */
import {
  type ChangeTask,
  type ConditionTask,
  type FragmentTask,
  findPaths,
  type GetTask,
  getRows,
  type MergeTask,
  type PathsTask,
  type PlanTask,
  runFragment,
  runMerge,
  scanForChanges,
  storeSource,
} from '@ashlar/sql-executor';
import { planCondition, planStatement } from '@ashlar/sql-planner';
import { type StoreHandle, StoreReader } from '@ashlar/storage';
import { serveWorker, type WorkerContext } from '@ashlar/workers';

type Context = WorkerContext<StoreReader>;

const serve: (envelope: never) => Promise<unknown> = serveWorker<StoreReader>(
  {
    plan: ({ text, catalog, freshPaths }: PlanTask) => planStatement(text, catalog, new Set(freshPaths)),
    condition: ({ map, condition, catalog }: ConditionTask) => planCondition(map, condition, catalog),
    fragment: (task: FragmentTask, context: Context) =>
      runFragment(task, storeSource(context.reader, task), {
        cancelled: () => context.cancelled(),
        emit: (batch) => context.post(batch, [batch.buffer as ArrayBuffer]),
      }),
    merge: (task: MergeTask, context: Context) => runMerge(task, { cancelled: () => context.cancelled() }),
    get: (task: GetTask) => getRows(task),
    paths: (task: PathsTask, context: Context) => findPaths(task, context),
    change: (task: ChangeTask, context: Context) => scanForChanges(task, context),
  },
  { attach: (store: StoreHandle, workerIndex) => StoreReader.attach(store, workerIndex) },
);

export default serve;
