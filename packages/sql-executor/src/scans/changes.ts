/**
 * Documents and conditions of statements that change entries; the same code in workers and on the writer.
 *
 * changes W1  Conditions read undeclared paths laxly, assignments never do: what is written is right or an error.
 */

import { GridError } from '@ashlar/core';
import {
  DocumentRow,
  type EvalContext,
  evaluatorOf,
  Interval,
  isMet,
  keyText,
  kindOfValue,
  OddRows,
  type RowValue,
} from '@ashlar/expressions';
import { decodeParameters, decodeValue } from '@ashlar/serialization';
import type { Assignment, ChangeTask } from '../query-tasks.ts';

type Container = Record<string | number, unknown>;

/** A statement's condition and assignments, ready to look at entries one by one. */
export class ChangeRule {
  readonly row: DocumentRow;
  /** Rows that the condition read laxly. */
  readonly oddRows: OddRows | undefined;
  readonly #task: Pick<ChangeTask, 'scan' | 'assignments'>;
  readonly #conditions: EvalContext;
  /** What is written is strict (changes W1). */
  readonly #assignments: EvalContext;

  constructor(task: Pick<ChangeTask, 'scan' | 'assignments' | 'parameters' | 'clockMs' | 'strict'>) {
    this.#task = task;
    this.#assignments = { parameters: decodeParameters(task.parameters), nowMs: task.clockMs };
    this.oddRows = task.strict ? undefined : new OddRows();
    this.#conditions = { ...this.#assignments, oddRows: this.oddRows };
    this.row = new DocumentRow(task.scan.columns);
  }

  /** Whether the entry that `row` stands on meets the condition. */
  matches(): boolean {
    const { filter } = this.#task.scan;
    if (filter === undefined) return true;
    if (this.oddRows !== undefined) this.oddRows.row++;
    return isMet(filter, this.row.value, this.#conditions);
  }

  /**
   * The document in bytes[start, end) with the assignments made. `row` stands on it and on its key.
   *
   * @throws GridError that names the key and the path that could not be set
   */
  changed(bytes: Uint8Array, start: number, end: number): unknown {
    const { assignments } = this.#task;
    const values = assignments.map(({ path, value }) =>
      this.#setting(path, () => evaluatorOf(value)(this.row.value, this.#assignments)),
    );
    let document = decodeValue(bytes, start, end);
    assignments.forEach(({ path }, index) => {
      document = this.#setting(path, () => assign(document, path, values[index]!));
    });
    return document;
  }

  #setting<T>(path: Assignment['path'], make: () => T): T {
    try {
      return make();
    } catch (error) {
      throw atPath(error, 'SET', path, this.row.currentKey, 'leave such entries out with WHERE');
    }
  }
}

/** An error of a value that was to be written, with the path and the key of the entry. */
export function atPath(
  error: unknown,
  verb: string,
  path: Assignment['path'],
  entryKey: unknown,
  hint?: string,
): unknown {
  if (!GridError.is(error)) return error;
  const key = keyText(entryKey);
  const target = path.join('.');
  return new GridError(error.code, `${error.message}: ${verb} ${target} of the entry with the key ${key}`, {
    hint: error.hint ?? hint,
    position: error.position,
    details: { ...error.details, key, path: target },
    cause: error,
  });
}

/**
 * A document with one path set; objects on the way are made where there is nothing or null.
 *
 * @throws GridError TYPE_MISMATCH where the value, or what is on the way, is no object: it would be lost
 */
export function assign(document: unknown, path: Assignment['path'], value: RowValue): unknown {
  if (Interval.is(value)) throw noPlaceForInterval(path);
  if (path.length === 0 || (path.length === 1 && path[0] === '__value')) return value;
  if (!isObject(document)) throw notAnObject('the value', document);
  let node = document;
  for (const [depth, step] of path.slice(0, -1).entries()) {
    const next = Object.hasOwn(node, step) ? node[step] : undefined;
    const child = next === undefined || next === null ? {} : next;
    if (!isObject(child)) throw notAnObject(`'${path.slice(0, depth + 1).join('.')}'`, child);
    setField(node, step, child);
    node = child;
  }
  setField(node, path.at(-1)!, value);
  return document;
}

/** A plain object: no array, no Date, no bytes, no Decimal. */
function isObject(value: unknown): value is Container {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Defines, so that a field named `__proto__` is a field. */
function setField(node: Container, step: string | number, value: unknown): void {
  Object.defineProperty(node, step, { value, writable: true, enumerable: true, configurable: true });
}

function noPlaceForInterval(path: Assignment['path']): GridError {
  return new GridError('TYPE_MISMATCH', `an interval cannot be stored in '${path.join('.')}'`, {
    hint: 'store its text, x::text, or its seconds, extract(epoch FROM x)',
  });
}

function notAnObject(what: string, found: unknown): GridError {
  return new GridError(
    'TYPE_MISMATCH',
    `${what} is not an object but ${kindOfValue(found as RowValue)}: nothing can be set inside it`,
    {
      hint: what === 'the value' ? 'SET __value assigns the whole of it' : 'assign the whole of it',
    },
  );
}
