/** expressions: typed predicates and scalars over columns or documents: kernels and their interpreting twin. */
export { arithmetic, arithmeticType } from './arithmetic.ts';
export { castTypes, castValue, commonType } from './cast.ts';
export { comparableTypes, compareAcrossKinds, compareText, compareValues } from './compare.ts';
export { readText } from './constants.ts';
export { type DocumentColumn, DocumentRow } from './document-row.ts';
export { isNumber } from './exact.ts';
export type {
  Aggregate,
  AggregateName,
  ArithmeticOperator,
  CompareOperator,
  Expr,
  Literal,
  NumberReading,
  PathType,
} from './expr.ts';
export { childrenOf, hasColumns } from './expr-parts.ts';
export type { FunctionSignature } from './functions/definition.ts';
export { FUNCTIONS } from './functions/table.ts';
export { type Evaluator, evaluatorOf, interpret, isMet, type Row } from './interpret.ts';
export { Interval, parseInterval } from './interval.ts';
export { type Bound, boundsOf, type ColumnBound } from './kernel/bounds.ts';
export { compileFilter, compileScalar, type FilterKernel, type ScalarKernel } from './kernel/compile.ts';
export type { KernelOptions } from './kernel/kernels.ts';
export { keyText } from './key-text.ts';
export { RowDividesByZero } from './lax.ts';
export { findingOf, kindNoun, kindOfValue, noticesOf, type OddCount, OddRows, OddTally } from './odd-rows.ts';
export { plusExact } from './open-arithmetic.ts';
export { canonicalNumber } from './quoted.ts';
export { checkConstantParts } from './statement-errors.ts';
export { formatJson, formatValue } from './text-form.ts';
export { BATCH_ROWS, type Batch, type SqlType, Tag, type Vector } from './types.ts';
export { readsUndeclared } from './undeclared.ts';
export { type EvalContext, type RowValue, tagIn, tagOf, typeOf } from './values.ts';
export { gather, VectorBuilder, valueAt, vectorOf } from './vector.ts';
