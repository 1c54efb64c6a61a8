/** The columns of a result: what SELECT lists, their labels, and the names and places by which other clauses mean them. */
import { GridError } from '@ashlar/core';
import type { Expr } from '@ashlar/expressions';
import type { PlanColumn } from '@ashlar/sql-plan';
import { AGGREGATE_BASE, type BindContext } from '../bind/context.ts';
import { Shapes } from '../bind/expr-tools.ts';
import { bindExpression } from '../bind/expression.ts';
import type { Relation } from '../bind/relation.ts';
import type { Scope, StarField } from '../bind/scope.ts';
import { syntaxError, unsupported } from '../guard/sql-errors.ts';
import type { Expression, Path, SelectItem } from '../parse/syntax.ts';

export interface OutputItem {
  readonly name: string;
  readonly expr: Expr;
}

export function columnsOf(outputs: readonly OutputItem[]): PlanColumn[] {
  return outputs.map(({ name, expr }) => {
    const { type } = expr;
    return isCount(expr) ? { name, type, isCount: true } : { name, type };
  });
}

/** An aggregate's column is named by its text. */
function isCount(expr: Expr): boolean {
  return expr.kind === 'column' && expr.index >= AGGREGATE_BASE && expr.name.startsWith('count(');
}

/** One item of SELECT: a column, or what its star stands for. */
export function bindItem(item: SelectItem, context: BindContext): OutputItem[] {
  if (item.kind === 'Column') {
    const expr = bindExpression(item.expression, context);
    return [{ name: item.alias?.text ?? labelOf(item.expression, expr), expr }];
  }
  if (item.qualifier.length > 1)
    throw unsupported('a star after a path', item.position, 'name the fields: owner.id, owner.name');
  const { scope } = context;
  if (scope.relations.length === 0) throw syntaxError('SELECT * needs a FROM', item.position);
  const [qualifier] = item.qualifier;
  const { offset } = item.position;
  if (qualifier !== undefined) return starOf(scope.relationNamed(qualifier), scope, offset);
  if (scope.relations.length === 1) return starOf(scope.relations[0]!, scope, offset);
  const fields = scope.starFields();
  const bare = scope.relations.filter((relation) => relation.fields.length === 0);
  return [...outputsOf(fields, offset), ...bare.map((relation) => documentOf(relation, offset))];
}

/** `*`: every top-level field that any document of the map has, in the order in which documents show them. */
function starOf(relation: Relation, scope: Scope, at: number): OutputItem[] {
  scope.wantAllFields(relation);
  if (relation.fields.length === 0) return [documentOf(relation, at)];
  return outputsOf(
    relation.fields.map((field) => ({ relation, field })),
    at,
  );
}

function outputsOf(fields: readonly StarField[], at: number): OutputItem[] {
  return fields.map(({ relation, field }) => ({ name: field, expr: relation.field(field, at) }));
}

/** Documents without fields are shown whole. */
function documentOf(relation: Relation, at: number): OutputItem {
  return { name: '__value', expr: relation.special('value', at) };
}

const UNNAMED = '?column?';

/** As PostgreSQL labels: a column by its last name, a call by the function's, a cast by what it casts, else by its type. */
function labelOf(expression: Expression, bound: Expr): string {
  switch (expression.kind) {
    case 'Path':
      return lastName(expression, bound);
    case 'Call':
      return expression.name.at(-1)!.text.toLowerCase();
    case 'Cast':
      return nameWithin(expression.operand, bound) ?? expression.type.name;
    case 'Case':
      return nameWithin(expression.otherwise, bound) ?? 'case';
    case 'Literal':
      return expression.literal.type === 'boolean' ? 'bool' : UNNAMED;
    default:
      return UNNAMED;
  }
}

/** The label of the operand of a cast, or of the ELSE of a CASE, where that has a name of its own. */
function nameWithin(expression: Expression | undefined, bound: Expr): string | undefined {
  if (expression === undefined) return undefined;
  const inner = bound.kind === 'cast' ? bound.operand : bound.kind === 'case' ? (bound.otherwise ?? bound) : bound;
  if (expression.kind === 'Path' || expression.kind === 'Call') return labelOf(expression, inner);
  if (expression.kind === 'Cast') return nameWithin(expression.operand, inner);
  return expression.kind === 'Case' ? nameWithin(expression.otherwise, inner) : undefined;
}

/** The last name of a path, as the documents spell it. */
function lastName(path: Path, bound: Expr): string {
  const names = path.steps.filter((step) => step.kind === 'Name').map(({ name }) => name.text);
  const written = names.at(-1)!;
  const tail = bound.kind === 'column' ? bound.name.replace(/(?:\[\d+\])+$/, '').slice(-written.length) : written;
  return tail.toLowerCase() === written.toLowerCase() ? tail : written;
}

/**
 * The place, from 0, of the output that an integer literal of GROUP BY or ORDER BY counts to.
 *
 * @throws GridError SYNTAX_ERROR for another place, or another constant
 */
export function ordinalOf(item: Expression, count: number, clause: string): number | undefined {
  if (item.kind !== 'Literal') return undefined;
  if (item.literal.type !== 'integer') {
    throw syntaxError(`a constant in ${clause} is the position of a column, from 1`, item.position);
  }
  const place = Number(item.literal.value);
  if (place >= 1 && place <= count) return place - 1;
  throw syntaxError(`${clause} ${place}: there ${count === 1 ? 'is 1 column' : `are ${count} columns`}`, item.position);
}

/**
 * The output that a lone name means; undefined when none has it.
 *
 * @throws GridError AMBIGUOUS_COLUMN when it is the label of different expressions
 */
export function namedOutput(expression: Expression, outputs: readonly OutputItem[]): number | undefined {
  if (expression.kind !== 'Path' || expression.steps.length !== 1) return undefined;
  const { text, quoted } = expression.steps[0].name;
  const placesOf = (fits: (name: string) => boolean): number[] =>
    outputs.flatMap(({ name }, index) => (fits(name) ? [index] : []));
  const exact = placesOf((name) => name === text);
  const places = exact.length > 0 || quoted ? exact : placesOf((name) => name.toLowerCase() === text.toLowerCase());
  if (places.length <= 1) return places[0];
  const shapes = new Shapes();
  const different = new Set(places.map((place) => shapes.of(outputs[place]!.expr)));
  if (different.size === 1) return places[0];
  throw new GridError('AMBIGUOUS_COLUMN', `'${text}' is the label of ${different.size} different columns`, {
    position: expression.position,
    hint: 'give them different labels, or name the position: 1',
  });
}
