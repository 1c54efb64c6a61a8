/**
 * node-sql-parser: reads a skeleton into its syntax tree. The only file that knows the library.
 *
 * clause-parser N1  Every node that comes back is read through AstNode: a field that no reader takes, and that is not empty,
 *                   is an error at `close`, so a form we do not know never passes for one we do.
 */
import type { TextPosition } from '@ashlar/core';
import postgresql from 'node-sql-parser/build/postgresql.js';
import { nearestClauseWord, unexpected, unreadable } from '../guard/sql-errors.ts';
import type { Cursor } from './cursor.ts';
import type { Placeholder, Skeleton } from './skeleton.ts';

const parser = new postgresql.Parser();
const OPTIONS = { database: 'postgresql', trimQuery: false };

/**
 * The clauses of a skeleton that ends at the cursor.
 *
 * @param position of the statement's first word, for errors that concern all of it
 * @throws GridError SYNTAX_ERROR at the first piece that does not fit
 */
export function parseClauses(skeleton: Skeleton, cursor: Cursor, position: TextPosition): AstNode {
  let ast: unknown;
  try {
    ast = parser.astify(skeleton.text, OPTIONS);
  } catch (error) {
    throw atPlace(error, skeleton, cursor);
  }
  if (Array.isArray(ast) && ast.length === 1) ast = ast[0];
  if (!isRecord(ast)) throw strange('this statement', position);
  return new AstNode(ast, skeleton, position);
}

/** The parser's error at the token it means, without its list of everything that could have stood there. */
function atPlace(error: unknown, skeleton: Skeleton, cursor: Cursor): Error {
  const location = isRecord(error) ? error['location'] : undefined;
  const start = isRecord(location) ? location['start'] : undefined;
  const offset = isRecord(start) ? start['offset'] : undefined;
  const token = typeof offset === 'number' ? skeleton.tokenAt(offset) : undefined;
  if (token === undefined) return unexpected(cursor.token, undefined, misspelledHint(cursor.before.text));
  const before = typeof offset === 'number' ? skeleton.tokenBefore(offset) : undefined;
  return unexpected(token, undefined, misspelledHint(before?.text ?? ''));
}

/** A misspelled word is taken for an alias, and the error is one token later. */
export function misspelledHint(before: string): string | undefined {
  const nearest = nearestClauseWord(before);
  return nearest === undefined ? undefined : `did you mean ${nearest} in place of '${before}'?`;
}

function strange(what: string, position: TextPosition): Error {
  return unreadable(`${what} in this form`, position);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One node of the parser's tree, read field by field. */
export class AstNode {
  readonly position: TextPosition;
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #skeleton: Skeleton;
  readonly #taken = new Set<string>();

  constructor(fields: Readonly<Record<string, unknown>>, skeleton: Skeleton, position: TextPosition) {
    this.#fields = fields;
    this.#skeleton = skeleton;
    this.position = position;
  }

  /** A field of any kind. */
  take(field: string): unknown {
    this.#taken.add(field);
    return this.#fields[field] ?? undefined;
  }

  /** A field that has to have one of these values. */
  takeOneOf<T extends string | null>(field: string, values: readonly T[]): T {
    const value = this.take(field) ?? null;
    const found = values.find((one) => one === value);
    if (found === undefined) throw strange(field.toUpperCase(), this.position);
    return found;
  }

  /** A node, or undefined when the field is empty. */
  child(field: string): AstNode | undefined {
    const value = this.take(field);
    if (value === undefined) return undefined;
    if (!isRecord(value)) throw strange(field.toUpperCase(), this.position);
    return new AstNode(value, this.#skeleton, this.position);
  }

  /** A list of nodes; empty when the field is. */
  children(field: string): AstNode[] {
    const value = this.take(field);
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw strange(field.toUpperCase(), this.position);
    return value.map((one: unknown) => {
      if (!isRecord(one)) throw strange(field.toUpperCase(), this.position);
      return new AstNode(one, this.#skeleton, this.position);
    });
  }

  /** The placeholder that this node, a number, is. */
  numberedPlaceholder(): Placeholder {
    this.takeOneOf('type', ['number']);
    const placeholder = this.#placeholder(this.take('value'));
    this.close();
    return placeholder;
  }

  /** The placeholder that a field names, `t` and a number; undefined when the field is empty. */
  namedPlaceholder(field: string): Placeholder | undefined {
    const value = this.take(field);
    if (value === undefined) return undefined;
    const digits = typeof value === 'string' && /^t\d+$/.test(value) ? Number(value.slice(1)) : undefined;
    return this.#placeholder(digits);
  }

  /** Ends the reading. @throws GridError UNSUPPORTED_SQL when a field was not taken and holds something */
  close(): void {
    for (const [field, value] of Object.entries(this.#fields)) {
      if (!this.#taken.has(field) && !isEmpty(value)) throw strange(field.toUpperCase(), this.position);
    }
  }

  #placeholder(index: unknown): Placeholder {
    const placeholder = typeof index === 'number' ? this.#skeleton.placeholderAt(index) : undefined;
    if (placeholder === undefined) throw strange('this statement', this.position);
    return placeholder;
  }
}

/** null, false, [], {} and objects of nothing but such. */
function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return true;
  return typeof value === 'object' && Object.values(value).every((one) => one === null || one === undefined);
}
