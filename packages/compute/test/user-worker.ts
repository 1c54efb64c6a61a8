/** A user worker for the tests: the store is absent where a test needs none. */
import { type StoreHandle, StoreReader } from '@ashlar/storage';
import { serveWorker } from '@ashlar/workers';
import { userHandlers } from '../src/index.ts';

export default serveWorker<StoreReader>(userHandlers, {
  attach: (handle: StoreHandle | undefined, workerIndex) =>
    handle === undefined ? (undefined as unknown as StoreReader) : StoreReader.attach(handle, workerIndex),
  toleratesStrayErrors: true,
});
