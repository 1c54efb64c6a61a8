/**
 * Who may talk to this member, and how it talks to others.
 *
 *   a caller shows                                 and is       may
 *   the members' secret, or a certificate of
 *     security.memberSubject                       a member     everything
 *   security.token, where there is one             a client     all but members' methods
 *   nothing, where there is no security.token      anonymous    all but members' methods
 *   anything else                                  refused
 *
 * What a method asks for is its row of OPERATIONS (transport).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { GridError } from '@ashlar/core';
import type { ConnectionOptions, Permission, Principal, ServeOptions } from '@ashlar/transport';
import type { MemberConfig } from './config/schema.ts';
import type { MemberSecret } from './member-secret.ts';

type Security = MemberConfig['security'];

const MEMBER: Principal = { name: 'member', roles: ['member'] };
const CLIENT: Principal = { name: 'client', roles: [] };
const ANONYMOUS: Principal = { name: 'anonymous', roles: [] };

/** What the gRPC door asks of callers. @throws GridError INVALID_CONFIG when a file cannot be read */
export function doorSecurity(security: Security, secret: MemberSecret): Omit<ServeOptions, 'port' | 'services'> {
  const { insecure, token, certFile, keyFile, caFile, memberSubject } = security;
  const hasTls = certFile !== '' && keyFile !== '';
  if (!hasTls && (certFile !== '' || keyFile !== '')) {
    throw new GridError('INVALID_CONFIG', 'security.certFile and security.keyFile belong together');
  }
  if (memberSubject !== '' && caFile === '') {
    throw new GridError(
      'INVALID_CONFIG',
      'security.memberSubject: certificates are not looked at without security.caFile',
      {
        hint: 'give the authority that signs the certificates of members',
      },
    );
  }
  const clientAuthority = caFile === '' ? undefined : pem(caFile);
  return {
    insecure,
    admitsAnyone: token === '',
    ...(hasTls ? { tls: { certificate: pem(certFile), key: pem(keyFile), clientAuthority } } : {}),
    authenticate: (given, _peer, subject) =>
      principalOf({ given, subject }, { token, memberSubject, secret: secret.text }),
    authorize: mayCall,
  };
}

/** Members' methods are the members'; everything else is open to whoever was let in. */
export function mayCall(permission: Permission, _map: string | undefined, { roles }: Principal): boolean {
  return permission !== 'member' || roles.includes('member');
}

/** How this member reaches others. */
export function peerSecurity({ certFile, keyFile, caFile }: Security, secret: MemberSecret): ConnectionOptions {
  const hasTls = certFile !== '' && keyFile !== '';
  const authority = caFile === '' ? undefined : pem(caFile);
  return {
    ...(hasTls ? { tls: { authority, certificate: pem(certFile), key: pem(keyFile) } } : {}),
    token: secret.text,
  };
}

interface Shown {
  readonly given: string | undefined;
  readonly subject: string | undefined;
}

interface Known {
  /** Empty: clients need none. */
  readonly token: string;
  readonly secret: string;
  /** Empty: certificates make nobody a member. */
  readonly memberSubject: string;
}

/** @throws GridError UNAUTHENTICATED */
function principalOf({ given, subject }: Shown, { token, secret, memberSubject }: Known): Principal {
  if (memberSubject !== '' && subject === memberSubject) return MEMBER;
  if (given !== undefined && isSame(given, secret)) return MEMBER;
  if (token === '') return ANONYMOUS;
  if (given !== undefined && isSame(given, token)) return CLIENT;
  throw new GridError('UNAUTHENTICATED', given === undefined ? 'a token is wanted' : 'the token is not the right one', {
    hint: 'clients connect with the token of security.token; members need one security.memberToken',
  });
}

/** Digests have one length, so that the comparison takes one time. */
function isSame(a: string, b: string): boolean {
  const [first, second] = [a, b].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(first!, second!);
}

function pem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new GridError('INVALID_CONFIG', `${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
