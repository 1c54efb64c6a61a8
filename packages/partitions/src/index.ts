/** partitions: the partitions of one member: what writes pass and wait for, limits, local snapshots. */
export { answerMarginMs } from './answer-margin.ts';
export { AnswerWindow, type EarlierOutcome } from './answer-window.ts';
export { deadlineOf, keptDeadline } from './deadlines.ts';
export { EntryLimits } from './entry-limits.ts';
export { HELD_KINDS, HeldAnswers, type HeldKind } from './held-answers.ts';
export { KeyGate } from './key-gate.ts';
export { type LateCommitOptions, LateCommits } from './late-commits.ts';
export { LocalSnapshots } from './local-snapshots.ts';
export { keyLockId, type LockId, partitionLockId } from './lock-ids.ts';
export { LogPressure } from './log-pressure.ts';
export { isTooLargeForLogs, LackOfRoom, LogWait, tooLargeForLogs } from './log-room.ts';
export { type NeedMap, needMapOf, openHere, openMap, type PresenceParts } from './map-presence.ts';
export { readTwiceAtMost, toldOfOpening, toldOfSnapshot, twiceAtMost } from './moved-partitions.ts';
export { checkOneGo, isOneGo } from './one-go.ts';
export { Ownership, type OwnershipStamp } from './ownership.ts';
export { decodeMessage, encodeMessage, type WireMessage } from './replicas/message-codec.ts';
export {
  type HostPorts,
  type HostTimers,
  type LeftPartitions,
  ReplicaHost,
  type ReplicaHostOptions,
} from './replicas/replica-host.ts';
export type { ReplicaStore } from './replicas/replica-store.ts';
export { RoomQueue, type RoomWaiter } from './room-queue.ts';
export { WaitingKeys } from './waiting-keys.ts';
export { type Committer, decided, PROMPT_COMMITTER, WritePath } from './write-path.ts';
export { WriteTurns } from './write-turns.ts';
