/** What `connect` takes. */
import type { ClientTls } from '@ashlar/transport';

export interface ConnectOptions {
  /** host:port of members to ask first; the others are found. Default: 127.0.0.1:7710. */
  readonly seeds?: readonly string[];
  /** Bearer token, or a function that gives the present one. */
  readonly token?: string | (() => string | undefined);
  readonly tls?: ClientTls;
  /** Default 10 000. */
  readonly connectTimeoutMs?: number;
  /** Of key-value calls that name none. Default 5000. */
  readonly timeoutMs?: number;
  /** Of statements that name none. Default 30 000. */
  readonly sqlTimeoutMs?: number;
  /** Shown to operators. */
  readonly clientName?: string;
}

export const DEFAULT_SEEDS: readonly string[] = ['127.0.0.1:7710'];
export const DEFAULT_SQL_TIMEOUT_MS = 30_000;
/** Of deployments and questions about the grid. */
export const ADMIN_TIMEOUT_MS = 10_000;
