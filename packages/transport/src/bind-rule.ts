/** Where a door of a member may be opened: beyond loopback only with TLS and with callers who show who they are. */
import { GridError } from '@ashlar/core';

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|(0*:)*0*:0*1|::ffff:127\.\d+\.\d+\.\d+)$/i;

export interface DoorBind {
  /** Name of the door, for the error: 'the gRPC door'. */
  readonly door: string;
  readonly host: string;
  readonly hasTls: boolean;
  /** Whether callers must show a token, or a certificate. */
  readonly isGuarded: boolean;
  /** Whether the rule is waived. */
  readonly insecure?: boolean | undefined;
}

/** @param host  with or without brackets */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host.replace(/^\[(.*)\]$/, '$1'));
}

/** Names for all addresses of the machine, under none of which others could reach it; no host means all of them too. */
export function isWildcard(host: string): boolean {
  return /^(|0|0\.0\.0\.0|(0*:)+0*|::ffff:0\.0\.0\.0)$/i.test(host.replace(/^\[(.*)\]$/, '$1'));
}

/** @throws GridError INSECURE_BIND */
export function refuseInsecureBind({ door, host, hasTls, isGuarded, insecure }: DoorBind): void {
  if (isLoopback(host) || insecure === true || (hasTls && isGuarded)) return;
  const missing = hasTls ? 'a token' : isGuarded ? 'TLS' : 'TLS and a token';
  throw new GridError('INSECURE_BIND', `refusing to open ${door} on ${host} without ${missing}`, {
    hint: 'give security.certFile, keyFile and token, listen on 127.0.0.1, or allow it: security.insecure',
    details: { host, door },
  });
}
