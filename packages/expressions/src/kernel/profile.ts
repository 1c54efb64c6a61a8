/**
 * What a kernel may rely on: how each column lies in this batch, and what each constant is in this context.
 *
 * A column's profile is looked up in its tags, so that the loop itself asks no tags but for nulls.
 */

import { assert } from '@ashlar/core';
import type { Expr } from '../expr.ts';
import { evaluatorOf } from '../interpret.ts';
import { type SqlType, Tag, type Vector } from '../types.ts';
import type { EvalContext, RowValue } from '../values.ts';
import { tagIn } from '../values.ts';
import type { Program } from './program.ts';

/** `mixed`: only the interpreter reads it. `lookup`: text by a dictionary that is too large to prepare tables for. */
export type Lane = 'number' | 'dictionary' | 'lookup' | 'text' | 'null' | 'mixed';

export interface ColumnProfile {
  readonly lane: Lane;
  /** Type of the values of the lane `number`; TEXT for the text lanes. */
  readonly tag: Tag;
  /** Whether NULL or missing rows occur. */
  readonly nullable: boolean;
}

const NULLS = (1 << Tag.MISSING) | (1 << Tag.NULL);
const NUMBER_LANE_TAGS: readonly Tag[] = [Tag.BOOLEAN, Tag.NUMBER, Tag.INT, Tag.TIMESTAMP, Tag.DATE];

/** The profile as one number, 0 .. 1023, by which the kernels of one expression are told apart. */
export function profileCode(vector: Vector, count: number): number {
  const mask = vector.uniform === undefined ? maskOf(vector.tags!, vector.length) : 1 << vector.uniform;
  const nullable = (mask & NULLS) === 0 ? 0 : 1;
  const values = mask & ~NULLS;
  if (values === 0) return codeOf('null', Tag.NULL, 1);
  const tag = (31 - Math.clz32(values)) as Tag;
  if (values !== 1 << tag) return codeOf('mixed', Tag.NULL, nullable);
  if (tag === Tag.TEXT) return codeOf(textLane(vector, count), tag, nullable);
  return codeOf(NUMBER_LANE_TAGS.includes(tag) ? 'number' : 'mixed', tag, nullable);
}

const LANES: readonly Lane[] = ['number', 'dictionary', 'lookup', 'text', 'null', 'mixed'];

function codeOf(lane: Lane, tag: Tag, nullable: 0 | 1): number {
  return (LANES.indexOf(lane) << 5) | (tag << 1) | nullable;
}

export function profileOf(code: number): ColumnProfile {
  return { lane: LANES[code >> 5]!, tag: ((code >> 1) & 15) as Tag, nullable: (code & 1) === 1 };
}

function textLane(vector: Vector, count: number): Lane {
  if (vector.dictionary === undefined) return 'text';
  return vector.dictionary.length <= count ? 'dictionary' : 'lookup';
}

/** The set of tags as bits. */
function maskOf(tags: Uint8Array, length: number): number {
  let mask = 0;
  for (let row = 0; row < length; row++) mask |= 1 << tags[row]!;
  return mask;
}

/**
 * The tag that a column's values have in expressions of its static type, or undefined when the number lane does not
 * hold them as that type (an int8 in doubles).
 */
export function tagAs(tag: Tag, type: SqlType): Tag | undefined {
  const isOpen = type === 'any' || type === 'json';
  switch (tag) {
    case Tag.NUMBER:
    case Tag.INT:
      return type === 'int4' ? Tag.INT : isOpen || type === 'float8' ? Tag.NUMBER : undefined;
    case Tag.TIMESTAMP:
    case Tag.DATE:
      return type === 'date' ? Tag.DATE : isOpen || type === 'timestamptz' ? Tag.TIMESTAMP : undefined;
    default:
      return isOpen || (tag === Tag.BOOLEAN ? type === 'boolean' : tag === Tag.TEXT && type === 'text')
        ? tag
        : undefined;
  }
}

/** A constant part of the expression: its value, or that evaluating it fails (then only rows that need it fail). */
export interface Constant {
  readonly value: RowValue;
  readonly tag: Tag;
  readonly failed: boolean;
  /** One character a kind; part of the kernel's key. */
  readonly code: string;
}

const noRow = (): RowValue => null;

/** Folds the constant parts of an expression for one context. */
export function foldConstants(program: Program, context: EvalContext): readonly Constant[] {
  return program.constants.map(({ expr, isList }) => {
    try {
      if (isList) return { value: null, tag: Tag.NULL, failed: false, code: listCode(expr, context) };
      const value = evaluatorOf(expr)(noRow, context);
      const tag = tagIn(value, expr.type);
      return { value, tag, failed: false, code: constantCode(value, tag) };
    } catch {
      return { value: null, tag: Tag.NULL, failed: true, code: '!' };
    }
  });
}

/** The kinds of the constants of an IN: a letter each, in order. */
function listCode(expr: Expr, context: EvalContext): string {
  assert(expr.kind === 'in', 'lists belong to IN');
  const letters = new Set(
    expr.list.map((item) => {
      const value = evaluatorOf(item)(noRow, context);
      return String.fromCharCode(97 + tagIn(value, item.type));
    }),
  );
  return [...letters].sort().join('');
}

function constantCode(value: RowValue, tag: Tag): string {
  const letter = String.fromCharCode(97 + tag);
  return Number.isNaN(value) ? `${letter}N` : letter;
}
