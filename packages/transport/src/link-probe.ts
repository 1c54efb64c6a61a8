/**
 * Why there is no link to a member, found out by probing its door: the library says it in few words, if at all.
 *
 *   probe -- refused, no such host -------------------------------> found
 *         |- TLS fails: the certificate's fault ------------------> found
 *         |             else: does it answer without TLS? --------> found
 *         |- our greeting is answered in HTTP/2 ------------------> nothing is wrong (any more)
 *         |                           in other words -------------> no member
 *         '- it is not answered, without TLS: does it speak TLS? -> found
 *                                with TLS: our certificate -------> found, when a second probe says the same
 *
 * link-probe P1  It ends within four times PROBE_MS, whatever is at the other end.
 * link-probe P2  It only ever reports what it has seen; what it cannot find out is undefined.
 */
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type ClientTls, handshakeOptions, hostAndPort, secureContextOf } from './client-tls.ts';

const PROBE_MS = 1_000;
/** HTTP/2: the client's preface, and its SETTINGS without a setting. */
const GREETING = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
const FRAME_HEADER_BYTES = 9;
const SETTINGS = 4;
/** The first bytes of a TLS record. */
const TLS_ALERT = 0x15;
const TLS_MAJOR = 0x03;

/** Why a member's certificate is not believed. */
export type CertificateFault =
  | 'unknownAuthority'
  | 'expired'
  | 'notYetValid'
  | 'wrongHost'
  | 'revoked'
  | 'wrongPurpose'
  | 'invalid';

export type LinkFault =
  | { readonly kind: 'refused' | 'unknownHost' | 'noMember' | 'memberSpeaksTls' | 'memberSpeaksPlaintext' }
  | { readonly kind: 'certificate'; readonly fault: CertificateFault; readonly names?: string }
  | { readonly kind: 'clientCertificate' };

/** The outcome of one attempt. */
interface Probe {
  /** Whether the connection was made, and TLS agreed on where it was asked for. */
  readonly isOpen: boolean;
  /** The first answer to the greeting. */
  readonly answer?: Buffer;
  readonly error?: NodeJS.ErrnoException & { readonly cert?: { readonly subjectaltname?: string } };
  /** Nothing came within PROBE_MS. */
  readonly isSilent?: boolean;
}

/** Probes once or several times. @returns undefined: nothing is wrong any more, or what is wrong cannot be found out */
export async function findLinkFault(address: string, tls: ClientTls | undefined): Promise<LinkFault | undefined> {
  const probe = await (tls === undefined ? probePlain(address) : probeTls(address, tls));
  const unreached = reachFault(probe);
  if (unreached !== undefined) return unreached;
  if (tls === undefined) return plainFault(address, probe);
  if (probe.isOpen) return openTlsFault(address, tls, probe);
  const certificate = certificateFault(probe.error);
  if (certificate !== undefined) return certificate;
  if (wantsCertificate(probe.error)) return { kind: 'clientCertificate' };
  if (probe.isSilent === true) return undefined;
  const plain = await probePlain(address);
  if (plain.answer === undefined) return undefined;
  if (isSettings(plain.answer)) return { kind: 'memberSpeaksPlaintext' };
  return isTlsAlert(plain.answer) ? undefined : { kind: 'noMember' };
}

function reachFault({ error }: Probe): LinkFault | undefined {
  if (error?.code === 'ECONNREFUSED') return { kind: 'refused' };
  // Not EAI_AGAIN: a name server that is busy.
  return error?.code === 'ENOTFOUND' ? { kind: 'unknownHost' } : undefined;
}

async function plainFault(address: string, { answer, isOpen, isSilent }: Probe): Promise<LinkFault | undefined> {
  if (answer !== undefined) {
    if (isSettings(answer)) return undefined;
    return { kind: isTlsAlert(answer) ? 'memberSpeaksTls' : 'noMember' };
  }
  if (!isOpen || isSilent === true) return undefined;
  const trusting = await probeTls(address, {}, true);
  return trusting.isOpen || wantsCertificate(trusting.error) ? { kind: 'memberSpeaksTls' } : undefined;
}

/** The fault of a link on which TLS was agreed: a server looks at the client's certificate only after that. */
async function openTlsFault(address: string, tls: ClientTls, probe: Probe): Promise<LinkFault | undefined> {
  const { answer, error, isSilent } = probe;
  if (answer !== undefined) return isSettings(answer) ? undefined : { kind: 'noMember' };
  if (isSilent === true) return undefined;
  if (wantsCertificate(error)) return { kind: 'clientCertificate' };
  // Closed without an answer, as a member does that does not take our certificate, or one that is just stopping.
  const again = await probeTls(address, tls);
  const isSame = again.isOpen && again.answer === undefined && again.isSilent !== true;
  return isSame ? { kind: 'clientCertificate' } : undefined;
}

function wantsCertificate(error: Probe['error']): boolean {
  return /ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|CERTIFICATE_(EXPIRED|UNKNOWN))/.test(
    error?.code ?? '',
  );
}

/** Node's names of OpenSSL's verdicts. */
const CERTIFICATE_FAULTS: Readonly<Record<string, CertificateFault>> = {
  SELF_SIGNED_CERT_IN_CHAIN: 'unknownAuthority',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'unknownAuthority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknownAuthority',
  UNABLE_TO_GET_ISSUER_CERT: 'unknownAuthority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknownAuthority',
  CERT_SIGNATURE_FAILURE: 'unknownAuthority',
  CERT_UNTRUSTED: 'unknownAuthority',
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'notYetValid',
  CERT_REVOKED: 'revoked',
  INVALID_PURPOSE: 'wrongPurpose',
  HOSTNAME_MISMATCH: 'wrongHost',
  ERR_TLS_CERT_ALTNAME_INVALID: 'wrongHost',
  CERT_CHAIN_TOO_LONG: 'invalid',
  CERT_REJECTED: 'invalid',
  INVALID_CA: 'invalid',
  PATH_LENGTH_EXCEEDED: 'invalid',
  EE_KEY_TOO_SMALL: 'invalid',
  CA_MD_TOO_WEAK: 'invalid',
};

function certificateFault(error: Probe['error']): LinkFault | undefined {
  const fault = CERTIFICATE_FAULTS[error?.code ?? ''];
  if (fault === undefined) return undefined;
  return { kind: 'certificate', fault, names: error?.cert?.subjectaltname };
}

function isSettings(answer: Buffer): boolean {
  return answer.length >= FRAME_HEADER_BYTES && answer[3] === SETTINGS && answer.readUInt32BE(5) === 0;
}

function isTlsAlert(answer: Buffer): boolean {
  return answer[0] === TLS_ALERT && answer[1] === TLS_MAJOR;
}

function probePlain(address: string): Promise<Probe> {
  const socket = connectPlain(hostAndPort(address));
  return probeAt(socket, 'connect');
}

/** @param isTrusting  whatever certificate it has */
function probeTls(address: string, tls: ClientTls, isTrusting = false): Promise<Probe> {
  const options = handshakeOptions(address, tls, secureContextOf(tls));
  const { host, port } = hostAndPort(address);
  // The name that is looked for in the certificate may be another than the host that is connected to.
  const transport = connectPlain({ host, port });
  const socket = connectTls({ ...options, socket: transport, rejectUnauthorized: !isTrusting });
  transport.once('error', (error) => socket.destroy(error));
  return probeAt(socket, 'secureConnect');
}

/** Greets when the connection stands, and waits for what happens first. */
function probeAt(socket: Socket, opened: 'connect' | 'secureConnect'): Promise<Probe> {
  return new Promise((resolve) => {
    let isOpen = false;
    const end = (outcome: Omit<Probe, 'isOpen'>): void => {
      clearTimeout(timer);
      resolve({ isOpen, ...outcome });
      socket.destroy();
    };
    const timer = setTimeout(() => end({ isSilent: true }), PROBE_MS);
    socket.once(opened, () => {
      isOpen = true;
      socket.write(GREETING);
    });
    socket.once('data', (answer: Buffer) => end({ answer }));
    // It stays: an error may follow the end.
    socket.on('error', (error) => end({ error: firstOf(error) }));
    socket.once('close', () => end({}));
  });
}

/** A host that has several addresses has an error for each. */
function firstOf(error: Error): Error {
  return error instanceof AggregateError ? (error.errors[0] as Error) : error;
}
