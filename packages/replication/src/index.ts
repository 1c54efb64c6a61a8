/**
 * replication: the same log on several members. Decides who may write, read, acknowledge, serve, and who must transfer; never
 * sends, waits or looks at a clock. Imports core only.
 */
export type { Moment, Renewal, ReplicationCore, TransactionAnswer, TransferRef } from './core-contract.ts';
export type { Effect, Note, SetChange, ShrinkReason } from './effects.ts';
export type { LeadFigures, PeerFigures, ReplicationFigures } from './figures.ts';
export {
  DEFAULT_OPTIONS,
  type LogReader,
  type LogRun,
  type LogTerms,
  type NotServing,
  type ReplicationOptions,
  type ServeAnswer,
} from './host.ts';
export { MemberCore } from './member-core.ts';
export type {
  Acknowledge,
  Append,
  BatchColumns,
  CutReason,
  Envelope,
  Fence,
  Fenced,
  FencedCopy,
  HeldColumns,
  LeaseGrant,
  LeaseRequest,
  LineageEntry,
  MarkColumns,
  Message,
  Payload,
  Pull,
  RefusalColumns,
  RefusalReason,
  Tail,
  TransferAsk,
  TransferCut,
  TransferPage,
  TransferStart,
} from './messages.ts';
export { isSameMember, PRODUCTION_RULES, type Rules } from './rules.ts';
export { CLOCK_DRIFT_MAX, checkedTimings, DEFAULT_TIMINGS, type Timings } from './timings.ts';
