/**
 * Which kind of number an expression over undeclared paths gives, and what stands beside it as that kind.
 *
 *   a path of bigints alone   int8     PostgreSQL's bigint: quotients truncate, a literal beside it is a bigint
 *   a sum of such             whole    numeric of scale 0: no bounds, quotients keep their digits
 *   a path with Decimals, but no numbers   numeric   a literal beside it is a Decimal
 *   a path of numbers alone   float8   a literal beside it is a double
 *   anything else             mixed    decided row by row, and never truncated (expressions' open-arithmetic.ts)
 *
 * number-kinds K1  A path is looked at only where its kind makes a difference: in a quotient, or where values of CASE,
 *                  COALESCE and the like meet a literal, a parameter or an integer. Other plans do not depend on what the
 *                  documents hold.
 */
import { type Aggregate, childrenOf, type Expr, type PathType, readText, type SqlType } from '@ashlar/expressions';
import { VALUE_KIND } from '@ashlar/sql-plan';
import { AGGREGATE_BASE, type BindContext } from './context.ts';
import { castTo } from './literals.ts';

/** `integer`: of static type int4 or int8, which fits to every other kind. */
export type NumberKind = 'integer' | 'int8' | 'whole' | 'numeric' | 'float8' | 'mixed';

/** The kind of an expression; undefined for what takes any kind: NULL, a parameter, a text in quotes. @throws PathsWanted */
export function numberKindOf(expr: Expr, context: BindContext): NumberKind | undefined {
  if (expr.kind === 'literal' && expr.type === 'text') return undefined;
  const known = kindOfType(expr.type);
  if (known !== undefined) return known;
  switch (expr.kind) {
    case 'column':
      return kindOfColumn(expr.index, context);
    case 'arithmetic':
      return common([expr.left, expr.right], context);
    case 'negate':
      return numberKindOf(expr.operand, context);
    case 'case':
      return common(
        [...expr.branches.map((branch) => branch.then), ...(expr.otherwise ? [expr.otherwise] : [])],
        context,
      );
    case 'call':
      return kindOfCall(expr.name, expr.args, context);
    case 'literal':
    case 'parameter':
      return undefined;
    default:
      return 'mixed';
  }
}

function kindOfType(type: SqlType): NumberKind | undefined {
  if (type === 'any' || type === 'null') return undefined;
  if (type === 'int4' || type === 'int8') return 'integer';
  return type === 'float8' || type === 'numeric' ? type : 'mixed';
}

function kindOfColumn(index: number, context: BindContext): NumberKind {
  if (index >= AGGREGATE_BASE) return kindOfAggregate(aggregateAt(index, context), context);
  switch ((context.scope.valueKindsAt(index) ?? 0) & NUMBERS) {
    case VALUE_KIND.bigint:
      return 'int8';
    case VALUE_KIND.number:
      return 'float8';
    case VALUE_KIND.decimal:
    case VALUE_KIND.decimal | VALUE_KIND.bigint:
      return 'numeric';
    default:
      return 'mixed';
  }
}

function aggregateAt(index: number, { aggregates }: BindContext): Aggregate | undefined {
  return aggregates?.items[index - AGGREGATE_BASE];
}

function kindOfAggregate(aggregate: Aggregate | undefined, context: BindContext): NumberKind {
  if (aggregate?.operand === undefined) return 'mixed';
  const kind = numberKindOf(aggregate.operand, context) ?? 'mixed';
  if (aggregate.name === 'min' || aggregate.name === 'max') return kind;
  if (kind === 'numeric' || kind === 'float8' || kind === 'mixed') return kind;
  return aggregate.name === 'sum' ? 'whole' : 'numeric';
}

/** Functions that give one of their arguments, or a number of the same kind. */
const KEEPING = new Set(['coalesce', 'greatest', 'least', 'abs']);

function kindOfCall(name: string, args: readonly Expr[], context: BindContext): NumberKind | undefined {
  if (name === 'nullif') return numberKindOf(args[0]!, context);
  return KEEPING.has(name) ? common(args, context) : 'mixed';
}

function common(exprs: readonly Expr[], context: BindContext): NumberKind | undefined {
  let kind: NumberKind | undefined;
  for (const expr of exprs) {
    const next = numberKindOf(expr, context);
    kind = kind === undefined || next === undefined ? (kind ?? next) : meet(kind, next);
    if (kind === 'mixed') return kind;
  }
  return kind;
}

/** From the narrowest; a mixed kind takes all in. */
const RANK: Readonly<Record<NumberKind, number>> = {
  integer: 0,
  int8: 1,
  whole: 2,
  numeric: 3,
  float8: 4,
  mixed: 5,
};

function meet(a: NumberKind, b: NumberKind): NumberKind {
  return RANK[a] > RANK[b] ? a : b;
}

/** Whether a sum takes part in the value: then integers have no bounds. Looks at no path. */
export function isOfSums(expr: Expr, context: BindContext): boolean {
  if (expr.kind === 'column') {
    return expr.index >= AGGREGATE_BASE && expr.type === 'any' && aggregateAt(expr.index, context)?.name === 'sum';
  }
  if (expr.kind === 'call' && !KEEPING.has(expr.name)) return false;
  return expr.type === 'any' && childrenOf(expr).some((part) => isOfSums(part, context));
}

/**
 * Expressions whose values meet in CASE, COALESCE and the like, as the one kind that the paths among them have: numbers of the
 * statement, and texts in quotes or parameters that can be read as it; number-kinds K1.
 *
 * @throws PathsWanted
 */
export function inOneKind(exprs: readonly Expr[], context: BindContext): readonly Expr[] {
  const open = exprs.filter((expr) => expr.type === 'any' && expr.kind !== 'parameter');
  if (open.length === 0 || !exprs.some(isAdaptable)) return exprs;
  const type = pathTypeOf(exprs, open, context);
  return type === undefined ? exprs : exprs.map((expr) => asPathType(expr, type));
}

function isAdaptable(expr: Expr): boolean {
  if (expr.kind === 'parameter') return expr.type === 'any';
  const { type } = expr;
  return type === 'int4' || (expr.kind === 'literal' && (type === 'int8' || type === 'numeric' || type === 'text'));
}

/** The type that all values of the paths have; undefined where they are of several kinds. */
function pathTypeOf(exprs: readonly Expr[], open: readonly Expr[], context: BindContext): PathType | undefined {
  const kind = common(exprs, context);
  if (kind === 'int8' || kind === 'whole') return 'int8';
  if (kind === 'numeric' || kind === 'float8') return kind;
  let kinds = 0;
  for (const expr of open) kinds |= valueKindsOf(expr, context);
  if (kinds === VALUE_KIND.date) return 'timestamptz';
  if (kinds === VALUE_KIND.boolean) return 'boolean';
  if (kinds === 0 || (kinds & ~NUMBERS) !== 0) return undefined;
  return (kinds & VALUE_KIND.decimal) === 0 ? 'number' : 'numeric';
}

const NUMBERS = VALUE_KIND.number | VALUE_KIND.bigint | VALUE_KIND.decimal;

/** What a path, or the least or greatest of its values, may be, as bits of VALUE_KIND. @throws PathsWanted */
function valueKindsOf(expr: Expr, context: BindContext): number {
  if (expr.kind !== 'column') return VALUE_KIND.other;
  if (expr.index < AGGREGATE_BASE) return context.scope.valueKindsAt(expr.index) ?? VALUE_KIND.other;
  const { name, operand } = aggregateAt(expr.index, context) ?? {};
  const isKept = (name === 'min' || name === 'max') && operand !== undefined;
  return isKept ? valueKindsOf(operand, context) : VALUE_KIND.other;
}

function asPathType(expr: Expr, type: PathType): Expr {
  if (expr.kind === 'parameter') return expr.type === 'any' ? { ...expr, beside: type } : expr;
  if (expr.kind === 'literal' && expr.type === 'text') return textAs(expr, type);
  if (type === 'int8') return asBigint(expr);
  if (type === 'numeric') return castOf(expr, type, expr.type === 'int4' || expr.type === 'int8');
  const isExact = expr.kind === 'literal' && (expr.type === 'int8' || expr.type === 'numeric');
  return castOf(expr, 'float8', type === 'float8' && isExact);
}

function castOf(operand: Expr, type: SqlType, isWanted: boolean): Expr {
  return isWanted ? { kind: 'cast', operand, type, at: operand.at } : operand;
}

function textAs(expr: Extract<Expr, { kind: 'literal' }>, type: PathType): Expr {
  const value = readText(String(expr.value), type);
  if (value === undefined) return expr;
  if (type !== 'number') return castTo(expr, type, expr.at);
  return castTo(expr, typeof value === 'number' ? 'float8' : 'numeric', expr.at);
}

/** An integer as a bigint, a parameter as one where it is whole. */
export function asBigint(expr: Expr): Expr {
  if (expr.kind === 'parameter' && expr.type === 'any') return { ...expr, beside: 'int8' };
  if (expr.type !== 'int4') return expr;
  return expr.kind === 'literal'
    ? { ...expr, type: 'int8' }
    : { kind: 'cast', operand: expr, type: 'int8', at: expr.at };
}

/**
 * A sum of bigints as the numeric that it is, where its value would become something else.
 *
 * @param beside  the other operand: what meets a double is one
 * @throws PathsWanted
 */
export function asNumeric(expr: Expr, context: BindContext, beside?: Expr): Expr {
  if (!isOfSums(expr, context) || numberKindOf(expr, context) !== 'whole') return expr;
  if (beside !== undefined && numberKindOf(beside, context) === 'float8') return expr;
  return { kind: 'cast', operand: expr, type: 'numeric', at: expr.at };
}
