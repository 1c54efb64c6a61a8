/** What a queue gathers and has under way, within what its member takes. */
import type { HelloResponse } from '@ashlar/transport';
import { BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX } from './batch-builder.ts';
import type { MemberQueueLimits } from './member-queue-host.ts';

const WINDOW_BATCHES = 32;
const WINDOW_BYTES = 8 << 20;

/** @param limits  as the member tells them */
export function queueLimitsOf(limits: HelloResponse['limits']): MemberQueueLimits {
  return {
    batchOperationsMax: BATCH_OPERATIONS_MAX,
    batchBytesMax: BATCH_BYTES_MAX,
    windowBatches: Math.max(1, Math.min(WINDOW_BATCHES, limits.batchesMax)),
    windowBytes: Math.min(WINDOW_BYTES, limits.batchBytesMax),
    valueBytesMax: limits.valueBytesMax,
  };
}
