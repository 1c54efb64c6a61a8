/** Definition of an SQL function: its signature, which the binder reads, and its evaluation, which runs for each row. */
import { Decimal } from '@ashlar/api';
import { COLUMN_TYPES } from '@ashlar/serialization';
import { roundToEven } from '../cast.ts';
import { refusedArgument } from '../failure.ts';
import type { SqlType } from '../types.ts';
import { type EvalContext, type RowValue, typeName, typeOf } from '../values.ts';

export interface FunctionSignature {
  readonly minArgs: number;
  /** Infinity: any number. */
  readonly maxArgs: number;
  /**
   * Static types that argument n may have; the last entry holds for all further ones. `any` and `null` are always
   * accepted: the value of each row is checked when it is there.
   */
  readonly argTypes: readonly (readonly SqlType[])[];
  readonly resultType: (argTypes: readonly SqlType[]) => SqlType;
  /** `stable`: the same within a statement (now); `volatile`: another value each time (random). */
  readonly volatility: 'immutable' | 'stable' | 'volatile';
  /** Strict functions give null when an argument is null, without being called. */
  readonly strict: boolean;
}

/** One call in an expression, as its function sees it. */
export interface CallSite {
  readonly name: string;
  /** Static types of the arguments. */
  readonly types: readonly SqlType[];
  /** Static type of the result. */
  readonly type: SqlType;
  readonly context: EvalContext;
  readonly at: number;
}

export interface FunctionDefinition extends FunctionSignature {
  readonly evaluate: (args: readonly RowValue[], site: CallSite) => RowValue;
}

export const NUMBERS: readonly SqlType[] = ['int4', 'int8', 'float8', 'numeric'];
export const INTEGERS: readonly SqlType[] = ['int4', 'int8'];
export const TEXT: readonly SqlType[] = ['text'];
export const TIMES: readonly SqlType[] = ['timestamptz', 'date'];
export const EVERY_TYPE: readonly SqlType[] = COLUMN_TYPES.filter((type) => type !== 'any' && type !== 'null');

type Evaluate = FunctionDefinition['evaluate'];

/** A strict, immutable function of fixed result type. */
export function strict(
  result: SqlType | FunctionSignature['resultType'],
  argTypes: FunctionSignature['argTypes'],
  evaluate: Evaluate,
  options: { minArgs?: number; maxArgs?: number; volatility?: FunctionSignature['volatility'] } = {},
): FunctionDefinition {
  return {
    minArgs: options.minArgs ?? argTypes.length,
    maxArgs: options.maxArgs ?? argTypes.length,
    argTypes,
    resultType: typeof result === 'function' ? result : () => result,
    volatility: options.volatility ?? 'immutable',
    strict: true,
    evaluate,
  };
}

/** As `strict`, but the function sees nulls. */
export function seesNulls(...definition: Parameters<typeof strict>): FunctionDefinition {
  return { ...strict(...definition), strict: false };
}

/** The error for an argument whose value has a type that the function does not take. */
export function wrongArgument(value: RowValue, index: number, site: CallSite) {
  const type = typeName(typeOf(value, site.types[index] ?? 'any'));
  const message = `function ${site.name} takes no ${type} as argument ${index + 1}`;
  return refusedArgument('TYPE_MISMATCH', message, index, site.at);
}

export function textArgument(args: readonly RowValue[], index: number, site: CallSite): string {
  const value = args[index]!;
  if (typeof value !== 'string') throw wrongArgument(value, index, site);
  return value;
}

/** A numeric argument as a double. */
export function floatArgument(args: readonly RowValue[], index: number, site: CallSite): number {
  const value = args[index]!;
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (Decimal.is(value)) return value.toNumber();
  throw wrongArgument(value, index, site);
}

/** A numeric argument as an int4; a fraction is rounded to even, as a cast would. */
export function integerArgument(args: readonly RowValue[], index: number, site: CallSite): number {
  const value = roundToEven(floatArgument(args, index, site));
  if (!(Math.abs(value) <= 2 ** 31)) {
    throw refusedArgument('NUMERIC_OVERFLOW', 'integer out of range', index, site.at);
  }
  return value;
}
