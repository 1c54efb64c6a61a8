/**
 * Whole kernels from the code of a row: source text, compiled once a shape and profile, kept in a bounded cache.
 *
 * source S1  Sources hold no text of the statement: only what row-code.ts writes from node numbers and closed lists.
 */
import type { compareText } from '../compare.ts';
import { Tag } from '../types.ts';
import type { RowValue } from '../values.ts';
import type { ColumnProfile } from './profile.ts';
import type { Program, ProgramNode } from './program.ts';
import { RowCode } from './row-code.ts';
import type { KernelNeeds } from './row-lines.ts';

/** What a kernel reads; filled anew for each batch. */
export interface KernelInput {
  numbers: (Float64Array | undefined)[];
  tags: (Uint8Array | undefined)[];
  codes: (Uint8Array | Uint16Array | undefined)[];
  /** Strings of text lanes by row, dictionaries by code. */
  texts: (readonly unknown[] | undefined)[];
  constants: readonly unknown[];
  /** Uint8Array for truth (1 true, 2 null), Float64Array for numbers. */
  tables: (Uint8Array | Float64Array)[];
  /** Null flags of number tables by code. */
  nulls: Uint8Array[];
  /** The code of NULL rows in each table. */
  nullCodes: number[];
  sets: readonly ReadonlySet<unknown>[];
  closures: readonly (() => RowValue)[];
  functions: readonly ((value: number) => number)[];
  /** The row that closures and giveUp see. */
  row: number;
  /** Evaluates the whole expression for `row`; a scalar kernel's also stores the value. */
  giveUp: () => RowValue;
  compareText: typeof compareText;
}

type Selection = Int32Array | Uint16Array | undefined;
export type FilterFunction = (input: KernelInput, selection: Selection, count: number, out: Uint16Array) => number;
/** Returns whether any row is NULL. */
export type ScalarFunction = (input: KernelInput, length: number, numbers: Float64Array, tags: Uint8Array) => boolean;

export interface Source<Run> {
  readonly needs: KernelNeeds;
  readonly run: Run;
  /** Type of the values that a scalar kernel computes. */
  readonly tag: Tag;
  readonly nullable: boolean;
}

const CACHE_MAX = 256;
/** Expressions of more nodes are interpreted: the engine would not optimise such functions. */
const NODES_MAX = 1000;
/** undefined: the expression has no kernel in this profile. */
const cache = new Map<string, Source<unknown> | undefined>();

/** The cached source for a key, made at the first call; the least recently used goes when the cache is full. */
function cached<Run>(key: string, program: Program, make: () => Source<Run> | undefined): Source<Run> | undefined {
  if (program.nodes.length > NODES_MAX) return undefined;
  const isKnown = cache.has(key);
  const source = isKnown ? (cache.get(key) as Source<Run> | undefined) : make();
  cache.delete(key);
  cache.set(key, source);
  if (cache.size > CACHE_MAX) cache.delete(cache.keys().next().value!);
  return source;
}

/** Sources kept at present. */
export function cachedSourceCount(): number {
  return cache.size;
}

export function isCached(key: string): boolean {
  return cache.has(key);
}

/** The filter kernel for a condition in these profiles. */
export function filterSource(
  key: string,
  program: Program,
  profiles: readonly ColumnProfile[],
  constantCodes: readonly string[],
): Source<FilterFunction> | undefined {
  return cached(key, program, () => {
    const code = new RowCode(program, profiles, constantCodes);
    const { isTrue } = code.truth(program.root);
    const keep = `out[k] = i; k = k + ${isTrue} | 0;`;
    const otherwise = 'if (input.giveUp() === true) { out[k] = i; k = k + 1 | 0; }';
    const body = rowBody(code, keep, otherwise);
    const text = `let k = 0;
if (selection === undefined) {
for (let i = 0; i < count; i++) {
${body}
}
} else {
for (let j = 0; j < count; j++) {
const i = selection[j];
${body}
}
}
return k;`;
    return {
      needs: code.needs,
      run: compile(code.needs, 'selection, count, out', text),
      tag: Tag.BOOLEAN,
      nullable: false,
    };
  });
}

/** The scalar kernel for an expression whose values lie in the number lane; undefined when they do not. */
export function scalarSource(
  key: string,
  program: Program,
  profiles: readonly ColumnProfile[],
  constantCodes: readonly string[],
): Source<ScalarFunction> | undefined {
  return cached(key, program, () => {
    const code = new RowCode(program, profiles, constantCodes);
    const value = rootValue(code, program.root);
    if (value === undefined) return undefined;
    const nullable = value.isNull !== undefined;
    const store = nullable
      ? `numbers[i] = ${value.code}; const isNull = ${value.isNull}; tags[i] = isNull ? ${Tag.NULL} : ${value.tag}; nulls |= isNull;`
      : `numbers[i] = ${value.code};`;
    const text = `let nulls = 0;
for (let i = 0; i < length; i++) {
${rowBody(code, store, 'input.giveUp();')}
}
return nulls !== 0;`;
    return { needs: code.needs, run: compile(code.needs, 'length, numbers, tags', text), tag: value.tag, nullable };
  });
}

const CONDITIONS = new Set(['and', 'or', 'not', 'isNull', 'isTruth', 'compare', 'in', 'like']);

function rootValue(code: RowCode, root: ProgramNode) {
  const number = code.number(root);
  if (number !== undefined && number.tag !== Tag.NULL) return number;
  if (!CONDITIONS.has(root.expr.kind)) return undefined;
  const { isTrue, isNull } = code.truth(root);
  return { code: isTrue, isNull, tag: Tag.BOOLEAN };
}

/** One row's statements; rows that are given up fall through to `otherwise`. */
function rowBody(code: RowCode, done: string, otherwise: string): string {
  const needsRow = code.mayGiveUp || code.needs.closures.length > 0;
  const setRow = needsRow ? 'input.row = i;\n' : '';
  if (!code.mayGiveUp) return `${setRow}${code.statements}\n${done}`;
  return `${setRow}row: {\n${code.statements}\n${done}\ncontinue;\n}\n${otherwise}`;
}

function compile<Run>(needs: KernelNeeds, parameters: string, text: string): Run {
  const inputs = (name: string, list: readonly unknown[], single = name) =>
    list.map((_, index) => `const ${single}${index} = input.${name}[${index}];`);
  const hoisted = [
    ...inputs('numbers', needs.numbers),
    ...inputs('tags', needs.tags),
    ...inputs('codes', needs.codes),
    ...inputs('texts', needs.texts),
    ...inputs('constants', needs.constants, 'constant'),
    ...inputs('tables', needs.tables, 'table'),
    ...inputs('nulls', needs.tables),
    ...inputs('nullCodes', needs.tables, 'nullCode'),
    'const { sets, closures, functions, compareText } = input;',
  ];
  return new Function('input', parameters, `"use strict";\n${hoisted.join('\n')}\n${text}`) as Run;
}
