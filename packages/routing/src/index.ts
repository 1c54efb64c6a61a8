/** routing: the caller's side of the partition table: sessions, request numbers, retries. Imports core, serialization, transport. */
export { NOTHING, type OperationExtras } from './batch-builder.ts';
export { forAll } from './bulk.ts';
export type { CallLimits, CallTarget, EntryAnswer } from './call-target.ts';
export { isAboutThird, nobodyThere, pause } from './connections.ts';
export { type LoadSettings, type LoadSource, load } from './load.ts';
export type { LoadFailure, LoadProgress, LoadResult } from './load-tally.ts';
export type { MapHandle, MapOptionsGiven } from './map-handle.ts';
export type { LocalMember } from './member-link.ts';
export { putAll } from './put-all.ts';
export { Router } from './router.ts';
export type { RouterOptions } from './router-options.ts';
