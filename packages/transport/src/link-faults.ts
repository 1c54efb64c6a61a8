/** What can stand between us and a member, in words: an error for each, with a way out. */
import { X509Certificate } from 'node:crypto';
import { type ErrorCode, GridError } from '@ashlar/core';
import { type ClientTls, hostAndPort } from './client-tls.ts';
import type { CertificateFault, LinkFault } from './link-probe.ts';

/** Where each thing is set: on the command line, by an application, by a member. */
const AUTHORITY = '--tls-ca (ASHLAR_TLS_CA), tls.ca of connect, security.caFile of a member';
const CERTIFICATE =
  '--tls-cert and --tls-key, tls.cert and tls.key of connect, security.certFile and keyFile of a member';

const REASONS: Readonly<Record<CertificateFault, readonly [message: string, hint: string]>> = {
  unknownAuthority: ['is signed by nobody who is trusted here', `give the authority that signed it: ${AUTHORITY}`],
  expired: ['has expired', 'renew it and start the member again; is the clock of this machine right?'],
  notYetValid: ['is not valid yet', 'is the clock of this machine right?'],
  wrongHost: ['is for other hosts', ''],
  revoked: ['is revoked', 'give the member another one'],
  wrongPurpose: ['is not one of a server', 'its extended key usage must name serverAuth'],
  invalid: ['is not a valid one', 'look at its chain: the member sends its own first, then those that signed it'],
};

/** @param address  host:port that was asked for */
export function linkFaultError(fault: LinkFault, address: string, tls: ClientTls | undefined): GridError {
  const make = (code: ErrorCode, message: string, hint: string, reason: string = fault.kind): GridError =>
    new GridError(code, message, { hint, details: { address, reason } });
  switch (fault.kind) {
    case 'refused':
      return make(
        'CONNECTION_REFUSED',
        `nobody listens at ${address}`,
        'start a member with `npx ashlar start`, or check the address',
      );
    case 'unknownHost':
      return make('UNKNOWN_HOST', `there is no host '${hostAndPort(address).host}'`, `check the name in ${address}`);
    case 'noMember':
      return make(
        'NOT_A_MEMBER',
        `what answers at ${address} is no member: it does not speak gRPC`,
        'give the gRPC port of a member (7710, unless told otherwise); is this its HTTP port?',
      );
    case 'memberSpeaksTls':
      return make('TLS_MISMATCH', `the member at ${address} speaks TLS, and was called without`, `give ${AUTHORITY}`);
    case 'memberSpeaksPlaintext':
      return make(
        'TLS_MISMATCH',
        `the member at ${address} was called with TLS, and speaks without`,
        'leave TLS out (--tls..., ASHLAR_TLS...; tls of connect), or give the member security.certFile and keyFile',
      );
    case 'certificate':
      return certificateError(fault, address, tls, make);
    case 'clientCertificate':
      return clientCertificateError(address, tls, make);
  }
}

type Make = (code: ErrorCode, message: string, hint: string, reason: string) => GridError;

function certificateError(
  { fault, names }: { readonly fault: CertificateFault; readonly names?: string },
  address: string,
  tls: ClientTls | undefined,
  make: Make,
): GridError {
  const [reason, usualHint] = REASONS[fault];
  const asked = tls?.serverName ?? hostAndPort(address).host;
  const other = `than '${asked}'${names === undefined ? '' : `: ${names}`}`;
  const message = `the certificate of the member at ${address} ${reason}${fault === 'wrongHost' ? ` ${other}` : ''}`;
  const hint =
    fault === 'wrongHost'
      ? 'connect under one of its names, tell which to expect (--tls-server-name, tls.serverName), or make one for this host'
      : usualHint;
  return make('UNTRUSTED_CERTIFICATE', message, hint, fault);
}

function clientCertificateError(address: string, tls: ClientTls | undefined, make: Make): GridError {
  if (tls?.certificate === undefined) {
    return make(
      'CLIENT_CERTIFICATE_REFUSED',
      `the member at ${address} wants a client's certificate, and none was shown`,
      `give ${CERTIFICATE}`,
      'missing',
    );
  }
  const { validTo } = new X509Certificate(tls.certificate);
  const isExpired = new Date(validTo).getTime() < Date.now();
  return make(
    'CLIENT_CERTIFICATE_REFUSED',
    `the member at ${address} does not take our certificate${isExpired ? `: it expired on ${validTo}` : ''}`,
    isExpired
      ? 'renew it'
      : "the authority in the member's security.caFile must have signed it, and its extended key usage must name clientAuth",
    isExpired ? 'expired' : 'refused',
  );
}
