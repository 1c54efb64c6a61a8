/**
 * Rows in which a statement met a value of another kind than it asks for, and read NULL in its place.
 *
 *   undeclared path, no answer for this row's value -> NULL, and one more row here -> notices of the statement
 *
 * SQL/JSON's lax mode: documents have no schema, so one of an odd kind must not end a statement that only reads. What a
 * context holds no OddRows for is strict: the same places are errors there (values that would be written, `strict: true`).
 *
 * odd-rows O1  A row counts once for each finding, however often an expression looks at it.
 * odd-rows O2  Where several places make the same finding, the one with most rows counts, so the number is never too large.
 */
import { types as nodeTypes } from 'node:util';
import type { Expr } from './expr.ts';
import { childrenOf } from './expr-parts.ts';
import { Tag } from './types.ts';
import { readsUndeclared } from './undeclared.ts';
import { type RowValue, tagIn, tagOf, withArticle } from './values.ts';

/** "at least 37 rows hold text in n": what, and how many rows. Plain data. */
export interface OddCount {
  /** Begins with the verb, in the plural: `hold text in n`. A whole sentence where no rows are counted. */
  readonly what: string;
  /** Number of rows; 0: it is about no rows in particular. */
  readonly rows: number;
  /** For a join: the kinds of values that both sides of its key held, as bits by tag; a finding where they share none. */
  readonly sides?: KeyKinds | undefined;
}

/** `left = right` of a join, and what was met on either side. */
export interface KeyKinds {
  readonly left: string;
  readonly leftKinds: number;
  readonly right: string;
  readonly rightKinds: number;
}

interface Counter {
  readonly what: string;
  rows: number;
  lastRow: number;
}

/** Texts of a statement that a finding quotes. */
const QUOTED_MAX = 40;
/** Most findings that one statement reports. */
const FINDINGS_MAX = 20;
/** Tags are smaller. */
const TAGS = 32;

const KINDS: Readonly<Record<number, string>> = {
  [Tag.BOOLEAN]: 'booleans',
  [Tag.NUMBER]: 'numbers',
  [Tag.INT]: 'numbers',
  [Tag.TIMESTAMP]: 'timestamps',
  [Tag.DATE]: 'dates',
  [Tag.BIGINT]: 'bigints',
  [Tag.DECIMAL]: 'decimals',
  [Tag.TEXT]: 'text',
  [Tag.BYTES]: 'bytes',
  [Tag.INTERVAL]: 'intervals',
  [Tag.JSON]: 'objects',
};

/** One of what the kinds are in the plural. */
const ONE: Readonly<Record<number, string>> = {
  [Tag.BOOLEAN]: 'boolean',
  [Tag.NUMBER]: 'number',
  [Tag.INT]: 'number',
  [Tag.TIMESTAMP]: 'timestamp',
  [Tag.DATE]: 'date',
  [Tag.BIGINT]: 'integer',
  [Tag.DECIMAL]: 'number',
  [Tag.BYTES]: 'bytes',
  [Tag.INTERVAL]: 'interval',
  [Tag.JSON]: 'object',
};

/** What a value is, as errors say it: 'a number', 'text', 'an array'. */
export function kindOfValue(value: RowValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  const tag = tagOf(value);
  return withArticle(ONE[tag] ?? kindNoun(tag));
}

/** How findings call values of a tag: 'text', 'numbers' ... */
export function kindNoun(tag: number): string {
  return KINDS[tag] ?? 'values';
}

export class OddRows {
  /** Which row is being looked at: another number for each row of an expression (odd-rows O1). */
  row = 0;
  /** Rows of which anything was noted. */
  rowsNoted = 0;
  #lastNoted = -1;
  /** Rows that are looked at a second time read as before, but count no more. */
  isCounting = true;
  /** By site, and by the operand that was odd there; then by kind. */
  readonly #sites = new Map<Expr, Map<Expr, Map<number, Counter>>>();
  readonly #sums = new Map<unknown, Map<string, number>>();
  readonly #joins = new Map<unknown, KeyKinds>();

  get isEmpty(): boolean {
    return this.#sites.size === 0 && this.#sums.size === 0;
  }

  clear(): void {
    this.#sites.clear();
    this.#sums.clear();
  }

  /** Two values of kinds that `site` cannot put together. */
  unlike(site: Expr, left: Expr, a: RowValue, right: Expr, b: RowValue): void {
    const code = kindCode(a, left) * TAGS + kindCode(b, right);
    this.#count(site, left, code, () => unlikeText(left, a, right, b));
  }

  /** A value of a kind that `site` does not take. */
  odd(site: Expr, operand: Expr, value: RowValue): void {
    this.#count(site, operand, kindCode(value, operand), () => heldText(operand, value));
  }

  /** A value that `site` takes no further; `why` is said once for each `reason`, a small number of the site's own. */
  refused(site: Expr, operand: Expr, value: RowValue, reason: number, why: () => string): void {
    const code = kindCode(value, operand) + (reason + 1) * TAGS;
    this.#count(site, operand, code, () => `${heldText(operand, value)} ${why()}`);
  }

  /** Counts a finding of another operator, such as a sum or a sort. `rows` is 0 where no row in particular has it. */
  add(site: unknown, what: string, rows: number): void {
    let sums = this.#sums.get(site);
    if (sums === undefined) this.#sums.set(site, (sums = new Map()));
    sums.set(what, (sums.get(what) ?? 0) + rows);
  }

  /** Kinds that the two sides of a join's key held. */
  keyKinds(site: unknown, sides: KeyKinds): void {
    this.#joins.set(site, sides);
  }

  counts(): OddCount[] {
    const most = new Map<string, number>();
    const tell = (what: string, rows: number): void => void most.set(what, Math.max(rows, most.get(what) ?? 0));
    for (const operands of this.#sites.values()) {
      for (const counters of operands.values()) for (const { what, rows } of counters.values()) tell(what, rows);
    }
    for (const sums of this.#sums.values()) for (const [what, rows] of sums) tell(what, rows);
    const joins = [...this.#joins.values()].map((sides) => ({
      what: `${sides.left} = ${sides.right}`,
      rows: 0,
      sides,
    }));
    return [...[...most].map(([what, rows]) => ({ what, rows })), ...joins];
  }

  #count(site: Expr, operand: Expr, code: number, what: () => string): void {
    if (!this.isCounting) return;
    if (this.#lastNoted !== this.row) this.rowsNoted++;
    this.#lastNoted = this.row;
    const counter = this.#counter(site, operand, code, what);
    if (counter.lastRow === this.row) return;
    counter.lastRow = this.row;
    counter.rows++;
  }

  #counter(site: Expr, operand: Expr, code: number, what: () => string): Counter {
    let operands = this.#sites.get(site);
    if (operands === undefined) this.#sites.set(site, (operands = new Map()));
    let counters = operands.get(operand);
    if (counters === undefined) operands.set(operand, (counters = new Map()));
    let counter = counters.get(code);
    if (counter === undefined) counters.set(code, (counter = { what: what(), rows: 0, lastRow: -1 }));
    return counter;
  }
}

/** The names of the undeclared columns that an expression reads. */
function pathsOf(expr: Expr, into: Set<string> = new Set()): Set<string> {
  if (expr.kind === 'column') {
    if (readsUndeclared(expr)) into.add(expr.name);
  } else {
    for (const child of childrenOf(expr)) pathsOf(child, into);
  }
  return into;
}

/** Arrays and objects share a tag, but not a finding. */
const ARRAY_CODE = TAGS - 1;

function kindCode(value: RowValue, expr: Expr): number {
  return Array.isArray(value) ? ARRAY_CODE : tagIn(value, expr.type);
}

function kindsOf(value: RowValue, expr: Expr): string {
  return Array.isArray(value) ? 'arrays' : kindNoun(tagIn(value, expr.type));
}

function heldText(expr: Expr, value: RowValue): string {
  return findingOf(expr, kindsOf(value, expr));
}

/** `hold text in n`, `give text for a and b`. */
export function findingOf(expr: Expr, kinds: string): string {
  if (expr.kind === 'column') return `hold ${kinds} in ${expr.name}`;
  return `give ${kinds} for ${[...pathsOf(expr)].join(' and ')}`;
}

function unlikeText(left: Expr, a: RowValue, right: Expr, b: RowValue): string {
  const isLeftOdd = readsUndeclared(left);
  if (isLeftOdd && readsUndeclared(right)) {
    const other = right.kind === 'column' ? `${kindsOf(b, right)} in ${right.name}` : kindsOf(b, right);
    return `${heldText(left, a)} and ${other}`;
  }
  const [expr, value, constant] = isLeftOdd ? [left, a, b] : [right, b, a];
  const held = heldText(expr, value);
  // A text that could have been written for any kind: it is the text that does not fit.
  if (typeof constant !== 'string' || typeof value === 'string') return held;
  return `${held}, and '${constant.slice(0, QUOTED_MAX)}' is not ${withArticle(noun(value, expr))}`;
}

function noun(value: RowValue, expr: Expr): string {
  if (Array.isArray(value)) return 'array';
  return nodeTypes.isDate(value) && expr.type === 'date'
    ? 'date'
    : (ONE[tagIn(value, expr.type)] ?? 'value of that kind');
}

/** Different findings that are kept of one statement. */
const FINDINGS_KEPT_MAX = 1000;

/** The findings that the parts of a statement counted, together. */
export class OddTally {
  readonly #sums = new Map<string, OddCount>();

  add(counts: readonly OddCount[]): void {
    for (const count of counts) {
      const known = this.#sums.get(count.what);
      if (known === undefined && this.#sums.size >= FINDINGS_KEPT_MAX) continue;
      this.#sums.set(count.what, known === undefined ? count : together(known, count));
    }
  }

  counts(): OddCount[] {
    return [...this.#sums.values()];
  }
}

function together(a: OddCount, b: OddCount): OddCount {
  if (a.sides === undefined || b.sides === undefined) return { what: a.what, rows: a.rows + b.rows };
  const leftKinds = a.sides.leftKinds | b.sides.leftKinds;
  const rightKinds = a.sides.rightKinds | b.sides.rightKinds;
  return { ...a, sides: { ...a.sides, leftKinds, rightKinds } };
}

/** The notices that a user gets for what a whole statement counted. */
export function noticesOf(counts: readonly OddCount[]): string[] {
  const findings = counts.filter(isWorthTelling).sort((a, b) => b.rows - a.rows || (a.what < b.what ? -1 : 1));
  const notices = findings.slice(0, FINDINGS_MAX).map(noticeOf);
  if (findings.length > FINDINGS_MAX) notices.push(`${findings.length - FINDINGS_MAX} more kinds of odd values`);
  return notices;
}

/** A join is where both sides held values, and none of one kind. */
function isWorthTelling({ sides }: OddCount): boolean {
  if (sides === undefined) return true;
  return sides.leftKinds !== 0 && sides.rightKinds !== 0 && (sides.leftKinds & sides.rightKinds) === 0;
}

/** 'text and numbers', of a set of tags as bits. */
function kindsText(kinds: number): string {
  const nouns = Object.keys(KINDS)
    .map(Number)
    .filter((tag) => (kinds & (1 << tag)) !== 0);
  return nouns.map(kindNoun).join(' and ');
}

function noticeOf({ what, rows, sides }: OddCount): string {
  if (sides !== undefined) {
    const [left, right] = [kindsText(sides.leftKinds), kindsText(sides.rightKinds)];
    return `the join on ${what} matches nothing: ${sides.left} holds ${left}, ${sides.right} holds ${right}`;
  }
  if (rows === 0) return what;
  return rows === 1 ? `at least 1 row ${what.replace(/^\w+/, '$&s')}` : `at least ${rows} rows ${what}`;
}
