/** Documents and conditions of statements that change entries; the same code in workers and on the writer. */

import { GridError } from '@ashlar/core';
import { DocumentRow, type EvalContext, evaluatorOf, type RowValue } from '@ashlar/expressions';
import { decodeParameters, decodeValue } from '@ashlar/serialization';
import type { Assignment, ChangeTask } from './query-tasks.ts';

type Container = Record<string, unknown> | unknown[];

/** A statement's condition and assignments, ready to look at entries one by one. */
export class ChangeRule {
  readonly row: DocumentRow;
  readonly #task: Pick<ChangeTask, 'scan' | 'assignments'>;
  readonly #context: EvalContext;

  constructor(task: Pick<ChangeTask, 'scan' | 'assignments' | 'parameters' | 'clockMs'>) {
    this.#task = task;
    this.#context = { parameters: decodeParameters(task.parameters), nowMs: task.clockMs };
    this.row = new DocumentRow(task.scan.columns);
  }

  /** Whether the entry that `row` stands on meets the condition. */
  matches(): boolean {
    const { filter } = this.#task.scan;
    return filter === undefined || evaluatorOf(filter)(this.row.value, this.#context) === true;
  }

  /** The document in bytes[start, end) with the assignments made. `row` stands on it. */
  changed(bytes: Uint8Array, start: number, end: number): unknown {
    const values = this.#task.assignments.map(({ value }) => evaluatorOf(value)(this.row.value, this.#context));
    let document = decodeValue(bytes, start, end);
    this.#task.assignments.forEach(({ path }, index) => {
      document = assign(document, path, values[index]!);
    });
    return document;
  }
}

/** A document with one path set; objects on the way are made where they are missing. */
export function assign(document: unknown, path: Assignment['path'], value: RowValue): unknown {
  if (path.length === 0 || (path.length === 1 && path[0] === '__value')) return value;
  const root: Container = isContainer(document) ? document : {};
  let node = root;
  for (const [depth, step] of path.slice(0, -1).entries()) {
    const next = Object.hasOwn(node, step) ? (node as Record<string, unknown>)[step] : undefined;
    if (next !== undefined && next !== null && !isContainer(next)) throw notAnObject(path.slice(0, depth + 1));
    const child: Container = isContainer(next) ? next : {};
    setField(node, step, child);
    node = child;
  }
  setField(node, path.at(-1)!, value);
  return root;
}

function isContainer(value: unknown): value is Container {
  return (
    typeof value === 'object' &&
    value !== null &&
    (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)
  );
}

/** Defines, so that a field named `__proto__` is a field. */
function setField(node: Container, step: string | number, value: unknown): void {
  Object.defineProperty(node, step, { value, writable: true, enumerable: true, configurable: true });
}

function notAnObject(path: Assignment['path']): GridError {
  return new GridError('TYPE_MISMATCH', `'${path.join('.')}' is no object: nothing can be set inside it`, {
    hint: 'assign the whole of it',
  });
}
