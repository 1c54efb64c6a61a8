/**
 * Whether something thrown is an Error, whichever realm made it: a worker's, a test's, Node's own. `instanceof` alone knows
 * one realm, and `Error.isError` is not there before Node 24.
 */
export function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
}
