/** cluster: who is a member, who owns what at which epoch, what the catalog holds. Pure; no I/O, no timers. */
export {
  type CatalogedMap,
  type CatalogedModule,
  type ControlCommand,
  type ControlState,
  DEFAULT_MAP_SETTINGS,
  type JoinedMember,
  type MapSettings,
  tableOf,
} from './control-state.ts';
export type { Coordinator } from './coordinator.ts';
export { type ControlKeeper, EmbeddedCoordinator, type KeptControl } from './embedded-coordinator.ts';
export { assignPartitions, type Owners } from './placement.ts';
