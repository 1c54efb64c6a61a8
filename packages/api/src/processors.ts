/** What processors may be called on, take and answer: their own types; for ready-made ones, what follows from the map's. */
import type { EntryProcessor } from './compute.ts';
import type { IsUnknown } from './mistakes.ts';
import type { ReadyArguments, ReadyProcessor, ReadyResult } from './ready.ts';

/** Processors for entries with values V; for values without a declared type, all processors. */
export type ProcessorOn<V> = EntryProcessor<IsUnknown<V> extends true ? never : V, never, unknown> | ReadyProcessor;

/** Path: of a ready-made processor that takes one. */
export type ArgumentsOf<P, V, Path extends string> =
  P extends EntryProcessor<never, infer Args, unknown>
    ? Args
    : P extends ReadyProcessor<infer Name>
      ? ReadyArguments<Name, V, Path>
      : never;

export type ResultOf<P, V, Path extends string> =
  P extends EntryProcessor<never, never, infer Result>
    ? Result
    : P extends ReadyProcessor<infer Name>
      ? ReadyResult<Name, V, Path>
      : never;
