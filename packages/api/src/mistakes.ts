/** Types that say what is wrong, so that a compiler's message can be read, and what can be stored at all. */
import type { Decimal } from './decimal.ts';

declare const mistake: unique symbol;

/** Where a call would fail at run time its parameter has this type: nothing has it, and messages of the compiler show the text. */
export interface Mistake<Text extends string> {
  readonly [mistake]: Text;
}

/** Values without parts of their own. */
export type Scalar = string | number | bigint | boolean | null | undefined | Date | Uint8Array | Decimal;

/** Whatever may be added up. */
export type Numeric = number | bigint | Decimal;

export type IsUnknown<T> = unknown extends T ? true : false;

/** The return type of a function without a result. */
type Nothing = ReturnType<() => void>;

/**
 * What a synchronous function may answer: its result, and no promise. Where it answers nothing (`void`) TypeScript alone would
 * let an async function through.
 */
export type Synchronous<Result> =
  IsUnknown<Result> extends true
    ? Result
    : [Extract<Result, PromiseLike<unknown>>] extends [never]
      ? [Result] extends [Nothing]
        ? Result | undefined
        : Result
      : Mistake<'an entry processor is synchronous: await before the call and hand in what came of it'>;
