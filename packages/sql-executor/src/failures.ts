/** Errors found while a plan runs: each names the place in the statement's text, as those of expressions do. */
import { type ErrorCode, GridError } from '@ashlar/core';

/** An error at `at`, the offset in the statement's text (details.offset); a negative `at` means "no place". */
export function failure(code: ErrorCode, message: string, at: number, hint?: string): GridError {
  return new GridError(code, message, { hint, details: at < 0 ? undefined : { offset: at } });
}
