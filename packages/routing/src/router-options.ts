/** What a router is made with. */
import type { ConnectionOptions, SessionRequest } from '@ashlar/transport';
import type { LocalMember } from './member-link.ts';

export interface RouterOptions extends Omit<ConnectionOptions, 'peer' | 'onLink' | 'onUp' | 'lostMs'> {
  /** host:port of members to ask first. */
  readonly seeds: readonly string[];
  /** Milliseconds until connecting fails. Default 10 000. */
  readonly connectTimeoutMs?: number;
  /** Whether to go on asking, within that time, where nobody listens at any seed yet. Default false. */
  readonly waitForMembers?: boolean;
  /** The time-out of calls that name none. Default 5000. */
  readonly timeoutMs?: number;
  /** Name that operators see. */
  readonly clientName?: string;
  /** Calls of a member's listeners (kv.proto, for_listeners). Default false. */
  readonly forListeners?: boolean;
  /** Bytes of messages queued and under way beyond which calls are refused. Default 256 MiB. */
  readonly queueBytesMax?: number;
  /** Operations likewise. Default 4 Mi. */
  readonly queueOperationsMax?: number;
  /** The clock of deadlines and waits, milliseconds that only grow. Default: performance.now(). */
  readonly nowMs?: () => number;
  /** The member the router lives in. */
  readonly local?: LocalMember;
}

const DEFAULTS = {
  connectTimeoutMs: 10_000,
  waitForMembers: false,
  timeoutMs: 5_000,
  clientName: 'ashlar-node',
  forListeners: false,
  queueBytesMax: 256 << 20,
  queueOperationsMax: 4 << 20,
  nowMs: () => performance.now(),
} as const;

/** Options with their defaults. */
export type RouterSettings = Required<
  Omit<
    RouterOptions,
    | 'local'
    | 'tls'
    | 'token'
    | 'messageBytesMax'
    | 'memberMessageBytesMax'
    | 'keepaliveMs'
    | 'reconnectMaxMs'
    | 'onLinkFailure'
    | 'trace'
    | 'catalog'
    | 'spin'
  >
>;

export function settingsOf(options: RouterOptions): RouterSettings {
  return { ...DEFAULTS, ...withoutUndefined(options) };
}

/** @param session  0: a new one */
export function sessionRequest({ clientName, forListeners }: RouterSettings, session = 0): SessionRequest {
  return { session, clientName, forListeners };
}

function withoutUndefined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
