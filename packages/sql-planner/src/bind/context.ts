/** Input and results of binding one clause. */
import type { Aggregate, Expr } from '@ashlar/expressions';
import type { Expression } from '../parse/syntax.ts';
import type { Shapes } from './expr-tools.ts';
import type { Scope } from './scope.ts';

/** What binding one clause may use, and what it collects. */
export interface BindContext {
  readonly scope: Scope;
  /** Aggregates met so far; undefined where none may stand, with the clause's name for the error. */
  readonly aggregates: AggregateList | undefined;
  readonly clause: string;
}

/** The aggregates of one SELECT. A bound one is a column with index AGGREGATE_BASE + its place here. */
export interface AggregateList {
  readonly items: Aggregate[];
  readonly shapes: Shapes;
  /** Places in `items` by shape. */
  readonly places: Map<number, number>;
  /** Bound inside an aggregate's argument, where no other aggregate may stand. */
  readonly inner: BindContext;
}

/** Above every relation's columns. */
export const AGGREGATE_BASE = 2 ** 40;

/** Binds an operand. */
export type Bind = (syntax: Expression, context: BindContext) => Expr;
