/** Timeouts of calls that name none. Those of key-value calls are the router's. */

export const DEFAULT_SQL_TIMEOUT_MS = 30_000;
/** Timeout of deployments and of questions about the grid. */
export const ADMIN_TIMEOUT_MS = 10_000;
/** Timeout of a job that names none: as good as no limit. */
export const NO_TIMEOUT_MS = 0x7fff_ffff;
