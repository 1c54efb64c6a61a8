/**
 * cluster: who is a member, who owns what at which epoch, what the catalog holds. Pure; no I/O, no timers of its own but for
 * who waits for a newer catalog; `GridView` is how a member follows it.
 */
export { BundleStore, bundleHash, missingBundle } from './bundles.ts';
export {
  bundleHashesOf,
  type CatalogedMap,
  type CatalogedModule,
  type CatalogState,
  DEFAULT_MAP_SETTINGS,
  type MapSettings,
} from './catalog-state.ts';
export { type CatalogCommand, checkedCommand, type ModuleCommand } from './command-check.ts';
export type { Coordinator } from './coordinator.ts';
export {
  type ControlKeeper,
  EmbeddedCoordinator,
  type EmbeddedOptions,
  type GridFloors,
  NO_KEEPER,
} from './embedded-coordinator.ts';
export { type Follow, GridView } from './grid-view.ts';
export { assignPartitions, type Owners } from './placement.ts';
export { type Election, type ElectionCause, electionsOf } from './replicas/elections.ts';
export { checkedReplicaTable, checkedTransaction } from './replicas/replica-check.ts';
export type {
  ControlPorts,
  ControlTimes,
  MembershipAsk,
  Recovered,
} from './replicas/replica-control.ts';
export {
  type ControllerOptions,
  type MembershipGrant,
  ReplicaController,
} from './replicas/replica-controller.ts';
export {
  type ChangeRefusal,
  emptyReplicaTable,
  type RefusedChange,
  type ReplicaOutcome,
  stepReplicas,
} from './replicas/replica-step.ts';
export { isReplicated, type ReplicatedTable } from './replicas/replicated-table.ts';
export type { Serving } from './serving.ts';
export { checkedCatalog, checkedState, checkedTable } from './state-check.ts';
export { type ControlCommand, type ControlState, isTableCommand, type TableCommand } from './step.ts';
export type { GridSettings, JoinedMember, TableState } from './table-state.ts';
export { ToldValues } from './told-values.ts';
export { Watchers } from './watchers.ts';
