/**
 * Random expressions that are well typed over columns of one kind each, with values that seldom fail: what reaches the
 * kernels' own code. (generators.ts makes the wild ones.)
 */
import fc from 'fast-check';
import { arithmeticType, commonType, type Expr, FUNCTIONS, type RowValue, type SqlType } from '../index.ts';

const AT = 9;

export type Kind = 'number' | 'text' | 'time' | 'boolean';

export interface TypedColumn {
  readonly kind: Kind;
  readonly type: SqlType;
  readonly values: RowValue[];
}

const number = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -3, max: 3 }) },
  { weight: 2, arbitrary: fc.constantFrom(0.5, 1.5, -2.5) },
  { weight: 1, arbitrary: fc.constantFrom(-0, Number.NaN, Infinity, -Infinity) },
);
const integer = fc.integer({ min: -3, max: 3 });
const text = fc.constantFrom('', 'a', 'b', 'ab', 'B', '\u{1f600}');
const time = fc.constantFrom(0, 1714953600000, 1714953600001).map((ms) => new Date(ms));

function typesOf(kind: Kind): readonly (readonly [SqlType, fc.Arbitrary<RowValue>])[] {
  switch (kind) {
    case 'number':
      return [
        ['any', number],
        ['float8', number],
        ['int4', integer],
      ];
    case 'text':
      return [
        ['any', text],
        ['text', text],
      ];
    case 'time':
      return [
        ['any', time],
        ['timestamptz', time],
      ];
    default:
      return [
        ['any', fc.boolean()],
        ['boolean', fc.boolean()],
      ];
  }
}

/** One column of one kind, with or without NULLs. */
export function typedColumn(length: number): fc.Arbitrary<TypedColumn> {
  return fc
    .tuple(fc.constantFrom<Kind>('number', 'number', 'text', 'time', 'boolean'), fc.nat(), fc.boolean())
    .chain(([kind, choice, nulls]) => {
      const types = typesOf(kind);
      const [type, value] = types[choice % types.length]!;
      const rows = nulls ? fc.option(value, { freq: 3 }) : value;
      return fc.array(rows, { minLength: length, maxLength: length }).map((values) => ({ kind, type, values }));
    });
}

function literal(kind: Kind): fc.Arbitrary<Expr> {
  const make = (value: RowValue | { decimal: string }, type: SqlType): Expr => ({
    kind: 'literal',
    value,
    type,
    at: AT,
  });
  const known: fc.Arbitrary<Expr> =
    kind === 'number'
      ? fc.oneof(
          number.map((value) => make(value, 'float8')),
          integer.map((value) => make(value, 'int4')),
          fc.constantFrom('0.5', '1', '-2.50').map((decimal) => make({ decimal }, 'numeric')),
        )
      : kind === 'text'
        ? text.map((value) => make(value, 'text'))
        : kind === 'time'
          ? fc.oneof(
              time.map((value) => make(value, 'timestamptz')),
              fc.constant(make('2024-05-06', 'text')),
            )
          : fc.boolean().map((value) => make(value, 'boolean'));
  return fc.oneof({ weight: 8, arbitrary: known }, { weight: 1, arbitrary: fc.constant(make(null, 'null')) });
}

function call(name: string, ...args: readonly Expr[]): Expr {
  return { kind: 'call', name, args, type: FUNCTIONS[name]!.resultType(args.map((arg) => arg.type)), at: AT };
}

/** An expression of a kind over the columns. */
export function typedScalar(columns: readonly TypedColumn[], kind: Kind, depth: number): fc.Arbitrary<Expr> {
  const ofKind = columns.flatMap((column, index): Expr[] =>
    column.kind === kind ? [{ kind: 'column', index, name: `c${index}`, type: column.type, at: AT }] : [],
  );
  const leaves =
    ofKind.length === 0
      ? literal(kind)
      : fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...ofKind) }, { weight: 1, arbitrary: literal(kind) });
  if (depth === 0) return leaves;
  const inner = typedScalar(columns, kind, depth - 1);
  const own: readonly fc.Arbitrary<Expr>[] =
    kind === 'number'
      ? [
          arithmetic(inner),
          negation(inner),
          rounding(inner),
          typedScalar(columns, 'text', depth - 1).map((arg) => call('length', arg)),
        ]
      : kind === 'text'
        ? [inner.map((arg) => call('upper', arg)), concatenation(inner)]
        : kind === 'time'
          ? [inner.map((arg) => call('date_trunc', { kind: 'literal', value: 'day', type: 'text', at: AT }, arg))]
          : [typedCondition(columns, depth - 1)];
  return fc.oneof(
    { weight: 2, arbitrary: leaves },
    ...own.map((arbitrary) => ({ weight: 2, arbitrary })),
    { weight: 1, arbitrary: choice(columns, inner, depth) },
    { weight: 1, arbitrary: fc.tuple(inner, inner).map((args) => call('coalesce', ...args)) },
  );
}

function arithmetic(inner: fc.Arbitrary<Expr>): fc.Arbitrary<Expr> {
  return fc
    .tuple(fc.constantFrom('+', '-', '*', '+', '-', '*', '/', '%'), inner, inner)
    .map(([operator, left, right]) => {
      const type = arithmeticType(operator, left.type, right.type) ?? 'any';
      return { kind: 'arithmetic', operator, left, right, type, at: AT };
    });
}

function negation(inner: fc.Arbitrary<Expr>): fc.Arbitrary<Expr> {
  return inner.map((operand) => ({ kind: 'negate', operand, type: operand.type, at: AT }));
}

function rounding(inner: fc.Arbitrary<Expr>): fc.Arbitrary<Expr> {
  return fc.tuple(fc.constantFrom('abs', 'floor', 'round'), inner).map(([name, arg]) => call(name, arg));
}

function concatenation(inner: fc.Arbitrary<Expr>): fc.Arbitrary<Expr> {
  return fc.tuple(inner, inner).map(([left, right]) => ({ kind: 'concat', left, right, type: 'text', at: AT }));
}

function choice(columns: readonly TypedColumn[], inner: fc.Arbitrary<Expr>, depth: number): fc.Arbitrary<Expr> {
  return fc
    .tuple(typedCondition(columns, depth - 1), inner, fc.option(inner, { nil: undefined }))
    .map(([when, result, otherwise]): Expr => {
      const type = commonType([result.type, ...(otherwise === undefined ? [] : [otherwise.type])]) ?? 'any';
      return { kind: 'case', branches: [{ when, ['then']: result }], otherwise, type, at: AT };
    });
}

/** A condition over the columns. */
export function typedCondition(columns: readonly TypedColumn[], depth: number): fc.Arbitrary<Expr> {
  const base = { type: 'boolean', at: AT } as const;
  const kinds = [...new Set(columns.map((column) => column.kind))];
  const operandDepth = Math.max(0, depth - 1);
  const comparison = fc.constantFrom(...kinds).chain((kind) => {
    const operand = typedScalar(columns, kind, operandDepth);
    return fc
      .tuple(fc.constantFrom('=', '<>', '<', '<=', '>', '>='), operand, operand)
      .map(([operator, left, right]): Expr => ({ ...base, kind: 'compare', operator, left, right }));
  });
  const membership = fc
    .constantFrom(...kinds)
    .chain((kind) =>
      fc
        .tuple(
          fc.boolean(),
          typedScalar(columns, kind, operandDepth),
          fc.array(literal(kind), { minLength: 1, maxLength: 20 }),
        )
        .map(([negated, operand, list]): Expr => ({ ...base, kind: 'in', negated, operand, list })),
    );
  const nullness = fc
    .constantFrom(...kinds)
    .chain((kind) =>
      fc
        .tuple(fc.boolean(), typedScalar(columns, kind, operandDepth))
        .map(([negated, operand]): Expr => ({ ...base, kind: 'isNull', negated, operand })),
    );
  const leaves = [
    { weight: 6, arbitrary: comparison },
    { weight: 2, arbitrary: membership },
    { weight: 1, arbitrary: nullness },
    { weight: 1, arbitrary: typedScalar(columns, 'boolean', 0) },
  ];
  if (depth === 0) return fc.oneof(...leaves);
  const inner = typedCondition(columns, depth - 1);
  return fc.oneof(
    ...leaves,
    {
      weight: 8,
      arbitrary: fc
        .tuple(fc.constantFrom('and', 'or'), fc.array(inner, { minLength: 2, maxLength: 3 }))
        .map(([kind, operands]): Expr => ({ ...base, kind, operands })),
    },
    { weight: 2, arbitrary: inner.map((operand): Expr => ({ ...base, kind: 'not', operand })) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.boolean(), fc.constantFrom(true, false, null), inner)
        .map(([negated, truth, operand]): Expr => ({ ...base, kind: 'isTruth', truth, negated, operand })),
    },
  );
}
