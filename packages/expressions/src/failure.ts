/** Errors found while an expression runs: each names the place in the statement's text. */
import { type ErrorCode, GridError } from '@ashlar/core';

/**
 * An error at `at`, the offset in the statement's text (details.offset); a negative `at` means "no place".
 *
 * @param hint what to do about it, one sentence
 */
export function failure(code: ErrorCode, message: string, at: number, hint?: string): GridError {
  return new GridError(code, message, { hint, details: at < 0 ? undefined : { offset: at } });
}

/** An error about argument `argument` of a function, from 0 (details.argument). */
export function refusedArgument(code: ErrorCode, message: string, argument: number, at: number): GridError {
  return new GridError(code, message, { details: at < 0 ? { argument } : { offset: at, argument } });
}

export function divisionByZero(at: number): GridError {
  return failure('DIVISION_BY_ZERO', 'division by zero', at);
}

/** A result that its type cannot hold. */
export function outOfRange(typeName: string, at: number): GridError {
  return failure('NUMERIC_OVERFLOW', `${typeName} out of range`, at);
}
