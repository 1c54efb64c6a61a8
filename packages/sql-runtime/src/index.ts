/** sql-runtime: a statement from text to rows over the grid: planning, coordinators, runners, columns, grid snapshots. */
export { ChangeCoordinator } from './changes/change-coordinator.ts';
export { ChangePart, PART_LEASE_MS } from './changes/change-part.ts';
export type { ChangeOutcome, ChangeRequest, RowChange } from './changes/change-request.ts';
export { ChangeRunner } from './changes/change-runner.ts';
export { OwnPart, type PartHandle } from './changes/part-handle.ts';
export { PeerPart, servePart } from './changes/peer-parts.ts';
export { ProcessWhere } from './changes/process-where.ts';
export { ColumnKeeper } from './column-keeper.ts';
export { buildTablesOf, callFragment, type FragmentCallsDependencies } from './fragment-calls.ts';
export { type FragmentRunnerDependencies, type FragmentStats, runLocalFragment } from './fragment-runner.ts';
export { GridSnapshots } from './grid-snapshots.ts';
export { HeldMemory, Holding } from './held/held-memory.ts';
export { PathFinder } from './path-finder.ts';
export { changeRequestOf, type FragmentBody, fragmentBodyOf } from './peer-plans.ts';
export { Planning } from './planning.ts';
export { type FragmentCall, QueryCoordinator } from './query-coordinator.ts';
export { checkParameterCount } from './statements/parameters.ts';
export { type EntryLook, type ShortCall, ShortStatements, type WrittenAnswer } from './statements/short-statements.ts';
export {
  decodedValues,
  type PrepareContext,
  type PreparedStatement,
  type RunContext,
  type StatementValues,
  valuesOf,
} from './statements/statement-types.ts';
export { Statements } from './statements/statements.ts';
