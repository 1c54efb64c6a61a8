/** Asserts are for our own mistakes: a failed one is a bug in Ashlar, never the world's doing. */

/** A broken invariant of ours. Not a GridError: no caller can do anything about it but report it. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/**
 * Checks an invariant. The message may be a function, so that the ordinary path builds no text.
 *
 * @throws AssertionError when `condition` is false
 */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new AssertionError(typeof message === 'string' ? message : message());
}

/** Closes a switch over a union: the compiler complains when a kind has no answer. */
export function unreachable(value: never): never {
  throw new AssertionError(`no case for ${JSON.stringify(value)}`);
}
