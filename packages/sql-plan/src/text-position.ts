/** Places in a statement's text, for errors that know only an offset. */
import { GridError, type TextPosition } from '@ashlar/core';

/** Errors that know only the offset of their place get line and column too. */
export function withPosition(error: unknown, text: string): unknown {
  if (!(error instanceof GridError) || error.position !== undefined) return error;
  const offset = error.details?.['offset'];
  if (typeof offset !== 'number') return error;
  return new GridError(error.code, error.message, { ...error.toWire(), position: positionAt(text, offset) });
}

/** Line and column of an offset. */
export function positionAt(text: string, offset: number): TextPosition {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return { offset, line, column: offset - before.lastIndexOf('\n') };
}
