/** What a table needs from the store around it. */
import type { ByteAccount } from './accounts.ts';
import type { BlockAllocator } from './block-allocator.ts';
import type { PendingWords } from './pending-words.ts';
import type { ReaderEpochs } from './reader-epochs.ts';
import type { TimerWheel } from './timer-wheel.ts';
import type { WriteBatch } from './write-batch.ts';

export interface TableHost {
  readonly blocks: BlockAllocator;
  readonly epochs: ReaderEpochs;
  readonly timers: TimerWheel;
  readonly words: PendingWords<WriteBatch>;
  /** The key of the entry index's hash. */
  readonly hashSeed: number;
  /** Of the map. */
  readonly account: ByteAccount;
  /** Rises with every change of the map's entries and columns. */
  changes: number;
}
