/** What `serve` takes and gives. */

import type { Permission } from './operations.ts';
import type { GridServices, Principal } from './services.ts';

export interface TlsFiles {
  /** PEM. */
  readonly key: Buffer;
  /** PEM. */
  readonly certificate: Buffer;
  /** PEM: callers must show a certificate signed by it. */
  readonly clientAuthority?: Buffer;
}

export interface ServerLimits {
  /** Of one message in either direction. Default 32 MiB. */
  readonly messageBytesMax?: number;
  /** Of one connection. Default 1000. */
  readonly streamsMax?: number;
  /** Unanswered bytes of one kv stream at which it is no longer read. Default 32 MiB. */
  readonly batchBytesMax?: number;
  /** Unanswered batches of one kv stream at which it is no longer read. Default 256. */
  readonly batchesMax?: number;
}

export interface ServeOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls?: TlsFiles;
  /**
   * Names the caller from its token (`authorization: Bearer ...`, undefined when it sent none).
   *
   * @throws GridError UNAUTHENTICATED
   */
  authenticate?(token: string | undefined, peer: string): Principal | Promise<Principal>;
  /** Whether `principal` may; asked once an operation (once a stream and map for kv batches). */
  authorize(permission: Permission, map: string | undefined, principal: Principal): boolean;
  readonly services: GridServices;
  readonly limits?: ServerLimits;
  /** Allows a bind wider than loopback without TLS or without `authenticate`. */
  readonly insecure?: boolean;
}

export interface GridServer {
  readonly port: number;
  /** Refuses new calls with SHUTTING_DOWN, lets those under way finish, cuts the rest after `deadlineMs`. */
  drain(deadlineMs: number): Promise<void>;
  /** Cuts everything. */
  close(): Promise<void>;
}
