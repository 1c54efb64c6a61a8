/**
 * The syntax tree: what the parser gives and all that the binder sees of SQL. A closed union; each node has its place.
 *
 *   Statement = Query | Insert | Update | Delete | Truncate | Explain | ShowMaps | Describe
 *   Query     = WITH + body (Select, Values, SetOperation or a Query in brackets) + ORDER BY, LIMIT, OFFSET
 *
 * syntax S1  Brackets of grouping are gone; operators are bound by PostgreSQL's precedence.
 * syntax S2  Chains of AND, of OR and of one set operator's arguments are flat where PostgreSQL's tree is flat; the height
 *            of an expression is at most LIMITS.expressionDepthMax, so a walker may recurse.
 * syntax S3  Literals are exact: integers of any size as bigint, decimals as text.
 */
import type { TextPosition } from '@ashlar/core';

interface Node {
  /** Where it begins; of a chain of operators, the place of the operator. */
  readonly position: TextPosition;
}

/** A name as written. Unquoted ones match exactly first and then without regard to case: the binder's business. */
export interface Name extends Node {
  readonly text: string;
  readonly quoted: boolean;
}

export interface Literal extends Node {
  readonly kind: 'Literal';
  readonly literal: LiteralValue;
}

export type LiteralValue =
  | { readonly type: 'integer'; readonly value: bigint }
  /** Digits as written, perhaps with a sign and an exponent: exact. */
  | { readonly type: 'decimal'; readonly text: string }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'null' };

export interface Parameter extends Node {
  readonly kind: 'Parameter';
  /** From 0, into the values that come with the statement. */
  readonly index: number;
}

/** `a`, `a.b.c`, `tags[1].name`: the first step is a name. Which steps are map and column is the binder's business. */
export interface Path extends Node {
  readonly kind: 'Path';
  readonly steps: readonly [NameStep, ...PathStep[]];
}

/** `(expression).a[1]`, `$1[2]`. */
export interface Access extends Node {
  readonly kind: 'Access';
  readonly operand: Expression;
  readonly steps: readonly PathStep[];
}

export interface NameStep {
  readonly kind: 'Name';
  readonly name: Name;
}

export type PathStep =
  | NameStep
  | { readonly kind: 'Subscript'; readonly index: Expression; readonly position: TextPosition }
  | {
      readonly kind: 'Slice';
      readonly lower: Expression | undefined;
      readonly upper: Expression | undefined;
      readonly position: TextPosition;
    };

export type UnaryOperator = '+' | '-' | '~' | '@' | '|/' | '||/';
export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%' | '^';
export type ComparisonOperator = '=' | '<>' | '<' | '<=' | '>' | '>=';
export type OtherOperator =
  | '||'
  | '&'
  | '|'
  | '#'
  | '<<'
  | '>>'
  | '~'
  | '~*'
  | '!~'
  | '!~*'
  | '->'
  | '->>'
  | '#>'
  | '#>>'
  | '@>'
  | '<@'
  | '?'
  | '?|'
  | '?&'
  | '&&';
export type BinaryOperator = ArithmeticOperator | ComparisonOperator | OtherOperator;

export interface Unary extends Node {
  readonly kind: 'Unary';
  readonly operator: UnaryOperator;
  readonly operand: Expression;
}

export interface Binary extends Node {
  readonly kind: 'Binary';
  readonly operator: BinaryOperator;
  readonly left: Expression;
  readonly right: Expression;
}

/** Two operands or more. */
export interface Logical extends Node {
  readonly kind: 'And' | 'Or';
  readonly operands: readonly Expression[];
}

export interface Not extends Node {
  readonly kind: 'Not';
  readonly operand: Expression;
}

export interface Is extends Node {
  readonly kind: 'Is';
  readonly test: 'null' | 'true' | 'false' | 'unknown';
  readonly negated: boolean;
  readonly operand: Expression;
}

/** `left IS [NOT] DISTINCT FROM right`; negated: NOT is there, so it is equality that takes NULL for a value. */
export interface IsDistinct extends Node {
  readonly kind: 'IsDistinct';
  readonly negated: boolean;
  readonly left: Expression;
  readonly right: Expression;
}

export interface Like extends Node {
  readonly kind: 'Like';
  readonly form: 'like' | 'ilike' | 'similar';
  readonly negated: boolean;
  readonly operand: Expression;
  readonly pattern: Expression;
  readonly escape: Expression | undefined;
}

export interface InList extends Node {
  readonly kind: 'InList';
  readonly negated: boolean;
  readonly operand: Expression;
  readonly items: readonly Expression[];
}

export interface InQuery extends Node {
  readonly kind: 'InQuery';
  readonly negated: boolean;
  readonly operand: Expression;
  readonly query: Query;
}

export interface Between extends Node {
  readonly kind: 'Between';
  readonly negated: boolean;
  readonly symmetric: boolean;
  readonly operand: Expression;
  readonly low: Expression;
  readonly high: Expression;
}

export interface Case extends Node {
  readonly kind: 'Case';
  /** CASE operand WHEN value ...; undefined: CASE WHEN condition ... */
  readonly operand: Expression | undefined;
  readonly branches: readonly CaseBranch[];
  readonly otherwise: Expression | undefined;
}

export interface CaseBranch {
  readonly when: Expression;
  readonly result: Expression;
}

/** `x::t`, `CAST(x AS t)`, and a typed literal: `date '2020-01-01'`, `interval '1' day`. */
export interface Cast extends Node {
  readonly kind: 'Cast';
  readonly operand: Expression;
  readonly type: TypeName;
}

export interface TypeName extends Node {
  /** Empty but for a type of a schema. */
  readonly schema: readonly Name[];
  /**
   * In lower case and by PostgreSQL's own short name where the standard has a longer one: int4, int8, float8, numeric,
   * bool, varchar, bpchar, timestamp, timestamptz, time, timetz, interval, varbit.
   */
  readonly name: string;
  /** numeric(10, 2): [10, 2]. */
  readonly modifiers: readonly Expression[];
  /** interval day to second: 'day to second'. */
  readonly intervalFields: string | undefined;
  /** int[][]: 2. */
  readonly arrayDepth: number;
}

/**
 * A function's call, aggregate, window or scalar. Forms with words of their own come as ordinary calls:
 * COALESCE, NULLIF, GREATEST, LEAST by their names; extract(f FROM x) -> extract('f', x); substring(x FROM a FOR b) ->
 * substring(x, a, b), (x FOR b) -> substring(x, 1, b); position(a IN b) -> position(b, a); overlay(x PLACING y FROM a FOR b)
 * -> overlay(x, y, a, b); trim -> btrim, ltrim, rtrim (x, characters); x AT TIME ZONE z -> timezone(z, x);
 * CURRENT_DATE and its like -> current_date().
 */
export interface Call extends Node {
  readonly kind: 'Call';
  /** [schema,] name. Names of the forms above are unquoted and in lower case. */
  readonly name: readonly Name[];
  readonly arguments: readonly Expression[];
  /** count(*): arguments is empty. */
  readonly star: boolean;
  readonly distinct: boolean;
  /** array_agg(x ORDER BY y). */
  readonly orderBy: readonly OrderItem[];
  readonly filter: Expression | undefined;
  readonly over: Window | Name | undefined;
}

export interface Row extends Node {
  readonly kind: 'Row';
  readonly items: readonly Expression[];
}

export interface ArrayOf extends Node {
  readonly kind: 'Array';
  readonly items: readonly Expression[];
}

export interface Subquery extends Node {
  readonly kind: 'Subquery';
  readonly form: 'scalar' | 'exists' | 'array';
  readonly query: Query;
}

/** `left operator ANY (right)`; SOME is ANY. */
export interface Quantified extends Node {
  readonly kind: 'Quantified';
  readonly operator: BinaryOperator;
  readonly quantifier: 'any' | 'all';
  readonly left: Expression;
  readonly right: Expression | Query;
}

/** DEFAULT, as a value of INSERT or UPDATE only. */
export interface Default extends Node {
  readonly kind: 'Default';
}

export type Expression =
  | Literal
  | Parameter
  | Path
  | Access
  | Unary
  | Binary
  | Logical
  | Not
  | Is
  | IsDistinct
  | Like
  | InList
  | InQuery
  | Between
  | Case
  | Cast
  | Call
  | Row
  | ArrayOf
  | Subquery
  | Quantified
  | Default;

export interface Window extends Node {
  readonly kind: 'Window';
  /** OVER (base PARTITION BY ...). */
  readonly base: Name | undefined;
  readonly partitionBy: readonly Expression[];
  readonly orderBy: readonly OrderItem[];
  readonly frame: Frame | undefined;
}

export interface Frame extends Node {
  readonly mode: 'rows' | 'range' | 'groups';
  readonly start: FrameBound;
  readonly end: FrameBound;
  readonly exclude: 'none' | 'current row' | 'group' | 'ties';
}

export type FrameBound =
  | { readonly kind: 'unbounded preceding' | 'current row' | 'unbounded following' }
  | { readonly kind: 'preceding' | 'following'; readonly offset: Expression };

export interface OrderItem extends Node {
  readonly expression: Expression;
  readonly descending: boolean;
  /** undefined: PostgreSQL's default, last when ascending and first when descending. */
  readonly nulls: 'first' | 'last' | undefined;
}

export type SelectItem =
  | { readonly kind: 'Star'; readonly qualifier: readonly Name[]; readonly position: TextPosition }
  | {
      readonly kind: 'Column';
      readonly expression: Expression;
      readonly alias: Name | undefined;
      readonly position: TextPosition;
    };

export interface Query extends Node {
  readonly kind: 'Query';
  readonly recursive: boolean;
  readonly with: readonly CommonTable[];
  readonly body: QueryBody;
  readonly orderBy: readonly OrderItem[];
  /** undefined: no bound; so is LIMIT ALL. */
  readonly limit: Expression | undefined;
  readonly offset: Expression | undefined;
}

export type QueryBody = Select | Values | SetOperation | Query;

export interface CommonTable extends Node {
  readonly name: Name;
  readonly columns: readonly Name[];
  readonly materialized: boolean | undefined;
  readonly query: Query;
}

export interface Select extends Node {
  readonly kind: 'Select';
  readonly distinct: boolean;
  /** DISTINCT ON (...): empty otherwise. */
  readonly distinctOn: readonly Expression[];
  readonly items: readonly SelectItem[];
  /** What commas separate: a product. */
  readonly from: readonly FromItem[];
  readonly where: Expression | undefined;
  /** An integer literal is an ordinal of `items`, from 1. */
  readonly groupBy: readonly Expression[];
  readonly having: Expression | undefined;
  readonly windows: readonly { readonly name: Name; readonly window: Window }[];
}

export interface Values extends Node {
  readonly kind: 'Values';
  readonly rows: readonly (readonly Expression[])[];
}

export interface SetOperation extends Node {
  readonly kind: 'SetOperation';
  readonly operator: 'union' | 'intersect' | 'except';
  readonly all: boolean;
  readonly left: QueryBody;
  readonly right: QueryBody;
}

export interface Alias extends Node {
  readonly name: Name;
  /** FROM t AS x(a, b): [a, b]. */
  readonly columns: readonly Name[];
}

export interface Table extends Node {
  readonly kind: 'Table';
  /** [schema,] map. */
  readonly name: readonly Name[];
  readonly alias: Alias | undefined;
}

export type FromItem =
  | Table
  | {
      readonly kind: 'FromQuery';
      readonly query: Query;
      readonly lateral: boolean;
      readonly alias: Alias | undefined;
      readonly position: TextPosition;
    }
  | {
      readonly kind: 'FromCall';
      readonly call: Call;
      readonly alias: Alias | undefined;
      readonly position: TextPosition;
    }
  | Join;

export interface Join extends Node {
  readonly kind: 'Join';
  readonly join: 'inner' | 'left' | 'right' | 'full' | 'cross';
  readonly left: FromItem;
  readonly right: FromItem;
  readonly condition: JoinCondition;
}

export type JoinCondition =
  | { readonly kind: 'none' | 'natural' }
  | { readonly kind: 'on'; readonly expression: Expression }
  | { readonly kind: 'using'; readonly columns: readonly Name[] };

export interface Insert extends Node {
  readonly kind: 'Insert';
  readonly table: Table;
  /** Empty: the columns in the map's order. */
  readonly columns: readonly Path[];
  /** undefined: DEFAULT VALUES. */
  readonly source: Query | undefined;
  readonly onConflict: OnConflict | undefined;
  readonly returning: readonly SelectItem[];
}

export interface OnConflict extends Node {
  /** Empty: any conflict. */
  readonly columns: readonly Name[];
  /** undefined: DO NOTHING. */
  readonly update: { readonly assignments: readonly Assignment[]; readonly where: Expression | undefined } | undefined;
}

export interface Assignment extends Node {
  readonly target: Path;
  readonly value: Expression;
}

export interface Update extends Node {
  readonly kind: 'Update';
  readonly table: Table;
  readonly assignments: readonly Assignment[];
  readonly from: readonly FromItem[];
  readonly where: Expression | undefined;
  readonly returning: readonly SelectItem[];
}

export interface Delete extends Node {
  readonly kind: 'Delete';
  readonly table: Table;
  readonly where: Expression | undefined;
  readonly returning: readonly SelectItem[];
}

export interface Truncate extends Node {
  readonly kind: 'Truncate';
  readonly table: Table;
}

export interface Explain extends Node {
  readonly kind: 'Explain';
  readonly analyze: boolean;
  /** Further options, in lower case: verbose, format, ... */
  readonly options: readonly { readonly name: string; readonly value: string | undefined }[];
  readonly statement: Query | Insert | Update | Delete | Truncate;
}

/** SHOW TABLES: the maps that there are. */
export interface ShowMaps extends Node {
  readonly kind: 'ShowMaps';
}

/** DESCRIBE map: the paths of its documents. */
export interface Describe extends Node {
  readonly kind: 'Describe';
  readonly table: Table;
}

export type Statement = Explain['statement'] | Explain | ShowMaps | Describe;
