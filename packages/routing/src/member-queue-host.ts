/** What a queue for a member and its router have to do with each other: bounds, what is told, what is given back. */
import type { HelloResponse, KvAnswers, SessionRequest } from '@ashlar/transport';
import type { DetachedOperation, SealContext, SealedBatch } from './sealed-batch.ts';

/** What a queue needs of its router. */
export interface MemberQueueHost {
  readonly limits: MemberQueueLimits;
  /** The grid we belong to now. */
  readonly gridId: string;
  readonly clientName: string;
  /** The router's clock. */
  nowMs(): number;
  sessionRequest(session: number): SessionRequest;
  sealContext(): SealContext;
  /** No more mutations may be numbered. */
  readonly numbersAreFull: boolean;
  /** What all queues have sent and await answers for. */
  readonly underWay: { batches: number };
  /** Bytes and operations that begin (or, negative, end) to be queued or under way. */
  account(bytes: number, operations: number): void;
  scheduleFlush(): void;
  observe(answers: KvAnswers): void;
  /** The session has seen a version. */
  observeVersion(version: number): void;
  /** Operations FAILED, REFUSED or NOT_RUN, by index in `answers`. */
  failures(batch: SealedBatch, answers: KvAnswers, operations: readonly number[]): void;
  /** Operations whose link broke; they are to be routed anew. */
  reroute(operations: readonly DetachedOperation[]): void;
  /** The link broke (or cannot be made): is the member still there? */
  onDown(): void;
  /** Another member, perhaps of another grid, answers at this address. */
  onUnknownMember(hello: HelloResponse): void;
}

export interface MemberQueueLimits {
  readonly batchOperationsMax: number;
  readonly batchBytesMax: number;
  readonly windowBatches: number;
  readonly windowBytes: number;
  readonly valueBytesMax: number;
}
