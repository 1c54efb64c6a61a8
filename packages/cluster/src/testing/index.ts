/** cluster, for tests: what they begin with, and the coordinator's contract as a suite that every engine passes. */

export { CompareAndSetCoordinator, SharedValues } from './compare-and-set.ts';
export { type CoordinatorBench, describeCoordinator } from './coordinator-suite.ts';
export { completions, describeCopies, rowsOf } from './copies-suite.ts';
export { ManualControl } from './manual-control.ts';
export { ManualCoordinator } from './manual-coordinator.ts';
export {
  after,
  BUNDLE,
  creates,
  deploys,
  drops,
  freshState,
  joins,
  MemoryKeeper,
  memberNamed,
  moduleOf,
} from './values.ts';
