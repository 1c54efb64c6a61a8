/** What a handler is told of a call beside its request: who calls, until when, and what room there is for answers. */
import type { TraceContext } from '@ashlar/core';
import type { Permission } from './operations.ts';

/** Who calls. `name` is for logs, records and permissions. */
export interface Principal {
  readonly name: string;
  /** Roles that the authenticator gave it; opaque to transport. */
  readonly roles: readonly string[];
}

/** Room for answers of one stream between its producer and the socket. */
export interface AnswerRoom {
  /** Whether the caller and the door have room for more. */
  readonly hasRoom: boolean;
  room(): Promise<void>;
  /** Counts what is about to be answered; from then on nobody else takes its room. */
  hold(bytes: number): void;
}

export interface CallContext {
  /** Fires when the caller cancels, its deadline passes, or the connection is lost. */
  readonly signal: AbortSignal;
  /** Milliseconds of the monotonic clock (performance.now()); undefined: the caller set none. */
  readonly deadlineMs: number | undefined;
  readonly principal: Principal;
  /** The trace it belongs to. */
  readonly trace: TraceContext | undefined;
  /** host:port of the caller. */
  readonly peer: string;
  /**
   * Asks for a permission that only the handler can name (the maps of a statement).
   *
   * @throws GridError PERMISSION_DENIED
   */
  require(permission: Permission, map: string | undefined): void;
  /** Room for the answers of a stream: whoever makes large answers all at once looks here first. */
  readonly answers?: AnswerRoom | undefined;
}
