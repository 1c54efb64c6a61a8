/**
 * The look at answers before they leave, where members replicate: what was read is the newest only while the leases of the
 * partition covered the moment in which it was read, and this member may have stood still since it looked first.
 *
 * second-look Z1  One look for all partitions as long as none has any trouble; each by itself otherwise.
 * second-look Z2  A read that is not covered was never answered (LEASE_EXPIRED, STALE_EPOCH): its caller asks again. Of a mutation
 *                 nobody knows here whether it staged something, or only read (a condition that failed): it is in doubt, and is
 *                 asked for again under its own number.
 */
import type { Serving } from '@ashlar/cluster';
import { isMutation, type KvBatch, STATUS } from '@ashlar/transport';
import type { Answers } from './answers.ts';
import type { BatchTargets } from './batch-targets.ts';
import { inDoubt } from './held-operations.ts';

export class SecondLook {
  readonly #serving: Serving;
  readonly #servedChanges: number;

  /** To be made before the first operation of a batch is looked at. */
  constructor(serving: Serving) {
    this.#serving = serving;
    this.#servedChanges = serving.servedChanges;
  }

  /** Answers of operations [first, end) are about to leave: those that nobody may give now become errors. */
  look(batch: KvBatch, targets: BatchTargets, answers: Answers, first: number, end: number): void {
    if (this.#serving.isAllServedSince(this.#servedChanges)) return;
    for (let operation = first; operation < end; operation++) {
      if (answers.statuses[operation] === STATUS.FAILED) continue;
      const refusal = targets.refusalNow(operation);
      if (refusal === undefined) continue;
      const isChange = isMutation(batch.opcodes[operation]!);
      answers.fail(operation, isChange ? inDoubt(batch.partitions[operation]!) : refusal);
    }
  }
}
