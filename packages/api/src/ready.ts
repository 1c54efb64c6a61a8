/** The ready-made processors: they run on the partition's writer itself, no worker, no module. */
import type { TimeToLive } from '@ashlar/core';
import type { Named } from './compute.ts';
import type { Decimal } from './decimal.ts';
import type { IsUnknown, Mistake, Numeric, Scalar } from './mistakes.ts';
import type { ArrayPath, ElementAt, NumberPath, ValueAt } from './paths.ts';

/** The module name under which ready-made processors are called. */
export const READY_MODULE = 'ashlar';

export type ReadyName = 'increment' | 'mergePatch' | 'append' | 'compareAndSet';

/** A ready-made processor. Its arguments and its result follow from the values of the map that it is called on. */
export interface ReadyProcessor<Name extends ReadyName = ReadyName> {
  readonly kind: 'processor';
  readonly name: Named;
  /** Carries the type; never present at run time. */
  readonly '~ready'?: Name;
}

/** What ready-made processors take beside their own arguments. */
export interface ReadyOptions {
  /** Time to live of an entry that is stored; without it the entry keeps its deadline, and a new one takes the map's. */
  readonly ttlMs?: TimeToLive | undefined;
}

/** Arguments of each ready-made processor on a map with values V. */
export type ReadyArguments<Name extends ReadyName, V, Path extends string> = Name extends 'increment'
  ? { readonly path: NumberPath<V, Path>; readonly by: AddendOf<ValueAt<V, Path>> } & ReadyOptions
  : Name extends 'append'
    ? { readonly path: ArrayPath<V, Path>; readonly items: readonly ElementAt<V, Path>[] } & ReadyOptions
    : Name extends 'mergePatch'
      ? { readonly patch: PatchOf<V> } & ReadyOptions
      : { readonly expected: V | undefined; readonly value: V | undefined } & ReadyOptions;

/** Result of each ready-made processor. */
export type ReadyResult<Name extends ReadyName, V, Path extends string> = Name extends 'increment'
  ? SumOf<ValueAt<V, Path>>
  : Name extends 'append'
    ? number
    : Name extends 'mergePatch'
      ? undefined
      : boolean;

/** What may be added to a number of this type without changing its kind: whole numbers may be added to bigints and Decimals too. */
type AddendOf<T> =
  IsUnknown<T> extends true
    ? Numeric
    :
        | (Extract<T, number> extends never ? never : number)
        | (Extract<T, bigint> extends never ? never : number | bigint)
        | (Extract<T, Decimal> extends never ? never : Numeric);

/** Type of a sum; a value whose type is not known counts as a number, as most are. */
type SumOf<T> = IsUnknown<T> extends true ? number : Widened<Extract<T, Numeric>>;

type Widened<T> = T extends number ? number : T extends bigint ? bigint : T;

/** A merge patch (RFC 7396): null removes a field, and only fields that may be missing take it. */
export type PatchOf<V> =
  IsUnknown<V> extends true
    ? object
    : [Extract<V, Scalar | readonly unknown[]>] extends [never]
      ? FieldsPatch<V>
      : [Exclude<V, Scalar | readonly unknown[]>] extends [never]
        ? Mistake<'mergePatch changes fields: the values of this map are no objects'>
        : FieldsPatch<Exclude<V, Scalar | readonly unknown[]>>;

type FieldsPatch<V> = {
  readonly [Name in keyof V]?:
    | (V[Name] extends Scalar | readonly unknown[] ? V[Name] : FieldPatch<V[Name]>)
    | Removal<V, Name>;
};

type FieldPatch<T> = T extends Scalar | readonly unknown[] ? T : IsUnknown<T> extends true ? T : FieldsPatch<T>;

type Removal<V, Name extends keyof V> = Record<never, never> extends Pick<V, Name> ? null : never;

export const ready = Object.freeze({
  /** Adds to the number at `path` (0 when missing) and answers the sum. */
  increment: readyMade('increment'),
  /** Merges into the document by RFC 7396 and answers nothing. A value that is no object is TYPE_MISMATCH. */
  mergePatch: readyMade('mergePatch'),
  /** Appends to the array at `path` (made when missing) and answers its new length. */
  append: readyMade('append'),
  /**
   * Stores `value` (undefined: removes the entry) when the entry's value equals `expected` (undefined: absent); answers
   * whether it did.
   */
  compareAndSet: readyMade('compareAndSet'),
});

function readyMade<Name extends ReadyName>(exportName: Name): ReadyProcessor<Name> {
  return { kind: 'processor', name: { module: READY_MODULE, exportName } };
}
