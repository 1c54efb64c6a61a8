/** simulator: whole grids on one thread, from a seed. Tests only: nothing of the product imports it. No I/O, no timers. */
export { FAULT_KINDS, type FaultKind, type Profile } from './faults/profile.ts';
export type { HostRules } from './grid/host-rules.ts';
export { judge, type Verdict } from './history/linearizable.ts';
export { ABSENT, applied, type KeyValue, type Operation, operationText } from './history/operation.ts';
export { type Happening, Kernel } from './kernel/kernel.ts';
export { MemberClock } from './kernel/member-clock.ts';
export { Network, type NetworkCounts, type NetworkQuality, SOUND_NETWORK } from './kernel/network.ts';
export { Process } from './kernel/process.ts';
export { MUTANTS, type Mutant, mutantNamed } from './mutants.ts';
export { type RunOptions, type RunReport, simulate } from './run.ts';
