/** Who calls, until when, and whether they may: determined once a call, before its handler runs. */
import { GridError, type TraceContext } from '@ashlar/core';
import type { Metadata } from '@grpc/grpc-js';
import { OPERATIONS, type Permission } from './operations.ts';
import type { ServeOptions } from './server-types.ts';
import type { CallContext, Principal } from './services.ts';

/** What all kinds of calls have in common. */
export interface AnyCall {
  readonly cancelled: boolean;
  readonly metadata: Metadata;
  getPeer(): string;
  getAuthContext(): { readonly sslPeerCertificate?: { readonly subject?: { readonly CN?: unknown } } };
  getDeadline(): Date | number;
  on(event: 'cancelled', listener: () => void): unknown;
}

const ANONYMOUS: Principal = { name: 'anonymous', roles: [] };
const MEMBER_HINT =
  'members show one secret: security.memberToken, ASHLAR_MEMBER_SECRET, or the file ~/.ashlar/member-secret';
const BEARER = /^Bearer (.+)$/i;

export type AccessControl = Pick<ServeOptions, 'authenticate' | 'authorize'>;

/**
 * @param abort  fires also when the caller leaves
 * @throws GridError UNAUTHENTICATED
 */
export async function openContext(call: AnyCall, access: AccessControl, abort: AbortController): Promise<CallContext> {
  call.on('cancelled', () => abort.abort());
  if (call.cancelled) abort.abort();
  const peer = call.getPeer();
  const token = BEARER.exec(firstText(call.metadata, 'authorization') ?? '')?.[1];
  const { authenticate } = access;
  const principal = authenticate === undefined ? ANONYMOUS : await authenticate(token, peer, subjectOf(call));
  return {
    signal: abort.signal,
    deadlineMs: monotonicDeadline(call.getDeadline()),
    principal,
    trace: traceOf(call.metadata),
    peer,
    require: (permission, map) => requirePermission(access, permission, map, principal),
  };
}

/**
 * Asks for what the method's row in OPERATIONS says; a method without a row is refused.
 *
 * @throws GridError PERMISSION_DENIED
 */
export function authorizeCall(path: string, request: unknown, context: CallContext): void {
  const operation = OPERATIONS.get(path);
  if (operation === undefined) throw new GridError('PERMISSION_DENIED', `nobody may call ${path}`);
  const map = operation.mapField === undefined ? undefined : (request as { readonly map: string }).map;
  context.require(operation.permission, map);
}

function requirePermission(
  access: AccessControl,
  permission: Permission,
  map: string | undefined,
  principal: Principal,
): void {
  if (!access.authorize(permission, map, principal)) throw permissionDenied(permission, map, principal);
}

export function permissionDenied(permission: Permission, map: string | undefined, principal: Principal): GridError {
  const place = map === undefined ? '' : ` on map '${map}'`;
  return new GridError('PERMISSION_DENIED', `'${principal.name}' lacks the permission '${permission}'${place}`, {
    hint: permission === 'member' ? MEMBER_HINT : 'use a token that has it',
    details: map === undefined ? { permission } : { permission, map },
  });
}

/** The common name of the caller's certificate; only those that the door's authority signed get here (`tls.clientAuthority`). */
function subjectOf(call: AnyCall): string | undefined {
  const name = call.getAuthContext().sslPeerCertificate?.subject?.CN;
  return typeof name === 'string' && name !== '' ? name : undefined;
}

function traceOf(metadata: Metadata): TraceContext | undefined {
  const traceparent = firstText(metadata, 'traceparent');
  if (traceparent === undefined) return undefined;
  return { traceparent, tracestate: firstText(metadata, 'tracestate') ?? '' };
}

function firstText(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(key)[0];
  return typeof value === 'string' ? value : undefined;
}

function monotonicDeadline(deadline: Date | number): number | undefined {
  const wallMs = typeof deadline === 'number' ? deadline : deadline.getTime();
  return Number.isFinite(wallMs) ? performance.now() + (wallMs - Date.now()) : undefined;
}
