/** What a table needs from the store around it. */

import type { PendingWords } from '../batch/pending-words.ts';
import type { WriteBatch } from '../batch/write-batch.ts';
import type { ByteAccount } from '../memory/accounts.ts';
import type { BlockAllocator } from '../memory/block-allocator.ts';
import type { ReaderEpochs } from '../reader-epochs.ts';
import type { Snapshots } from '../snapshots.ts';
import type { TimerWheel } from '../timer-wheel.ts';
import type { CapturedVersions } from './captured-versions.ts';
import type { DecidedSlots } from './decided-slots.ts';

/** The partition whose entries a table holds. */
export interface TablePartition {
  readonly id: number;
  readonly captured: CapturedVersions;
}

export interface TableHost {
  readonly blocks: BlockAllocator;
  readonly epochs: ReaderEpochs;
  readonly snapshots: Snapshots;
  readonly timers: TimerWheel;
  readonly words: PendingWords<WriteBatch>;
  readonly decidedSlots: DecidedSlots;
  /** The key of the entry index's hash. */
  readonly hashSeed: number;
  /** What the map's memory is charged to. */
  readonly account: ByteAccount;
  /** Rises with every change of the map's entries and columns. */
  changes: number;
  /** Rises with every change of its entries, but for those while it is watched that put a document of the same shape in its place. */
  reshapes: number;
  /** Changes that are still looked at for that; 0: it is not watched. */
  watchedChanges: number;
}
