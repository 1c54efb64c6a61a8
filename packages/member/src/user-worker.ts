/** Entry file of the user workers: processors, jobs and listeners of deployed modules run here. */
import { userHandlers } from '@ashlar/compute';
import { type StoreHandle, StoreReader } from '@ashlar/storage';
import { serveWorker } from '@ashlar/workers';

const serve: (envelope: never) => Promise<unknown> = serveWorker<StoreReader>(userHandlers, {
  attach: (store: StoreHandle, workerIndex) => StoreReader.attach(store, workerIndex),
  toleratesStrayErrors: true,
});

export default serve;
