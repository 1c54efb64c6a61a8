/**
 * Paths into documents, as types: `account.id`, `tags[1]`, `[0].x`, and what lies there. Paths that are known only at run time
 * (`string`), paths with quoted names and documents of unknown type are taken as they are.
 */
import type { IsUnknown, Mistake, Numeric, Scalar } from './mistakes.ts';

/** The type of the value at a path; never: no value of the type has anything there. */
export type ValueAt<V, Path extends string> = string extends Path
  ? unknown
  : Path extends `${string}"${string}`
    ? unknown
    : Path extends `${infer Head}.${infer Rest}`
      ? ValueAt<Step<V, Head>, Rest>
      : Step<V, Path>;

/** One name with the indexes behind it: `tags[1][2]`, `[0]`. */
type Step<V, Text extends string> = Text extends `[${infer Indexes}`
  ? Indexed<V, Indexes>
  : Text extends `${infer Name}[${infer Indexes}`
    ? Indexed<Field<V, Name>, Indexes>
    : Field<V, Text>;

type Indexed<V, Text extends string> = Text extends `${number}][${infer More}`
  ? Indexed<Element<V>, More>
  : Text extends `${number}]`
    ? Element<V>
    : never;

type Element<V> = IsUnknown<V> extends true ? unknown : V extends readonly (infer E)[] ? E : never;

/** Type of a field, from whichever members of a union have it. */
type Field<V, Name extends string> =
  IsUnknown<V> extends true
    ? unknown
    : V extends Scalar | readonly unknown[]
      ? never
      : Name extends keyof V
        ? V[Name]
        : Name extends `${infer Index extends number}`
          ? Index extends keyof V
            ? V[Index]
            : never
          : never;

/** The names at the place where a path leaves the document, each as a whole path: what the compiler lists and suggests. */
type Known<V, Path extends string, Before extends string = ''> = Path extends `${infer Head}.${infer Rest}`
  ? [Step<V, Head>] extends [never]
    ? Names<V, Before>
    : Known<Step<V, Head>, Rest, `${Before}${Head}.`>
  : Names<V, Before>;

type Names<V, Before extends string> = V extends Scalar
  ? never
  : V extends readonly unknown[]
    ? `${Before}[${number}]`
    : `${Before}${Extract<keyof V, string | number>}`;

type NoneAt<V, Path extends string> = [Known<V, Path>] extends [never]
  ? string & Mistake<'the path leads into a value that has no fields'>
  : Known<V, Path>;

/** A path to something that is there. */
export type PathOf<V, Path extends string> = string extends Path
  ? Path
  : [ValueAt<V, Path>] extends [never]
    ? NoneAt<V, Path>
    : Path;

/** A path to numbers, bigints or Decimals; what else may lie there does not matter. */
export type NumberPath<V, Path extends string> = string extends Path
  ? Path
  : [ValueAt<V, Path>] extends [never]
    ? NoneAt<V, Path>
    : IsUnknown<ValueAt<V, Path>> extends true
      ? Path
      : [Extract<ValueAt<V, Path>, Numeric>] extends [never]
        ? string & Mistake<'there is no number, bigint or Decimal at this path'>
        : Path;

/** A path to an array. */
export type ArrayPath<V, Path extends string> = string extends Path
  ? Path
  : [ValueAt<V, Path>] extends [never]
    ? NoneAt<V, Path>
    : IsUnknown<ValueAt<V, Path>> extends true
      ? Path
      : [Extract<ValueAt<V, Path>, readonly unknown[]>] extends [never]
        ? string & Mistake<'there is no array at this path'>
        : Path;

/** What the array at a path holds. */
export type ElementAt<V, Path extends string> =
  IsUnknown<ValueAt<V, Path>> extends true ? unknown : Element<NonNullable<ValueAt<V, Path>>>;
