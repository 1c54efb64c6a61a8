/** The numbers by which a session knows the mutations of a batch. */
import { isMutation, type KvBatch } from '@ashlar/transport';
import { offsetsOf } from './batch-columns.ts';

export class RequestNumbers {
  readonly #batch: KvBatch;
  #offsets: Uint32Array | undefined;
  /** In the order of the operations, which is how most are asked for: mutations of [0, #seen). */
  #seen = 0;
  #mutations = 0;

  constructor(batch: KvBatch) {
    this.#batch = batch;
  }

  /** 0 for reads, and where there is no session. */
  of(operation: number): number {
    const { requestOffsets, firstRequest, opcodes, session } = this.#batch;
    if (session === 0 || !isMutation(opcodes[operation]!)) return 0;
    if (requestOffsets !== undefined) return firstRequest + requestOffsets[operation]!;
    if (operation < this.#seen) {
      this.#offsets ??= offsetsOf(opcodes);
      return firstRequest + this.#offsets[operation]!;
    }
    for (; this.#seen < operation; this.#seen++) if (isMutation(opcodes[this.#seen]!)) this.#mutations++;
    return firstRequest + this.#mutations;
  }
}
