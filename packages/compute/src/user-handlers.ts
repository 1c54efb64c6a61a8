/** The handlers of a user worker, which the member's entry file hands to serveWorker. */

import type { StoreReader } from '@ashlar/storage';
import type { Handler } from '@ashlar/workers';
import { runJobMap, runJobReduce } from './run-jobs.ts';
import { runListener } from './run-listeners.ts';
import { runProcessors } from './run-processors.ts';

export const userHandlers: Readonly<Record<string, Handler<StoreReader>>> = {
  processors: runProcessors,
  'job-map': runJobMap,
  'job-reduce': runJobReduce,
  listener: runListener,
};
