/** Who may talk to this member, and how it talks to others: TLS files and the bearer token of the configuration. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { GridError } from '@ashlar/core';
import type { ConnectionOptions, Principal, ServeOptions } from '@ashlar/transport';
import type { MemberConfig } from './config/schema.ts';

type Security = MemberConfig['security'];

/** What the gRPC door asks of callers. @throws GridError INVALID_CONFIG when a file cannot be read */
export function doorSecurity({ insecure, token, certFile, keyFile, caFile }: Security): Partial<ServeOptions> {
  const hasTls = certFile !== '' && keyFile !== '';
  if (!hasTls && (certFile !== '' || keyFile !== '')) {
    throw new GridError('INVALID_CONFIG', 'security.certFile and security.keyFile belong together');
  }
  const clientAuthority = caFile === '' ? undefined : pem(caFile);
  return {
    insecure,
    ...(hasTls ? { tls: { certificate: pem(certFile), key: pem(keyFile), clientAuthority } } : {}),
    ...(token === '' ? {} : { authenticate: (given) => authenticate(given, token) }),
  };
}

/** How this member reaches others. */
export function peerSecurity({ token, certFile, keyFile, caFile }: Security): ConnectionOptions {
  const hasTls = certFile !== '' && keyFile !== '';
  const authority = caFile === '' ? undefined : pem(caFile);
  return {
    ...(hasTls ? { tls: { authority, certificate: pem(certFile), key: pem(keyFile) } } : {}),
    ...(token === '' ? {} : { token }),
  };
}

function authenticate(given: string | undefined, wanted: string): Principal {
  // Digests have one length, so that the comparison takes one time.
  const [a, b] = [given ?? '', wanted].map((text) => createHash('sha256').update(text).digest());
  if (given !== undefined && timingSafeEqual(a!, b!)) return { name: 'token', roles: ['member'] };
  throw new GridError('UNAUTHENTICATED', given === undefined ? 'a token is wanted' : 'the token is not the right one', {
    hint: 'connect with the token of security.token',
  });
}

function pem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new GridError('INVALID_CONFIG', `${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
