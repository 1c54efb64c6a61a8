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
 * What a method asks for is its row of OPERATIONS (transport). Certificates are looked at as security.clientAuth says; one
 * that security.caFile has not signed counts as none.
 */
import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { GridError } from '@ashlar/core';
import {
  type ClientTls,
  type ConnectionOptions,
  checkPems,
  isLoopback,
  type NamedPem,
  type Permission,
  type Principal,
  refuseInsecureBind,
  type ServeOptions,
  type TlsFiles,
} from '@ashlar/transport';
import type { MemberConfig } from './config/schema.ts';
import type { MemberSecret } from './member-secret.ts';

const CLIENT_USE = '1.3.6.1.5.5.7.3.2';
const ANY_USE = '2.5.29.37.0';

const MEMBER: Principal = { name: 'member', roles: ['member'] };
const CLIENT: Principal = { name: 'client', roles: [] };
const ANONYMOUS: Principal = { name: 'anonymous', roles: [] };

/** Read once, at the start. */
export interface MemberSecurity {
  /** What the gRPC door asks of callers. */
  readonly door: Omit<ServeOptions, 'port' | 'services'>;
  /** How this member reaches others. */
  readonly peers: Pick<ConnectionOptions, 'tls' | 'token'>;
  /** Undefined: the HTTP door is on loopback, or was allowed to be open. */
  readonly http: HttpSecurity | undefined;
  /** What is right now and soon will not be, such as a certificate that expires. */
  readonly warnings: readonly string[];
}

/** How the HTTP door is secured where it listens beyond loopback. */
export interface HttpSecurity {
  readonly tls: TlsFiles;
  /** Whether a caller may read the metrics. @param token  of `authorization: Bearer ...`; `hasCertificate`: one of ours */
  mayRead(token: string | undefined, hasCertificate: boolean): boolean;
}

/** @throws GridError INVALID_CONFIG naming the setting and the file, INSECURE_BIND */
export function memberSecurity({ security, grpc, http }: MemberConfig, secret: MemberSecret): MemberSecurity {
  const { insecure, token, memberSubject, clientAuth } = security;
  if (token !== '' && isSame(token, secret.text)) {
    throw new GridError('INVALID_CONFIG', `clients and members have one token (members: ${secret.source})`, {
      hint: 'give them different ones: with one, every client could act as a member',
    });
  }
  const { authority, certificate, key } = readPems(security);
  const hasTls = certificate !== undefined && key !== undefined;
  const isGuarded = token !== '' || clientAuth === 'require';
  for (const [door, { host }] of Object.entries({ 'the gRPC door': grpc, 'the HTTP door': http })) {
    refuseInsecureBind({ door, host, hasTls, isGuarded, insecure });
  }
  const tls = hasTls ? { certificate: certificate.bytes, key: key.bytes } : undefined;
  const doorTls: TlsFiles | undefined = tls && { ...tls, clientAuthority: authority?.bytes, clientAuth };
  const peerTls: ClientTls | undefined = tls && { ...tls, authority: authority?.bytes };
  const known = { token, memberSubject, secret: secret.text };
  return {
    door: {
      insecure,
      admitsAnyone: !isGuarded,
      tls: doorTls,
      authenticate: (given, _peer, subject) => principalOf({ given, subject }, known),
      authorize: mayCall,
    },
    peers: { tls: peerTls, token: secret.text },
    http: isLoopback(http.host) || insecure || doorTls === undefined ? undefined : httpSecurity(doorTls, known),
    warnings: certificate === undefined ? [] : warningsOf(certificate),
  };
}

/** Members' methods are for members only; everything else is open to whoever was let in. */
export function mayCall(permission: Permission, _map: string | undefined, { roles }: Principal): boolean {
  return permission !== 'member' || roles.includes('member');
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
  throw new GridError(
    'UNAUTHENTICATED',
    given === undefined ? 'a token is wanted, and none was shown' : 'the token is not the right one',
    {
      hint: "clients show the grid's security.token: --token, --token-file or ASHLAR_TOKEN, token of connect; members one security.memberToken",
      details: { reason: given === undefined ? 'missing' : 'wrong' },
    },
  );
}

/** Probes read health without a token; the certificate counts where the gRPC door would not let in anybody without. */
function httpSecurity(tls: TlsFiles, { token, secret }: Known): HttpSecurity {
  // A caller without a certificate (a probe) must still reach the health pages.
  const clientAuth = tls.clientAuth === 'none' ? 'none' : 'request';
  return {
    tls: { ...tls, clientAuth },
    mayRead: (given, hasCertificate) =>
      token === '' ? hasCertificate : given !== undefined && (isSame(given, token) || isSame(given, secret)),
  };
}

/** Compares digests, which have one length, so that the comparison always takes the same time. */
function isSame(a: string, b: string): boolean {
  const [first, second] = [a, b].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(first!, second!);
}

interface Pems {
  readonly authority: NamedPem | undefined;
  readonly certificate: NamedPem | undefined;
  readonly key: NamedPem | undefined;
}

function readPems({ certFile, keyFile, caFile, clientAuth }: MemberConfig['security']): Pems {
  const pems = {
    authority: pem('security.caFile', caFile),
    certificate: pem('security.certFile', certFile),
    key: pem('security.keyFile', keyFile),
  };
  checkPems(pems, 'INVALID_CONFIG');
  if (clientAuth === 'require') requireClientUse(pems.certificate!);
  return pems;
}

/** Members call each other: the door of each asks for the certificate of the other. */
function requireClientUse({ name, bytes }: NamedPem): void {
  const { keyUsage: uses } = new X509Certificate(bytes);
  if (uses === undefined || uses.includes(CLIENT_USE) || uses.includes(ANY_USE)) return;
  throw new GridError(
    'INVALID_CONFIG',
    `the certificate in ${name} must not be shown by a caller, and members call each other`,
    {
      hint: 'make it with the extended key usages serverAuth and clientAuth, or set security.clientAuth to request',
    },
  );
}

function pem(setting: string, file: string): NamedPem | undefined {
  if (file === '') return undefined;
  try {
    return { name: `${setting} (${file})`, bytes: readFileSync(file) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : message;
    throw new GridError('INVALID_CONFIG', `${setting} (${file}) cannot be read: ${why}`, {
      hint: 'paths count from the working folder of the member',
      cause: error,
    });
  }
}

function warningsOf({ name, bytes }: NamedPem): readonly string[] {
  const { validFrom, validTo } = new X509Certificate(bytes);
  const nowMs = Date.now();
  if (new Date(validTo).getTime() < nowMs)
    return [`the certificate in ${name} has expired on ${validTo}: nobody will believe it`];
  if (new Date(validFrom).getTime() > nowMs) return [`the certificate in ${name} is not valid before ${validFrom}`];
  return [];
}
