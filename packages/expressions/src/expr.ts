/**
 * Bound, typed expressions: plain data, so that plans can be cached, printed and sent. A column is an index into the
 * operator's input; parameters and literals are data and never become source text of a kernel.
 */
import type { SqlType } from './types.ts';

/** What a literal or parameter may be; dates and intervals are made by casts. */
export type Literal = null | boolean | number | bigint | string | Uint8Array | { readonly decimal: string } | object;

export type CompareOperator = '=' | '<>' | '<' | '<=' | '>' | '>=';
export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%';

/**
 * How integers of undeclared paths are read where the planner knows what the paths hold: `int8`, a path of bigints alone, as
 * PostgreSQL's bigint; `whole`, a sum of bigints, which has no bounds. Without a reading they are numbers like others.
 */
export type NumberReading = 'int8' | 'whole';

/** The type of an undeclared path whose values are all of one kind; `number`: of numbers and bigints. */
export type PathType = 'int8' | 'float8' | 'number' | 'numeric' | 'timestamptz' | 'boolean';

/** `at`: offset of the place in the statement's text, for errors found while running. */
interface Base {
  readonly type: SqlType;
  readonly at: number;
}

export type Expr =
  | (Base & {
      readonly kind: 'column';
      readonly index: number;
      readonly name: string;
      /** Its type is promised, and every value keeps it: errors over it stay errors also where paths are read laxly. */
      readonly isDeclared?: boolean | undefined;
      /** The entry's key: a text of the statement reads as a number beside it only in the spelling that it prints as. */
      readonly isKey?: boolean | undefined;
    })
  | (Base & { readonly kind: 'literal'; readonly value: Literal })
  /** `beside`: what it is given as where it can be read so: the one kind that the path beside it holds. */
  | (Base & { readonly kind: 'parameter'; readonly index: number; readonly beside?: PathType | undefined })
  | (Base & { readonly kind: 'compare'; readonly operator: CompareOperator; readonly left: Expr; readonly right: Expr })
  | (Base & { readonly kind: 'distinctFrom'; readonly negated: boolean; readonly left: Expr; readonly right: Expr })
  | (Base & {
      readonly kind: 'arithmetic';
      readonly operator: ArithmeticOperator;
      readonly left: Expr;
      readonly right: Expr;
      /** How operands of no declared type are read as numbers; with type `any` only. */
      readonly numbers?: NumberReading | undefined;
    })
  | (Base & { readonly kind: 'negate'; readonly operand: Expr })
  | (Base & { readonly kind: 'concat'; readonly left: Expr; readonly right: Expr })
  | (Base & { readonly kind: 'and' | 'or'; readonly operands: readonly Expr[] })
  | (Base & { readonly kind: 'not'; readonly operand: Expr })
  | (Base & { readonly kind: 'isNull'; readonly negated: boolean; readonly operand: Expr })
  | (Base & {
      readonly kind: 'isTruth';
      readonly truth: true | false | null;
      readonly negated: boolean;
      readonly operand: Expr;
    })
  | (Base & { readonly kind: 'in'; readonly negated: boolean; readonly operand: Expr; readonly list: readonly Expr[] })
  | (Base & {
      readonly kind: 'like';
      readonly negated: boolean;
      readonly caseInsensitive: boolean;
      readonly operand: Expr;
      readonly pattern: Expr;
      readonly escape: string | undefined;
    })
  | (Base & {
      readonly kind: 'case';
      /** Searched form only: the binder turns CASE x WHEN y into x = y. */
      readonly branches: readonly { readonly when: Expr; readonly then: Expr }[];
      readonly otherwise: Expr | undefined;
    })
  | (Base & { readonly kind: 'cast'; readonly operand: Expr })
  | (Base & { readonly kind: 'call'; readonly name: string; readonly args: readonly Expr[] });

export type AggregateName = 'count' | 'sum' | 'avg' | 'min' | 'max';

/** One aggregate of a GROUP BY; `operand` undefined: count(*). */
export interface Aggregate {
  readonly name: AggregateName;
  readonly operand: Expr | undefined;
  readonly distinct: boolean;
  /** FILTER (WHERE ...). */
  readonly filter: Expr | undefined;
  readonly type: SqlType;
  readonly at: number;
}
