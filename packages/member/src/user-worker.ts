/** Entry file of the user workers: processors, jobs and listeners of deployed modules run here. */
import { setTraceRunner, userHandlers } from '@ashlar/compute';
import { type StoreHandle, StoreReader } from '@ashlar/storage';
import { serveWorker } from '@ashlar/workers';
import { loadTraceRunner } from './open-telemetry.ts';

setTraceRunner(await loadTraceRunner());

const serve: (envelope: never) => Promise<unknown> = serveWorker<StoreReader>(userHandlers, {
  attach: (store: StoreHandle, workerIndex) => StoreReader.attach(store, workerIndex),
  toleratesStrayErrors: true,
});

export default serve;
