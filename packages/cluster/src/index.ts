/**
 * cluster: who is a member, who owns what at which epoch, what the catalog holds. Pure; no I/O, no timers; `GridView` is how a
 * member follows it.
 */
export {
  type CatalogedMap,
  type CatalogedModule,
  DEFAULT_MAP_SETTINGS,
  type MapSettings,
} from './catalog.ts';
export { type CatalogCommand, checkedCommand, type ModuleCommand } from './command-check.ts';
export { type ControlCommand, type ControlState, type JoinedMember, tableOf } from './control-state.ts';
export type { Coordinator } from './coordinator.ts';
export { type ControlKeeper, EmbeddedCoordinator, type GridFloors } from './embedded-coordinator.ts';
export { GridView } from './grid-view.ts';
export { assignPartitions, type Owners } from './placement.ts';
export { checkedState } from './state-check.ts';
