/**
 * Every error code: one code has one meaning for ever. The wire numbers live in `protos/ashlar/v1/errors.proto`; a test
 * holds the two lists together.
 *
 * `retryable` is true only if nothing was applied, so that sending the same request again is safe.
 */
export const ERROR_CODES = {
  // The world of requests
  INVALID_ARGUMENT: { retryable: false },
  INTERNAL: { retryable: false },
  CANCELLED: { retryable: false },
  DEADLINE_EXCEEDED: { retryable: true },
  OUTCOME_UNKNOWN: { retryable: false },
  MESSAGE_TOO_LARGE: { retryable: false },
  OVERLOADED: { retryable: true },
  UNAUTHENTICATED: { retryable: false },
  PERMISSION_DENIED: { retryable: false },
  UNSUPPORTED_PROTOCOL: { retryable: false },
  PARTIAL: { retryable: false },
  // Connections, members, ownership
  CONNECT_TIMEOUT: { retryable: true },
  CONNECTION_LOST: { retryable: true },
  CLIENT_CLOSED: { retryable: false },
  SHUTTING_DOWN: { retryable: true },
  STALE_EPOCH: { retryable: true },
  LEASE_EXPIRED: { retryable: true },
  SESSION_EXPIRED: { retryable: false },
  CLOCK_AHEAD: { retryable: false },
  MEMBER_UNREACHABLE: { retryable: true },
  GRID_INCOMPLETE: { retryable: true },
  GRID_CONFLICT: { retryable: false },
  CONNECTION_REFUSED: { retryable: true },
  UNKNOWN_HOST: { retryable: true },
  NOT_A_MEMBER: { retryable: false },
  TLS_MISMATCH: { retryable: false },
  UNTRUSTED_CERTIFICATE: { retryable: false },
  CLIENT_CERTIFICATE_REFUSED: { retryable: false },
  /** Between members and routing only: applications get OUTCOME_UNKNOWN. */
  IN_DOUBT: { retryable: false },
  PARTITION_LOST: { retryable: false },
  LEASE_HELD: { retryable: true },
  NOT_ENOUGH_IN_SYNC: { retryable: true },
  // Maps, keys, values, memory
  UNKNOWN_MAP: { retryable: false },
  MAP_CONFLICT: { retryable: false },
  INVALID_NAME: { retryable: false },
  INVALID_KEY: { retryable: false },
  KEY_TOO_LARGE: { retryable: false },
  INVALID_VALUE: { retryable: false },
  VALUE_TOO_LARGE: { retryable: false },
  CORRUPT_DATA: { retryable: false },
  OUT_OF_MEMORY: { retryable: true },
  LOG_FULL: { retryable: true },
  SNAPSHOT_EXPIRED: { retryable: true },
  MAP_DROPPED: { retryable: false },
  // SQL
  SYNTAX_ERROR: { retryable: false },
  UNSUPPORTED_SQL: { retryable: false },
  STATEMENT_TOO_LARGE: { retryable: false },
  UNKNOWN_COLUMN: { retryable: false },
  AMBIGUOUS_COLUMN: { retryable: false },
  UNKNOWN_FUNCTION: { retryable: false },
  TYPE_MISMATCH: { retryable: false },
  INVALID_CAST: { retryable: false },
  DIVISION_BY_ZERO: { retryable: false },
  NUMERIC_OVERFLOW: { retryable: false },
  INVALID_PARAMETER: { retryable: false },
  GROUPING_ERROR: { retryable: false },
  DUPLICATE_KEY: { retryable: false },
  QUERY_MEMORY_EXCEEDED: { retryable: false },
  PARTIAL_COMMIT: { retryable: false },
  STALE_PLAN: { retryable: true },
  // Compute
  BUNDLE_FAILED: { retryable: false },
  UNKNOWN_MODULE: { retryable: false },
  UNKNOWN_EXPORT: { retryable: false },
  CAPTURED_VARIABLE: { retryable: false },
  PROCESSOR_ASYNC: { retryable: false },
  USER_CODE_FAILED: { retryable: false },
  USER_CODE_TIMEOUT: { retryable: false },
  USER_CODE_OUT_OF_MEMORY: { retryable: false },
  WORKER_LOST: { retryable: true },
  CALL_DEPTH_EXCEEDED: { retryable: false },
  PROCESSOR_REFUSED: { retryable: false },
  BUNDLE_MISSING: { retryable: true },
  // Events
  SEQUENCE_GONE: { retryable: false },
  INVALID_TOKEN: { retryable: false },
  SLOW_CONSUMER: { retryable: false },
  // Starting a member
  INVALID_CONFIG: { retryable: false },
  PORT_IN_USE: { retryable: false },
  INSUFFICIENT_MEMORY: { retryable: false },
  INSECURE_BIND: { retryable: false },
} as const satisfies Record<string, { readonly retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export function isErrorCode(text: unknown): text is ErrorCode {
  return typeof text === 'string' && Object.hasOwn(ERROR_CODES, text);
}

const NEVER_SEALED: ReadonlySet<ErrorCode> = new Set([
  'STALE_EPOCH',
  'LEASE_EXPIRED',
  'SHUTTING_DOWN',
  'NOT_ENOUGH_IN_SYNC',
]);

/**
 * Whether a mutation that was answered so was never sealed: nothing of it was or will be applied, and it may be sent again
 * under a new number. Nobody answers so what it has sealed.
 */
export function wasNeverSealed(code: ErrorCode): boolean {
  return NEVER_SEALED.has(code);
}
