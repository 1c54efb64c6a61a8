import fc from 'fast-check';
import type { Expr, RowValue, SqlType, Vector } from '../src/index.ts';
export declare const TEXTS: string[];
/** One column: one type, or mixed; with or without nulls. */
export declare function column(length: number): fc.Arbitrary<{
  type: SqlType;
  values: RowValue[];
}>;
/** The same rows with their texts by code, and NULLs sometimes as missing. */
export declare function withDictionary({ type, values }: { type: SqlType; values: RowValue[] }): Vector;
interface Leaf {
  readonly types: readonly SqlType[];
}
/** Expressions over columns of these types. Most are well typed by PostgreSQL's rules; some fail on some rows. */
export declare function expression(leaf: Leaf, depth: number): fc.Arbitrary<Expr>;
export declare const PARAMETERS: readonly unknown[];
export declare function condition(leaf: Leaf, depth: number): fc.Arbitrary<Expr>;
