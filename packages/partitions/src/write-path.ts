/**
 * The one way in which data changes: whoever writes stages in a batch and submits it; answers hang on its decision.
 *
 *   begin -> stage ... -> submit: sealed -> committer -> committed: answer
 *                                                    '-> aborted:   in doubt; nothing that was derived from it is answered
 *
 * A sealed batch is the ticket of its writer: version, state, `whenDecided`. Keys that a writer holds are free once it is
 * submitted: the next look at them sees what is sealed (`findNewest`), and its own answer hangs on that.
 *
 * write-path P1  Nobody but a committer commits; in every partition batches commit in the order in which they were sealed.
 * write-path P2  Who staged behind an undecided batch of the partition is decided after it: it waits for its own batch
 *                alone. Who staged nothing there waits for what it saw (`found.undecided`).
 * write-path P3  A committer that is prompt has decided when submit() returns. Then one batch may serve all partitions; else
 *                those of a group (groupOf), whose commits wait for the same members: one that is slow holds up what it would
 *                hold up anyway, and nothing beside it.
 */
import type { PartitionId } from '@ashlar/core';
import type { BatchHeader, MemberStore, WriteBatch } from '@ashlar/storage';
import { CommitPace } from './commit-pace.ts';
import { HeldAnswers } from './held-answers.ts';
import { WriteTurns } from './write-turns.ts';

/** Says when what is sealed is committed. */
export interface Committer {
  /** Whether all of decide() happens within the call. */
  readonly isPrompt: boolean;
  /**
   * Partitions of one number may share a batch (write-path P3). It is good within a turn of the event loop.
   * Undefined: each partition is to have its own.
   */
  groupOf?(partition: PartitionId): number;
  /** Batches that it lost, in part or as a whole; undefined: it loses none. */
  readonly dropped?: number;
  /** Takes over a sealed batch: commits it, or aborts it where it is lost. Called in the order of sealing. */
  decide(batch: WriteBatch): void;
  /** Decides whatever waits, and from here on everything at once. */
  close(): void;
}

/** Commits every batch at once: the committer of a member that has to wait for nobody. */
export const PROMPT_COMMITTER: Committer = {
  isPrompt: true,
  groupOf: () => 0,
  decide: (batch) => batch.commit(),
  close: () => undefined,
};

export class WritePath {
  /** Whoever holds an answer until a batch is committed counts it here. */
  readonly held = new HeldAnswers();
  /** How long commits take: told by those who wait for them. */
  readonly pace = new CommitPace();
  /** Who may wait for the next batch asks here first: begin() refuses once there are too many. */
  readonly turns: WriteTurns;
  readonly #store: MemberStore;
  readonly #committer: Committer;

  constructor(store: MemberStore, committer: Committer = PROMPT_COMMITTER) {
    this.#store = store;
    this.#committer = committer;
    this.turns = new WriteTurns(store);
    store.onSealed((batch) => committer.decide(batch));
  }

  /** Whether what is submitted is decided when submit() returns (write-path P3). */
  get isPrompt(): boolean {
    return this.#committer.isPrompt;
  }

  /** Partitions of one number may share a batch, within a turn of the event loop (write-path P3). */
  groupOf(partition: PartitionId): number {
    return this.#committer.groupOf?.(partition) ?? partition;
  }

  /** @throws GridError OVERLOADED when too many batches are under way */
  begin(header?: BatchHeader): WriteBatch {
    return this.#store.begin(header);
  }

  /**
   * Seals a batch and hands it to the committer. It cannot fail.
   *
   * @returns whether it is committed already; if not, `batch.whenDecided()` calls back when `batch.state` says what became of it
   */
  submit(batch: WriteBatch): boolean {
    batch.seal();
    if (batch.isEmpty) batch.commit();
    else this.#committer.decide(batch);
    return batch.state === 'committed';
  }

  /** Batches that were lost with a partition after they were sealed, in part or as a whole. */
  get lostBatches(): number {
    return this.#committer.dropped ?? 0;
  }

  /** Decides whatever waits. */
  close(): void {
    this.#committer.close();
  }
}

/**
 * Resolves once a submitted batch is decided.
 *
 * @returns whether it is committed in all of its partitions
 */
export function decided(batch: WriteBatch): Promise<boolean> | boolean {
  if (batch.state !== 'sealed') return isWhole(batch);
  return new Promise((resolve) => batch.whenDecided(() => resolve(isWhole(batch))));
}

function isWhole({ state, lostPartitions }: WriteBatch): boolean {
  return state === 'committed' && lostPartitions.length === 0;
}
