/** What the parts of one batch's run share, and what they have from the member. */
import type { GridView } from '@ashlar/cluster';
import type { ProcessorCalls } from '@ashlar/compute-runtime';
import type { TraceContext } from '@ashlar/core';
import type {
  AnswerWindow,
  EntryLimits,
  KeyGate,
  LogPressure,
  RoomQueue,
  WaitingKeys,
  WritePath,
} from '@ashlar/partitions';
import type { MemberStore } from '@ashlar/storage';
import type { CallContext, KvBatch } from '@ashlar/transport';
import type { AnswerProgress } from './answer-progress.ts';
import type { AnswerMemoryPool, Answers } from './answers.ts';
import type { BatchRecord } from './batch-record.ts';
import type { BatchTargets } from './batch-targets.ts';
import type { HeldOperations } from './held-operations.ts';
import type { Repeats } from './repeats.ts';
import type { RoomWaits } from './room-waits.ts';
import type { Session } from './sessions.ts';
import type { StatementDoor } from './statements.ts';
import type { UndecidedPartitions } from './undecided-partitions.ts';

export interface BatchDependencies {
  readonly store: MemberStore;
  readonly writes: WritePath;
  readonly control: GridView;
  readonly gate: KeyGate;
  readonly rooms: RoomQueue;
  readonly pressure: Pick<LogPressure, 'mayBeHigh'>;
  readonly processors: ProcessorCalls;
  readonly clock: { now(): number };
  readonly limits: EntryLimits;
  readonly valueBytesMax: number;
  readonly answerMemory: AnswerMemoryPool;
  readonly answerWindow: AnswerWindow;
  /** Undefined: statements take their stream. */
  readonly statements?: StatementDoor | undefined;
}

export interface BatchScope {
  readonly batch: KvBatch;
  /** Its mutations may have come before: each is looked up. */
  readonly isRepeat: boolean;
  /** Its caller says that it has sent them before; else it may be a first copy that comes late. */
  readonly isResent: boolean;
  readonly answers: Answers;
  readonly progress: AnswerProgress;
  readonly targets: BatchTargets;
  readonly deps: BatchDependencies;
  readonly session: Session | undefined;
  /** Where the session keeps the answers of this batch. */
  readonly record: BatchRecord | undefined;
  /** Who sent it, and what they may. */
  readonly caller: Pick<CallContext, 'require'>;
  /** Keys on which mutations of the batch's stream wait. */
  readonly waiting: WaitingKeys;
  /** Undecided writes of the session, or of the stream where there is none. */
  readonly undecided: UndecidedPartitions;
  /** performance.now() when the batch came: its deadlines count from there. */
  readonly arrivedMs: number;
  /** The traces that operations belong to, where callers are traced. */
  readonly traceOf: ((operation: number) => TraceContext | undefined) | undefined;
  /** Whether a listener writes to make progress: full logs take what it writes, so it waits for none. */
  readonly isProgress: boolean;
  /** The parts that most batches do without: made when they are asked for. */
  readonly held: HeldOperations;
  readonly repeats: Repeats;
  readonly rooms: RoomWaits;
}
