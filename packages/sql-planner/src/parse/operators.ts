/**
 * PostgreSQL's operators by precedence (its documentation, section 4.1.6, and gram.y), and the closed list of those that
 * the tree knows.
 */
import type { BinaryOperator, UnaryOperator } from './syntax.ts';

/** From the loosest to the tightest. */
export const LEVEL = {
  or: 1,
  and: 2,
  not: 3,
  is: 4,
  /** < > = <= >= <>: one does not follow another. */
  comparison: 5,
  /** BETWEEN, IN, LIKE, ILIKE, SIMILAR: one does not follow another. */
  range: 6,
  /** Every operator without a level of its own: ||, ->, &, ... */
  other: 7,
  additive: 8,
  multiplicative: 9,
  power: 10,
  atTimeZone: 11,
  collate: 12,
  sign: 13,
  /** ::, [ ], . */
  postfix: 14,
} as const;

const BINARY: ReadonlyMap<string, { readonly operator: BinaryOperator; readonly level: number }> = new Map(
  (
    [
      ['=', LEVEL.comparison],
      ['<>', LEVEL.comparison],
      ['<', LEVEL.comparison],
      ['<=', LEVEL.comparison],
      ['>', LEVEL.comparison],
      ['>=', LEVEL.comparison],
      ['+', LEVEL.additive],
      ['-', LEVEL.additive],
      ['*', LEVEL.multiplicative],
      ['/', LEVEL.multiplicative],
      ['%', LEVEL.multiplicative],
      ['^', LEVEL.power],
      ['||', LEVEL.other],
      ['&', LEVEL.other],
      ['|', LEVEL.other],
      ['#', LEVEL.other],
      ['<<', LEVEL.other],
      ['>>', LEVEL.other],
      ['~', LEVEL.other],
      ['~*', LEVEL.other],
      ['!~', LEVEL.other],
      ['!~*', LEVEL.other],
      ['->', LEVEL.other],
      ['->>', LEVEL.other],
      ['#>', LEVEL.other],
      ['#>>', LEVEL.other],
      ['@>', LEVEL.other],
      ['<@', LEVEL.other],
      ['?', LEVEL.other],
      ['?|', LEVEL.other],
      ['?&', LEVEL.other],
      ['&&', LEVEL.other],
    ] as const
  ).map(([operator, level]) => [operator, { operator, level }] as const),
);

export interface BinaryEntry {
  readonly operator: BinaryOperator;
  readonly level: number;
}

const NOT_EQUAL: BinaryEntry = { operator: '<>', level: LEVEL.comparison };

/** The binary operator of this spelling, or undefined; `!=` is `<>`. */
export function binaryOperator(text: string): BinaryEntry | undefined {
  return text === '!=' ? NOT_EQUAL : BINARY.get(text);
}

const UNARY: ReadonlyMap<string, { readonly operator: UnaryOperator; readonly level: number }> = new Map(
  (
    [
      ['+', LEVEL.sign],
      ['-', LEVEL.sign],
      ['~', LEVEL.additive],
      ['@', LEVEL.additive],
      ['|/', LEVEL.additive],
      ['||/', LEVEL.additive],
    ] as const
  ).map(([operator, level]) => [operator, { operator, level }] as const),
);

/** The prefix operator of this spelling, or undefined; `level` is the least its operand binds with. */
export function unaryOperator(text: string): { readonly operator: UnaryOperator; readonly level: number } | undefined {
  return UNARY.get(text);
}
