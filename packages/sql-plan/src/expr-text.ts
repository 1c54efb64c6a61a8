/** Expressions as text for EXPLAIN: SQL as a reader would write it, with parentheses wherever operators nest. */
import { unreachable } from '@ashlar/core';
import type { Aggregate, Expr, SqlType } from '@ashlar/expressions';

/** Longer texts, and lists of more values, are cut in the middle of nowhere: a plan is read, not executed. */
const TEXT_MAX = 60;
const LIST_MAX = 8;

/** `sum(DISTINCT x) FILTER (WHERE y)`. */
export function aggregateText({ name, operand, distinct, filter }: Aggregate): string {
  const argument = operand === undefined ? '*' : `${distinct ? 'DISTINCT ' : ''}${exprText(operand)}`;
  return `${name}(${argument})${filter === undefined ? '' : ` FILTER (WHERE ${exprText(filter)})`}`;
}

export function exprText(expr: Expr): string {
  switch (expr.kind) {
    case 'column':
      return expr.name;
    case 'literal':
      return literalText(expr.value, expr.type);
    case 'parameter':
      return `$${expr.index + 1}`;
    case 'compare':
    case 'arithmetic':
      return `${nested(expr.left)} ${expr.operator} ${nested(expr.right)}`;
    case 'distinctFrom':
      return `${nested(expr.left)} IS ${expr.negated ? 'NOT ' : ''}DISTINCT FROM ${nested(expr.right)}`;
    case 'concat':
      return `${nested(expr.left)} || ${nested(expr.right)}`;
    case 'negate':
      return `-${nested(expr.operand)}`;
    case 'and':
    case 'or':
      return expr.operands.map(nested).join(expr.kind === 'and' ? ' AND ' : ' OR ');
    case 'not':
      return `NOT ${nested(expr.operand)}`;
    case 'isNull':
      return `${nested(expr.operand)} IS ${expr.negated ? 'NOT ' : ''}NULL`;
    case 'isTruth':
      return `${nested(expr.operand)} IS ${expr.negated ? 'NOT ' : ''}${truthText(expr.truth)}`;
    case 'in':
      return `${nested(expr.operand)} ${expr.negated ? 'NOT ' : ''}IN (${listText(expr.list)})`;
    case 'like':
      return likeText(expr);
    case 'case':
      return caseText(expr);
    case 'cast':
      return `${nested(expr.operand)}::${expr.type}`;
    case 'call':
      return `${expr.name}(${expr.args.map(exprText).join(', ')})`;
    default:
      return unreachable(expr);
  }
}

/** In parentheses, unless it is one word or closed by itself. */
function nested(expr: Expr): string {
  const isClosed = ['column', 'literal', 'parameter', 'call', 'case', 'cast'].includes(expr.kind);
  return isClosed ? exprText(expr) : `(${exprText(expr)})`;
}

function truthText(truth: boolean | null): string {
  return truth === null ? 'UNKNOWN' : truth ? 'TRUE' : 'FALSE';
}

function listText(list: readonly Expr[]): string {
  const shown = list.slice(0, LIST_MAX).map(exprText).join(', ');
  return list.length > LIST_MAX ? `${shown}, ... ${list.length - LIST_MAX} more` : shown;
}

function likeText(expr: Extract<Expr, { kind: 'like' }>): string {
  const operator = `${expr.negated ? 'NOT ' : ''}${expr.caseInsensitive ? 'ILIKE' : 'LIKE'}`;
  const escapeText = expr.escape === undefined ? '' : ` ESCAPE ${quoted(expr.escape)}`;
  return `${nested(expr.operand)} ${operator} ${nested(expr.pattern)}${escapeText}`;
}

function caseText(expr: Extract<Expr, { kind: 'case' }>): string {
  const branches = expr.branches.map(({ when, then }) => `WHEN ${exprText(when)} THEN ${exprText(then)}`);
  const otherwise = expr.otherwise === undefined ? [] : [`ELSE ${exprText(expr.otherwise)}`];
  return ['CASE', ...branches, ...otherwise, 'END'].join(' ');
}

function literalText(value: unknown, type: SqlType): string {
  if (value === null) return 'NULL';
  if (typeof value === 'boolean') return truthText(value);
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return type === 'text' || type === 'any' ? quoted(value) : `${type} ${quoted(value)}`;
  if (ArrayBuffer.isView(value)) return bytesText(value);
  if (typeof value === 'object' && 'decimal' in value) return String(value.decimal);
  return quoted(JSON.stringify(value));
}

function bytesText({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
  return `bytea ${quoted(`\\x${Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('hex')}`)}`;
}

function quoted(text: string): string {
  const shown = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}...` : text;
  return `'${shown.replaceAll("'", "''")}'`;
}
