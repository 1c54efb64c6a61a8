/** What every call of the public interface takes. */

export interface Call {
  /** Gives up: the call rejects with CANCELLED and the work in the grid stops. */
  readonly signal?: AbortSignal | undefined;
  /** Defaults: key-value 5 s, SQL 30 s, jobs none. */
  readonly timeoutMs?: number | undefined;
}

/** Field names and array indexes from the top of a document. */
export type JsonPath = readonly (string | number)[];
