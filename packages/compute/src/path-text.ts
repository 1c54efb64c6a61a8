/**
 * Paths as applications write them: `account.id`, `tags[1]`, `"first name".x`; and reads and writes of plain documents
 * by them.
 */
import { GridError } from '@ashlar/core';
import type { PathSegment } from '@ashlar/serialization';

/** A name, a quoted name (JSON text) or an index, each with what separates it from the one before. */
const SEGMENT = /(?:(^|\.)(?:("(?:[^"\\]|\\.)*")|([^.[\]"]+))|\[(\d{1,9})\])/gy;
const SEGMENTS_MAX = 100;
/** How far an index may lie beyond the end of an array: what lies between is filled with null. */
const GAP_MAX = 1024;

/** @throws GridError INVALID_ARGUMENT */
export function parsePath(text: string): readonly PathSegment[] {
  const segments: PathSegment[] = [];
  SEGMENT.lastIndex = 0;
  while (SEGMENT.lastIndex < text.length) {
    const match = SEGMENT.exec(text);
    if (match === null || segments.length === SEGMENTS_MAX) throw badPath(text);
    const [, separator, quoted, name, index] = match;
    if (separator === '.' && segments.length === 0) throw badPath(text);
    if (index !== undefined) segments.push(Number(index));
    else segments.push(quoted === undefined ? name! : unquoted(quoted, text));
  }
  if (segments.length === 0) throw badPath(text);
  return segments;
}

function unquoted(quoted: string, text: string): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    throw badPath(text);
  }
}

function badPath(text: string): GridError {
  return new GridError('INVALID_ARGUMENT', `'${text}' is not a path`, {
    hint: 'write names and indexes as in account.id, tags[1] or "first name".x',
    details: { path: text },
  });
}

/** The element at a path; undefined where there is none. Own fields only. */
export function readPath(document: unknown, path: readonly PathSegment[]): unknown {
  let at = document;
  for (const segment of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    if (Array.isArray(at) !== (typeof segment === 'number') || !Object.hasOwn(at, segment)) return undefined;
    at = (at as Record<PathSegment, unknown>)[segment];
  }
  return at;
}

/**
 * A copy of the document with `value` at the path; what is missing on the way is made, what is shared stays shared.
 *
 * @throws GridError TYPE_MISMATCH where the path leads through something that is neither object nor array
 */
export function writePath(document: unknown, path: readonly PathSegment[], value: unknown, level = 0): unknown {
  if (level === path.length) return value;
  const segment = path[level]!;
  if (typeof segment === 'number') {
    const copy = Array.isArray(document) ? [...(document as unknown[])] : emptyFor(document, path, level, []);
    if (segment > copy.length + GAP_MAX) throw misfit(path, level);
    while (copy.length < segment) copy.push(null);
    copy[segment] = writePath(copy[segment], path, value, level + 1);
    return copy;
  }
  const fields = isObject(document) ? Object.entries(document) : emptyFor(document, path, level, []);
  const changed = new Map<string, unknown>(fields);
  changed.set(segment, writePath(changed.get(segment), path, value, level + 1));
  // Not an assignment: a field may be called "__proto__".
  return Object.fromEntries(changed);
}

function isObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** What is made where nothing is, or null within a document; a whole value that is null is a value. */
function emptyFor<T>(document: unknown, path: readonly PathSegment[], level: number, empty: T[]): T[] {
  if (document === undefined || (document === null && level > 0)) return empty;
  throw misfit(path, level);
}

function misfit(path: readonly PathSegment[], level: number): GridError {
  return new GridError('TYPE_MISMATCH', `the path ${JSON.stringify(path)} does not fit the value at level ${level}`);
}
