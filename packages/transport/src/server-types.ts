/** Options and result of `serve`. */
import type { ErrorCode } from '@ashlar/core';
import type { CatalogDoor } from './known-catalog.ts';
import type { Permission } from './operations.ts';
import type { GridServices, Principal } from './services.ts';
import type { SpinMode } from './spinning.ts';

/**
 * Whether callers show a certificate: they are not asked for one; they may, and one that is not signed by the authority counts as
 * none; they must, and are refused otherwise.
 */
export type ClientAuth = 'none' | 'request' | 'require';

export interface TlsFiles {
  /** PEM. */
  readonly key: Buffer;
  /** PEM. */
  readonly certificate: Buffer;
  /** PEM: certificates of callers must be signed by it. Default: the system's. */
  readonly clientAuthority?: Buffer;
  /** Default none. */
  readonly clientAuth?: ClientAuth;
}

export interface ServerLimits {
  /** Most bytes of one message, in either direction. Default 32 MiB. */
  readonly messageBytesMax?: number;
  /** Most streams of one connection. Default 1000. */
  readonly streamsMax?: number;
  /** Unanswered bytes of one kv stream at which it is no longer read. Default 32 MiB. */
  readonly batchBytesMax?: number;
  /** Unanswered batches of one kv stream at which it is no longer read. Default 256. */
  readonly batchesMax?: number;
  /** Most bytes of answers, over all calls, that callers have not taken yet. Default 128 MiB. */
  readonly unsentBytesMax?: number;
}

export interface ServeOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls?: TlsFiles;
  /**
   * Names the caller from what it shows: its token (`authorization: Bearer ...`, undefined when it sent none), and the
   * common name of its certificate, where it has one that the door's authority signed.
   *
   * @throws GridError UNAUTHENTICATED
   */
  authenticate?(token: string | undefined, peer: string, subject: string | undefined): Principal | Promise<Principal>;
  /** Whether `authenticate` lets in callers that show nothing: then the door counts as open. Default false. */
  readonly admitsAnyone?: boolean;
  /** Whether `principal` may; asked once an operation (once a stream and map for kv batches). */
  authorize(permission: Permission, map: string | undefined, principal: Principal): boolean;
  readonly services: GridServices;
  /** The catalog of the member: calls of callers that know a later one wait for it. Default: none wait. */
  readonly catalog?: CatalogDoor | undefined;
  readonly limits?: ServerLimits;
  /** Whether the process spins between batches of key-value calls (spin-watch P2). Default 'off'. */
  readonly spin?: SpinMode;
  /** Allows a bind wider than loopback without TLS or without `authenticate`. */
  readonly insecure?: boolean;
}

/** What a door sees, now and since it was opened. */
export interface DoorStats {
  /** Bytes of messages, without frames and headers. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly connections: number;
  readonly connectionsTotal: number;
  /** Calls and streams under way, kv streams among them. */
  readonly calls: number;
  readonly kvStreams: number;
  /** Unanswered batches and bytes of the kv stream that has the most; their bounds. */
  readonly kvBatches: number;
  readonly kvBatchesMax: number;
  readonly kvBytes: number;
  readonly kvBytesMax: number;
  /** Bytes of answers that callers have not taken, the most so far, and their bound; links that were cut because nobody read. */
  readonly unsentBytes: number;
  readonly unsentBytesMost: number;
  readonly unsentBytesMax: number;
  readonly linksCut: number;
  /** Calls and streams that ended with an error, by code. */
  readonly errors: ReadonlyMap<ErrorCode, number>;
}

export interface GridServer {
  readonly port: number;
  stats(): DoorStats;
  /** Refuses new calls with SHUTTING_DOWN, lets those under way finish, cuts the rest after `deadlineMs`. */
  drain(deadlineMs: number): Promise<void>;
  /** Cuts everything. */
  close(): Promise<void>;
}
