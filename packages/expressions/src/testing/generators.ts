/** Random expressions and batches for the tests: of all kinds, with nulls, missing paths, mixed tags, NaN, -0. */
import { Decimal } from '@ashlar/api';
import fc from 'fast-check';
import type { Expr, RowValue, SqlType, Vector } from '../index.ts';
import { arithmeticType, commonType, FUNCTIONS, Interval, Tag, vectorOf } from '../index.ts';

const AT = 7;

export const TEXTS = [
  '',
  'a',
  'b',
  'ab',
  'A',
  'abc',
  'true',
  '12',
  '2024-05-06',
  'ä',
  '\u{1f600}',
  '\uffff',
  '%',
  'a_b',
];

const number = fc.oneof(
  fc.constantFrom(
    0,
    -0,
    1,
    -1,
    2,
    0.5,
    2.5,
    100,
    Number.NaN,
    Infinity,
    -Infinity,
    1e308,
    5e-324,
    2 ** 53,
    2 ** 53 + 2,
    0.1,
  ),
  fc.integer({ min: -5, max: 5 }),
  fc.double({ min: -100, max: 100, noNaN: true }),
);
const int4 = fc.oneof(fc.integer({ min: -4, max: 4 }), fc.constantFrom(2147483647, -2147483648, 65536));
const int8 = fc.oneof(fc.bigInt({ min: -4n, max: 4n }), fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n));
const numeric = fc
  .constantFrom(
    '0',
    '0.1',
    '1',
    '1.00',
    '2.5',
    '-3',
    '100',
    '0.000001',
    '9007199254740993',
    '1e400',
    '0.10000000000000000001',
  )
  .map((text) => Decimal.parse(text));
const text = fc.constantFrom(...TEXTS);
const time = fc.constantFrom(0, 1, -1, 1714953600000, 1714953600001).map((ms) => new Date(ms));
const day = fc.constantFrom(0, 1714953600000).map((ms) => new Date(ms));
const interval = fc.constantFrom(new Interval(0, 1, 0), new Interval(1, 0, 0), new Interval(0, 0, 86_400_000));
const bytes = fc.constantFrom(new Uint8Array([]), new Uint8Array([1]), new Uint8Array([1, 2]));
const json = fc.constantFrom<object>({}, { a: 1 }, [1, 2], ['a']);

const VALUES: Readonly<Record<string, fc.Arbitrary<RowValue>>> = {
  boolean: fc.boolean(),
  int4,
  int8,
  float8: number,
  numeric,
  text,
  timestamptz: time,
  date: day,
  interval,
  bytea: bytes,
  json,
};
const DOCUMENT_VALUES = fc.oneof(number, text, fc.boolean(), int8, numeric, time, bytes, json);

/** One column: one type, or mixed; with or without nulls. */
export function column(length: number): fc.Arbitrary<{ type: SqlType; values: RowValue[] }> {
  const rows = (value: fc.Arbitrary<RowValue>, nulls: boolean) =>
    fc.array(nulls ? fc.option(value, { freq: 4 }) : value, { minLength: length, maxLength: length });
  const uniform = (type: SqlType, value: fc.Arbitrary<RowValue>) =>
    fc.boolean().chain((nulls) => rows(value, nulls).map((values) => ({ type, values })));
  return fc.oneof(
    { weight: 3, arbitrary: uniform('any', number) },
    { weight: 3, arbitrary: uniform('any', text) },
    { weight: 1, arbitrary: uniform('any', fc.boolean()) },
    { weight: 1, arbitrary: uniform('any', time) },
    { weight: 1, arbitrary: uniform('any', fc.constant(null)) },
    { weight: 2, arbitrary: uniform('any', DOCUMENT_VALUES) },
    ...(Object.keys(VALUES) as SqlType[]).map((type) => ({ weight: 1, arbitrary: uniform(type, VALUES[type]!) })),
  );
}

/** The same rows with their texts by code, and NULLs sometimes as missing. */
export function withDictionary({ type, values }: { type: SqlType; values: RowValue[] }): Vector {
  const plain = vectorOf(type, values);
  const dictionary = [...new Set(values.filter((value) => typeof value === 'string'))];
  const codes = new Uint8Array(values.map((value) => Math.max(0, dictionary.indexOf(value as string))));
  const tags = plain.tags?.map((tag, row) => (tag === Tag.NULL && row % 2 === 0 ? Tag.MISSING : tag));
  const rest = plain.values?.map((value) => (typeof value === 'string' ? undefined : value));
  return { ...plain, tags, values: rest, codes, dictionary };
}

interface Leaf {
  readonly types: readonly SqlType[];
}

/** Expressions over columns of these types. Most are well typed by PostgreSQL's rules; some fail on some rows. */
export function expression(leaf: Leaf, depth: number): fc.Arbitrary<Expr> {
  return fc.oneof({ weight: 1, arbitrary: scalar(leaf, depth) }, { weight: 2, arbitrary: condition(leaf, depth) });
}

function columnExpr({ types }: Leaf): fc.Arbitrary<Expr> {
  return fc
    .nat(types.length - 1)
    .map((index) => ({ kind: 'column', index, name: `c${index}`, type: types[index]!, at: AT }));
}

const literal: fc.Arbitrary<Expr> = fc.oneof(
  number.map((value): Expr => ({ kind: 'literal', value, type: 'float8', at: AT })),
  int4.map((value): Expr => ({ kind: 'literal', value, type: 'int4', at: AT })),
  text.map((value): Expr => ({ kind: 'literal', value, type: 'text', at: AT })),
  numeric.map((value): Expr => ({ kind: 'literal', value: { decimal: value.toString() }, type: 'numeric', at: AT })),
  int8.map((value): Expr => ({ kind: 'literal', value, type: 'int8', at: AT })),
  fc.boolean().map((value): Expr => ({ kind: 'literal', value, type: 'boolean', at: AT })),
  time.map((value): Expr => ({ kind: 'literal', value, type: 'timestamptz', at: AT })),
  fc.constant<Expr>({ kind: 'literal', value: null, type: 'null', at: AT }),
  fc.nat(4).map((index): Expr => ({ kind: 'parameter', index, type: 'any', at: AT })),
);

export const PARAMETERS: readonly unknown[] = [1, 'a', null, 2.5, new Date(0)];

function scalar(leaf: Leaf, depth: number): fc.Arbitrary<Expr> {
  const simple = fc.oneof({ weight: 3, arbitrary: columnExpr(leaf) }, { weight: 1, arbitrary: literal });
  if (depth === 0) return simple;
  const inner = scalar(leaf, depth - 1);
  return fc.oneof(
    { weight: 2, arbitrary: simple },
    { weight: 3, arbitrary: fc.tuple(fc.constantFrom('+', '-', '*', '/', '%'), inner, inner).map(arithmeticExpr) },
    { weight: 1, arbitrary: inner.map((operand): Expr => ({ kind: 'negate', operand, type: operand.type, at: AT })) },
    { weight: 1, arbitrary: caseExpr(leaf, depth) },
    { weight: 1, arbitrary: fc.array(inner, { minLength: 1, maxLength: 3 }).map((args) => callExpr('coalesce', args)) },
    { weight: 1, arbitrary: inner.map((arg) => callExpr('abs', [arg])) },
    { weight: 1, arbitrary: inner.map((arg) => callExpr('length', [arg])) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.constantFrom('floor', 'round', 'sqrt', 'trunc'), inner)
        .map(([name, arg]) => callExpr(name, [arg])),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.constantFrom('date_trunc', 'date_part'), fc.constantFrom('hour', 'month', 'week', 'nonsense'), inner)
        .map(([name, unit, arg]) => callExpr(name, [{ kind: 'literal', value: unit, type: 'text', at: AT }, arg])),
    },
    { weight: 1, arbitrary: inner.map((arg) => callExpr('upper', [arg])) },
    { weight: 1, arbitrary: fc.tuple(inner, inner).map((args) => callExpr('nullif', args)) },
    { weight: 1, arbitrary: fc.tuple(inner, inner).map((args) => callExpr('greatest', args)) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(inner, inner)
        .map(([left, right]): Expr => ({ kind: 'concat', left, right, type: 'text', at: AT })),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(inner, fc.constantFrom<SqlType>('float8', 'int4', 'text', 'numeric', 'boolean'))
        .map(([operand, type]): Expr => ({ kind: 'cast', operand, type, at: AT })),
    },
  );
}

function arithmeticExpr([operator, left, right]: ['+' | '-' | '*' | '/' | '%', Expr, Expr]): Expr {
  const type = arithmeticType(operator, left.type, right.type) ?? 'any';
  return { kind: 'arithmetic', operator, left, right, type, at: AT };
}

function callExpr(name: string, args: readonly Expr[]): Expr {
  return { kind: 'call', name, args, type: FUNCTIONS[name]!.resultType(args.map((arg) => arg.type)), at: AT };
}

function caseExpr(leaf: Leaf, depth: number): fc.Arbitrary<Expr> {
  const branch = fc
    .tuple(condition(leaf, depth - 1), scalar(leaf, depth - 1))
    .map(([when, then]) => ({ when, ['then']: then }));
  return fc
    .tuple(fc.array(branch, { minLength: 1, maxLength: 2 }), fc.option(scalar(leaf, depth - 1), { nil: undefined }))
    .map(([branches, otherwise]): Expr => {
      const types = [...branches.map(({ then }) => then.type), ...(otherwise === undefined ? [] : [otherwise.type])];
      return { kind: 'case', branches, otherwise, type: commonType(types) ?? 'any', at: AT };
    });
}

export function condition(leaf: Leaf, depth: number): fc.Arbitrary<Expr> {
  const operand = scalar(leaf, Math.max(0, depth - 1));
  const base = { type: 'boolean', at: AT } as const;
  const operators = fc.constantFrom('=', '<>', '<', '<=', '>', '>=');
  const negated = fc.boolean();
  const leaves: fc.WeightedArbitrary<Expr>[] = [
    {
      weight: 6,
      arbitrary: fc
        .tuple(operators, operand, operand)
        .map(([operator, left, right]): Expr => ({ ...base, kind: 'compare', operator, left, right })),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(negated, operand, operand)
        .map(([not, left, right]): Expr => ({ ...base, kind: 'distinctFrom', negated: not, left, right })),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(negated, operand)
        .map(([not, inner]): Expr => ({ ...base, kind: 'isNull', negated: not, operand: inner })),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(negated, operand, fc.array(fc.oneof(literal, operand), { minLength: 1, maxLength: 6 }))
        .map(([not, inner, list]): Expr => ({ ...base, kind: 'in', negated: not, operand: inner, list })),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(
          negated,
          operand,
          fc.oneof(
            fc.array(literal, { minLength: 1, maxLength: 6 }),
            fc
              .array(number, { minLength: 17, maxLength: 20 })
              .map((values) => values.map((value): Expr => ({ kind: 'literal', value, type: 'float8', at: AT }))),
            fc.array(literal, { minLength: 17, maxLength: 20 }),
          ),
        )
        .map(([not, inner, list]): Expr => ({ ...base, kind: 'in', negated: not, operand: inner, list })),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(negated, fc.boolean(), operand, fc.constantFrom('a%', '%b', '_', '%', 'a\\_b')).map(
        ([not, caseInsensitive, inner, pattern]): Expr => ({
          ...base,
          kind: 'like',
          negated: not,
          caseInsensitive,
          operand: inner,
          pattern: { kind: 'literal', value: pattern, type: 'text', at: AT },
          escape: undefined,
        }),
      ),
    },
    { weight: 1, arbitrary: columnExpr(leaf) },
  ];
  if (depth === 0) return fc.oneof(...leaves);
  const inner = condition(leaf, depth - 1);
  return fc.oneof(
    ...leaves,
    {
      weight: 5,
      arbitrary: fc
        .tuple(fc.constantFrom('and', 'or'), fc.array(inner, { minLength: 2, maxLength: 3 }))
        .map(([kind, operands]): Expr => ({ ...base, kind, operands })),
    },
    { weight: 2, arbitrary: inner.map((part): Expr => ({ ...base, kind: 'not', operand: part })) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(negated, fc.constantFrom(true, false, null), inner)
        .map(([not, truth, part]): Expr => ({ ...base, kind: 'isTruth', truth, negated: not, operand: part })),
    },
  );
}
