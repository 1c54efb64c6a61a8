/**
 * What the core wants done, as data, in order. The host performs the effects of a turn one by one, in the turn in which it got
 * them; what they ask to be told is told by an input of the core (named behind each), in the same turn unless it says "later".
 *
 * effects F1  The core's picture of the store is what it asked for and was told. A host that cannot do what an effect asks says
 *             so by copyLost(partition): the replica holds no copy of it any more.
 * effects F2  Nothing that an effect names may be undone by the host on its own: a backup evicts, expires and truncates nothing.
 * effects F3  What an input causes in many partitions is one effect with columns, done row by row: a row that cannot be done says
 *             nothing about the others.
 */
import type { Epoch, ReplicaChange, ReplicaId, ReplicaTransaction, Sequence, Version } from '@ashlar/core';
import type { CutReason, LeaseRequest, Message, Payload, TransferStart } from './messages.ts';

export type Effect =
  /** To a replica; may get lost. */
  | { readonly kind: 'send'; readonly to: ReplicaId; readonly message: Message }
  /** To the coordinator: `onTransaction`, later, with its answer or without one. */
  | { readonly kind: 'transact'; readonly transaction: ReplicaTransaction }
  /** To the coordinator: `onRenewed`, later. Asks for the membership's lease, which is the lone primary's too. */
  | { readonly kind: 'renew'; readonly replica: ReplicaId; readonly lease: LeaseRequest }
  /* ---- Backup ----------------------------------------------------------------------------------------------------- */
  /** Takes records behind those that the copy has; what it has already it passes over: `applied`, or `copyLost`, for each. */
  | ApplyColumns
  /** Shows what is held up to the sequence, which it has; the primary's trim floor and holds with it. */
  | CommitBackupColumns
  /**
   * Whoever wrote what the copy holds writes no more: of a batch whose end is not here nothing is kept, for it was acknowledged to
   * nobody. `applied`, where that changed anything.
   */
  | { readonly kind: 'endBatch'; readonly partition: number }
  /** Begins an empty copy, as a backup, whose log starts at sequence 1. */
  | { readonly kind: 'openCopy'; readonly partition: number; readonly logEpoch: Epoch }
  /** Forgets the copy and all that was installed of one, with its log. */
  | { readonly kind: 'dropCopy'; readonly partition: number }
  /* ---- Primary ---------------------------------------------------------------------------------------------------- */
  /** Everything up to it is with every member of the set: visible, answered. */
  | CommitColumns
  /**
   * The member is the primary, and serves while `mayServe` says so. Everything that it holds is committed, its next record has
   * the sequence `lastSequence + 1` and this epoch, and every version that it assigns, opens or hands out lies above `above`.
   */
  | {
      readonly kind: 'serve';
      readonly partition: number;
      readonly epoch: Epoch;
      readonly lastSequence: Sequence;
      readonly above: Version;
    }
  /**
   * It has stopped being the primary: calls under way are answered by whoever is next, snapshots end. The copy stays as a
   * backup's, with all that was sealed, until `dropCopy`.
   */
  | { readonly kind: 'stopServing'; readonly partition: number; readonly epoch: Epoch }
  /* ---- Transfer, at the primary ------------------------------------------------------------------------------------- */
  /** Captures (version, sequence) in one step and keeps it to be read: `transferOpened`, or `transferFailed`. */
  | { readonly kind: 'openTransfer'; readonly partition: number; readonly to: ReplicaId; readonly copy: number }
  /** `pageRead`, later; a page may be asked for again. */
  | {
      readonly kind: 'readPage';
      readonly partition: number;
      readonly to: ReplicaId;
      readonly copy: number;
      readonly page: number;
    }
  | { readonly kind: 'closeTransfer'; readonly partition: number; readonly to: ReplicaId; readonly copy: number }
  /** The log from that sequence on is wanted by a replica that catches up (cuttable: `logGone`); Infinity: no more. */
  | { readonly kind: 'holdLog'; readonly partition: number; readonly to: ReplicaId; readonly from: number }
  /* ---- Transfer, at the joiner -------------------------------------------------------------------------------------- */
  /** Takes a page into a copy that nobody sees yet. Page 0 begins it. */
  | {
      readonly kind: 'installPage';
      readonly partition: number;
      readonly page: number;
      readonly start: TransferStart;
      readonly payload: Payload;
    }
  /** All pages are there: the copy becomes a backup's, at `start.sequence`. `installed`, or `copyLost`; later is fine. */
  | { readonly kind: 'finishInstall'; readonly partition: number; readonly copy: number; readonly start: TransferStart }
  /* ---- Told ----------------------------------------------------------------------------------------------------------- */
  /** An orderly stop has come to its end. `kept`: partitions that nobody took over. */
  | { readonly kind: 'left'; readonly handedOver: readonly number[]; readonly kept: readonly number[] }
  /** For metrics and the log; nothing has to be done. */
  | { readonly kind: 'note'; readonly note: Note };

/** Runs of the payload of one message, a row a run (effects F3). */
export interface ApplyColumns {
  readonly kind: 'apply';
  readonly payload: Payload;
  /** Which of the runs of the payload. */
  readonly run: number[];
  readonly partition: number[];
  readonly firstSequence: Sequence[];
  readonly count: number[];
}

/** A row a partition (effects F3). */
export interface CommitBackupColumns {
  readonly kind: 'commitBackup';
  readonly partition: number[];
  readonly commit: Sequence[];
  readonly trimFloor: Sequence[];
  readonly heldFrom: number[];
}

/** A row a partition (effects F3). */
export interface CommitColumns {
  readonly kind: 'commit';
  readonly partition: number[];
  readonly epoch: Epoch[];
  readonly commit: Sequence[];
}

export type Note =
  | { readonly kind: 'elected'; readonly partition: number; readonly epoch: Epoch; readonly afterMs: number }
  | { readonly kind: 'deposed'; readonly partition: number; readonly epoch: Epoch }
  | { readonly kind: 'shrinking'; readonly partition: number; readonly without: ReplicaId; readonly why: ShrinkReason }
  | { readonly kind: 'grown'; readonly partition: number; readonly by: ReplicaId }
  | { readonly kind: 'refusedEpoch'; readonly partition: number; readonly from: ReplicaId; readonly epoch: Epoch }
  | { readonly kind: 'transferCut'; readonly partition: number; readonly to: ReplicaId; readonly reason: CutReason }
  /** What a replica said, or holds, of a partition cannot be (core-contract C5): a fault, of this member's where `by` is itself. */
  | { readonly kind: 'fault'; readonly partition: number; readonly by: ReplicaId; readonly error: unknown }
  | { readonly kind: 'clockGap'; readonly gapMs: number }
  | { readonly kind: 'suspended'; readonly isSuspended: boolean };

export type ShrinkReason = 'silent' | 'lagging' | 'noCopy' | 'gone' | 'unwanted';

export type SetChange = Extract<ReplicaChange, { kind: 'setInSync' }>;
