/** sql-runtime: a statement from text to rows over the grid: planning, coordinators, runners, columns, grid snapshots. */
export { ChangeCoordinator, type ChangeRequest } from './change-coordinator.ts';
export { type ChangeOutcome, ChangeRunner } from './change-runner.ts';
export { ColumnKeeper } from './column-keeper.ts';
export { type FragmentRunnerDependencies, type FragmentStats, runLocalFragment } from './fragment-runner.ts';
export { type GetRows, type GetTask, getRows, rowsBatch } from './get-rows.ts';
export { GridSnapshots } from './grid-snapshots.ts';
export { HeldMemory, Holding } from './held/held-memory.ts';
export { mergeStreams } from './merge-streams.ts';
export { PathFinder } from './path-finder.ts';
export { changeRequestOf, type FragmentBody, fragmentBodyOf } from './peer-plans.ts';
export { Planning } from './planning.ts';
export { type FragmentCall, QueryCoordinator, type StageRun, type Statement } from './query-coordinator.ts';
export { ambiguousTexts, bothKeysNotice, keysMeant } from './quoted-keys.ts';
export { wholeFragment, wholeJobPart } from './whole-parts.ts';
