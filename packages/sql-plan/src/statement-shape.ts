/**
 * Statements that differ only in numbers have one shape, and one plan but for these numbers.
 *
 *   text -> shape (what stands around the numbers) and numbers
 *   plan of one statement of the shape -> rebound() -> plan of another
 *
 * Taken out are numbers that cannot be but values: those between a comparison and the end of its operand. All other
 * text belongs to the shape as it is written. No parser is asked: a text in which anything could be mistaken for such a
 * number (comments, other quotes than the plain ones) has no shape.
 *
 * statement-shape S1  Texts of one shape are the same but for the numbers taken out; these have the same SQL types, one by
 *                     one.
 * statement-shape S2  Two numbers that are equal in one text of a shape are equal in all: plans find equal expressions
 *                     (GROUP BY).
 */
import type { Expr, Literal } from '@ashlar/expressions';
import type { Plan } from './plan.ts';

export interface StatementShape {
  /** The same for all texts of the shape. */
  readonly key: string;
  /** In the order of the text; at least one. */
  readonly numbers: readonly ShapeNumber[];
}

export interface ShapeNumber {
  /** text.slice(at, end) */
  readonly at: number;
  readonly end: number;
  /** As the literal's node in a plan holds it. */
  readonly value: Literal;
}

/** Longer statements are planned one by one: shapes are looked for on the main thread. */
const TEXT_MAX = 4096;
/** Behind a letter a quote is of another kind: E'', U&"". */
const QUOTED = /(?<![\w&$\u0080-\uffff])(?:'[^']*'|"[^"]*")/g;
/** Outside of what is quoted: comments, $tag$, quotes of other kinds. */
const UNCLEAR = /--|\/\*|\$(?!\d)|['"`]/;
const NUMBER = /\d+(?:\.\d+)?/g;
const VALUE =
  /(?<![-+*/<>=~!@#%^&|?:])(?:<=|>=|<>|!=|=|<|>)[ \t\r\n]*(\d+(?:\.\d+)?)(?=[ \t\r\n]*(?:$|[),;]|(?:and|or|as|from|then|group|order|having|limit)\b))/gi;
const INT4_END = 2n ** 31n;
const INT8_END = 2n ** 63n;

/** @returns undefined when nothing can be taken out */
export function statementShape(text: string): StatementShape | undefined {
  if (text.length > TEXT_MAX) return undefined;
  // What is quoted keeps its place and means nothing.
  const plain = text.replace(QUOTED, (quoted) => '\0'.repeat(quoted.length));
  if (UNCLEAR.test(plain)) return undefined;
  const numbers: ShapeNumber[] = [];
  let key = '';
  let from = 0;
  for (const match of plain.matchAll(VALUE)) {
    const digits = match[1]!;
    const end = match.index + match[0].length;
    const at = end - digits.length;
    const { kind, value } = literalOf(digits);
    numbers.push({ at, end, value });
    key += `${text.slice(from, at)}\0${kind}${firstEqual(plain, digits)}\0`;
    from = end;
  }
  return numbers.length === 0 ? undefined : { key: key + text.slice(from), numbers };
}

/** Which of all the numbers of a text is the first that is written so (statement-shape S2). */
function firstEqual(plain: string, digits: string): number {
  let index = 0;
  for (const [number] of plain.matchAll(NUMBER)) {
    if (withoutZeros(number) === withoutZeros(digits)) return index;
    index += 1;
  }
  return index;
}

function withoutZeros(digits: string): string {
  return digits.replace(/^0+(?=\d)/, '');
}

function literalOf(digits: string): { readonly kind: string; readonly value: Literal } {
  if (digits.includes('.')) return { kind: 'decimal', value: { decimal: digits } };
  const integer = BigInt(digits);
  if (integer < INT4_END) return { kind: 'int4', value: Number(integer) };
  if (integer < INT8_END) return { kind: 'int8', value: integer };
  return { kind: 'numeric', value: { decimal: String(integer) } };
}

/**
 * The plan of `to`, made from that of another statement of its shape.
 *
 * @returns undefined when a number is not found in the plan: it may have decided something else there
 */
export function rebound(plan: Plan, from: StatementShape, to: StatementShape): Plan | undefined {
  const rebinding = new Rebinding(from.numbers, to.numbers);
  const made = rebinding.copy(plan);
  return rebinding.foundAll ? made : undefined;
}

class Rebinding {
  readonly #from: readonly ShapeNumber[];
  readonly #to: readonly ShapeNumber[];
  readonly #found: boolean[];

  constructor(from: readonly ShapeNumber[], to: readonly ShapeNumber[]) {
    this.#from = from;
    this.#to = to;
    this.#found = from.map(() => false);
  }

  get foundAll(): boolean {
    return !this.#found.includes(false);
  }

  copy<T>(node: T): T {
    if (typeof node !== 'object' || node === null || node instanceof Uint8Array) return node;
    if (Array.isArray(node)) return node.map((element) => this.copy(element)) as T;
    return (isLiteral(node) ? this.#literal(node) : this.#fields(node)) as T;
  }

  #fields(node: object): object {
    const copy: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(node)) {
      copy[name] = name === 'at' && typeof value === 'number' ? this.#moved(value) : this.copy(value);
    }
    return copy;
  }

  #literal(node: Extract<Expr, { kind: 'literal' }>): Expr {
    const number = this.#from.findIndex(({ at }) => at === node.at);
    if (number < 0 || !isSameLiteral(node.value, this.#from[number]!.value))
      return { ...node, at: this.#moved(node.at) };
    this.#found[number] = true;
    const { at, value } = this.#to[number]!;
    return { ...node, at, value };
  }

  /** Where a place of the one text is in the other. */
  #moved(at: number): number {
    let by = 0;
    for (let index = 0; index < this.#from.length && this.#from[index]!.end <= at; index++) {
      by = this.#to[index]!.end - this.#from[index]!.end;
    }
    return at + by;
  }
}

function isLiteral(node: object): node is Extract<Expr, { kind: 'literal' }> {
  return (node as { kind?: unknown }).kind === 'literal';
}

function isSameLiteral(one: Literal, other: Literal): boolean {
  if (typeof one !== 'object' || typeof other !== 'object') return one === other;
  return (one as { decimal?: string })?.decimal === (other as { decimal?: string })?.decimal;
}
