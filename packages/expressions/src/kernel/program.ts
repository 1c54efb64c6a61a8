/**
 * An expression laid out for kernels: its nodes in a fixed order, its columns, its constant parts.
 *
 *   expr -> nodes: preorder, where a part without columns is one leaf ("constant"), folded once a context
 *        -> shape: a text that is equal for two expressions exactly when the same source fits both
 *
 * program P1  Node numbers follow from the shape alone, so a cached source may name parts of any expression of its shape.
 * program P2  No name, literal or parameter of the statement stands in a shape where the source would quote it: sources are
 *             written from node numbers only.
 */
import { isConstant } from '../constants.ts';
import type { Expr } from '../expr.ts';
import { childrenOf, hasColumns } from '../expr-parts.ts';
import { definitionOf } from '../functions/table.ts';

export interface ProgramNode {
  readonly expr: Expr;
  readonly number: number;
  readonly children: readonly ProgramNode[];
  /** Without columns and the same for all rows of a context. */
  readonly isConstant: boolean;
  /** Position in Program.columns of the one column that the value depends on; -1: of none, several, or on chance. */
  readonly onlyColumn: number;
  /** Whether random() or the like lies within. */
  readonly isVolatile: boolean;
  /** Stands for all constants of a long IN list; `expr` is the IN. */
  readonly isList: boolean;
}

/** Longer lists of constants are one node, so that no shape grows with them. */
const LIST_NODES_MAX = 16;

export interface Program {
  readonly root: ProgramNode;
  readonly nodes: readonly ProgramNode[];
  /** Indexes of the input columns that are read, in order of first appearance. */
  readonly columns: readonly number[];
  readonly constants: readonly ProgramNode[];
  readonly shape: string;
}

/** Properties of a node, besides kind, type and children, that its source depends on: members of closed lists, flags, counts. */
function detailOf(expr: Expr): string {
  switch (expr.kind) {
    case 'compare':
    case 'arithmetic':
      return expr.operator;
    case 'isTruth':
      return `${expr.truth}${expr.negated}`;
    case 'distinctFrom':
    case 'isNull':
    case 'in':
    case 'like':
      return String(expr.negated);
    case 'case':
      return String(expr.otherwise === undefined);
    case 'call':
      return expr.name;
    default:
      return '';
  }
}

/** Lays out an expression. */
export function programOf(expr: Expr): Program {
  const nodes: ProgramNode[] = [];
  const columns: number[] = [];
  const constants: ProgramNode[] = [];
  const place = (part: Expr): ProgramNode => {
    const number = nodes.length;
    nodes.push(undefined as unknown as ProgramNode);
    const node = hasColumns(part) ? outer(part, number) : leaf(part, number);
    nodes[number] = node;
    if (node.isConstant) constants.push(node);
    return node;
  };
  const outer = (part: Expr, number: number): ProgramNode => {
    if (part.kind === 'column' && !columns.includes(part.index)) columns.push(part.index);
    const children = isLongList(part) ? [place(part.operand), placeList(part)] : childrenOf(part).map(place);
    const isVolatile = children.some((child) => child.isVolatile) || isVolatileCall(part);
    const own = part.kind === 'column' ? [columns.indexOf(part.index)] : [];
    const dependsOn = new Set([...own, ...children.filter((child) => !child.isConstant).map((c) => c.onlyColumn)]);
    const onlyColumn = dependsOn.size === 1 && !isVolatile ? [...dependsOn][0]! : -1;
    return { expr: part, number, children, isConstant: false, onlyColumn, isVolatile, isList: false };
  };
  const placeList = (part: Expr): ProgramNode => {
    const node = { ...leaf(part, nodes.length), isConstant: true, isVolatile: false, isList: true };
    nodes.push(node);
    constants.push(node);
    return node;
  };
  const root = place(expr);
  return { root, nodes, columns, constants, shape: shapeOf(root) };
}

/** A part without columns: constant unless chance is in it. */
function leaf(expr: Expr, number: number): ProgramNode {
  const isVolatile = isVolatileWithin(expr);
  return { expr, number, children: [], isConstant: !isVolatile, onlyColumn: -1, isVolatile, isList: false };
}

function isLongList(expr: Expr): expr is Extract<Expr, { kind: 'in' }> {
  return expr.kind === 'in' && expr.list.length > LIST_NODES_MAX && expr.list.every(isConstant);
}

function isVolatileWithin(expr: Expr): boolean {
  return isVolatileCall(expr) || childrenOf(expr).some(isVolatileWithin);
}

function isVolatileCall(expr: Expr): boolean {
  return expr.kind === 'call' && definitionOf(expr.name)?.volatility === 'volatile';
}

function shapeOf(node: ProgramNode): string {
  const { expr, children } = node;
  if (node.isConstant) return node.isList ? 'L' : `K:${expr.type}`;
  const detail = expr.kind === 'column' ? `${node.onlyColumn}${expr.isKey === true ? 'key' : ''}` : detailOf(expr);
  const random = node.isVolatile ? '~' : '';
  return `(${expr.kind}${random}:${expr.type}:${detail}${children.map((child) => ` ${shapeOf(child)}`).join('')})`;
}
